//! What can be typed of commands that need no daemon.

use super::RunOptions;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// See [`super::LocalCommand::Reset`].
#[derive(Debug, Args)]
pub(crate) struct ResetOptions {
    #[command(flatten)]
    pub(crate) config: RunOptions,
    /// Name or id of the cluster to forget, so that no other host's is forgotten by mistake
    #[arg(long, value_name = "NAME-OR-ID")]
    pub(crate) cluster: String,
    /// Keep the data, beside those that the next start makes
    #[arg(long)]
    pub(crate) set_aside: bool,
    /// Only give up the data that `recover` or `snapshot restore` has prepared for the next start, and go on with those that are here
    #[arg(long, conflicts_with_all = ["set_aside", "bring_back"])]
    pub(crate) prepared: bool,
    /// Put these data back in place at the next start, and set aside those that are here: a `life.set-aside-...` of the data directory
    #[arg(long, value_name = "NAME", conflicts_with = "set_aside")]
    pub(crate) bring_back: Option<String>,
}

/// See [`super::LocalCommand::CheckConfig`].
#[derive(Debug, Args)]
pub(crate) struct CheckConfigOptions {
    #[command(flatten)]
    pub(crate) config: RunOptions,
}

/// Whose command line is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// See [`super::LocalCommand::Man`].
#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// Write the pages of all commands into this directory, which is made where it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
