//! What the fuzz targets hold true, of every input that is kept in `fuzz/corpus`: a regression is
//! found without the fuzzer and its nightly compiler.

use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
mod targets;

use targets::TARGETS;

/// The kept corpus stays small enough to be read and to be run at every change.
const FILES: usize = 200;
const BYTES: u64 = 300_000;

fn files_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(folder);
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpus(target: &str) -> Vec<PathBuf> {
    files_in(&format!("corpus/{target}"))
}

fn names(files: &[PathBuf]) -> Vec<String> {
    let name = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(name).collect()
}

#[test]
fn every_kept_input_still_holds() {
    let mut faults = Vec::new();
    for (name, target) in TARGETS {
        for file in corpus(name) {
            let input = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                faults.push(file.display().to_string());
            }
        }
    }
    targets::close();
    assert!(
        faults.is_empty(),
        "these do not hold, see above why:\n{}",
        faults.join("\n")
    );
}

#[test]
fn every_route_holds_without_a_kept_input() {
    targets::every_route();
    targets::close();
}

#[test]
fn every_target_has_a_file_and_a_small_corpus() {
    let known: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&files_in("fuzz_targets")), known, "fuzz/fuzz_targets");
    assert_eq!(names(&files_in("corpus")), known, "fuzz/corpus");
    let manifest = files_in("")
        .into_iter()
        .find(|file| file.ends_with("Cargo.toml"));
    let manifest = std::fs::read_to_string(manifest.unwrap()).unwrap();
    for name in &known {
        assert!(!corpus(name).is_empty(), "fuzz/corpus/{name} is empty");
        let row = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&row), "fuzz/Cargo.toml lacks {name}");
    }
    let kept: Vec<PathBuf> = known.iter().flat_map(|name| corpus(name)).collect();
    let bytes: u64 = kept.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(
        kept.len() <= FILES && bytes <= BYTES,
        "{} files, {bytes} bytes",
        kept.len()
    );
}
