//! The files below `budgets.d` and `assignments.d`: one definition each, `NAME.toml`, read at the start and at each `SIGHUP`.
//!
//! Invariant: a file that cannot be used keeps no daemon down and no other file out; it is named with what is wrong, and with what helps.
//! What a file leaves out is as by default.

use crate::drop_in::{self, line_of, visible_toml_files};
use crate::words::time;
use quorate_proto::{
    Assignment, Budget, BudgetMode, Class, DefinitionCause, Label, QuorumLoss, Rebalance, limits,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directories {
    pub(crate) budgets: PathBuf,
    pub(crate) assignments: PathBuf,
}

/// What the directories held when they were read last.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DropIns {
    /// Each with its file, in the order of names.
    pub(crate) budgets: Vec<(PathBuf, Budget)>,
    pub(crate) assignments: Vec<(PathBuf, Assignment)>,
    /// What could not be used.
    pub(crate) problems: Vec<DefinitionCause>,
}

impl DropIns {
    /// Reads both; a directory that is not there has no files.
    pub(crate) fn read(directories: &Directories) -> Self {
        let mut problems = Vec::new();
        let (most_budgets, most) = (limits::BUDGETS, limits::ASSIGNMENTS);
        let budgets = read(&directories.budgets, most_budgets, budget, &mut problems);
        let assignments = read(&directories.assignments, most, assignment, &mut problems);
        Self { budgets, assignments, problems }
    }

    /// Whether nothing is defined.
    pub(crate) fn are_none(&self) -> bool {
        self.budgets.is_empty() && self.assignments.is_empty()
    }
}

/// All files of a directory that can be used; of the others what is wrong.
fn read<T>(
    directory: &Path,
    most: usize,
    parse: fn(&str, &Text<'_>) -> Result<T, String>,
    problems: &mut Vec<DefinitionCause>,
) -> Vec<(PathBuf, T)> {
    let mut wrong = |file: &Path, what: String| {
        let file = file.display().to_string();
        let problem = format!("{file}: {what}");
        problems.push(DefinitionCause::DropIn { file, problem });
    };
    let files = match visible_toml_files(directory) {
        Ok(files) => files,
        Err(error) => {
            wrong(directory, format!("cannot be read: {error}"));
            Vec::new()
        }
    };
    let mut all = Vec::new();
    for path in files {
        match read_one(&path, parse) {
            Ok(_) if all.len() >= most => {
                wrong(&path, format!("{most} are the most; remove a file"));
            }
            Ok(one) => all.push((path, one)),
            Err(what) => wrong(&path, what),
        }
    }
    all
}

fn read_one<T>(path: &Path, parse: fn(&str, &Text<'_>) -> Result<T, String>) -> Result<T, String> {
    let text = drop_in::definition(path)?;
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    parse(name, &Text(&text))
}

/// The text of a file, for the line of what is wrong in it.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn written<T: DeserializeOwned>(&self) -> Result<T, String> {
        toml::from_str(self.0).map_err(|error| {
            let wrong = error.message().trim();
            error.span().map_or_else(|| wrong.to_owned(), |span| self.at(&span, wrong))
        })
    }

    fn at(&self, span: &Range<usize>, wrong: &str) -> String {
        format!("line {}: {wrong}", line_of(self.0, span.start))
    }

    /// A word out of a list; the first of it where none is written.
    fn word<T: Copy>(
        &self,
        key: &str,
        given: Option<&Spanned<String>>,
        words: &[(&str, T)],
    ) -> Result<T, String> {
        let Some(given) = given else { return Ok(words[0].1) };
        let known = words.iter().find(|(word, _)| word == given.get_ref());
        known.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let wrong = format!("`{key}` is {}, not \"{}\"", words.join(" or "), given.get_ref());
            self.at(&given.span(), &wrong)
        })
    }

    fn ttl_ms(&self, given: Option<&Spanned<String>>) -> Result<u64, String> {
        let Some(given) = given else { return Ok(limits::BUDGET_TTL_DEFAULT_MS) };
        let ttl = time::duration(given.get_ref()).map_err(|error| {
            let wrong = format!("`ttl` is no span of time ({error}); write for example \"4s\"");
            self.at(&given.span(), &wrong)
        })?;
        Ok(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBudget {
    max: u64,
    #[serde(default)]
    min: u64,
    mode: Option<Spanned<String>>,
    ttl: Option<Spanned<String>>,
    #[serde(default)]
    reserve: u64,
    on_quorum_loss: Option<Spanned<String>>,
    #[serde(default)]
    fence: String,
    #[serde(default)]
    scope: BTreeMap<String, String>,
    #[serde(default)]
    classes: BTreeMap<String, u64>,
}

fn budget(name: &str, text: &Text<'_>) -> Result<Budget, String> {
    let WrittenBudget { max, min, mode, ttl, reserve, scope, classes, on_quorum_loss, fence } =
        text.written()?;
    let classes = classes.into_iter().map(|(name, max)| Class { name, max }).collect();
    let modes = [BudgetMode::Strict, BudgetMode::Eager].map(|mode| (mode.word(), mode));
    let mode = text.word("mode", mode.as_ref(), &modes)?.into();
    let losses = [QuorumLoss::Hold, QuorumLoss::Local].map(|it| (it.word(), it));
    let on_quorum_loss = text.word("on_quorum_loss", on_quorum_loss.as_ref(), &losses)?.into();
    let (name, ttl_ms, scope) = (name.to_owned(), text.ttl_ms(ttl.as_ref())?, Label::all(scope));
    let budget =
        Budget { name, max, min, mode, ttl_ms, reserve, scope, classes, on_quorum_loss, fence };
    budget.fault().map_or(Ok(budget), Err)
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Items {
    Count(u32),
    Names(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAssignment {
    items: Items,
    ttl: Option<Spanned<String>>,
    rebalance: Option<Spanned<String>>,
    on_quorum_loss: Option<Spanned<String>>,
    #[serde(default)]
    scope: BTreeMap<String, String>,
}

fn assignment(name: &str, text: &Text<'_>) -> Result<Assignment, String> {
    let WrittenAssignment { items, ttl, rebalance, on_quorum_loss, scope } = text.written()?;
    if let Some(given) = on_quorum_loss.filter(|it| it.get_ref() != QuorumLoss::Hold.word()) {
        let wrong = "`on_quorum_loss = \"local\"` is of budgets alone: an item has one holder by a majority's word, or none";
        return Err(text.at(&given.span(), wrong));
    }
    let (count, names) = match items {
        Items::Count(count) => (count, Vec::new()),
        Items::Names(names) => (0, names),
    };
    let rules = [Rebalance::Lazy, Rebalance::Eager, Rebalance::Never].map(|it| (it.word(), it));
    let rebalance = text.word("rebalance", rebalance.as_ref(), &rules)?.into();
    let (name, ttl_ms, scope) = (name.to_owned(), text.ttl_ms(ttl.as_ref())?, Label::all(scope));
    let assignment = Assignment { name, count, names, scope, ttl_ms, rebalance };
    assignment.fault().map_or(Ok(assignment), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_has_the_defaults_of_the_command_line_and_what_its_file_says() {
        let plain = budget("pg", &Text("max = 30\n")).expect("it fits");
        assert_eq!((plain.max, plain.ttl_ms, plain.mode()), (30, 4_000, BudgetMode::Strict));
        let text = "max = 30\nmin = 2\nmode = \"eager\"\nttl = \"9s\"\nreserve = 1\nscope = { role = \"proxy\" }\n";
        let said = budget("pg", &Text(text)).expect("it fits");
        assert_eq!((said.min, said.ttl_ms, said.reserve), (2, 9_000, 1));
        assert_eq!((said.mode(), said.scope.len()), (BudgetMode::Eager, 1));
        let text = "max = 30\n[classes]\nreport = 10\napp = 20\n";
        let classes = budget("pg", &Text(text)).expect("it fits").classes;
        let classes: Vec<_> = classes.iter().map(|it| (it.name.as_str(), it.max)).collect();
        assert_eq!(classes, [("app", 20), ("report", 10)]);
        let parts = assignment("parts", &Text("items = 6\n")).expect("it fits");
        assert_eq!((parts.items(), parts.rebalance()), (6, Rebalance::Lazy));
        let edge =
            assignment("edge", &Text("items = [\"vip\", \"cron\"]\nrebalance = \"never\"\n"));
        let edge = edge.expect("it fits");
        assert_eq!((edge.item(1).as_str(), edge.rebalance()), ("cron", Rebalance::Never));
    }

    #[test]
    fn the_shipped_examples_are_taken() {
        let text = |name: &str| {
            let file = format!("{}/../systemd/{name}.example.toml", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(file).expect("it is there")
        };
        assert_eq!(budget("pg", &Text(&text("budget"))).map(|it| it.max), Ok(30));
        assert_eq!(assignment("p", &Text(&text("assignment"))).map(|it| it.count), Ok(6));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_line_and_keeps_no_other_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let directories = Directories {
            budgets: dir.path().join("budgets.d"),
            assignments: dir.path().join("assignments.d"),
        };
        assert_eq!(DropIns::read(&directories), DropIns::default(), "none is there");
        std::fs::create_dir(&directories.budgets).expect("a directory");
        std::fs::create_dir(&directories.assignments).expect("a directory");
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
        let budgets = |name: &str| directories.budgets.join(name);
        write(budgets("pg.toml"), "max = 30\n");
        write(budgets(".#pg.toml"), "nothing\n");
        write(budgets("odd.toml"), "max = 30\ncolour = \"red\"\n");
        write(budgets("slow.toml"), "max = 30\nttl = \"soon\"\n");
        write(budgets("mode.toml"), "max = 30\n\nmode = \"quick\"\n");
        write(budgets("none.toml"), "max = 0\n");
        write(budgets("many.toml"), "max = 30\n[classes]\napp = 20\nreport = 13\n");
        write(budgets("alone.toml"), "max = 30\non_quorum_loss = \"local\"\n");
        write(budgets("loss.toml"), "max = 30\non_quorum_loss = \"both\"\n");
        write(directories.assignments.join("loss.toml"), "items = 2\non_quorum_loss = \"local\"\n");
        write(directories.assignments.join("edge.toml"), "rebalance = \"lazy\"\n");
        let read = DropIns::read(&directories);
        assert_eq!((read.budgets.len(), read.assignments.len()), (1, 0));
        let problem = |name: &str| {
            let of = |cause: &&DefinitionCause| matches!(cause, DefinitionCause::DropIn { file, .. } if file.ends_with(name));
            match read.problems.iter().find(of) {
                Some(DefinitionCause::DropIn { problem, .. }) => problem.clone(),
                other => panic!("{name}: {other:?}"),
            }
        };
        for (name, parts) in [
            ("odd.toml", ["line 2", "colour"]),
            ("slow.toml", ["line 2", "ttl"]),
            ("mode.toml", ["line 3", "\"strict\" or \"eager\""]),
            ("none.toml", ["max is 0", "none.toml"]),
            ("many.toml", ["33 together (app 20, report 13)", "max is 30"]),
            ("alone.toml", ["demands a fence", "alone.toml"]),
            ("budgets.d/loss.toml", ["line 2", "\"hold\" or \"local\""]),
            ("assignments.d/loss.toml", ["line 2", "of budgets alone"]),
            ("edge.toml", ["items", "edge.toml"]),
        ] {
            let said = problem(name);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
