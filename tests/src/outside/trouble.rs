//! Why something could not be measured or judged. Nothing here is a figure or a verdict: a run that fails ends.

use std::time::Duration;

/// Why a measurement ended without a figure.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The system refused `what`.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// A limit passed.
    #[error("after {after:?} still not: {what}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// The limit.
        after: Duration,
    },
    /// A program that should run does not.
    #[error("{program} ended by itself; its last lines:\n{tail}")]
    Ended {
        /// Its name.
        program: String,
        /// Its last lines.
        tail: String,
    },
    /// A command failed.
    #[error("`{command}` failed: {text}")]
    Command {
        /// As it was given.
        command: String,
        /// What it said.
        text: String,
    },
    /// An answer that makes no sense.
    #[error("{from} answered what was not understood: {text}")]
    Answer {
        /// Who answered.
        from: String,
        /// What.
        text: String,
    },
    /// A part of quorate that runs in this process refused.
    #[error("quorate: {text}")]
    Quorate {
        /// Its words.
        text: String,
    },
    /// Something in this process ended that should not have.
    #[error("{what} ended before its time")]
    Gone {
        /// What ended.
        what: String,
    },
    /// Every port is taken.
    #[error("no port is free in {first}..{end}; stop what listens there")]
    NoPort {
        /// The first that was tried.
        first: u16,
        /// Behind the last that was tried.
        end: u16,
    },
}

impl Trouble {
    /// Names what was being done when the system refused.
    pub fn at(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }

    /// Something in this process ended that should not have.
    pub fn gone(what: impl Into<String>) -> Self {
        Self::Gone { what: what.into() }
    }

    /// A limit passed.
    pub fn late(what: impl Into<String>, after: Duration) -> Self {
        Self::TooLate { what: what.into(), after }
    }
}
