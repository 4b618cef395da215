//! The tree as it is on disk: every text file that is not built, not hidden and not fetched.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests crate lies in the workspace").to_owned()
}

/// A text file.
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it becomes part of a program or library that is shipped.
    pub(crate) fn is_shipped(&self) -> bool {
        self.is_rust() && !self.path.starts_with("tests/") && !self.path.contains("/tests/")
    }

    pub(crate) fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// All of them.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let mut files = Vec::new();
        collect(&root(), &root(), &mut files);
        assert!(files.iter().any(File::is_shipped), "no source found below {}", root().display());
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    pub(crate) fn shipped(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_shipped())
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).expect("the tree can be read") {
        let path = entry.expect("the tree can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if path.is_dir() {
            // What git does not track. Cargo marks a directory only when it made it itself: `target` may be older.
            let built = path == root.join("target") || path.join("CACHEDIR.TAG").exists();
            if name != ".git" && !built {
                collect(root, &path, files);
            }
        } else if name != "Cargo.lock"
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("found below the root");
            files.push(File { path: path.to_string_lossy().into_owned(), text });
        }
    }
}

/// One panic that shows all of them.
#[track_caller]
pub(crate) fn fail_if_any(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} found:\n{}", complaints.len(), complaints.join("\n"));
}
