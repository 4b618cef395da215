//! What the demonstration prints: lines, and on a terminal a table below them that changes in place. Elsewhere the
//! table is printed once where a chapter ends. A reader that went away is noticed, never a panic.

use crate::cli::format::{Paint, Pen};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    pen: Pen,
    live: bool,
    /// The table that stands below the last line, on a terminal.
    table: String,
    broken: bool,
}

impl Screen {
    /// Finds out what standard output is.
    pub(super) fn new() -> Self {
        let live = std::io::stdout().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let pen = Pen { colour: crate::cli::colour() };
        Self { pen, live, table: String::new(), broken: false }
    }

    /// How texts are painted here.
    pub(super) fn pen(&self) -> Pen {
        self.pen
    }

    /// Whether nobody reads any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: &str) {
        let text = format!("{}{line}\n{}", self.erased(), self.drawn());
        self.put(&text);
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        let title = self.pen.paint(Paint::Bold, title);
        self.say(&format!("\n{title}"));
    }

    /// Prints what happened, and when.
    pub(super) fn happened(&mut self, after: Duration, what: &str) {
        self.say(&format!("{:>9}  {what}", millis(after)));
    }

    /// Shows the table as it is now.
    pub(super) fn show(&mut self, table: String) {
        if !self.live || table == self.table {
            return;
        }
        let erased = self.erased();
        self.table = table;
        let text = format!("{erased}{}", self.drawn());
        self.put(&text);
    }

    /// Ends a chapter with the table as it is now: in its place where it is alive, below the chapter elsewhere.
    pub(super) fn settle(&mut self, table: String) {
        if self.live {
            self.show(table);
        } else {
            let text = indented(&format!("\n{table}"));
            self.put(&text);
        }
    }

    /// Leaves the table that is alive as it stands.
    pub(super) fn freeze(&mut self) {
        self.table.clear();
    }

    /// Takes the table away.
    pub(super) fn clear(&mut self) {
        let text = self.erased();
        self.table.clear();
        self.put(&text);
    }

    /// What takes the table off the terminal.
    fn erased(&self) -> String {
        match self.table.lines().count() {
            0 => String::new(),
            // One more for the empty line above it.
            lines => format!("\x1b[{}A\r\x1b[J", lines + 1),
        }
    }

    /// What puts it there. Lines are cut at the right edge, or the count of lines would be wrong.
    fn drawn(&self) -> String {
        if self.table.is_empty() {
            return String::new();
        }
        format!("\x1b[?7l\n{}\x1b[?7h", indented(&self.table))
    }

    fn put(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        self.broken |= out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
    }
}

fn indented(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let _ = match line {
            "" => writeln!(out),
            line => writeln!(out, "  {line}"),
        };
    }
    out
}

/// A time for people: tenths below 10 ms, whole milliseconds from there.
pub(super) fn millis(time: Duration) -> String {
    if time.is_zero() {
        return "0 ms".to_owned();
    }
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 9.95 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// `n1`, `n1 and n2`, `n1, n2 and n3`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_people_need() {
        assert_eq!(millis(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(millis(Duration::from_micros(9_960)), "10 ms");
        assert_eq!(millis(Duration::from_micros(412_700)), "413 ms");
    }

    #[test]
    fn names_are_listed_as_one_would_say_them() {
        assert_eq!(listed(&["n1"]), "n1");
        assert_eq!(listed(&["n1", "n2", "n3"]), "n1, n2 and n3");
    }

    #[test]
    fn a_table_is_taken_away_with_the_empty_line_above_it() {
        let pen = Pen { colour: false };
        let screen = Screen { pen, live: true, table: "A\nB\n".to_owned(), broken: false };
        assert_eq!(screen.drawn(), "\x1b[?7l\n  A\n  B\n\x1b[?7h");
        assert_eq!(screen.erased(), "\x1b[3A\r\x1b[J");
    }
}
