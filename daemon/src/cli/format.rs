//! Tables for people: columns as wide as they must be, colour only where it was asked for.

/// A colour for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Good,
    Bad,
    Middling,
    Bold,
}

/// Writes text with or without colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen {
    pub(crate) colour: bool,
}

impl Pen {
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Middling => "33",
            Paint::Bold => "1",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What the word of a state or verdict looks like.
pub(super) fn paint_of(state: &str) -> Paint {
    match state {
        "alive" | "quorate" | "up" => Paint::Good,
        "down" | "no-quorum" => Paint::Bad,
        "waiting" | "joining" | "left" | "suspect" | "unknown" => Paint::Middling,
        _ => Paint::Plain,
    }
}

/// A column is padded to so many letters at most: one long key makes its own line long, not all of them.
const WIDEST: usize = 60;

/// Rows under a head. Cells that name a state are coloured.
pub(crate) fn table(pen: Pen, head: &[&str], rows: &[Vec<String>]) -> String {
    // Reasons are other nodes' words: what would steer the terminal is shown, not sent.
    let plain = |cell: &String| cell.replace(char::is_control, "?");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.filter(|width| *width <= WIDEST).chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    let mut write = |cells: &[String], paint: fn(&str) -> Paint| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&pen.paint(paint(cell), cell));
            line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    };
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    write(&head, |_| Paint::Bold);
    for row in &rows {
        write(row, paint_of);
    }
    out
}
