//! How a command ends badly: one exit code and one sentence that names the remedy.

use super::arguments::Format;
use super::stderr::complain;
use crate::api::pages::RefusalPage;
use std::process::ExitCode;

/// The exit codes of `--help`, which never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Error = 1,
    Usage = 2,
    Unreachable = 3,
    NotQuorate = 4,
    Timeout = 5,
    NotFound = 6,
    FateUnknown = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Short word, stable.
    pub(crate) code: String,
    pub(crate) text: String,
    /// Of a refusal of the keyspace: which.
    pub(crate) detail: Option<String>,
    /// Nothing was done, and a moment later it may be: a daemon that is started again, a place that gets free.
    pub(crate) again: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, text: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), text: text.into(), detail: None, again: false }
    }

    /// The same, of what may go better a moment later.
    pub(super) fn for_now(self) -> Self {
        Self { again: true, ..self }
    }

    /// Whether there was no daemon to ask.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.exit == Exit::Unreachable
    }

    /// Whether the keyspace has decided on the request: the same under whichever attempt.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(
            self.code.as_str(),
            "keyspace" | "done-too-large" | "undone-too-large" | "request-id" | "usage"
        )
    }

    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self::new(Exit::Error, "error", text)
    }

    /// What the daemon refused.
    pub(crate) fn refused(page: RefusalPage) -> Self {
        let exit = match page.code.as_str() {
            "usage" => Exit::Usage,
            "no-leader" => Exit::NotQuorate,
            "timeout" => Exit::Timeout,
            "fate-unknown" => Exit::FateUnknown,
            "not-found" => Exit::NotFound,
            "stopping" => Exit::Unreachable,
            _ => Exit::Error,
        };
        let again = matches!(page.code.as_str(), "stopping" | "busy");
        Self { exit, code: page.code, text: page.error, detail: page.detail, again }
    }

    /// Prints it and gives the exit code.
    pub(crate) fn report(self, format: Format) -> ExitCode {
        match format {
            Format::Table => complain(&format!("quorate: {}", self.text)),
            Format::Json => {
                let line = serde_json::json!({ "code": self.code, "error": self.text });
                complain(&line.to_string());
            }
        }
        self.exit.into()
    }
}
