//! What the suite saw, held against the list of Huawei's operations: run after it, by `scripts/test`.
//!
//! While the suite runs, its harness notes each operation with the status and code that came back.
//! Here every operation must have been seen to succeed, and to refuse with each code that it has.

use std::collections::BTreeSet;
use std::path::Path;

/// Every pair of operation and outcome that any run of the suite noted since the folder was made.
fn seen() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seen");
    let mut lines = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the suite ran before this") {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        lines.extend(text.lines().map(ToOwned::to_owned));
    }
    lines
}

#[test]
#[ignore = "judges a whole run of the suite; scripts/test runs it at the end"]
fn every_operation_was_seen_to_succeed_and_to_refuse_with_each_of_its_codes() {
    let seen = seen();
    let listed: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("contract/operations.json")).unwrap();
    assert_eq!(listed.len(), 75);
    let mut missing = Vec::new();
    let mut outcomes = 0;
    for operation in &listed {
        let text = |member: &str| operation[member].as_str().unwrap();
        let name = format!("{} {}", text("method"), text("path"));
        let mut expected = vec![operation["status"].to_string()];
        let codes = operation["codes"].as_array().unwrap();
        expected.extend(codes.iter().map(|code| code.as_str().unwrap().to_owned()));
        outcomes += expected.len();
        for outcome in expected {
            if !seen.contains(&format!("{name}\t{outcome}")) {
                missing.push(format!("{} {outcome}", text("name")));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no test saw {} of {outcomes} outcomes:\n{}",
        missing.len(),
        missing.join("\n")
    );
    println!("75 operations, {outcomes} outcomes, all seen");
}
