//! Clocks that jump. The engine never asks for the time of day, nor for any other: it waits for durations only, which the system measures by a clock that
//! nobody sets. That it stays so is the lints' and this test's business; a test cannot set the clock of the machine that it runs on.

use std::path::Path;

/// Files below a folder that mention a clock, and the number of all files.
fn mentions(folder: &Path, found: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += mentions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| ["Instant", "SystemTime", "UNIX_EPOCH", "clock_gettime"].contains(&word)) {
                found.push(path.display().to_string());
            }
        }
    }
    files
}

#[test]
fn the_engine_asks_no_clock() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/src");
    let mut found = Vec::new();
    let files = mentions(&store, &mut found);
    assert!(files > 150, "{files} files");
    assert_eq!(found, Vec::<String>::new(), "these files ask for the time");
}
