//! The least of Rust's grammar that the rules need: where comments, texts and character literals end.

/// Whether a byte may stand in a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes of a comment, text or character literal begin here.
pub(crate) fn passed_over(rest: &[u8]) -> usize {
    if rest.starts_with(b"//") {
        return rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return end_of(rest, b"*/", 2);
    }
    if let Some(hashes) = raw_text(rest) {
        let start = usize::from(rest[0] == b'b') + 1 + hashes + 1;
        let mut end = vec![b'"'];
        end.extend(std::iter::repeat_n(b'#', hashes));
        return end_of(rest, &end, start);
    }
    match rest[0] {
        b'"' => quoted(rest, b'"'),
        // A lifetime has no closing quote right behind it.
        b'\'' if rest.get(1) == Some(&b'\\') => quoted(rest, b'\''),
        b'\'' => {
            let width = rest.get(1).map_or(1, |byte| match byte {
                0..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            });
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    }
}

/// The number of `#` of a raw text that begins here.
fn raw_text(rest: &[u8]) -> Option<usize> {
    let rest = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

fn end_of(rest: &[u8], end: &[u8], from: usize) -> usize {
    let found = rest.get(from..).and_then(|tail| tail.windows(end.len()).position(|w| w == end));
    found.map_or(rest.len(), |at| from + at + end.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}
