//! What can be typed of the cluster as a whole: what an operator has it do, and what is gathered of it.

use super::{LOCAL, RunOptions, parse_time};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// How a command ends that takes a host out for good, with what its success is.
macro_rules! departing {
    ($done:literal) => {
        concat!(
            "Exit codes:\n  0  ",
            $done,
            "
  1  refused, nothing was changed; the text says what is in its way
  2  the command line is wrong, or nobody said yes
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout; nothing was changed
  6  there is no such host
  7  it is not known whether it happened: `quorate members` shows it"
        )
    };
}

pub(super) const REMOVING: &str = departing!("it is removed");

pub(super) const REVOKING: &str = departing!("it is revoked, or was already");

pub(super) const LEADING: &str = "Exit codes:
  0  another host leads
  1  refused, nothing was changed; the text says what is in its way
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  asked, but nobody else led within --timeout
  6  there is no such host
  7  it is not known whether it was asked: `quorate status` shows who leads";

pub(super) const RECOVERING: &str = "Exit codes:
  0  done; with --plan: the plan is written
  1  refused, nothing was changed; the text says what is in its way
  2  the command line is wrong, or nobody said yes
  3  the daemon of this host is not reachable
  5  begun, but this host was not in the new cluster within --timeout
  7  it is not known whether it was begun: `quorate status` shows the cluster's id";

pub(super) const FOUNDING: &str = "Exit codes:
  0  the cluster is founded
  1  refused, nothing was changed; the text says why
  2  the command line is wrong, or nobody said yes
  3  the daemon of this host is not reachable
  5  said, but the cluster was not founded within --timeout
  7  it is not known whether it was said: `quorate status` shows whether a cluster is founded";

pub(super) const RAISING: &str = "Exit codes:
  0  done
  1  refused, nothing was changed; the text says what is in its way
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout; nothing was changed
  7  it is not known whether it happened: `quorate feature` shows it";

pub(super) const SECRETS: &str = "Exit codes:
  0  done
  1  an error; the text says which
  2  the command line is wrong";

pub(super) const ROTATING: &str = "Exit codes:
  0  the old secret is dropped; with --cancel, the change is given up; with --status, shown
  1  refused, nothing was changed; the text says what is in its way
  3  the daemon of this host is not reachable
  4  no leader was found in time; nothing was changed
  5  begun, and not done within --timeout: some host is not ready. It goes on by itself
  7  it is not known whether it has begun: `quorate secret rotate --status` shows it";

#[derive(Debug, Args)]
pub(crate) struct RemoveOptions {
    /// Node name
    pub(crate) host: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Give up after this long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverOptions {
    /// Do not ask
    #[arg(long, conflicts_with = "plan")]
    pub(crate) yes: bool,
    /// Change nothing: write the plan into this file
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    pub(crate) plan: Option<PathBuf>,
    /// Carry out the plan in this file, if all is still as it says
    #[arg(long, value_name = "FILE")]
    pub(crate) apply: Option<PathBuf>,
    /// Give up waiting for the new cluster after this long; what was begun goes on
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "60s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct FoundOptions {
    /// A seed that will never come; once for each
    #[arg(long, value_name = "SEED", required = true)]
    pub(crate) without: Vec<String>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Give up waiting for the founding after this long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DebugCommand {
    /// Write status, events, metrics, links, configuration, versions and the journal's end into one file
    ///
    /// Neither the secret nor keys or values of the keyspace are in it. What cannot be had is named. As root it has the journal, too.
    #[command(after_help = LOCAL)]
    Bundle(BundleOptions),
}

#[derive(Debug, Args)]
pub(crate) struct BundleOptions {
    /// The file to make, a tar; by default quorate-HOST-TIME.tar here
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: RunOptions,
    /// Give up a piece that the daemon has not given for this long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LeaderCommand {
    /// Have another voter lead
    #[command(after_help = LEADING)]
    Transfer {
        /// The voter that is to lead; without it the one that is furthest
        host: Option<String>,
        /// Give up after this long
        #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
        timeout: Duration,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum FeatureCommand {
    /// Raise it now; no member can be started with the version before from then on
    #[command(after_help = RAISING)]
    Raise {
        /// To this level; without it to the highest that every member can run
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        level: Option<u32>,
        /// Give up after this long
        #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
        timeout: Duration,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Print a new secret, for a file that only root and quorate may read
    #[command(after_help = LOCAL)]
    New,
    /// Print the fingerprint of a secret, to compare hosts without showing it
    #[command(after_help = LOCAL)]
    Fingerprint {
        /// The file; `-` reads standard input
        #[arg(default_value = "/etc/quorate/secret")]
        file: PathBuf,
    },
    /// Change the cluster's secret while it runs, from the one in use to the other one in the secret file
    ///
    /// Before that, every host gets the line of the new secret below the old one, and `systemctl reload quorate`. Then the cluster takes three
    /// steps, each when every live host is ready: all accept the new secret, all use it, the old one is dropped. No connection is lost. Hosts
    /// that are off are named: they need the new file before they come back.
    #[command(after_help = ROTATING)]
    Rotate(RotateOptions),
}

/// See [`SecretCommand::Rotate`].
#[derive(Debug, Args)]
pub(crate) struct RotateOptions {
    /// Show how far it has come and who is not ready; change nothing
    #[arg(long)]
    pub(crate) status: bool,
    /// Give up the change that is under way: the old secret is used
    #[arg(long, conflicts_with = "status")]
    pub(crate) cancel: bool,
    /// Stop watching after this long; the change goes on
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "60s")]
    pub(crate) timeout: Duration,
}
