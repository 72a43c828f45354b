//! The architecture's invariants, read off the source: who may mention whom, and what stands in one
//! place only. A failure names file and line.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// One line of code, without its comment. Tests inside the source do not count.
struct Line {
    /// The path below `src/`.
    file: String,
    number: usize,
    text: String,
}

static SOURCE: LazyLock<Vec<Line>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files_below(&root);
    let for_tests: Vec<PathBuf> = files.iter().flat_map(|file| test_modules(file)).collect();
    let mut lines = Vec::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        if for_tests.contains(&path) {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        lines.extend(code.lines().enumerate().map(|(at, line)| Line {
            file: file.clone(),
            number: at + 1,
            text: without_comment(line).to_owned(),
        }));
    }
    assert!(lines.len() > 5000, "the source was not found");
    lines
});

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The files of modules that are there for tests alone, as their parent says.
fn test_modules(parent: &Path) -> Vec<PathBuf> {
    static DECLARED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"#\[cfg\(test\)\]\s+(?:pub(?:\(\w+\))? )?mod (\w+);").unwrap()
    });
    let text = std::fs::read_to_string(parent).unwrap();
    let folder = match parent.file_stem().unwrap().to_str() {
        Some("mod" | "lib" | "main") => parent.parent().unwrap().to_owned(),
        _ => parent.with_extension(""),
    };
    DECLARED
        .captures_iter(&text)
        .map(|found| folder.join(format!("{}.rs", &found[1])))
        .collect()
}

/// What stands before `//`, unless that is part of a URL in a string.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.split(" // ").next().unwrap_or(line)
}

/// Fails for every line of the files that holds the pattern.
#[track_caller]
fn forbid(rule: &str, pattern: &str, files: impl Fn(&str) -> bool) {
    let pattern = Regex::new(pattern).unwrap();
    let found: Vec<String> = SOURCE
        .iter()
        .filter(|line| files(&line.file) && pattern.is_match(&line.text))
        .map(|line| format!("src/{}:{}: {}", line.file, line.number, line.text.trim()))
        .collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// The top-level module of a file.
fn module(file: &str) -> &str {
    let first = file.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn is_dialect(file: &str) -> bool {
    matches!(module(file), "huawei" | "aws")
}

/// The stack, from the bottom up; modules in one row do not know each other.
const STACK: &[&[&str]] = &[
    &["model", "limits"],
    &["env", "json", "signed"],
    &["crypto"],
    &["outside", "store", "hsm"],
    &["config"],
    &["kms"],
    &["operations"],
    &["dialect"],
    &["huawei", "aws", "pages"],
    &["tls"],
    &["server"],
    &["cli"],
];

fn height(module: &str) -> Option<usize> {
    STACK.iter().position(|row| row.contains(&module))
}

#[test]
fn every_module_uses_only_what_is_below_it() {
    let mention = Regex::new(r"\bcrate::([a-z_]+|\{)").unwrap();
    let mut faults = Vec::new();
    for line in SOURCE
        .iter()
        .filter(|line| !matches!(&*line.file, "lib.rs" | "main.rs"))
    {
        let place = format!("src/{}:{}", line.file, line.number);
        let own = module(&line.file);
        let Some(here) = height(own) else {
            panic!("{place}: give the module {own} a place in STACK in tests/layers.rs");
        };
        for mentioned in mention.captures_iter(&line.text) {
            match &mentioned[1] {
                "{" => faults.push(format!("{place}: one `use crate::` for each module")),
                other if other == own => {}
                other => match height(other) {
                    Some(there) if there < here => {}
                    Some(_) => faults.push(format!("{place}: {own} is not above {other}")),
                    None => panic!("{place}: give the module {other} a place in STACK"),
                },
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn rule_1_model_and_crypto_know_no_http_no_sql_and_no_json() {
    forbid(
        "model and crypto are pure",
        r"\b(actix_web|actix_rt|sqlx|serde_json|reqwest|tokio)\b",
        |file| matches!(module(file), "model" | "crypto"),
    );
}

#[test]
fn rule_2_sql_stands_in_the_store_only() {
    forbid(
        "SQL stands only in store/",
        r#"\bsqlx::|\b(SELECT|DELETE|INSERT INTO|UPDATE|PRAGMA|CREATE TABLE) [A-Za-z(*]"#,
        |file| module(file) != "store",
    );
}

#[test]
fn rule_3_operations_never_ask_which_dialect_is_speaking() {
    forbid(
        "operations know no dialect and no HTTP",
        r"(?i)\b(huawei|aws|actix_web|dialect|server)(::|\b\s*=>)|actix",
        |file| matches!(module(file), "operations" | "kms" | "model"),
    );
}

#[test]
fn rule_4_no_dialect_mentions_the_store_or_holds_secrets() {
    forbid(
        "dialects ask operations, never the store",
        r"\bstore::|\.store\(\)|\bsqlx\b",
        is_dialect,
    );
    // Digests; the wrapper for a secret that somebody sends; and how a signature says that its key
    // is derived, which holds none.
    let crypto = Regex::new(r"\bcrypto::([a-z_]+(::[A-Za-z0-9_]+|::\{[^}]*\})?)").unwrap();
    let allowed = [
        "hash::sha256",
        "hash::sha256_hex",
        "secret::Secret",
        "signing_key::Derivation",
    ];
    let faults: Vec<String> = SOURCE
        .iter()
        .filter(|line| is_dialect(&line.file))
        .flat_map(|line| {
            crypto
                .captures_iter(&line.text)
                .map(move |found| (line, found))
        })
        .filter(|(_, found)| !allowed.contains(&&found[1]))
        .map(|(line, found)| format!("src/{}:{}: {}", line.file, line.number, &found[0]))
        .collect();
    assert!(
        faults.is_empty(),
        "of crypto a dialect uses {allowed:?} only:\n{}",
        faults.join("\n")
    );
}

#[test]
fn rule_5_a_vendors_codes_stand_in_its_error_table_only() {
    forbid(
        "the codes of Huawei stand in huawei/error.rs",
        r#"(KMS|APIGW?)\.[0-9]{4}"#,
        |file| file != "huawei/error.rs",
    );
    forbid(
        "the errors of AWS stand in aws/error.rs",
        r#""[A-Za-z]+Exception""#,
        |file| file != "aws/error.rs",
    );
}

#[test]
fn rule_6_environment_time_and_chance_come_in_from_one_place_each() {
    forbid(
        "the environment is read in config.rs",
        r"\benv::(var|vars|var_os|vars_os|remove_var|set_var)\b",
        |file| file != "config.rs",
    );
    forbid(
        "time is read in env.rs",
        r"\b(SystemTime|Instant|OffsetDateTime|UtcDateTime)::now|now_utc\(|\bchrono::",
        |file| file != "env.rs",
    );
    forbid(
        "chance comes from env.rs",
        r"\brand::(fill|random|rng|thread_rng)|OsRng|getrandom|new_v4\(",
        |file| file != "env.rs",
    );
    // aws-lc-rs signs with a generator of its own, which it does not let us replace.
    forbid("chance comes from env.rs", r"\bSystemRandom::new", |file| {
        !matches!(file, "crypto/rsa.rs" | "crypto/ec.rs")
    });
}

#[test]
fn rule_7_one_key_is_loaded_in_one_place_i_16() {
    forbid(
        "only Context::key finds a key, after asking who wants it and for what",
        r"\bfind_key\(",
        |file| !matches!(file, "kms/context.rs" | "store/keys.rs"),
    );
    let calls = SOURCE
        .iter()
        .filter(|line| line.file == "kms/context.rs" && line.text.contains("find_key("))
        .count();
    assert_eq!(calls, 1, "Context finds keys in one function");
}

#[test]
fn rule_8_what_holds_secrets_cannot_be_printed_copied_or_serialized_i_29() {
    let secret = Regex::new(
        r"^pub struct (Secret|Material|Root|ProjectKey|DeploymentKey|Opened\w*|\w*PrivateKey)\b",
    )
    .unwrap();
    let leak = Regex::new(r"\b(Debug|Clone|Copy|Serialize|Display|PartialEq)\b").unwrap();
    let mut seen = 0;
    for pair in SOURCE.windows(2) {
        let [before, line] = pair else { unreachable!() };
        if line.file.starts_with("crypto/") && secret.is_match(&line.text) {
            seen += 1;
            assert!(
                !(before.text.contains("derive") && leak.is_match(&before.text)),
                "src/{}:{}: {}",
                before.file,
                before.number,
                before.text
            );
        }
    }
    assert!(
        seen >= 4,
        "the types that hold secrets were not found: {seen}"
    );
    forbid(
        "what holds secrets implements none of these by hand either",
        r"^impl.*\b(Debug|Clone|Display|Serialize)\b.* for (Secret|Material|Root|ProjectKey|DeploymentKey)\b",
        |_| true,
    );
}

#[test]
fn no_handler_can_leave_by_a_panic_i_24() {
    forbid(
        "on request paths nothing unwraps",
        r"\.unwrap\(\)|\bpanic!\(|\bunimplemented!\(|\btodo!\(",
        |file| !matches!(module(file), "main" | "cli"),
    );
}
