//! Circles of imports between the files of a crate: a file that needs another, which needs the first, cannot be read, tested or
//! moved without it.

use super::modules::{Edges, Modules};
use super::source::Tree;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// All circles, each with the shortest way round.
pub(crate) fn circles(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    for root in tree.shipped().filter(|file| is_root(&file.path)) {
        let modules = Modules::of(tree, &root.path);
        let edges = modules.edges();
        complaints.extend(circles_of(&modules, &edges).iter().map(|circle| {
            let way = written_out(circle, &edges);
            format!(
                "{way}; move what makes the circle to the file where it belongs by its meaning, or to a small one of its own"
            )
        }));
    }
    complaints
}

/// The circles of one crate. A door and its private parts are one room: its parts may look back at it, but not at each other in a
/// circle.
fn circles_of(modules: &Modules, edges: &Edges) -> Vec<BTreeSet<String>> {
    let files = modules.files().into_iter().map(str::to_owned).collect();
    let mut circles = Vec::new();
    for knot in knots(&files, edges) {
        let depth = |file: &&String| modules.place_of(file).map_or(0, Vec::len);
        let door = knot.iter().min_by_key(depth).expect("a knot has files");
        if !knot.iter().all(|file| file == door || modules.is_part_of(file, door)) {
            circles.push(knot);
            continue;
        }
        let mut inner = edges.clone();
        for (from, to) in &mut inner {
            to.retain(|to, _| !modules.is_part_of(from, to));
        }
        circles.extend(knots(&knot, &inner));
    }
    circles
}

/// The largest sets of at least two files each of which leads to each other.
fn knots(files: &BTreeSet<String>, edges: &Edges) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        files.iter().map(|file| (file, reached(file, files, edges))).collect();
    let mut knots = BTreeSet::new();
    for (file, reached) in &reach {
        let knot: BTreeSet<String> = reached
            .iter()
            .filter(|other| reach[**other].contains(file))
            .map(|o| (*o).clone())
            .collect();
        if knot.len() > 1 {
            knots.insert(knot);
        }
    }
    knots.into_iter().collect()
}

/// All files to which one leads, by one step or more.
fn reached<'a>(from: &str, files: &'a BTreeSet<String>, edges: &Edges) -> BTreeSet<&'a String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for to in edges.get(file).into_iter().flatten().map(|(to, _)| to) {
            if let Some(to) = files.get(to)
                && found.insert(to)
            {
                open.push(to);
            }
        }
    }
    found
}

/// The shortest way round a circle, with a name for each step.
fn written_out(circle: &BTreeSet<String>, edges: &Edges) -> String {
    let way = circle.iter().filter_map(|file| way_back(file, circle, edges)).min_by_key(Vec::len);
    let way = way.expect("a circle leads back to each of its files");
    let names: Vec<String> = way
        .windows(2)
        .filter_map(|step| edges[step[0]][step[1]].first())
        .map(|name| format!("`{name}`"))
        .collect();
    let size = match circle.len() {
        2 => String::new(),
        files => format!(", one way round among {files} files"),
    };
    format!("{} (because of {}){size}", way.join(" -> "), names.join(", "))
}

/// The shortest way from a file to itself, both ends included.
fn way_back<'a>(
    start: &'a str,
    circle: &'a BTreeSet<String>,
    edges: &Edges,
) -> Option<Vec<&'a str>> {
    let mut open = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        for to in edges.get(*way.last()?)?.keys().filter_map(|to| circle.get(to)) {
            let longer: Vec<&str> = way.iter().copied().chain([to.as_str()]).collect();
            if to == start {
                return Some(longer);
            }
            if seen.insert(to) {
                open.push_back(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::File;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| File {
            path: format!("c/src/{path}"),
            text: (*text).to_owned(),
        };
        let tree = Tree { files: files.iter().map(file).collect() };
        let modules = Modules::of(&tree, "c/src/lib.rs");
        let edges = modules.edges();
        let circles = circles_of(&modules, &edges);
        let written = circles.iter().map(|circle| written_out(circle, &edges));
        written.map(|circle| circle.replace("c/src/", "")).collect()
    }

    #[test]
    fn a_circle_is_written_out_with_what_makes_it() {
        let circle = found(&[
            ("lib.rs", "mod a; mod b; mod d; mod e;"),
            ("a.rs", "use crate::b::B; use crate::d::D; pub struct A;"),
            ("b.rs", "use crate::d::D; pub struct B;"),
            ("d.rs", "pub struct D(crate::a::A);"),
            ("e.rs", "use crate::a::A;"),
        ]);
        assert_eq!(
            circle,
            ["a.rs -> d.rs -> a.rs (because of `D`, `A`), one way round among 3 files"]
        );
    }

    #[test]
    fn private_parts_may_look_back_at_their_door_but_not_at_each_other_and_others_not_round_it() {
        let lib = ("lib.rs", "mod x; mod y;");
        let door = ("x.rs", "mod a; mod b; use a::A; use b::B; pub struct X; pub use a::Shown;");
        let (a, b) = ("use super::X; pub struct A;", "use super::X; pub struct B;");
        assert!(found(&[lib, door, ("x/a.rs", a), ("x/b.rs", b), ("y.rs", "")]).is_empty());
        let b = "use super::a::A; pub struct B;";
        assert!(found(&[lib, door, ("x/a.rs", a), ("x/b.rs", b), ("y.rs", "")]).is_empty());
        let a = "use super::b::B; pub struct A;";
        let circle = found(&[lib, door, ("x/a.rs", a), ("x/b.rs", b), ("y.rs", "")]);
        assert_eq!(circle, ["x/a.rs -> x/b.rs -> x/a.rs (because of `B`, `A`)"]);
        let (a, y) =
            ("pub struct A; pub struct Shown(crate::y::Y);", "use crate::x::X; pub struct Y;");
        let circle = found(&[lib, door, ("x/a.rs", a), ("x/b.rs", ""), ("y.rs", y)]);
        assert_eq!(circle.len(), 1, "{circle:?}");
    }
}
