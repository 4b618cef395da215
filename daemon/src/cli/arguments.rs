//! What can be typed. The help is the reference: each option says what it does, and the end says what each exit code
//! means.

mod acts;
mod applications;
mod assignments;
mod backups;
mod budgets;
mod exit_codes;
mod hooks;
mod keyspace;
mod local;
mod run_with;
mod standing;

pub(crate) use acts::{
    BundleOptions, DebugCommand, FeatureCommand, FoundOptions, LeaderCommand, RecoverOptions,
    RemoveOptions, RotateOptions, SecretCommand,
};
pub(crate) use applications::{AppCommand, AppOptions, AppsOptions, Said as AppSaid};
pub(crate) use assignments::{
    AssignCommand, AssignmentOptions, CreateOptions, Rebalance as AssignRebalance,
};
pub(crate) use backups::{
    ExportOptions, ImportOptions, RestoreOptions, SaveOptions, SnapshotCommand,
};
pub(crate) use budgets::{
    AskingOptions, BudgetCommand, Mode as BudgetMode, NamedOptions, QuorumLoss, SetOptions,
};
pub(crate) use hooks::HooksCommand;
pub(crate) use keyspace::{DeleteOptions, GetOptions, PutOptions};
pub(crate) use local::{CheckConfigOptions, ManOptions, ResetOptions, Shell};
pub(crate) use run_with::{ChangeWord, RunWithOptions};
pub(crate) use standing::{AutopilotCommand, AutopilotOptions, DrainOptions, HostOptions};

use crate::words::time;
use acts::{FOUNDING, LEADING, RAISING, RECOVERING, REMOVING, REVOKING, SECRETS};
use backups::{EXPORTING, IMPORTING};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use exit_codes::{CHECKING, LOCAL, RUNNING, SHOWING};
use std::path::PathBuf;
use std::time::Duration;

/// Where the daemon of a host listens for local programs unless its configuration says otherwise.
pub(crate) const SOCKET: &str = "/run/quorate/quorate.sock";

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  an error; the text says which
  2  the command line is wrong
  3  the daemon of this host is not reachable
  4  not quorate, or no leader was found in time
  5  not reached within --timeout; for ping: not one answer
  6  no such key or node
  7  it is not known whether the write happened: read before writing again";

/// Of commands that ask the daemon how things are, and judge it.
const JUDGING: &str = "Exit codes:
  0  this node is quorate
  1  an error; the text says which
  3  the daemon of this host is not reachable, or has not answered within --timeout
  4  not quorate";

/// Of those that only show it.
const ASKING: &str = "Exit codes:
  0  done
  1  an error; the text says which
  3  the daemon of this host is not reachable, or has not answered within --timeout";

const WAITING: &str = "Exit codes:
  0  it is so
  1  an error; the text says which
  3  the daemon of this host was not reachable within --timeout
  5  not reached within --timeout";

const WRITING: &str = "Exit codes:
  0  done
  1  refused, nothing was changed; the text says why
  2  the command line is wrong, or the value was to come from a standard input that is closed
  3  the daemon of this host was not reachable within --timeout; nothing was changed
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout; nothing was changed
  7  it is not known whether it happened: read before writing again";

const READING: &str = "Exit codes:
  0  done; with --prefix also when there is no such key
  1  refused; the text says why
  3  the daemon of this host was not reachable within --timeout
  4  no leader was found within --timeout
  5  not done within --timeout
  6  no such key";

const PINGING: &str = "Exit codes:
  0  at least one ping was answered
  1  an error; the text says which
  3  the daemon of this host is not reachable
  5  no ping was answered
  6  no node of that name is known";

/// Hosts that become a cluster by themselves.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Unix socket of the daemon on this host
    #[arg(long, global = true, env = "QUORATE_SOCKET", value_name = "PATH")]
    #[arg(default_value = SOCKET)]
    pub(crate) socket: PathBuf,
    /// For people or for programs
    #[arg(short, long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences
    Table,
    /// JSON; what goes on for ever prints one object a line
    Json,
}

/// What a command line asks for. `main` knows who does it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon in the foreground
    #[command(after_help = RUNNING)]
    Run {
        #[command(flatten)]
        options: RunOptions,
        /// End at once when this process, which must be the parent, ends
        #[arg(long, hide = true, value_name = "PROCESS")]
        end_with: Option<u32>,
    },
    #[command(flatten)]
    Ask(Question),
    #[command(flatten)]
    Local(LocalCommand),
    /// Save all that the cluster has agreed on in one file, and look at such a file
    #[command(subcommand, after_help = LOCAL)]
    Snapshot(SnapshotCommand),
    /// Run programs and write files on this host when the view of health, or its share of a budget, changes
    ///
    /// They are described in files (docs/HOOKS.md), and run by a unit of their own: `systemctl enable --now quorate-hooks`.
    #[command(subcommand, after_help = hooks::HOOKS)]
    Hooks(HooksCommand),
    /// Show it all on this machine: three daemons, a write, a crash
    #[command(after_help = SHOWING)]
    Demo(DemoOptions),
    /// Say goodbye for a daemon that crashed
    #[command(hide = true)]
    Farewell(RunOptions),
}

/// What is asked of the daemon of this host.
#[derive(Debug, Subcommand)]
pub(crate) enum Question {
    /// Show what this node knows: state, leader, numbers, members
    #[command(after_help = JUDGING)]
    Status(StatusOptions),
    /// Show all members
    #[command(after_help = ASKING)]
    Members(MembersOptions),
    /// Show who is alive, as committed by the cluster
    #[command(after_help = ASKING)]
    Health(WatchOptions),
    /// Show the newest events: elections, epochs, voters, alarms
    ///
    /// Also those of earlier runs of the daemon on this host, as long as its data are the same.
    #[command(after_help = ASKING)]
    Events(EventsOptions),
    /// Wait until the cluster is quorate or has all its voters, until this host votes or is ready, or until a revision or a health epoch is here
    #[command(after_help = WAITING)]
    Wait(WaitOptions),
    /// Write a key
    #[command(after_help = WRITING)]
    Put(PutOptions),
    /// Read a key, or all keys with a prefix
    #[command(after_help = READING)]
    Get(GetOptions),
    /// Delete a key, or all keys with a prefix
    #[command(after_help = WRITING)]
    Delete(DeleteOptions),
    /// Say what is wrong and what helps; exit code 4 when this node is not quorate
    #[command(after_help = JUDGING)]
    Why(AskOptions),
    /// Take a host out of the cluster for good
    ///
    /// It is told and stops; a host that is off hears of it when it comes back. Its name is free. The data on it stay until `quorate reset`
    /// there.
    #[command(after_help = REMOVING)]
    Remove(RemoveOptions),
    /// A host was stolen, or its node key is in strange hands: take it out, and have every host refuse its key for good
    ///
    /// It is removed as by `quorate remove`. Its connections are cut, it ends, and it comes back under no name, address or disk with that key.
    /// Whoever has it has the cluster's secret too: change that at once, `quorate secret rotate`. To let the host in again: `quorate reset` there,
    /// which makes a new key.
    #[command(after_help = REVOKING)]
    Revoke(RemoveOptions),
    /// Have another voter lead, as before work on the host that does
    #[command(subcommand, after_help = LEADING)]
    Leader(LeaderCommand),
    /// A majority of the voters is lost for good: found the cluster anew from what is left
    ///
    /// Shows what each host holds that can be reached, who has most, and what may be lost of what was acknowledged; then asks. The host that
    /// has most founds the cluster anew, the others join it; each keeps its data beside the new ones. Hosts that come back later stop and
    /// keep theirs. Refused while a majority is there.
    #[command(after_help = RECOVERING)]
    Recover(RecoverOptions),
    /// Seeds will never come: have those that are here found the cluster without them
    ///
    /// For `founding = "durable"`, which waits for more seeds than a majority. On a seed that waits. More than half of all seeds must be here
    /// all the same. Says what it means and what is lost if it is wrong, and asks.
    #[command(after_help = FOUNDING)]
    Found(FoundOptions),
    /// Show the feature level of the cluster and who keeps it down, or raise it
    ///
    /// While it stands, every member can be started with the version before. It rises by itself once every member could for a day.
    #[command(after_help = RAISING)]
    Feature {
        #[command(subcommand)]
        command: Option<FeatureCommand>,
        #[command(flatten)]
        ask: AskOptions,
    },
    /// Make a cluster secret, show the fingerprint of one, or change the cluster's while it runs
    #[command(subcommand, after_help = SECRETS)]
    Secret(SecretCommand),
    /// Take work off a host that is to be worked on: it keeps its vote, leads nothing while another host can, gets no new vote, and is not replaced while it is away
    ///
    /// It lasts until `quorate undrain HOST`, through restarts and a new disk, and is told to all hosts as a health epoch.
    #[command(after_help = standing::TELLING)]
    Drain(DrainOptions),
    /// End that
    #[command(after_help = standing::TELLING)]
    Undrain(HostOptions),
    /// Show what the autopilot does with the voters, why, and what would change it; or pause it
    #[command(after_help = standing::STEERING)]
    Autopilot(AutopilotOptions),
    /// Let a host vote, where quorate.toml says `promote = "approve"`
    #[command(after_help = standing::TELLING)]
    Promote(HostOptions),
    /// Show the applications of all hosts and whether each works, as committed by the cluster
    ///
    /// Each host checks its own (files in apps.d, or `quorate app`); a host that is gone or drained takes its applications down with it.
    #[command(after_help = applications::SHOWN)]
    Apps(AppsOptions),
    /// Register, list and remove applications of this host that say by themselves that they work
    ///
    /// What is to outlast the daemon is a file in apps.d (docs/APPLICATIONS.md).
    #[command(subcommand, after_help = applications::OWN)]
    App(AppCommand),
    /// Divide a number among the hosts that are there: connections, licences, workers
    ///
    /// Each host's application reads its share, and until when it may use it (`quorate budget watch NAME` there). When a host dies, the others
    /// get its share once nobody can be using it; all shares together are never more than there are (docs/SHARES.md).
    #[command(subcommand, after_help = budgets::BUDGETS)]
    Budget(BudgetCommand),
    /// Give items to the hosts that are there, each to one: partitions, a virtual address, a job that runs once
    ///
    /// Each host's application reads which items it holds, and until when (`quorate assign watch NAME` there). When a host dies, others get its
    /// items once nobody can be using them; no item is ever held by two (docs/SHARES.md).
    #[command(subcommand, after_help = assignments::ASSIGNMENTS)]
    Assign(AssignCommand),
    /// Run a command with this host's share of a budget, or while it holds an item, and end it before that is over
    ///
    /// For programs that follow nothing themselves. CMD begins once there is a share; a restart of the daemon does not end it. It has
    /// QUORATE_SHARE, QUORATE_SHARE_NUMBER and QUORATE_SHARE_DEADLINE_MS in its environment, of an item QUORATE_ITEM in place of the first
    /// (docs/SHARES.md). For example `quorate run-with budget=pg -- pgpool --max-pool={}`.
    #[command(after_help = run_with::WRAPPING)]
    RunWith(RunWithOptions),
    /// Measure round trips to another node, through its network and its loop
    ///
    /// A ping is lost after a second.
    #[command(after_help = PINGING)]
    Ping(PingOptions),
    /// Gather what somebody needs who is to find out what is wrong
    #[command(subcommand, after_help = LOCAL)]
    Debug(DebugCommand),
    /// Write all keys as lines of JSON, as they were at one revision
    ///
    /// The last line counts them: a file without it was cut off, and `import` refuses it.
    #[command(after_help = EXPORTING)]
    Export(ExportOptions),
    /// Write the keys of an export, many in each transaction
    ///
    /// A file is looked through before anything is written. What is no text in an export is base64, under names that say so.
    #[command(after_help = IMPORTING)]
    Import(ImportOptions),
}

/// What needs no daemon.
#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Forget the cluster on this host, to begin anew
    #[command(after_help = LOCAL)]
    Reset(ResetOptions),
    /// Check the configuration and say what it means
    #[command(after_help = CHECKING)]
    CheckConfig(CheckConfigOptions),
    /// Print what a shell needs to complete the command line
    ///
    /// The Debian package and install.sh put it in its place. By hand: `source <(quorate completions bash)`.
    #[command(after_help = LOCAL)]
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print this program's page of the manual, or write all pages as files
    ///
    /// The Debian package and install.sh put them in their place. By hand: `quorate man | man -l -`.
    #[command(after_help = LOCAL)]
    Man(ManOptions),
    /// Become a command that ends with whoever wraps it
    #[command(hide = true)]
    RunWithChild {
        /// Whoever wraps it
        #[arg(long)]
        parent: u32,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunOptions {
    /// The configuration, the same on every host
    #[arg(long, env = "QUORATE_CONFIG", value_name = "FILE")]
    #[arg(default_value = crate::config::DEFAULT_PATH)]
    pub(crate) config: PathBuf,
    /// What differs on this host; by default `host.toml` beside the configuration, where there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) host: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// Show the links to all peers too, and what is wrong with them
    #[arg(long)]
    pub(crate) links: bool,
    #[command(flatten)]
    pub(crate) ask: AskOptions,
}

#[derive(Debug, Args)]
pub(crate) struct MembersOptions {
    /// Show versions, zones and labels too
    #[arg(long)]
    pub(crate) wide: bool,
    #[command(flatten)]
    pub(crate) ask: AskOptions,
}

/// How long a daemon may think about what it knows.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AskOptions {
    /// Give up when the daemon has not answered for this long; one that is not there is told at once
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct WatchOptions {
    /// Go on and print each change as it comes
    #[arg(short, long, conflicts_with = "timeout")]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) ask: AskOptions,
}

#[derive(Debug, Args)]
pub(crate) struct EventsOptions {
    /// Go on and print each event of this run as it comes
    #[arg(short, long, conflicts_with = "timeout")]
    pub(crate) watch: bool,
    /// Only from then on: 2026-11-29T22:00:00Z, or 30m for the last half hour; or behind the event with this id (of -o json)
    #[arg(long, value_name = "TIME|ID", conflicts_with = "watch")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskOptions,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["quorate", "voters", "voter", "ready", "revision", "epoch"])))]
pub(crate) struct WaitOptions {
    /// Until a leader with a majority is known
    #[arg(long)]
    pub(crate) quorate: bool,
    /// Until there are all voters that there should be, alive, and this host has caught up: of three or more, one may be missed then
    #[arg(long)]
    pub(crate) voters: bool,
    /// Until this host has a vote, and all that the leader has: then another host may be worked on
    #[arg(long)]
    pub(crate) voter: bool,
    /// Until this host is counted as alive, the cluster is quorate, and its copy, if it has one, is as far as the leader's
    #[arg(long)]
    pub(crate) ready: bool,
    /// Until this host's copy of the keyspace has this revision; a host without a copy (`quorate members`) never has
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u64>,
    /// Until this node has this health epoch
    #[arg(long, value_name = "N")]
    pub(crate) epoch: Option<u64>,
    /// Until every live node has it
    #[arg(long, requires = "epoch", conflicts_with_all = ["quorate", "voters", "voter", "ready", "revision"])]
    pub(crate) all_live: bool,
    /// Give up after this long, such as 30s or 500ms; without it never
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct PingOptions {
    /// Node name
    pub(crate) host: String,
    /// How often
    #[arg(short, long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) count: u32,
}

/// See [`Command::Demo`].
#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Keep the cluster up to play with, until Ctrl-C
    #[arg(long)]
    pub(crate) stay: bool,
}

/// As in the configuration; seconds where no unit is written, and a zero before the point where no digit is.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let zero = if text.starts_with('.') { "0" } else { "" };
    let unit = if text.ends_with(|c: char| c.is_ascii_digit()) { "s" } else { "" };
    time::duration(&format!("{zero}{text}{unit}"))
        .map_err(|error| format!("{error}; write {}", time::DURATIONS))
}
