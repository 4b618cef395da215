//! What the configuration says of the voters: how many, who gets a vote, and after how long somebody who is gone loses one.

use super::ConfigError;
use super::keys::Keys;
use crate::words::time;
use quorate_node::{Promotion, Settings};
use std::time::Duration;

/// More voters make each write slower and no cluster safer.
const MAX_VOTERS: i64 = 7;
/// Below this a restart would be taken for the end of a host.
const LEAST_REPLACE: Duration = Duration::from_secs(10);
/// Beyond these nobody means what is written.
const MOST_REPLACE: Duration = Duration::from_secs(30 * 24 * 3600);
const MOST_FORGET: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Those settings; the others as they are without a configuration.
pub(super) fn read(keys: &Keys) -> Result<Settings, ConfigError> {
    let defaults = Settings::default();
    let voters = read_voters(keys)?;
    let replace_after = keys.duration("replace_after", defaults.replace_after, MOST_REPLACE)?;
    if replace_after < LEAST_REPLACE {
        return Err(keys.wrong(
            "replace_after",
            &keys.text("replace_after")?.unwrap_or_default(),
            "is below 10 s: a host that is only started again would lose its vote",
            "leave it out for `5m`",
        ));
    }
    let forget_after = read_forget(keys, defaults.forget_after, replace_after)?;
    let promotion = read_promotion(keys)?;
    Ok(Settings { voters, replace_after, forget_after, promotion, ..defaults })
}

fn read_voters(keys: &Keys) -> Result<Option<usize>, ConfigError> {
    if keys.value("voters").and_then(toml::Value::as_str) == Some("auto") {
        return Ok(None);
    }
    let Some(number) = keys.integer("voters")? else { return Ok(None) };
    match usize::try_from(number) {
        Ok(voters) if (1..=MAX_VOTERS).contains(&number) => Ok(Some(voters)),
        _ => Err(keys.wrong(
            "voters",
            &number.to_string(),
            "must be 1 to 7, or `\"auto\"`",
            "leave it out: quorate takes 3 from three hosts and 5 from five",
        )),
    }
}

fn read_forget(
    keys: &Keys,
    default: Option<Duration>,
    replace_after: Duration,
) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = keys.text("forget_after")? else { return Ok(default) };
    if text == "never" {
        return Ok(None);
    }
    let after = keys.duration("forget_after", Duration::ZERO, MOST_FORGET)?;
    if after < replace_after {
        let rule = format!(
            "is below `replace_after`, which is {} s: a host would be forgotten as soon as it loses its vote",
            replace_after.as_secs()
        );
        let remedy = format!("choose a longer time ({}), or `never`", time::DURATIONS);
        return Err(keys.wrong("forget_after", &text, &rule, &remedy));
    }
    Ok(Some(after))
}

fn read_promotion(keys: &Keys) -> Result<Promotion, ConfigError> {
    match keys.text("promote")?.as_deref() {
        None | Some("auto") => Ok(Promotion::Auto),
        Some("approve") => Ok(Promotion::Approve),
        Some(other) => Err(keys.wrong(
            "promote",
            other,
            "must be `auto` or `approve`",
            "`auto` gives votes by itself; with `approve` each new voter waits for `quorate promote HOST`",
        )),
    }
}
