//! The modules of one crate as its files declare them, and what each imports from the others. What is for tests only is left out.
//!
//! No compiler: paths are followed through `mod`, `use` and re-exports, as far as names go. What is reached by a method or a macro
//! alone is not seen.

use super::lexer::{is_word, passed_over};
use super::source::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// A module's place in its crate; empty for the root.
type Place = Vec<String>;

/// File to file, with the names because of which.
pub(crate) type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// One `use`, or one branch of its tree.
struct Import {
    path: Vec<String>,
    /// What it is called here; `*` for everything.
    name: String,
    /// Seen outside: `pub` of any kind.
    shown: bool,
}

/// A module: a file, or a part of one.
#[derive(Default)]
struct Module {
    file: String,
    /// Only its parent, and what lies below that, can name it.
    private: bool,
    children: BTreeSet<String>,
    /// Names of what is defined in it.
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in its text, outside of `use`.
    mentions: Vec<Vec<String>>,
}

/// All modules of a crate.
pub(crate) struct Modules {
    all: BTreeMap<Place, Module>,
}

/// Where a path leads.
struct Target<'a> {
    place: &'a Place,
    /// What is named in that module; none when it is the module itself.
    item: Option<&'a str>,
}

impl Modules {
    /// Reads a crate from its root file on. None: that file is not there.
    pub(crate) fn of(tree: &Tree, root: &str) -> Self {
        let mut modules = Self { all: BTreeMap::new() };
        let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory);
        modules.read(tree, root, directory, Vec::new(), false);
        modules
    }

    fn read(&mut self, tree: &Tree, path: &str, below: &str, place: Place, private: bool) {
        let file = tree.files.iter().find(|file| file.path == path);
        let file = file.unwrap_or_else(|| panic!("{path} is not there"));
        let words = without_tests(&words(&file.text));
        self.parse(tree, &words, path, below, place, private);
    }

    /// Takes the words of one module, and reads the files of its children.
    fn parse(
        &mut self,
        tree: &Tree,
        words: &[&str],
        file: &str,
        below: &str,
        place: Place,
        private: bool,
    ) {
        let mut module = Module { file: file.to_owned(), private, ..Module::default() };
        let (mut at, mut depth) = (0, 0_usize);
        while at < words.len() {
            let before = at.checked_sub(1).map_or(";", |before| words[before]);
            match (words[at], words.get(at + 1), words.get(at + 2)) {
                ("mod", Some(name), Some(&open @ (";" | "{"))) => {
                    let private = !matches!(before, "pub" | ")");
                    let child: Place = place.iter().cloned().chain([(*name).to_owned()]).collect();
                    let deeper = format!("{below}/{name}");
                    module.children.insert((*name).to_owned());
                    at += 3;
                    if open == "{" {
                        let end = at + end_of_block(&words[at..]);
                        self.parse(tree, &words[at..end], file, &deeper, child, private);
                        at = end + 1;
                    } else {
                        let flat = format!("{deeper}.rs");
                        let is_flat = tree.files.iter().any(|file| file.path == flat);
                        let path = if is_flat { flat } else { format!("{deeper}/mod.rs") };
                        self.read(tree, &path, &deeper, child, private);
                    }
                    continue;
                }
                ("use", Some(_), _) if is_start(before) => {
                    let shown = matches!(before, "pub" | ")");
                    at = take_use(words, at + 1, &[], shown, &mut module.imports);
                    continue;
                }
                (word, Some(&"::"), _) if before != "::" && is_name(word) => {
                    let path = path_at(&words[at..]);
                    at += 2 * path.len() - 1;
                    module.mentions.push(path);
                    continue;
                }
                (word, Some(name), after)
                    if depth == 0 && before != "'" && DEFINES.contains(&word) =>
                {
                    let name = if *name == "fn" { after.unwrap_or(name) } else { name };
                    module.items.insert((*name).to_owned());
                }
                ("{", ..) => depth += 1,
                ("}", ..) => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        self.all.insert(place, module);
    }

    /// All files.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.all.values().map(|module| module.file.as_str()).collect()
    }

    /// Who needs what of whom.
    pub(crate) fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (place, module) in &self.all {
            let imports = module.imports.iter().filter_map(|import| {
                let target = self.follow(place, &import.path, 0)?;
                let passed_on =
                    import.shown && target.place != place && target.place.starts_with(place);
                let all = (import.name == "*").then_some("*");
                // What a parent only passes on it does not need; a module that is only named gives nothing yet.
                (!passed_on).then_some((target.place, target.item.or(all)?))
            });
            let mentions = module.mentions.iter().filter_map(|path| {
                let target = self.follow(place, path, 0)?;
                Some((target.place, target.item?))
            });
            for (target, name) in imports.chain(mentions) {
                let to = &self.all[target].file;
                if *to != module.file {
                    let names = edges.entry(module.file.clone()).or_default();
                    names.entry(to.clone()).or_default().insert(name.to_owned());
                }
            }
        }
        edges
    }

    /// Where a path leads that stands in the module at `from`; none outside of the crate.
    fn follow<'a>(
        &'a self,
        from: &'a Place,
        path: &'a [String],
        steps: usize,
    ) -> Option<Target<'a>> {
        let first = path.first()?;
        let up = path.iter().take_while(|word| *word == "super").count();
        let (start, rest) = match first.as_str() {
            "crate" => (Place::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from[..from.len().checked_sub(up)?].to_vec(), &path[up..]),
            name => {
                let module = &self.all[from];
                let known = module.imports.iter().any(|import| import.name == name);
                if !known && !module.children.contains(name) {
                    return None;
                }
                (from.clone(), path)
            }
        };
        self.descend(&start, rest, steps)
    }

    fn descend<'a>(
        &'a self,
        start: &Place,
        path: &'a [String],
        steps: usize,
    ) -> Option<Target<'a>> {
        let (place, module) = self.all.get_key_value(start)?;
        let Some(name) = path.first() else { return Some(Target { place, item: None }) };
        // Enough for every chain of re-exports; two globs of each other would go on for ever.
        if steps > 16 {
            return None;
        }
        if module.children.contains(name) {
            let child: Place = place.iter().cloned().chain([name.clone()]).collect();
            return self.descend(&child, &path[1..], steps);
        }
        let here = Target { place, item: Some(name) };
        if module.items.contains(name) {
            return Some(here);
        }
        if let Some(import) = module.imports.iter().find(|import| import.name == *name) {
            let target = self.follow(place, &import.path, steps + 1)?;
            // A module under another name: the rest of the path goes on in it.
            return match target.item {
                None => self.descend(target.place, &path[1..], steps + 1),
                Some(_) => Some(target),
            };
        }
        let globs = module.imports.iter().filter(|import| import.name == "*");
        let mut inside = globs.filter_map(|glob| {
            let target = self.follow(place, &glob.path, steps + 1)?;
            self.has(target.place, name).then(|| self.descend(target.place, path, steps + 1))?
        });
        inside.next().or(Some(here))
    }

    fn has(&self, place: &Place, name: &str) -> bool {
        let module = &self.all[place];
        module.items.contains(name)
            || module.children.contains(name)
            || module.imports.iter().any(|import| import.name == name)
    }

    /// Whether `file` is a private part of the room that `parent` is the door of. The root of a crate is no such door: it would
    /// be one room with everything.
    pub(crate) fn is_part_of(&self, file: &str, parent: &str) -> bool {
        let (Some(inner), Some(outer)) = (self.place_of(file), self.place_of(parent)) else {
            return false;
        };
        let between = outer.len() + 1..=inner.len();
        !outer.is_empty()
            && inner.len() > outer.len()
            && inner.starts_with(outer)
            && between.into_iter().all(|length| self.all[&inner[..length]].private)
    }

    /// The outermost module of a file.
    pub(crate) fn place_of(&self, file: &str) -> Option<&Place> {
        let places = self.all.iter().filter(|(_, module)| module.file == file);
        places.map(|(place, _)| place).min_by_key(|place| place.len())
    }
}

/// What begins a definition; a name follows.
const DEFINES: [&str; 8] = ["struct", "enum", "union", "fn", "const", "static", "trait", "type"];

/// Whether a statement or item can begin behind this word.
fn is_start(before: &str) -> bool {
    matches!(before, ";" | "{" | "}" | "]" | "pub" | ")")
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// The names and signs of a text, without comments and literals.
fn words(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut at, mut words) = (0, Vec::new());
    while at < bytes.len() {
        let rest = &bytes[at..];
        let skipped = passed_over(rest);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let length = match rest.iter().take_while(|byte| is_word(**byte)).count() {
            0 if rest.starts_with(b"::") => 2,
            length => length.max(1),
        };
        words.extend(text.get(at..at + length).filter(|word| !word.trim().is_empty()));
        at += length;
    }
    words
}

/// Without the items behind `#[cfg(test)]`.
fn without_tests<'a>(words: &[&'a str]) -> Vec<&'a str> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut at, mut kept) = (0, Vec::new());
    while at < words.len() {
        if !words[at..].starts_with(&TEST) {
            kept.push(words[at]);
            at += 1;
            continue;
        }
        at += TEST.len();
        let mut depth = 0_usize;
        while at < words.len() {
            let word = words[at];
            at += 1;
            match word {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(word, ";" | "}") {
                break;
            }
        }
    }
    kept
}

/// How many words a block has whose opening brace is behind us.
fn end_of_block(words: &[&str]) -> usize {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match *word {
            "{" => depth += 1,
            "}" if depth == 0 => return at,
            "}" => depth -= 1,
            _ => {}
        }
    }
    words.len()
}

/// The path that begins here.
fn path_at(words: &[&str]) -> Vec<String> {
    let mut path = vec![words[0].to_owned()];
    let mut at = 1;
    while words.get(at) == Some(&"::") && words.get(at + 1).is_some_and(|word| is_name(word)) {
        path.push(words[at + 1].to_owned());
        at += 2;
    }
    path
}

/// Takes the tree of a `use` apart, from `at` on; gives the place behind it.
fn take_use(
    words: &[&str],
    mut at: usize,
    prefix: &[String],
    shown: bool,
    imports: &mut Vec<Import>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some(word) = words.get(at) {
        at += 1;
        match *word {
            "::" => continue,
            "{" => {
                while words.get(at).is_some_and(|word| *word != "}") {
                    at = take_use(words, at, &path, shown, imports);
                    at += usize::from(words.get(at) == Some(&","));
                }
                return at + 1;
            }
            "*" => {
                imports.push(Import { path, name: "*".to_owned(), shown });
                return at;
            }
            // `a::{self}` names `a`; alone it is where a path begins.
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        if words.get(at) != Some(&"::") {
            break;
        }
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if words.get(at) == Some(&"as") {
        name = words.get(at + 1).map_or(name, |other| (*other).to_owned());
        at += 2;
    }
    imports.push(Import { path, name, shown });
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::File;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Tree { files: files.iter().map(file).collect() }
    }

    #[test]
    fn names_are_followed_through_re_exports_modules_and_globs_to_the_file_that_defines_them() {
        let tree = tree(&[
            ("c/src/lib.rs", "mod a; mod b; pub mod d; pub use b::Thing;"),
            ("c/src/a.rs", "use crate::{Thing, d as other};\nfn f() -> Thing { other::deep::g() }"),
            (
                "c/src/b.rs",
                "use super::d::*; pub struct Thing; const N: u8 = deep::M; // crate::a::f",
            ),
            ("c/src/d/mod.rs", "mod deep; #[cfg(test)] mod tests { use crate::a::f; }"),
            ("c/src/d/deep.rs", "pub fn g() { let _ = \"crate::a::f()\"; super::super::a::f() }"),
        ]);
        let edges = Modules::of(&tree, "c/src/lib.rs").edges();
        let mut found = Vec::new();
        for (from, to) in &edges {
            for (to, names) in to {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                found.push(format!("{from} {to} {}", names.join(" ")).replace("c/src/", ""));
            }
        }
        assert_eq!(
            found,
            ["a.rs b.rs Thing", "a.rs d/deep.rs g", "b.rs d/mod.rs *", "d/deep.rs a.rs f",]
        );
    }
}
