//! What every call to an outside authority has in common.

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Response, Url, redirect};

/// Larger answers are not read. A key set or a token without its catalog has a few KiB.
pub(super) const ANSWER_BYTES: usize = 256 * 1024;

/// Idle connections are closed before common servers close them (Apache after 5 s), so that no
/// request is lost on one that is about to go.
const IDLE_TIME: Duration = Duration::from_secs(4);

/// Reads the address of an authority; `Err` says what to do.
///
/// HTTP without TLS is for this machine, or for a network that the operator vouches for.
pub(super) fn parse_url(member: &str, text: &str, allow_http: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|fault| format!("{member} is not a URL ({fault})."))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http || is_loopback(&url) => {}
        "http" => return Err(format!("{member} must start with https://.")),
        _ => return Err(format!("{member} must be an https:// URL.")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{member} must not contain a user or password."));
    }
    if url.fragment().is_some() {
        return Err(format!("{member} must not contain a #."));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A client for one authority. It follows no redirect, asks no proxy, and takes its trust from
/// `ca_file` alone if there is one, else from the system.
pub(super) fn client(url: &Url, ca_file: Option<&Path>) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("kmsd/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .pool_idle_timeout(IDLE_TIME)
        .tls_version_min(reqwest::tls::Version::TLS_1_2);
    if url.scheme() == "https" {
        builder = builder.https_only(true);
        if let Some(path) = ca_file {
            let fault = |why: String| format!("ca_file {}: {why}.", path.display());
            let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
            let authorities =
                Certificate::from_pem_bundle(&pem).map_err(|error| fault(why(error)))?;
            if authorities.is_empty() {
                return Err(fault("it holds no certificate in PEM".into()));
            }
            builder = builder.tls_certs_only(authorities);
        }
    } else {
        // Nothing to trust, so that a machine without certificates can do this, too.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| format!("TLS cannot be set up: {}.", why(error)))
}

/// The body of an answer, if it is not too long.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(why)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(format!("the answer is longer than {ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error and its causes, which is where the useful part stands. It carries no header and no body.
pub(super) fn why(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for good in [
            "https://keys.example/jwks",
            "https://10.0.0.1:8443/v3?x=y",
            "http://localhost:5000/v3",
            "http://127.0.0.1/v3",
            "http://127.9.9.9/v3",
            "http://[::1]:5000/v3",
        ] {
            assert!(parse_url("url", good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "keys.example",
            "http://keys.example/jwks",
            "http://localhost.example/jwks",
            "http://127.0.0.1.example/jwks",
            "http://10.0.0.1/jwks",
            "file:///etc/passwd",
            "https://user:secret@keys.example/",
            "https://keys.example/#here",
        ] {
            let fault = parse_url("url", bad, false).unwrap_err();
            assert!(fault.starts_with("url ") && fault.ends_with('.'), "{fault}");
            assert!(!fault.contains("secret"));
        }
        assert!(parse_url("url", "http://keystone.internal/v3", true).is_ok());
        assert!(parse_url("url", "ftp://keystone.internal/v3", true).is_err());
    }

    #[test]
    fn a_client_can_be_built_for_either_scheme() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let https = Url::parse("https://keys.example").unwrap();
        assert!(client(&Url::parse("http://localhost").unwrap(), None).is_ok());
        let fault = client(&https, Some(&path)).unwrap_err();
        assert!(fault.contains("ca.pem"), "{fault}");
        std::fs::write(&path, "no certificate").unwrap();
        assert!(client(&https, Some(&path)).unwrap_err().contains("ca.pem"));
    }
}
