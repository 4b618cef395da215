//! `log.level`: which lines the journal shows, as `LEVEL` or `LEVEL,MODULE=LEVEL,...`.
//!
//! Invariant: nothing but the word `off` silences what is wrong. The filter's own language takes any word for a module, so that `warning`
//! would show the lines of a module of that name and no others.

use super::error::ConfigError;
use super::keys::Keys;

/// What a level may be, the quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const DEFAULT: &str = "info";
const RULE: &str = "must be `error`, `warn`, `info`, `debug`, `trace` or `off`, or one of these and modules with levels of their own";
const REMEDY: &str = "write for example `warn`, or `info,quorate=debug`";

/// A filter as `tracing` reads it. What is of no named module has the level that is written alone, or `info`.
pub(super) fn read(keys: &Keys) -> Result<String, ConfigError> {
    let Some(text) = keys.text("log.level")? else { return Ok(DEFAULT.to_owned()) };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let alone = parts.iter().filter(|part| is_level(part)).count();
    let filter = match alone {
        0 => format!("{DEFAULT},{}", parts.join(",")),
        _ => parts.join(","),
    };
    let known = alone < 2 && parts.iter().all(|part| is_level(part) || is_module_with_level(part));
    if known && tracing_subscriber::EnvFilter::try_new(&filter).is_ok() {
        return Ok(filter);
    }
    Err(keys.wrong("log.level", &text, RULE, REMEDY))
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

fn is_module_with_level(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    part.split_once('=').is_some_and(|(module, level)| {
        !module.is_empty() && module.chars().all(plain) && is_level(level)
    })
}
