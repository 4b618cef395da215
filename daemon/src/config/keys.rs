//! Reads typed values out of a TOML file and makes the errors. A key is written with its table: `client.tcp`.

use super::error::ConfigError;
use crate::regular::{self, SMALL};
use crate::words::time;
use quorate_proto::NameError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// A TOML file whose keys are all known.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) file: PathBuf,
    table: Table,
    /// As it is written, for the line of what is wrong.
    text: String,
}

/// Reads a text file of a sane size. The remedy may hang on what kept it from being read.
pub(super) fn read_text(
    file: &Path,
    remedy: impl Fn(io::ErrorKind) -> &'static str,
) -> Result<String, ConfigError> {
    regular::read_text(file, SMALL).map_err(|error| ConfigError::Unreadable {
        file: file.to_owned(),
        reason: error.to_string(),
        remedy: remedy(error.kind()).to_owned(),
    })
}

impl Keys {
    /// Reads a file. Tables in `open` may hold any key.
    pub(super) fn read(
        file: &Path,
        known: &[&'static str],
        open: &[&str],
    ) -> Result<Self, ConfigError> {
        let text = read_text(file, |_| "create it, or name another with `--config`")?;
        Self::parse(file, &text, known, open)
    }

    pub(super) fn parse(
        file: &Path,
        text: &str,
        known: &[&'static str],
        open: &[&str],
    ) -> Result<Self, ConfigError> {
        let table: Table = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            file: file.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })?;
        for key in written(&table, known, open) {
            if !known.contains(&key.as_str()) {
                let hint = hint(&key, known);
                return Err(ConfigError::Unknown { file: file.to_owned(), key, hint });
            }
        }
        Ok(Self { file: file.to_owned(), table, text: text.to_owned() })
    }

    /// A file without a key.
    pub(super) fn empty(file: &Path) -> Self {
        Self { file: file.to_owned(), table: Table::new(), text: String::new() }
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        match key.split_once('.') {
            Some((table, key)) => self.table.get(table)?.as_table()?.get(key),
            None => self.table.get(key),
        }
    }

    pub(super) fn wrong(&self, key: &str, value: &str, rule: &str, remedy: &str) -> ConfigError {
        let file = self.file.display();
        let line = line_of_key(&self.text, key);
        ConfigError::Value {
            place: line.map_or_else(|| file.to_string(), |line| format!("{file}: line {line}")),
            key: key.to_owned(),
            value: value.to_owned(),
            rule: rule.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    fn wrong_type(&self, key: &str, value: &Value, rule: &str, example: &str) -> ConfigError {
        let remedy = format!("write for example `{example}`");
        self.wrong(key, &value.to_string(), rule, &remedy)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => {
                Ok(Some(text.trim().to_owned()))
            }
            Some(value @ Value::String(_)) => Err(self.wrong(
                key,
                &value.to_string(),
                "is empty",
                "give it a value, or remove the key",
            )),
            Some(value) => {
                let last = key.rsplit('.').next().unwrap_or(key);
                let example = format!("{last} = \"...\"");
                Err(self.wrong_type(key, value, "must be a text in quotes", &example))
            }
        }
    }

    pub(super) fn required(
        &self,
        key: &'static str,
        rule: &'static str,
        remedy: &'static str,
    ) -> Result<String, ConfigError> {
        let missing = || ConfigError::Missing { file: self.file.clone(), key, rule, remedy };
        self.text(key)?.ok_or_else(missing)
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let rule = "must be a list of texts";
        let example = format!("{key} = [\"a\", \"b\", \"c\"]");
        let Some(value) = self.value(key) else { return Ok(None) };
        let Value::Array(list) = value else {
            return Err(self.wrong_type(key, value, rule, &example));
        };
        let text = |item: &Value| item.as_str().map(|text| text.trim().to_owned());
        match list.iter().map(text).collect() {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong_type(key, value, rule, &example)),
        }
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Boolean(value)) => Ok(Some(*value)),
            Some(value) => Err(self.wrong(
                key,
                &value.to_string(),
                "must be true or false",
                "write it without quotes",
            )),
        }
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(*value)),
            Some(value) => Err(self.wrong(
                key,
                &value.to_string(),
                "must be a whole number",
                "write it without quotes",
            )),
        }
    }

    pub(super) fn duration(
        &self,
        key: &str,
        default: Duration,
        most: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(default) };
        match time::duration(&text) {
            Ok(duration) if duration <= most => Ok(duration),
            Ok(_) => {
                let rule = format!("is longer than {} s", most.as_secs());
                Err(self.wrong(key, &text, &rule, "choose a shorter time"))
            }
            Err(error) => {
                let rule = format!("is no time: {error}");
                Err(self.wrong(key, &text, &rule, &format!("write {}", time::DURATIONS)))
            }
        }
    }

    /// An absolute path, or the surroundings' one, or the default. The default written out is as if nothing were written.
    pub(super) fn path(
        &self,
        key: &str,
        surroundings: Option<PathBuf>,
        default: &str,
    ) -> Result<PathBuf, ConfigError> {
        match self.text(key)?.filter(|text| text != default) {
            None => Ok(surroundings.unwrap_or_else(|| default.into())),
            Some(text) if text.starts_with('/') => Ok(text.into()),
            Some(text) => {
                Err(self.wrong(key, &text, "must be an absolute path", "begin it with `/`"))
            }
        }
    }

    /// `IP[:PORT]`.
    pub(super) fn address(
        &self,
        key: &str,
        text: &str,
        port: u16,
    ) -> Result<SocketAddr, ConfigError> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let alone = bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        match text.parse().ok().or(alone).filter(|address: &SocketAddr| address.port() != 0) {
            // An IPv4 address is one, also in IPv6 letters.
            Some(address) => Ok(SocketAddr::new(address.ip().to_canonical(), address.port())),
            None => Err(self.wrong(
                key,
                text,
                "must be an IP address with a port",
                "write for example `10.0.0.1:4747` or `[2001:db8::1]:4747`",
            )),
        }
    }

    pub(super) fn name<T>(
        &self,
        key: &str,
        text: &str,
        new: impl Fn(&str) -> Result<T, NameError>,
    ) -> Result<T, ConfigError> {
        let rule =
            "must be 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit";
        new(text).map_err(|_| self.wrong(key, text, rule, "choose such a name"))
    }
}

/// All keys that are written, with their tables.
fn written(table: &Table, known: &[&str], open: &[&str]) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(_) if open.contains(&key.as_str()) => keys.push(key.clone()),
            Value::Table(inner) if !inner.is_empty() || is_table(key, known) => {
                keys.extend(inner.keys().map(|inner| format!("{key}.{inner}")));
            }
            _ => keys.push(key.clone()),
        }
    }
    keys
}

fn is_table(key: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.split_once('.').is_some_and(|(table, _)| table == key))
}

/// The nearest known key, or all of them when none is near.
fn hint(key: &str, known: &[&'static str]) -> String {
    let nearest = known.iter().min_by_key(|known| distance(key, known));
    match nearest {
        Some(nearest) if distance(key, nearest) * 2 <= nearest.len().max(key.len()) => {
            format!("did you mean `{nearest}`?")
        }
        _ => format!("known are: {}", known.join(", ")),
    }
}

/// Edits between two words; a missing or wrong table costs one.
fn distance(a: &str, b: &str) -> usize {
    let same_end = a.rsplit('.').next() == b.rsplit('.').next();
    if same_end && a != b { 1 } else { strsim::levenshtein(a, b) }
}
/// The number of the line that gives a key its value, where that is written in the usual way: `key = value` below its table's head.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let (table, key) = key.split_once('.').unwrap_or(("", key));
    let mut within = "";
    text.lines()
        .position(|line| {
            let line = line.trim();
            if let Some(head) = line.strip_prefix('[') {
                within = head.split(']').next().unwrap_or(head).trim();
            }
            let written = line.split_once('=').map(|(name, _)| name.trim().trim_matches('"'));
            within == table && written == Some(key)
        })
        .map(|line| line + 1)
}
