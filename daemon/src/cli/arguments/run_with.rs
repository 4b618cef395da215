//! What can be typed of `quorate run-with`: a command that runs with a share.

use super::parse_time;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Of a command that is wrapped.
pub(super) const WRAPPING: &str = "Exit codes:
  0    CMD ended with 0; any other code is that of CMD too, above 128 that of the signal that ended it
  1    an error; the text says which
  2    the command line is wrong
  126  CMD cannot be run
  127  there is no such program";

/// What `quorate run-with` does.
#[derive(Debug, Args)]
pub(crate) struct RunWithOptions {
    /// budget=NAME: CMD runs with this host's share of it; assignment=NAME/ITEM: CMD runs while this host holds the item
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,
    /// What is done when the share is another one: CMD is ended and started anew with the new amount, or it is sent a signal and reads the file
    #[arg(long, value_enum, default_value = "restart", value_name = "HOW")]
    pub(crate) on_change: ChangeWord,
    /// A file that has the amount, replaced whole; before CMD starts, and before each signal
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// So long CMD may take to end, or to let go behind a signal, and never longer than until the deadline of its share; then it is killed
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) grace: Duration,
    /// The command and its arguments, in which {} stands for the amount, or for the item
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// See [`RunWithOptions::on_change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum ChangeWord {
    /// It is ended (SIGTERM, and SIGKILL behind the grace), and started anew
    #[value(name = "restart")]
    Restart,
    /// It is sent SIGHUP
    Hup,
    /// It is sent SIGUSR1
    Usr1,
    /// It is sent SIGUSR2
    Usr2,
}
