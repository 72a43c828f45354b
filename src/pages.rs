//! What a browser is served: the console at `/console`, the reference of the API at `/docs` (of AWS's
//! dialect at `/docs/aws`), and the descriptions of the API that they read.
//!
//! They are files, compiled in, and belong to no dialect. The console has no way into kmsd but the
//! public API, so nothing here asks who is there.

use std::collections::HashMap;

use actix_web::http::Method;

use crate::crypto::hash::sha256_hex;
use crate::dialect::{Body, Reply, Request};
use crate::model::error::{Error, Result};

/// One file, as it is served.
pub struct File {
    /// Where.
    pub path: &'static str,
    /// What it is.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
    /// What a page made of it may do, in the words of Content-Security-Policy.
    policy: &'static str,
}

/// The console, and the description of AWS's dialect: nothing but their own files and this origin's API, and no way from text to code
/// (Trusted Types refuse `innerHTML` and its kin).
const CONSOLE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The reference: the same, but for the viewer's images, which are in its style sheet, and for the
/// HTML that it makes of the descriptions in openapi.yaml.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// What is no page may do nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

macro_rules! file {
    ($path:expr, $policy:expr, $file:expr) => {
        File {
            path: $path,
            media_type: media_type($file),
            bytes: include_bytes!(concat!("../web/", $file)),
            policy: $policy,
        }
    };
    ($policy:expr, $file:expr) => {
        file!(concat!("/", $file), $policy, $file)
    };
}

/// Every file. A test names those of `web/` that are missing.
pub const FILES: &[File] = &[
    File {
        path: "/openapi.yaml",
        media_type: "application/yaml",
        bytes: include_bytes!("../openapi.yaml"),
        policy: NOTHING,
    },
    File {
        path: "/openapi.json",
        media_type: "application/json",
        bytes: include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json")),
        policy: NOTHING,
    },
    file!("/console", CONSOLE, "console/index.html"),
    file!(CONSOLE, "console/style.css"),
    file!(CONSOLE, "console/icon.svg"),
    file!(CONSOLE, "console/aliases.js"),
    file!(CONSOLE, "console/api.js"),
    file!(CONSOLE, "console/audit.js"),
    file!(CONSOLE, "console/batch.js"),
    file!(CONSOLE, "console/create.js"),
    file!(CONSOLE, "console/detail.js"),
    file!(CONSOLE, "console/dom.js"),
    file!(CONSOLE, "console/grants.js"),
    file!(CONSOLE, "console/import.js"),
    file!(CONSOLE, "console/keys.js"),
    file!(CONSOLE, "console/list.js"),
    file!(CONSOLE, "console/main.js"),
    file!(CONSOLE, "console/rotation.js"),
    file!(CONSOLE, "console/rules.js"),
    file!(CONSOLE, "console/sign-in.js"),
    file!(CONSOLE, "console/tab.js"),
    file!(CONSOLE, "console/tags.js"),
    file!(CONSOLE, "console/tool.js"),
    file!(CONSOLE, "console/words.js"),
    file!("/docs", DOCS, "docs/index.html"),
    file!("/docs/aws", CONSOLE, "docs/aws.html"),
    file!(CONSOLE, "docs/aws.js"),
    file!(CONSOLE, "docs/aws.css"),
    file!(NOTHING, "docs/aws.json"),
    File {
        path: "/docs/using-kmsd-from-aws-tools.md",
        media_type: "text/plain; charset=utf-8",
        bytes: include_bytes!("../docs/using-kmsd-from-aws-tools.md"),
        policy: NOTHING,
    },
    file!(DOCS, "docs/start.js"),
    file!(DOCS, "docs/start.css"),
    file!(DOCS, "docs/swagger-ui/swagger-ui-bundle.js"),
    file!(DOCS, "docs/swagger-ui/swagger-ui-standalone-preset.js"),
    file!(DOCS, "docs/swagger-ui/swagger-ui.css"),
    file!(NOTHING, "docs/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
    file!(NOTHING, "docs/swagger-ui/LICENSE"),
    file!(NOTHING, "docs/swagger-ui/NOTICE"),
    file!(NOTHING, "docs/swagger-ui/VERSION.txt"),
];

/// What a file is, by its name.
const fn media_type(name: &str) -> &'static str {
    const KNOWN: [(&str, &str); 5] = [
        (".html", "text/html; charset=utf-8"),
        (".js", "text/javascript; charset=utf-8"),
        (".css", "text/css; charset=utf-8"),
        (".svg", "image/svg+xml"),
        (".json", "application/json"),
    ];
    let mut at = 0;
    while at < KNOWN.len() {
        if ends_with(name.as_bytes(), KNOWN[at].0.as_bytes()) {
            return KNOWN[at].1;
        }
        at += 1;
    }
    "text/plain; charset=utf-8"
}

const fn ends_with(text: &[u8], end: &[u8]) -> bool {
    if text.len() < end.len() {
        return false;
    }
    let mut at = 0;
    while at < end.len() {
        if text[text.len() - end.len() + at] != end[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The files, ready to look paths up in, each with the tag that says whether a browser has it
/// already.
pub struct Pages {
    by_path: HashMap<&'static str, (&'static File, String)>,
}

impl Default for Pages {
    fn default() -> Self {
        let tagged = |file: &'static File| {
            let tag = format!("\"{}\"", sha256_hex(file.bytes));
            (file.path, (file, tag))
        };
        Self {
            by_path: FILES.iter().map(tagged).collect(),
        }
    }
}

impl Pages {
    /// Answers a request for a file; `None` when the path is none of theirs.
    ///
    /// # Errors
    /// [`Error::WrongMethod`]; [`Error::Unreadable`] when a header that counts stands there twice.
    pub fn answer(&self, request: &Request) -> Option<Result<Reply>> {
        let path = match request.path.as_str() {
            "/console/" => "/console",
            "/docs/" => "/docs",
            "/docs/aws/" => "/docs/aws",
            other => other,
        };
        let (file, tag) = self.by_path.get(path)?;
        Some(reply(request, file, tag))
    }
}

fn reply(request: &Request, file: &'static File, tag: &str) -> Result<Reply> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Error::WrongMethod(vec!["GET"]));
    }
    let known = request.header("if-none-match")?.is_some_and(|tags| {
        tags.split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let (status, body) = if known {
        (304, Body::Empty)
    } else {
        (200, Body::Other(file.media_type, file.bytes.into()))
    };
    let reply = Reply {
        status,
        headers: Vec::new(),
        body,
    };
    // A browser keeps the files and asks each time whether they are still the same: the next kmsd
    // may bring others.
    Ok(reply
        .with("ETag", tag.to_owned())
        .with("Cache-Control", "no-cache".to_owned())
        .with("Content-Security-Policy", file.policy.to_owned())
        .with("Cross-Origin-Opener-Policy", "same-origin".to_owned())
        .with("Cross-Origin-Resource-Policy", "same-origin".to_owned())
        .with("Referrer-Policy", "no-referrer".to_owned()))
}
