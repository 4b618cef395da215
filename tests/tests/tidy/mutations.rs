//! The mutations of `tests/mutations` still fit the code: each text that one replaces stands exactly once.

use super::source::{Tree, root};
use std::fs;

/// Files of mutations that are no TOML, lack a key, or whose text is not in the code any more.
pub(crate) fn stale(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in &tree.files {
        if !(file.path.starts_with("tests/mutations/") && file.path.ends_with(".toml")) {
            continue;
        }
        match file.text.parse::<toml::Table>() {
            Ok(table) => complaints.extend(complain_of(&file.path, &table)),
            Err(error) => complaints.push(format!("{}: no TOML: {error}", file.path)),
        }
    }
    complaints
}

fn complain_of(path: &str, mutation: &toml::Table) -> Vec<String> {
    let mut complaints: Vec<String> = ["what", "package", "test"]
        .into_iter()
        .filter(|key| mutation.get(*key).is_none_or(|value| !value.is_str()))
        .map(|key| format!("{path}: `{key}` is missing"))
        .collect();
    let edits = match mutation.get("edit").and_then(toml::Value::as_array) {
        Some(edits) => edits.iter().filter_map(toml::Value::as_table).collect(),
        None => vec![mutation],
    };
    for edit in edits {
        let word = |key: &str| edit.get(key).and_then(toml::Value::as_str);
        let (Some(file), Some(find), Some(replace)) = (word("file"), word("find"), word("replace"))
        else {
            complaints.push(format!("{path}: an edit needs `file`, `find` and `replace`"));
            continue;
        };
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        let times = text.matches(find).count();
        if times != 1 || find == replace {
            let what = "write the mutation anew for the code as it is now";
            complaints.push(format!("{path}: its text stands {times} times in {file}; {what}"));
        }
    }
    complaints
}
