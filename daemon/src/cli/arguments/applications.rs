//! What can be typed of applications: `quorate apps`, which shows those of all hosts, and `quorate app`, which is about those of this one.

use super::{AskOptions, parse_time};
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

/// Of all that is said of this host's own.
pub(super) const OWN: &str = "Exit codes:
  0  done
  1  refused, nothing was changed; the text says why
  3  the daemon of this host is not reachable
  6  there is no such application on this host
  7  it is not known whether it happened: ask again, it does no harm twice";

/// Of what is asked of all hosts.
pub(super) const SHOWN: &str = "Exit codes:
  0  done
  1  an error; the text says which
  3  the daemon of this host is not reachable, or has not answered within --timeout
  6  no host has an application of that name";

#[derive(Debug, Args)]
pub(crate) struct AppsOptions {
    /// Only this one
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Register an application that says by itself that it works, or register it anew, which counts as its word too
    ///
    /// It is forgotten when the daemon ends; a file in apps.d stays. Ask again within --ttl, or use `quorate app heartbeat`.
    #[command(after_help = OWN)]
    Set(AppOptions),
    /// Show the applications of this host: how each is checked, and the last word of its check
    #[command(after_help = SHOWN)]
    List(AskOptions),
    /// Say that an application works, or does not; its check must be `heartbeat`
    #[command(after_help = OWN)]
    Heartbeat {
        /// Name of the application
        name: String,
        /// How it is
        #[arg(long, value_enum, default_value = "up")]
        state: Said,
        /// Why; all hosts are told
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        ask: AskOptions,
    },
    /// Forget an application that was registered with `quorate app set`
    #[command(after_help = OWN)]
    Remove {
        /// Name of the application
        name: String,
        #[command(flatten)]
        ask: AskOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AppOptions {
    /// Name of the application: the same on every host that runs it
    pub(crate) name: String,
    /// Where it is reached; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) endpoint: Vec<String>,
    /// For whoever chooses among hosts; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// For so long its word counts
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "15s")]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) ask: AskOptions,
}

/// What an application says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Said {
    /// It works
    Up,
    /// It does not
    Down,
}
