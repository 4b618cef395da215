//! Which series and labels a query of Prometheus names. Reads words, braces and strings, and no grammar: that a query is one, promtool says.

use serde_json::Value;

const BOARD: &str = include_str!("../../../systemd/monitoring/quorate.board.json");
/// What the series of the daemon, and the one that Prometheus adds, begin with.
const OURS: [&str; 2] = ["quorate_", "process_"];

/// A series in a query, and what it says of its labels.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) series: String,
    /// Label and the text beside it, whatever stands between them.
    pub(crate) matchers: Vec<(String, String)>,
}

/// Each query of the board, with the title of its panel; those of its variables too.
pub(crate) fn board_queries() -> Vec<(String, String)> {
    let board: Value = serde_json::from_str(BOARD).expect("the board is JSON");
    let mut queries = Vec::new();
    for panel in board["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            queries.push((format!("board, {title}"), query.replace("$__", "")));
        }
    }
    for variable in board["templating"]["list"].as_array().expect("variables") {
        if let Some(query) = variable["definition"].as_str() {
            queries.push((format!("board, {}", variable["name"]), query.to_owned()));
        }
    }
    queries
}

/// Whether it may stand in a name.
fn is_of_a_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The series that a text names, in their order; other words are none of ours.
pub(crate) fn uses(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|letter| is_of_a_word(letter) || letter == '"') {
        rest = &rest[at..];
        if rest.starts_with('"') {
            rest = string(rest).1;
            continue;
        }
        let (word, behind) = rest.split_at(rest.find(|it| !is_of_a_word(it)).unwrap_or(rest.len()));
        rest = behind;
        if word == "up" || OURS.iter().any(|begin| word.starts_with(begin)) {
            let (matchers, behind) = matchers(behind);
            found.push(Use { series: word.to_owned(), matchers });
            rest = behind;
        }
    }
    found
}

/// What stands in the braces behind a series, and what stands behind them.
fn matchers(text: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else { return (found, text) };
    while !rest.starts_with('}') {
        rest = rest.trim_start_matches([',', ' ']);
        let end = rest.find(|it| !is_of_a_word(it)).expect("the braces end");
        let (label, behind) = rest.split_at(end);
        let (value, behind) = string(&behind[behind.find('"').expect("a value in quotes")..]);
        found.push((label.to_owned(), value));
        rest = behind;
    }
    (found, &rest[1..])
}

/// The string at the beginning, without its escapes, and what stands behind it.
fn string(text: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return (value, &text[at + 1..]),
            '\\' if !escaped => escaped = true,
            _ => {
                value.push(letter);
                escaped = false;
            }
        }
    }
    panic!("a string without an end: {text}")
}

/// The labels in the lists behind `by`, `on` and the like.
pub(crate) fn grouped_by(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in ["by (", "on (", "group_left (", "without (", "ignoring ("] {
        for list in text.split(word).skip(1) {
            let inside = list.split(')').next().unwrap_or_default();
            found.extend(
                inside.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()),
            );
        }
    }
    found
}

#[test]
fn series_labels_and_lists_are_found_in_a_query() {
    let query = r#"sum by (job, le) (rate(quorate_a{x="1",y=~"b|\"c"}[5m])) > 2 and on (z) up == 0 or f("quorate_no")"#;
    let found = uses(query);
    let pair = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    let first = vec![pair("x", "1"), pair("y", "b|\"c")];
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], Use { series: "quorate_a".to_owned(), matchers: first });
    assert_eq!(found[1], Use { series: "up".to_owned(), matchers: Vec::new() });
    assert_eq!(grouped_by(query), ["job", "le", "z"]);
}
