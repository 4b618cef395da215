//! What can be typed of hosts and the autopilot that the cluster keeps: `drain`, `undrain`, `promote`, `autopilot`.

use super::parse_time;
use clap::{Args, Subcommand};
use std::time::Duration;

/// Of what the cluster keeps of an operator's words.
pub(super) const TELLING: &str = "Exit codes:
  0  done, or so already
  1  refused, nothing was changed; the text says why
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout; nothing was changed
  6  there is no such host
  7  it is not known whether it happened: ask again, it does no harm twice";

/// The same, of no host.
pub(super) const STEERING: &str = "Exit codes:
  0  done, or so already
  1  refused, nothing was changed; the text says why
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout; nothing was changed
  7  it is not known whether it happened: ask again, it does no harm twice";

#[derive(Debug, Args)]
pub(crate) struct DrainOptions {
    /// What for; all hosts are told
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) host: HostOptions,
}

/// A host that something is said of.
#[derive(Debug, Args)]
pub(crate) struct HostOptions {
    /// Node name
    pub(crate) host: String,
    /// Give up after this long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct AutopilotOptions {
    #[command(subcommand)]
    pub(crate) command: Option<AutopilotCommand>,
    /// Give up after this long
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AutopilotCommand {
    /// Keep it from changing the voters; what `quorate remove` asks for goes on
    #[command(after_help = STEERING)]
    Pause {
        /// What for; all voters are told
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// End that
    #[command(after_help = STEERING)]
    Resume,
}
