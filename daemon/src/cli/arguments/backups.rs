//! What can be typed about backups: exports, imports and snapshots.

use super::{RunOptions, parse_time};
use clap::{ArgGroup, Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const EXPORTING: &str = "Exit codes:
  0  all of it was written
  1  refused, or not to its end; the text says why
  3  the daemon of this host was not reachable within --timeout
  4  no leader was found within --timeout
  5  not done within --timeout";

pub(super) const IMPORTING: &str = "Exit codes:
  0  all keys are written, or were there and stay with --create-only
  1  refused, or a line is not understood; the text says what was done before that
  2  the command line is wrong, or standard input is closed
  3  the daemon of this host was not reachable within --timeout; the text says what was done before that
  4  no leader was found within --timeout; the text says what was done before that
  5  a transaction was not done within --timeout; the text says what was done before that
  7  it is not known whether the lines that are named were written; the text says what was done before them";

const SAVING: &str = "Exit codes:
  0  the snapshot is saved, whole and on the disk
  1  an error, and no snapshot was saved; the text says which
  2  the command line is wrong
  3  the daemon of this host is not reachable, or sent nothing more for --timeout
  4  no leader was found within --timeout; --serializable needs none
  5  this host's copy was older than what the cluster has acknowledged for all of --timeout
  6  this host holds no copy; the text names hosts that do";

const RESTORING: &str = "Exit codes:
  0  the next start of the daemon founds the cluster
  1  refused, nothing was changed; the text says why
  2  the command line is wrong, or nobody said yes";

const LOOKING: &str = "Exit codes:
  0  every byte is as it was written, and the state in it can be restored
  1  it is not; the text says what is wrong, and where";

/// All that the cluster has agreed on, in one file.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Save it in a file, which has its name once it is whole and on the disk
    ///
    /// Everything that was acknowledged before is in it. Any host with a copy does: a voter or a standby.
    #[command(after_help = SAVING)]
    Save(SaveOptions),
    /// Check every byte of a file, and show what is in it; needs no daemon
    #[command(after_help = LOOKING)]
    Status {
        /// The file
        file: PathBuf,
    },
    /// Found a new cluster from a file on this host, when the old one is lost
    ///
    /// The daemon must be stopped here, and on every other host of the old cluster until the new one is quorate. Each of those then forgets the old
    /// one with `quorate reset --set-aside --cluster ID` and is started: it joins. Revisions jump ahead, so that no client sees them run back.
    #[command(after_help = RESTORING)]
    Restore(RestoreOptions),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("where").required(true).args(["file", "into"])))]
pub(crate) struct SaveOptions {
    /// The file; what has this name goes once the new one is whole
    pub(crate) file: Option<PathBuf>,
    /// A directory in which it gets a name with cluster, time and revision
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
    /// Of this cluster's snapshots in that directory only so many stay, the one just saved among them
    #[arg(long, value_name = "COUNT", requires = "into", conflicts_with = "file")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keep: Option<u64>,
    /// From this node's own copy, which may be old but needs no leader
    #[arg(long)]
    pub(crate) serializable: bool,
    /// Give up when nothing has come for this long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "30s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// The file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) config: RunOptions,
    /// Keep data of a cluster that are on this host beside the new ones; without it they are a refusal
    #[arg(long)]
    pub(crate) set_aside: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Only keys that begin so
    pub(crate) prefix: Option<OsString>,
    /// As they were at this revision; without it as they are now
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) revision: Option<i64>,
    /// Give up when a page has not come for this long; until then a daemon that is away is waited for
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "30s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// The file; `-` reads standard input
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// Leave keys as they are that are there already
    #[arg(long)]
    pub(crate) create_only: bool,
    /// Begin with this line, where an earlier import stopped
    #[arg(long, value_name = "LINE", default_value = "1", hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from_line: u64,
    /// Give up when a transaction is not done within this; until then a daemon that is away is waited for
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "30s")]
    pub(crate) timeout: Duration,
}
