//! Why no daemon answers on this host: in words. Found by the command line, for there is nobody to ask.

use super::{Cause, ReasonCode};

/// What the command line finds where no daemon answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum DaemonCause {
    /// The configuration is refused: `file`, and what `check-config` says.
    Config { file: String, problem: String },
    /// No daemon. `unit`: what systemd says of it, `last`: the error with which it ended last; each where it is known.
    Ended { socket: String, unit: Option<String>, last: Option<String> },
    /// The last reload took nothing up: what was wrong with the files.
    ReloadRefused { problem: String },
    /// One starts, and does not serve yet. `waits`: in a sentence, for what.
    Waits { socket: String, unit: Option<String>, waits: String },
}

impl Cause for DaemonCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Config { .. } => ReasonCode::Config,
            Self::ReloadRefused { .. } => ReasonCode::ReloadRefused,
            Self::Ended { .. } | Self::Waits { .. } => ReasonCode::Ended,
        }
    }

    fn subject(&self) -> Option<String> {
        None
    }

    fn text(&self) -> String {
        match self {
            Self::Config { problem, .. } => {
                format!("the configuration of this host is not valid: {problem}")
            }
            Self::ReloadRefused { problem } => format!(
                "the last reload took nothing up, and this host goes on with what it had: {problem}"
            ),
            Self::Waits { socket, unit, waits } => {
                format!("no daemon answers at {socket} yet{}; it waits: {waits}", of_systemd(unit))
            }
            Self::Ended { socket, unit, last } => {
                let unit = of_systemd(unit);
                let last = last
                    .as_ref()
                    .map_or_else(String::new, |last| format!("; it ended last because: {last}"));
                format!("no daemon answers at {socket}{unit}{last}")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Config { file, problem } => {
                // Most problems name their file, which may be another one.
                let place = if problem.contains(".toml") { "it".to_owned() } else { format!("it ({file})") };
                format!("mend {place}, check it with `quorate check-config`, then on this host: `systemctl restart quorate`")
            }
            Self::ReloadRefused { .. } => {
                "mend it, check it as root with `quorate check-config`, then on this host: `systemctl reload quorate`".to_owned()
            }
            Self::Waits { .. } => {
                "give this host that address (`ip address`), or change `listen` in quorate.toml and then on this host: `systemctl restart quorate`".to_owned()
            }
            Self::Ended { last: Some(_), .. } => {
                "do what the last error says, then on this host: `systemctl restart quorate`".to_owned()
            }
            Self::Ended { .. } => {
                "on this host: `systemctl restart quorate`; if it ends again, `journalctl -u quorate -e` says why".to_owned()
            }
        }
    }
}

/// What systemd says of the unit, as the end of a sentence.
fn of_systemd(unit: &Option<String>) -> String {
    unit.as_ref().map_or_else(String::new, |unit| format!("; systemd says: {unit}"))
}
