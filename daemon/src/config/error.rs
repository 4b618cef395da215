//! Why a configuration is refused. Each error names file, key, value, rule and remedy.

use std::path::PathBuf;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {reason}; {remedy}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        reason: String,
        /// What helps.
        remedy: String,
    },
    /// It is no TOML.
    #[error("{}: is not valid TOML: {reason}", file.display())]
    Syntax {
        /// Which.
        file: PathBuf,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A key that nobody reads.
    #[error("{}: `{key}` is no key of this file; {hint}", file.display())]
    Unknown {
        /// Which file.
        file: PathBuf,
        /// The key, with its table.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// A key that must be there is not.
    #[error("{}: `{key}` is missing: {rule}; {remedy}", file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
        /// Which key.
        key: &'static str,
        /// Why it is needed.
        rule: &'static str,
        /// An example.
        remedy: &'static str,
    },
    /// A value breaks its rule.
    #[error("{place}: `{key} = {value}`: {rule}; {remedy}")]
    Value {
        /// Which file, and in which line, where that is found: a default stands in none.
        place: String,
        /// Which key.
        key: String,
        /// The value as written.
        value: String,
        /// The rule it breaks.
        rule: String,
        /// What to write instead.
        remedy: String,
    },
    /// The secret file is not usable.
    #[error("{}: {rule}; {remedy}", file.display())]
    Secret {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        rule: String,
        /// What helps.
        remedy: String,
    },
}
