//! What a source file looks like: its name, its length, its head, its functions and its words.

use super::lexer::{is_word, passed_over};
use super::source::{File, Tree};

/// Names under which anything would fit, so that nothing could be found.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "helpers", "helper", "common", "manager", "handler", "data", "info"];

/// Median files have 150 lines; beyond 500 nobody reads them whole.
const LONGEST_FILE: usize = 500;

/// One screen.
const LONGEST_FUNCTION: usize = 70;

/// Files and directories of source that are named so, and inline modules.
pub(crate) fn empty_names(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in tree.rust() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if EMPTY_NAMES.contains(&part) {
                complaints.push(format!("{}: `{part}` says nothing; name what it is", file.path));
            }
        }
        for (number, line) in code_lines(file) {
            let words: Vec<&str> = line.split([' ', ';', '{', '(', ')']).collect();
            let module =
                words.iter().position(|word| *word == "mod").and_then(|at| words.get(at + 1));
            if let Some(name) = module.filter(|name| EMPTY_NAMES.contains(name)) {
                complaints.push(file.complain(number, &format!("`mod {name}` says nothing")));
            }
        }
    }
    complaints
}

/// Shipped files above the bound, their inline tests included.
pub(crate) fn long_files(tree: &Tree) -> Vec<String> {
    tree.shipped()
        .filter(|file| file.text.lines().count() > LONGEST_FILE)
        .map(|file| {
            let lines = file.text.lines().count();
            format!("{}: {lines} lines, above {LONGEST_FILE}; divide it", file.path)
        })
        .collect()
}

/// Functions above the bound, from `fn` to the closing brace, in all Rust files.
pub(crate) fn long_functions(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in tree.rust() {
        for (name, first, lines) in functions(&file.text) {
            if lines > LONGEST_FUNCTION {
                let what = format!("fn {name} has {lines} lines, above {LONGEST_FUNCTION}");
                complaints.push(file.complain(first, &what));
            }
        }
    }
    complaints
}

/// Rust files that do not begin with a `//!` head.
pub(crate) fn headless(tree: &Tree) -> Vec<String> {
    tree.rust()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.complain(1, "begin with `//!`: what it is and what stays true"))
        .collect()
}

/// Left-overs that must not be shipped.
pub(crate) fn unfinished(tree: &Tree) -> Vec<String> {
    // Put together, so that this file does not find itself.
    let found = ["dbg!", "todo!", "unimplemented!"].map(|name| format!("{name}("));
    let notes = ["TODO", "FIXME", "XXX"].map(|word| format!("{word}{}", ':'));
    let mut complaints = Vec::new();
    for file in tree.rust() {
        for (number, line) in file.text.lines().enumerate() {
            for mark in found.iter().chain(&notes).filter(|mark| line.contains(mark.as_str())) {
                complaints.push(file.complain(number + 1, &format!("`{mark}` is unfinished")));
            }
        }
    }
    complaints
}

/// Lines for operators that show values as a debugger would: `Some(..)`, `Ballot { .. }`.
pub(crate) fn debug_text_for_operators(tree: &Tree) -> Vec<String> {
    let levels = ["info", "warn", "error"].map(|level| format!("tracing::{level}{}", "!("));
    let mut complaints = Vec::new();
    for file in tree.shipped() {
        for level in &levels {
            for (at, _) in file.text.match_indices(level.as_str()) {
                let call = &file.text[at..];
                let call = &call[..call.find(");").unwrap_or(call.len())];
                // `?name` and `name = ?value` among the fields, or a placeholder in the text.
                let mut fields = call.split(['(', ',', '=']).map(str::trim_start);
                if fields.any(|field| field.starts_with('?')) || call.contains(":?}") {
                    let line = file.text[..at].lines().count();
                    let what = "an operator reads this: show values with `%`, not with `?`";
                    complaints.push(file.complain(line, what));
                }
            }
        }
    }
    complaints
}

/// A clone must be complete and speak for itself: no path or word of the place where it was written.
pub(crate) fn foreign_words(tree: &Tree) -> Vec<String> {
    // Put together, so that this file does not find itself.
    let words = [
        ["../sha", "red"],
        ["/wo", "rk/"],
        ["/tmp/", "plan"],
        ["issues ", "show"],
        ["the iss", "ue says"],
        ["helper ag", "ent"],
        ["sub-ag", "ent"],
        ["language mo", "del"],
        ["INTERFACES", ".md"],
        ["CHANGES", ".md"],
        ["FACTS", ".md"],
        ["STYLE", ".md"],
        ["BASELINES", ".md"],
        ["RELIABILITY", ".md"],
    ]
    .map(|halves| halves.concat());
    let mut complaints = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                let what = format!("`{word}` means nothing to who has only this repository");
                complaints.push(file.complain(number + 1, &what));
            }
        }
    }
    complaints
}

/// Lines that are no comment, with their numbers.
fn code_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let numbered = file.text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.starts_with("//"))
}

/// Every function with a body: name, line of its `fn`, number of lines to its closing brace.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut open: Vec<(String, usize, usize)> = Vec::new();
    let mut waiting: Option<(String, usize)> = None;
    let (mut depth, mut round) = (0_usize, 0_usize);
    for (line, token) in tokens(text) {
        match token {
            Token::Function(name) => waiting = Some((name, line)),
            Token::Open => {
                if let Some((name, first)) = waiting.take_if(|_| round == 0) {
                    open.push((name, first, depth));
                }
                depth += 1;
            }
            Token::Close => {
                depth = depth.saturating_sub(1);
                if let Some((name, first, _)) = open.pop_if(|(_, _, at)| *at == depth) {
                    found.push((name, first, line - first + 1));
                }
            }
            Token::OpenRound => round += 1,
            Token::CloseRound => round = round.saturating_sub(1),
            Token::Semicolon => {
                // A function without a body, in a trait. `[u8; 4]` among arguments is inside round brackets.
                waiting.take_if(|_| round == 0);
            }
        }
    }
    found
}

enum Token {
    Function(String),
    Open,
    Close,
    OpenRound,
    CloseRound,
    Semicolon,
}

/// The tokens that matter for finding functions; comments, texts and characters are passed over.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let bytes = text.as_bytes();
    let (mut at, mut line, mut square) = (0, 1, 0_usize);
    let mut tokens = Vec::new();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let skipped = passed_over(rest);
        if skipped > 0 {
            line += rest[..skipped].iter().filter(|byte| **byte == b'\n').count();
            at += skipped;
            continue;
        }
        let token = match rest[0] {
            b'{' => Some(Token::Open),
            b'}' => Some(Token::Close),
            b'(' => Some(Token::OpenRound),
            b')' => Some(Token::CloseRound),
            b';' if square == 0 => Some(Token::Semicolon),
            _ => None,
        };
        match rest[0] {
            b'[' => square += 1,
            b']' => square = square.saturating_sub(1),
            b'\n' => line += 1,
            _ => {}
        }
        tokens.extend(token.map(|token| (line, token)));
        let word = rest.iter().take_while(|byte| is_word(**byte)).count();
        if &rest[..word] == b"fn" && rest.get(2) == Some(&b' ') {
            let name: Vec<u8> =
                rest[3..].iter().copied().take_while(|byte| is_word(*byte)).collect();
            tokens.push((line, Token::Function(String::from_utf8_lossy(&name).into_owned())));
        }
        at += word.max(1);
    }
    tokens
}

#[test]
fn functions_are_measured_past_texts_closures_and_nested_braces() {
    let text = "fn a(x: [u8; 2]) -> u8 {\n  let s = \"}\"; // }\n  let c = '{';\n  if true { 1 } else { 2 }\n}\n\
                trait T { fn b(&self); fn c<'a>(&'a self) {\n r#\"fn d() {\"#; } }\n";
    let found = functions(text);
    let names: Vec<(&str, usize, usize)> =
        found.iter().map(|(name, first, lines)| (name.as_str(), *first, *lines)).collect();
    assert_eq!(names, [("a", 1, 5), ("c", 6, 2)]);
}
