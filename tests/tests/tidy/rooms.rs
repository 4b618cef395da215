//! The rooms of `daemon/node`: what is a field of `Node` keeps its own fields to itself.
//!
//! The time and the wishes of a turn, and the configuration, are no rooms: they are there for all.

use super::source::{File, Tree};
use std::collections::BTreeMap;

const NODE: &str = "daemon/node/src/node.rs";
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
