//! The values of quorate's own keys: JSON whose bytes are the same on every replica, since they are part of the hash.
//!
//! Knows no record. Opens and closes what it is told to; whoever uses it closes what it opened.

use std::fmt::Write as _;

/// Writes JSON without spaces, fields in the order in which they are given.
pub(crate) struct Json {
    out: String,
    first: bool,
}

impl Json {
    pub(crate) fn object() -> Self {
        Self { out: "{".to_owned(), first: true }
    }

    fn separate(&mut self) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.string(name);
        self.out.push(':');
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        // Beyond this a reader that keeps numbers as floating point would change it.
        let quote = if value > (1 << 53) { "\"" } else { "" };
        let _ = write!(self.out, "{quote}{value}{quote}");
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.name(name);
        self.out.push_str("null");
    }

    pub(crate) fn begin(&mut self, name: &str, bracket: char) {
        self.name(name);
        self.out.push(bracket);
        self.first = true;
    }

    pub(crate) fn item(&mut self, bracket: char) {
        self.separate();
        self.out.push(bracket);
        self.first = true;
    }

    /// One text of a list.
    pub(crate) fn word(&mut self, value: &str) {
        self.separate();
        self.string(value);
    }

    pub(crate) fn end(&mut self, bracket: char) {
        self.out.push(bracket);
        self.first = false;
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                c if c < ' ' || c == '\u{7f}' => {
                    let _ = write!(self.out, "\\u{:04x}", c as u32);
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    pub(crate) fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}
