//! Pages of the repository that are printed from tables in the code.

use std::path::Path;

/// Fails unless a page is what the code prints, and says how to accept what it prints now.
#[track_caller]
pub fn check_page(path: &str, printed: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("KMSD_TEST_ACCEPT").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, printed).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == printed,
        "{path} is not what the code prints; look at the difference, and if it is meant, run \
         this test again with KMSD_TEST_ACCEPT=1\n{}",
        first_difference(&kept, printed)
    );
}

fn first_difference(kept: &str, printed: &str) -> String {
    let (mut kept, mut printed) = (kept.lines(), printed.lines());
    let mut number = 0;
    loop {
        number += 1;
        let lines = (kept.next(), printed.next());
        match lines {
            (None, None) => return "only the ends of lines differ".into(),
            (one, other) if one == other => {}
            (one, other) => {
                return format!(
                    "line {number}\n  page: {}\n  code: {}",
                    one.unwrap_or("(none)"),
                    other.unwrap_or("(none)")
                );
            }
        }
    }
}
