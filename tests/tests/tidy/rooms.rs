//! The rooms of `daemon/node`: what is a field of `Node` keeps its own fields to itself, and knows nothing of `Node`.
//!
//! The time and the wishes of a turn, and the configuration, are no rooms: they are there for all.

use super::modules::Modules;
use super::source::{File, Tree};
use std::collections::BTreeMap;

const ROOT: &str = "daemon/node/src/lib.rs";
const NODE: &str = "daemon/node/src/node.rs";
/// What belongs to `Node` beside its own file.
const WIRING: &str = "daemon/node/src/node/";
const FOR_ALL: [&str; 2] = ["Turn", "NodeConfig"];

/// Rooms with a field that a file outside of their directory could reach, and rooms that are no type of this crate and no core.
pub(crate) fn open_rooms(tree: &Tree) -> Vec<String> {
    let files: Vec<&File> =
        tree.shipped().filter(|file| file.path.starts_with("daemon/node/src/")).collect();
    let structs = structs(&files);
    let Some(rooms) = structs.get("Node") else {
        return vec![format!("{NODE}: there is no `Node`")];
    };
    let mut complaints = Vec::new();
    for (_, field) in &rooms.fields {
        for name in field.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()) {
            let Some(room) = structs.get(name).filter(|_| !FOR_ALL.contains(&name)) else {
                continue;
            };
            let open = room
                .fields
                .iter()
                .filter(|(_, field)| field.starts_with("pub(crate)") || field.starts_with("pub "));
            complaints.extend(open.map(|(line, field)| {
                let what = format!(
                    "`{field}` of the room `{name}` is open to all others; give it a method"
                );
                room.file.complain(*line, &what)
            }));
        }
    }
    complaints
}

/// Rooms that know `Node`, and parts of it that stand among the rooms. What is for tests only may do both.
pub(crate) fn rooms_that_know_the_node(tree: &Tree) -> Vec<String> {
    let modules = Modules::of(tree, ROOT);
    let (edges, shipped) = (modules.edges(), modules.files());
    let is_wiring = |path: &str| path == NODE || path.starts_with(WIRING);
    let mut complaints = Vec::new();
    for room in tree.files.iter().filter(|file| shipped.contains(file.path.as_str())) {
        if is_wiring(&room.path) {
            continue;
        }
        for (number, line) in room.text.lines().enumerate() {
            if line.strip_prefix("impl Node").is_some_and(|rest| rest.starts_with([' ', '{'])) {
                let what = format!("`impl Node` is wiring; it belongs into {NODE} or {WIRING}");
                complaints.push(room.complain(number + 1, &what));
            }
        }
        let known = edges.get(&room.path).into_iter().flatten().filter(|(to, _)| is_wiring(to));
        complaints.extend(known.map(|(to, names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (path, names) = (&room.path, names.join("`, `"));
            format!(
                "{path}: a room that knows `{names}` of {to}; let it look at `Sight` and say `News`"
            )
        }));
    }
    complaints
}

struct Struct<'a> {
    file: &'a File,
    /// Each with its line, as it is written.
    fields: Vec<(usize, &'a str)>,
}

/// All structs with named fields, by name.
fn structs<'a>(files: &[&'a File]) -> BTreeMap<&'a str, Struct<'a>> {
    let mut found = BTreeMap::new();
    for file in files {
        let mut within: Option<(&str, Struct<'a>)> = None;
        for (number, line) in file.text.lines().enumerate() {
            let words: Vec<&str> = line.split([' ', '<', '{', '(', ';']).collect();
            let named =
                words.iter().position(|word| *word == "struct").and_then(|at| words.get(at + 1));
            match (&mut within, named) {
                (None, Some(name)) if line.ends_with('{') && !line.starts_with(' ') => {
                    within = Some((name, Struct { file, fields: Vec::new() }));
                }
                (Some(_), _) if line == "}" => {
                    let (name, done) = within.take().expect("it is within one");
                    found.insert(name, done);
                }
                (Some((_, it)), _)
                    if line.contains(": ") && !line.trim_start().starts_with("//") =>
                {
                    it.fields.push((number + 1, line.trim().trim_end_matches(',')));
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_node_is_told_unless_it_is_its_wiring_or_a_test() {
        let file = |(path, text): (&str, &str)| File {
            path: format!("daemon/node/src/{path}"),
            text: text.to_owned(),
        };
        let tree = Tree {
            files: [
                ("lib.rs", "mod a; mod b; mod c; mod d; mod node; #[cfg(test)] mod trial; pub use node::Node;"),
                ("node.rs", "mod pings; pub struct Node(crate::a::A);\nimpl Node {}"),
                ("node/pings.rs", "use super::Node;\nimpl Node {}"),
                ("a.rs", "pub struct A;\nimpl NodeName {}\n#[cfg(test)] mod tests { use crate::Node; }"),
                ("b.rs", "use crate::Node;"),
                ("c.rs", "fn f(_: &crate::node::pings::Riders) {}"),
                ("d.rs", "\nimpl Node {}"),
                ("trial.rs", "use crate::node::Node;\nimpl Node {}"),
            ]
            .map(file)
            .into(),
        };
        let told = rooms_that_know_the_node(&tree);
        let told: Vec<&str> =
            told.iter().filter_map(|it| it.split_once("; ")).map(|it| it.0).collect();
        assert_eq!(
            told,
            [
                "daemon/node/src/b.rs: a room that knows `Node` of daemon/node/src/node.rs",
                "daemon/node/src/c.rs: a room that knows `Riders` of daemon/node/src/node/pings.rs",
                "daemon/node/src/d.rs:2: `impl Node` is wiring",
            ]
        );
    }
}
