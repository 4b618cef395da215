//! The files in `hooks.d` and `files.d`, each checked once and whole. A refusal names file, line, rule and remedy.
//!
//! Invariant: nothing is taken from a file, and nothing is run, that somebody else than its owner may write. Knows nothing of runs.

use super::fence::Guarded;
use super::schedule::{Debounce, Retry};
use crate::drop_in::{line_of, toml_files};
use crate::regular;
use crate::words::time;
use serde::Deserialize;
use std::fmt::Display;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// Files in both directories together: each may have a process of its own.
pub(super) const MOST: usize = 64;
/// Bytes of one file.
const LARGEST: u64 = 64 * 1024;
/// How long a run may take, unless its file says otherwise; and at most.
const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub(super) struct Refused {
    pub(super) file: PathBuf,
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

/// What a hook follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Health,
    Budget(String),
}

/// What is to be done with the view, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hook {
    /// The file's name without its end; of a file that is written `file/NAME`.
    pub(super) name: String,
    /// Program and arguments.
    pub(super) run: Vec<String>,
    pub(super) on: Vec<Topic>,
    /// It is a fence for this, and follows nothing else.
    pub(super) fences: Option<Guarded>,
    pub(super) timeout: Duration,
    pub(super) debounce: Debounce,
    pub(super) retry: Retry,
}

/// What a file has that is written with the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) source: Source,
    pub(super) target: PathBuf,
    pub(super) mode: u32,
    /// What is run when the content is another one; may be empty.
    pub(super) then: Vec<String>,
}

/// What the content is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Template(PathBuf),
    /// The view itself.
    Json,
}

/// A file of `hooks.d` or `files.d`, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    run: Option<Spanned<Vec<String>>>,
    template: Option<Spanned<String>>,
    format: Option<Spanned<String>>,
    target: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
    then: Option<Spanned<Vec<String>>>,
    on: Option<Spanned<OneOrMore>>,
    budget: Option<Spanned<String>>,
    assignment: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    #[serde(default)]
    debounce: RawDebounce,
    #[serde(default)]
    retry: RawRetry,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDebounce {
    silence: Option<Spanned<String>>,
    goodbye: Option<Spanned<String>>,
    drain: Option<Spanned<String>>,
    other: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetry {
    first: Option<Spanned<String>>,
    most: Option<Spanned<String>>,
}

/// A file's text, for finding lines in it.
struct Page<'a> {
    file: &'a Path,
    text: String,
}

impl Page<'_> {
    fn refuse(&self, at: Option<usize>, what: impl Display) -> Refused {
        let line = at.map(|at| line_of(&self.text, at));
        Refused { file: self.file.to_owned(), line, what: what.to_string() }
    }

    fn wrong<T>(&self, value: &Spanned<T>, what: impl Display) -> Refused {
        self.refuse(Some(value.span().start), what)
    }

    fn time(
        &self,
        key: &str,
        given: Option<&Spanned<String>>,
    ) -> Result<Option<Duration>, Refused> {
        let Some(given) = given else { return Ok(None) };
        match time::duration(given.get_ref()) {
            Ok(time) if time <= LONGEST => Ok(Some(time)),
            Ok(_) => Err(self.wrong(given, format!("`{key}` is 1h at most"))),
            Err(error) => {
                let what =
                    format!("`{key}` is no span of time ({error}); write {}", time::DURATIONS);
                Err(self.wrong(given, what))
            }
        }
    }

    /// A command, whose program is a file that its owner alone may write.
    fn command(&self, key: &str, given: &Spanned<Vec<String>>) -> Result<Vec<String>, Refused> {
        let command = given.get_ref();
        let Some(program) = command.first() else {
            return Err(self.wrong(
                given,
                format!("`{key}` is empty; write [\"/path/of/program\", \"argument\"]"),
            ));
        };
        let path = Path::new(program);
        if !path.is_absolute() {
            let what =
                format!("`{program}` of `{key}` must be a whole path, such as /usr/bin/{program}");
            return Err(self.wrong(given, what));
        }
        let found = std::fs::metadata(path).map_err(|error| {
            self.wrong(given, format!("`{program}` of `{key}` cannot be run: {error}"))
        })?;
        if !found.is_file() || found.mode() & 0o111 == 0 {
            let what = format!(
                "`{program}` of `{key}` is no program; `chmod 755 {program}` if it is meant to be one"
            );
            return Err(self.wrong(given, what));
        }
        closed(path).map_err(|what| self.wrong(given, what))?;
        Ok(command.clone())
    }

    fn topics(&self, given: Option<&Spanned<OneOrMore>>) -> Result<Vec<Topic>, Refused> {
        let Some(given) = given else { return Ok(vec![Topic::Health]) };
        let words = match given.get_ref().clone() {
            OneOrMore::One(word) => vec![word],
            OneOrMore::More(words) => words,
        };
        let topic = |word: &String| match word.split_whitespace().collect::<Vec<_>>()[..] {
            ["health"] => Some(Topic::Health),
            ["budget", name] => Some(Topic::Budget(name.to_owned())),
            _ => None,
        };
        let topics: Option<Vec<Topic>> = words.iter().map(topic).collect();
        match topics.filter(|topics| !topics.is_empty()) {
            Some(mut topics) => {
                topics.sort();
                topics.dedup();
                Ok(topics)
            }
            None => {
                let what =
                    "`on` is \"health\" or \"budget NAME\", or a list of these; or \"fence\" alone";
                Err(self.wrong(given, what))
            }
        }
    }

    /// What it guards, if it is a fence.
    fn fences(&self, raw: &Raw) -> Result<Option<Guarded>, Refused> {
        let on = raw.on.as_ref();
        let is_fence = |it: &&Spanned<OneOrMore>| matches!(it.get_ref(), OneOrMore::One(word) if word.trim() == "fence");
        match (on.filter(is_fence), &raw.budget, &raw.assignment) {
            (None, None, None) => Ok(None),
            (None, Some(given), _) | (None, None, Some(given)) => {
                Err(self.wrong(given, "`budget` and `assignment` go with `on = \"fence\"`"))
            }
            (Some(_), Some(budget), None) => Ok(Some(Guarded::Budget(budget.get_ref().clone()))),
            (Some(_), None, Some(assignment)) => {
                Ok(Some(Guarded::Assignment(assignment.get_ref().clone())))
            }
            (Some(given), ..) => {
                let what = "a fence is for one thing: write `budget = \"NAME\"` or `assignment = \"NAME\"` beside it";
                Err(self.wrong(given, what))
            }
        }
    }

    fn when(&self, name: String, raw: &Raw, run: Vec<String>) -> Result<Hook, Refused> {
        let (debounce, retry) = (Debounce::default(), Retry::default());
        let timeout = self.time("timeout", raw.timeout.as_ref())?.unwrap_or(TIMEOUT);
        if timeout.is_zero() {
            return Err(
                self.refuse(raw.timeout.as_ref().map(|it| it.span().start), "`timeout` is above 0")
            );
        }
        let of = |key: &str, given: &Option<Spanned<String>>, default| {
            self.time(key, given.as_ref()).map(|time| time.unwrap_or(default))
        };
        let debounce = Debounce {
            silence: of("debounce.silence", &raw.debounce.silence, debounce.silence)?,
            goodbye: of("debounce.goodbye", &raw.debounce.goodbye, debounce.goodbye)?,
            drain: of("debounce.drain", &raw.debounce.drain, debounce.drain)?,
            other: of("debounce.other", &raw.debounce.other, debounce.other)?,
        };
        let retry = Retry {
            first: of("retry.first", &raw.retry.first, retry.first)?,
            most: of("retry.most", &raw.retry.most, retry.most)?,
        };
        if retry.first < Duration::from_millis(100) || retry.most < retry.first {
            let at = raw.retry.first.as_ref().or(raw.retry.most.as_ref()).map(|it| it.span().start);
            return Err(
                self.refuse(at, "`retry.first` is 100ms at least, and no more than `retry.most`")
            );
        }
        let fences = self.fences(raw)?;
        let on = if fences.is_some() { Vec::new() } else { self.topics(raw.on.as_ref())? };
        Ok(Hook { name, run, on, fences, timeout, debounce, retry })
    }

    fn unfit(&self, keys: &[(&str, Option<usize>)], of: &str) -> Result<(), Refused> {
        match keys.iter().find(|(_, at)| at.is_some()) {
            None => Ok(()),
            Some((key, at)) => {
                Err(self.refuse(*at, format!("`{key}` is no key of a file in {of}")))
            }
        }
    }

    fn written(&self, raw: &Raw) -> Result<Written, Refused> {
        let example = "such as `target = \"/etc/haproxy/servers.cfg\"`";
        let missing =
            || self.refuse(None, format!("`target` is missing: the file to write, {example}"));
        let given = raw.target.as_ref().ok_or_else(missing)?;
        let target = PathBuf::from(given.get_ref());
        if !target.is_absolute() || target.file_name().is_none() {
            return Err(
                self.wrong(given, format!("`target` must be the whole path of a file, {example}"))
            );
        }
        let source = match (&raw.template, &raw.format) {
            (Some(template), None) => {
                let beside = self.file.parent().unwrap_or(Path::new("/"));
                let path = beside.join(template.get_ref());
                closed(&path).map_err(|what| self.wrong(template, what))?;
                Source::Template(path)
            }
            (None, Some(format)) if format.get_ref() == "json" => Source::Json,
            (None, Some(format)) => return Err(self.wrong(format, "`format` is \"json\"")),
            _ => {
                return Err(
                    self.refuse(None, "write either `template = \"PATH\"` or `format = \"json\"`")
                );
            }
        };
        let mode = match &raw.mode {
            None => 0o644,
            Some(given) => match u32::from_str_radix(given.get_ref(), 8) {
                Ok(mode) if mode <= 0o777 => mode,
                _ => {
                    return Err(
                        self.wrong(given, "`mode` is \"0600\" to \"0777\", in octal digits")
                    );
                }
            },
        };
        let then = raw.then.as_ref().map(|given| self.command("then", given)).transpose()?;
        Ok(Written { source, target, mode, then: then.unwrap_or_default() })
    }
}

/// Says why a file must not be relied on; nothing when its owner alone may write it.
fn closed(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & 0o022 == 0 => Ok(()),
        Ok(_) => {
            let path = path.display();
            Err(format!("others than its owner may write {path}; `chmod go-w {path}`"))
        }
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn read(file: &Path) -> Result<(Page<'_>, Raw), Refused> {
    let refuse = |what: String| Refused { file: file.to_owned(), line: None, what };
    closed(file).map_err(refuse)?;
    let text = regular::read_text(file, LARGEST)
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let page = Page { file, text };
    let raw = toml::from_str(&page.text).map_err(|error| {
        page.refuse(error.span().map(|span| span.start), error.message().trim())
    })?;
    Ok((page, raw))
}

/// The hook of a file in `hooks.d`.
pub(super) fn hook(file: &Path) -> Result<Hook, Refused> {
    let (page, raw) = read(file)?;
    let start = |it: &Option<Spanned<String>>| it.as_ref().map(|it| it.span().start);
    let unfit = [
        ("template", start(&raw.template)),
        ("format", start(&raw.format)),
        ("target", start(&raw.target)),
        ("mode", start(&raw.mode)),
        ("then", raw.then.as_ref().map(|it| it.span().start)),
    ];
    page.unfit(&unfit, "hooks.d; those of files.d have it")?;
    let missing = || {
        page.refuse(
            None,
            "`run` is missing: what to run, such as `run = [\"/usr/local/bin/tell\"]`",
        )
    };
    let run = page.command("run", raw.run.as_ref().ok_or_else(missing)?)?;
    page.when(name_of(file)?, &raw, run)
}

/// What a file in `files.d` writes, and when.
pub(super) fn written(file: &Path) -> Result<(Written, Hook), Refused> {
    let (page, raw) = read(file)?;
    let unfit = [("run", raw.run.as_ref().map(|it| it.span().start))];
    page.unfit(&unfit, "files.d; `then` is run when the file is another one")?;
    if let Some(on) = raw.on.as_ref().filter(|_| page.fences(&raw).is_ok_and(|it| it.is_some())) {
        return Err(page.wrong(on, "a fence is a program: write it in hooks.d"));
    }
    let written = page.written(&raw)?;
    // This program writes it, in a run as any other: with its time limit, its retries and its place in the status.
    let run = ["/proc/self/exe", "hooks", "render"].map(str::to_owned).to_vec();
    let run = [run, vec![file.display().to_string()]].concat();
    Ok((written, page.when(format!("file/{}", name_of(file)?), &raw, run)?))
}

fn name_of(file: &Path) -> Result<String, Refused> {
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        let what = "its name must be 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, and then `.toml`"
            .to_owned();
        return Err(Refused { file: file.to_owned(), line: None, what });
    }
    Ok(name.to_owned())
}

/// All hooks under a directory, and what is refused of them. A directory that is not there has none.
pub(super) fn all(under: &Path) -> (Vec<Hook>, Vec<Refused>) {
    let (mut hooks, mut refused) = (Vec::new(), Vec::new());
    for file in files_of(&under.join("hooks.d"), &mut refused) {
        hook(&file).map_or_else(|no| refused.push(no), |hook| hooks.push(hook));
    }
    for file in files_of(&under.join("files.d"), &mut refused) {
        written(&file).map_or_else(|no| refused.push(no), |(_, hook)| hooks.push(hook));
    }
    if hooks.len() > MOST {
        let what =
            format!("{} files, and {MOST} hooks and files together are the most", hooks.len());
        refused.push(Refused { file: under.to_owned(), line: None, what });
        hooks.truncate(MOST);
    }
    (hooks, refused)
}

/// What each file of `files.d` writes that is not refused, with the name of its hook.
pub(super) fn all_written(under: &Path) -> Vec<(String, Written)> {
    let files = files_of(&under.join("files.d"), &mut Vec::new());
    let written = files.iter().filter_map(|file| written(file).ok());
    written.map(|(written, hook)| (hook.name, written)).collect()
}

/// The files of a directory.
fn files_of(directory: &Path, refused: &mut Vec<Refused>) -> Vec<PathBuf> {
    toml_files(directory).unwrap_or_else(|error| {
        let what = format!("cannot be read: {error}");
        refused.push(Refused { file: directory.to_owned(), line: None, what });
        Vec::new()
    })
}

#[cfg(test)]
mod tests;
