//! The files below `apps.d`: one application each, `NAME.toml`, read at the start and at each `SIGHUP`.
//!
//! Invariant: a file that cannot be used keeps no daemon down and no other file out; it is named with its line, with what is wrong, and with
//! what helps. Knows nothing of how a check runs.

use super::definition::{
    CHECK_TEXT, Check, Definition, IN_A_ROW, INTERVAL, INTERVALS, Kind, Source, TIMEOUT, TIMEOUTS,
    TTL, TTLS, spoken,
};
use super::definition::{FALL, RISE};
use crate::drop_in::{self, line_of, visible_toml_files};
use crate::words::time;
use axum::http::Uri;
use quorate_proto::{ApplicationCause, Label, is_host_port, limits};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// What the directory held when it was read last.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DropIns {
    /// In the order of names.
    pub(crate) definitions: Vec<Definition>,
    /// What could not be used.
    pub(crate) problems: Vec<ApplicationCause>,
    /// Why this host takes no application at all, neither of a file nor one that registers; none: it takes them.
    pub(crate) takes_none: Option<&'static str>,
}

/// A host that carries an application is not small any more, and its loss is more than that of a vote; who put the file there is to hear of it.
const A_WITNESS: &str = "this host is a witness (`role = \"witness\"` in host.toml), which carries no application; have it run on another host";

impl DropIns {
    /// Reads a directory; one that is not there has no files.
    pub(crate) fn read(directory: &Path) -> Self {
        let files = match visible_toml_files(directory) {
            Ok(files) => files,
            Err(error) => {
                let file = directory.display().to_string();
                let problem = format!("{file}: cannot be read: {error}");
                let problems = vec![ApplicationCause::DropIn { file, problem }];
                return Self { problems, ..Self::default() };
            }
        };
        let mut all = BTreeMap::new();
        let mut problems = Vec::new();
        for path in files {
            if let Err(problem) = read_one(&path).and_then(|one| put(&mut all, one)) {
                let file = path.display().to_string();
                let problem = format!("{file}: {problem}");
                problems.push(ApplicationCause::DropIn { file, problem });
            }
        }
        Self { definitions: all.into_values().collect(), problems, takes_none: None }
    }

    /// The same for a witness: no file is used, and each is named.
    pub(crate) fn of_a_witness(directory: &Path) -> Self {
        let Self { definitions, mut problems, .. } = Self::read(directory);
        for one in definitions {
            let Source::DropIn(path) = &one.source else { continue };
            let file = path.display().to_string();
            let problem = format!("{file}: {A_WITNESS}");
            problems.push(ApplicationCause::DropIn { file, problem });
        }
        Self { definitions: Vec::new(), problems, takes_none: Some(A_WITNESS) }
    }
}

fn put(all: &mut BTreeMap<String, Definition>, one: Definition) -> Result<(), String> {
    if let Some(Definition { source: Source::DropIn(other), .. }) = all.get(&one.name) {
        let (name, other) = (&one.name, other.display());
        return Err(format!("{other} defines `{name}` too; give one of the two another name"));
    }
    if all.len() >= limits::HOST_APPLICATIONS {
        let most = limits::HOST_APPLICATIONS;
        return Err(format!("a host has at most {most} applications; remove a file"));
    }
    all.insert(one.name.clone(), one);
    Ok(())
}

fn read_one(path: &Path) -> Result<Definition, String> {
    let text = drop_in::definition(path)?;
    parse(path, &text)
}

/// As it is written. What has a rule of ours knows where it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    #[serde(default)]
    endpoints: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    check: Spanned<WrittenCheck>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCheck {
    kind: Spanned<String>,
    url: Option<Spanned<String>>,
    address: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    unit: Option<Spanned<String>>,
    interval: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    ttl: Option<Spanned<String>>,
    rise: Option<Spanned<u32>>,
    fall: Option<Spanned<u32>>,
}

/// The text of a file, for the line of what is wrong in it.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn at(&self, span: &Range<usize>, wrong: &str) -> String {
        format!("line {}: {wrong}", line_of(self.0, span.start))
    }
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Definition, String> {
    let written: Written = toml::from_str(text).map_err(|error| {
        let wrong = error.message().trim();
        error.span().map_or_else(|| wrong.to_owned(), |span| Text(text).at(&span, wrong))
    })?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = written.name.or(stem).unwrap_or_default();
    let label = |(name, value)| Label { name, value };
    let labels = written.labels.into_iter().map(label).collect();
    let check = check_of(&Text(text), written.check, &written.endpoints)?;
    let (endpoints, source) = (written.endpoints, Source::DropIn(path.to_owned()));
    let definition = Definition { name, endpoints, labels, check, source };
    definition.fault().map_or(Ok(definition), Err)
}

fn check_of(
    text: &Text<'_>,
    written: Spanned<WrittenCheck>,
    endpoints: &[String],
) -> Result<Check, String> {
    let span = written.span();
    let WrittenCheck { kind, url, address, command, unit, interval, timeout, ttl, rise, fall } =
        written.into_inner();
    let word = kind.get_ref().as_str();
    let of_others = [
        ("url", url.as_ref().map(Spanned::span), "http"),
        ("address", address.as_ref().map(Spanned::span), "tcp"),
        ("command", command.as_ref().map(Spanned::span), "command"),
        ("unit", unit.as_ref().map(Spanned::span), "systemd"),
        ("ttl", ttl.as_ref().map(Spanned::span), "heartbeat"),
    ];
    for (key, place, of) in of_others {
        if let Some(place) = place.filter(|_| of != word) {
            return Err(text.at(&place, &format!("`{key}` is for `kind = \"{of}\"`; remove it")));
        }
    }
    let lacks = |key: &str, example: &str| {
        text.at(&span, &format!("kind `{word}` needs `{key}`; write for example `{example}`"))
    };
    let kind = match word {
        "http" => {
            let url = url.ok_or_else(|| lacks("url", "url = \"http://127.0.0.1:8080/health\""))?;
            http(url.get_ref()).map_err(|wrong| text.at(&url.span(), &wrong))?
        }
        "tcp" => match (address, endpoints.first()) {
            (Some(address), _) => Kind::Tcp {
                address: host_port(address.get_ref())
                    .map_err(|wrong| text.at(&address.span(), &wrong))?,
            },
            (None, Some(first)) => {
                Kind::Tcp { address: host_port(first).map_err(|wrong| text.at(&span, &wrong))? }
            }
            (None, None) => return Err(lacks("address", "address = \"127.0.0.1:5432\"")),
        },
        "command" => {
            let example = "command = [\"/usr/local/lib/quorate-checks/web\", \"--quick\"]";
            let command = command.ok_or_else(|| lacks("command", example))?;
            program(command.get_ref()).map_err(|wrong| text.at(&command.span(), &wrong))?
        }
        "systemd" => {
            let unit = unit.ok_or_else(|| lacks("unit", "unit = \"nginx.service\""))?;
            unit_named(unit.get_ref()).map_err(|wrong| text.at(&unit.span(), &wrong))?
        }
        "heartbeat" => Kind::Heartbeat { ttl: span_of(text, ttl, TTL, &TTLS)? },
        "none" => Kind::None,
        other => {
            let wrong = format!(
                "kind `{other}` is none of http, tcp, command, systemd, heartbeat and none; choose one"
            );
            return Err(text.at(&kind.span(), &wrong));
        }
    };
    Ok(Check {
        kind,
        interval: span_of(text, interval, INTERVAL, &INTERVALS)?,
        timeout: span_of(text, timeout, TIMEOUT, &TIMEOUTS)?,
        rise: count_of(text, rise, RISE)?,
        fall: count_of(text, fall, FALL)?,
    })
}

fn http(url: &str) -> Result<Kind, String> {
    let wrong = || {
        format!(
            "`{url}` is no `http://HOST:PORT/PATH`; TLS is not spoken here, so check its plain port, or with a command"
        )
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else { return Err(wrong()) };
    if url.len() > CHECK_TEXT || uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return Err(wrong());
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Kind::Http { address: format!("{host}:{}", uri.port_u16().unwrap_or(80)), path })
}

fn host_port(text: &str) -> Result<String, String> {
    match text.len() <= limits::ENDPOINT && is_host_port(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no HOST:PORT; write for example `127.0.0.1:5432`")),
    }
}

fn program(words: &[String]) -> Result<Kind, String> {
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    let zero = words.iter().any(|word| word.contains('\0'));
    match words.first() {
        Some(first) if first.starts_with('/') && bytes <= CHECK_TEXT && !zero => {
            Ok(Kind::Command(words.to_vec()))
        }
        Some(first) if bytes <= CHECK_TEXT && !zero => {
            Err(format!("the program `{first}` needs its whole path; begin it with `/`"))
        }
        _ => Err(format!("a command has a program, and at most {CHECK_TEXT} bytes; shorten it")),
    }
}

fn unit_named(unit: &str) -> Result<Kind, String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let sound =
        (1..=255).contains(&unit.len()) && unit.chars().all(letter) && !unit.starts_with('-');
    match sound && unit.contains('.') {
        true => Ok(Kind::Systemd(unit.to_owned())),
        false => Err(format!("`{unit}` is no unit; write for example `nginx.service`")),
    }
}

fn span_of(
    text: &Text<'_>,
    written: Option<Spanned<String>>,
    default: Duration,
    within: &RangeInclusive<Duration>,
) -> Result<Duration, String> {
    let Some(written) = written else { return Ok(default) };
    let said = written.get_ref();
    match time::duration(said) {
        Ok(span) if within.contains(&span) => Ok(span),
        Ok(_) => {
            let (least, most) = (spoken(*within.start()), spoken(*within.end()));
            let wrong = format!("`{said}` is not within {least} and {most}; choose another time");
            Err(text.at(&written.span(), &wrong))
        }
        Err(error) => {
            let wrong = format!("`{said}` is no time: {error}; write {}", time::DURATIONS);
            Err(text.at(&written.span(), &wrong))
        }
    }
}

fn count_of(text: &Text<'_>, written: Option<Spanned<u32>>, default: u32) -> Result<u32, String> {
    match written {
        Some(count) if !IN_A_ROW.contains(count.get_ref()) => {
            let (least, most) = (IN_A_ROW.start(), IN_A_ROW.end());
            let wrong = format!("{} is not within {least} and {most}", count.get_ref());
            Err(text.at(&count.span(), &wrong))
        }
        count => Ok(count.map_or(default, Spanned::into_inner)),
    }
}

#[cfg(test)]
mod tests;
