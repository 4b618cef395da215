//! What can be typed of assignments: `quorate assign`.

use super::budgets::AskingOptions;
use super::parse_time;
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

/// Of all that is asked of assignments.
pub(super) const ASSIGNMENTS: &str = "Exit codes:
  0  done, or so already
  1  refused, nothing was changed; the text says why
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout, nothing was changed; or, of create, it is defined, and not all items are held within --wait: the text says which
  6  there is no such assignment
  7  it is not known whether it happened: ask again, it does no harm twice";

#[derive(Debug, Subcommand)]
pub(crate) enum AssignCommand {
    /// Define an assignment, or define it otherwise, and wait until its items are held
    ///
    /// When it is done, each item is held by a host whose application was told: what is printed is the same on every host, at once.
    #[command(after_help = ASSIGNMENTS)]
    Create(CreateOptions),
    /// Show all assignments, and who holds each item
    #[command(after_help = ASSIGNMENTS)]
    List {
        #[command(flatten)]
        ask: AskingOptions,
    },
    /// Show one assignment, and who holds each item: host, address, number, state
    #[command(after_help = ASSIGNMENTS)]
    Show(AssignmentOptions),
    /// Print what this host's application holds, and each change of it: items, numbers, deadlines
    #[command(after_help = ASSIGNMENTS)]
    Watch {
        /// Name of the assignment
        name: String,
    },
    /// Say that this host's application has let an item go that was asked back: then another gets it
    #[command(after_help = ASSIGNMENTS)]
    Release {
        /// Which item
        #[arg(long, value_name = "NAME")]
        item: String,
        /// The grant under which it was held, as `quorate assign watch` shows it
        #[arg(long, value_name = "N")]
        number: u64,
        #[command(flatten)]
        assignment: AssignmentOptions,
    },
    /// Say that what a dead host does with an item was ended from outside, so that another gets it now
    ///
    /// The host is down, and nothing is done under that grant any more, nor will be. A hook does this by itself (docs/HOOKS.md).
    #[command(after_help = ASSIGNMENTS)]
    Free {
        /// Which item
        #[arg(long, value_name = "NAME")]
        item: String,
        /// The number of its grant, as `quorate assign show` has it
        #[arg(long, value_name = "N")]
        number: u64,
        #[command(flatten)]
        assignment: AssignmentOptions,
    },
    /// Have an assignment go: its items are asked back, and then it is forgotten
    #[command(after_help = ASSIGNMENTS)]
    Remove(AssignmentOptions),
    /// Prove from the ledger that no item was given to a second holder before the first one's was freed
    #[command(after_help = ASSIGNMENTS)]
    Audit(AssignmentOptions),
}

#[derive(Debug, Args)]
pub(crate) struct CreateOptions {
    /// So many items, named 0, 1 and so on
    #[arg(long, value_name = "N", required_unless_present = "item")]
    pub(crate) items: Option<u32>,
    /// An item of that name; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "items")]
    pub(crate) item: Vec<String>,
    /// Hosts with this label hold them (`[labels]` of host.toml); may be given several times, and all must fit; `--scope ''` for all hosts
    /// [default: as it is; of a new assignment all hosts]
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) scope: Vec<String>,
    /// For so long an item may be held without the cluster's word; others get it a little later [default: as it is; of a new one 4s]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) ttl: Option<Duration>,
    /// Which items move by themselves that somebody holds [default: as it is; of a new assignment lazy]
    #[arg(long, value_enum)]
    pub(crate) rebalance: Option<Rebalance>,
    /// Wait so long until all items are held
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10s")]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) assignment: AssignmentOptions,
}

/// See [`CreateOptions::rebalance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rebalance {
    /// Those of a host that has more than one above its share
    Lazy,
    /// Those of a host that has more than its share: a host that comes back gets its own again
    Eager,
    /// None, as long as their host may hold them
    Never,
}

/// An assignment that something is asked of.
#[derive(Debug, Args)]
pub(crate) struct AssignmentOptions {
    /// Name of the assignment
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) ask: AskingOptions,
}
