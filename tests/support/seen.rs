//! Notes what came back from each operation, for `tests/seen.rs` to hold against the list of all.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use super::{Answer, openapi};

static NOTES: LazyLock<Mutex<(HashSet<String>, File)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seen");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{}.tsv", std::process::id()));
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    Mutex::new((HashSet::new(), file))
});

/// Notes an operation with the status of its success or the code of its refusal.
pub fn note(method: &str, path: &str, answer: &Answer) {
    let Some(template) = openapi::template_of(path) else {
        return;
    };
    let outcome = match answer.verdict() {
        (status, code) if code.is_empty() => status.to_string(),
        (_, code) => code,
    };
    let line = format!("{method} {template}\t{outcome}");
    let mut notes = NOTES.lock().unwrap();
    if notes.0.insert(line.clone()) {
        writeln!(notes.1, "{line}").unwrap();
    }
}
