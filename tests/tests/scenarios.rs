//! Plays every script in `tests/scenarios` and compares the transcripts. `REWRITE=1` writes them anew.

use quorate_tests::script::play;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(directory).expect("tests/scenarios is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

#[test]
fn every_story_goes_as_its_script_says() {
    let rewrite = std::env::var_os("REWRITE").is_some();
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut failures = Vec::new();
    for path in scripts() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let script = std::fs::read_to_string(&path).expect("a script is text");
        let Ok(played) = std::panic::catch_unwind(|| play(&script)) else {
            failures.push(format!("{name}: a promise was broken, see above"));
            continue;
        };
        if played == script {
            continue;
        }
        if rewrite {
            std::fs::write(&path, played).expect("a script can be written");
            continue;
        }
        let other = script.lines().zip(played.lines()).position(|(old, new)| old != new);
        let line = other.unwrap_or_else(|| script.lines().count().min(played.lines().count()));
        failures.push(format!(
            "{name}:{}: the script says\n  {}\nbut this time it was\n  {}",
            line + 1,
            script.lines().nth(line).unwrap_or("(nothing more)"),
            played.lines().nth(line).unwrap_or("(nothing more)"),
        ));
    }
    assert!(
        failures.is_empty(),
        "{}\nIf the new way is right: REWRITE=1 cargo test --release -p quorate-tests --test scenarios",
        failures.join("\n")
    );
}
