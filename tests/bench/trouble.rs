//! Why a measurement could not be made. Nothing here is a figure: a run that fails ends the bench.

use std::time::Duration;

/// Why a measurement ended without a figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
    #[error("after {after:?} still not: {what}")]
    TooLate { what: String, after: Duration },
    #[error("{program} ended by itself; its last lines:\n{tail}")]
    Ended { program: String, tail: String },
    #[error("`{command}` failed: {text}")]
    Command { command: String, text: String },
    #[error("{from} answered what was not understood: {text}")]
    Answer { from: String, text: String },
    #[error("quorate: {text}")]
    Quorate { text: String },
    #[error("{what} ended before its time")]
    Gone { what: String },
    #[error("no port is free in {first}..{end}; stop what listens there")]
    NoPort { first: u16, end: u16 },
}

impl Trouble {
    /// Names what was being done when the system refused.
    pub(crate) fn at(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }

    /// Something in this process ended that should not have.
    pub(crate) fn gone(what: impl Into<String>) -> Self {
        Self::Gone { what: what.into() }
    }

    /// A limit passed.
    pub(crate) fn late(what: impl Into<String>, after: Duration) -> Self {
        Self::TooLate { what: what.into(), after }
    }
}
