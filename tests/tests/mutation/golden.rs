//! Messages as they were once on the wire or in a log, one a line, in `tests/golden/wire`: today's code reads each, and writes the same
//! bytes.
//!
//! A line is never changed or taken out: hosts of the version that wrote it are there while a cluster is upgraded, and logs have its
//! commands for ever. `REWRITE=1` adds what today's code writes of the samples and is not there yet.

use crate::mutation::words::Word;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/wire").join(format!("{name}.hex"))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(line: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal digits");
    (0..line.len()).step_by(2).map(byte).collect()
}

/// Reads and writes all that is kept of a kind of message, and looks whether today's is among it.
pub(crate) fn keeps<M: Word>() {
    let file = file(M::NAME);
    let mut text = std::fs::read_to_string(&file).unwrap_or_default();
    for (number, line) in text.lines().enumerate() {
        let bytes = from_hex(line);
        let read = M::decode(&bytes[..]).unwrap_or_else(|error| {
            panic!("{}:{}: today's code cannot read it: {error}", file.display(), number + 1)
        });
        assert_eq!(
            to_hex(&read.encode_to_vec()),
            line,
            "{}:{}: today's code loses or changes something of it: {read:?}",
            file.display(),
            number + 1
        );
    }
    let today: Vec<_> = M::samples()
        .into_iter()
        .map(|(name, word)| (name, to_hex(&word.encode_to_vec())))
        .collect();
    for (name, line) in today {
        if text.lines().any(|kept| kept == line) {
            continue;
        }
        assert!(
            std::env::var_os("REWRITE").is_some(),
            "{}: what today's code writes of `{name}` is not there. If the message has grown: REWRITE=1 adds it. If a field has another \
             place or type, hosts of the version before cannot read it any more",
            file.display()
        );
        text.push_str(&line);
        text.push('\n');
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("it can be made");
        std::fs::write(&file, &text).expect("it can be written");
    }
}
