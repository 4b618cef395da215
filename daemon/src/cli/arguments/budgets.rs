//! What can be typed of budgets: `quorate budget`.

use super::parse_time;
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

/// Of all that is asked of budgets.
pub(super) const BUDGETS: &str = "Exit codes:
  0  done, or so already
  1  refused, nothing was changed; the text says why
  2  the command line is wrong
  3  the daemon of this host is not reachable
  4  no leader was found within --timeout; nothing was changed
  5  not done within --timeout; nothing was changed
  6  there is no such budget
  7  it is not known whether it happened: ask again, it does no harm twice";

#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// Define a budget, or define it otherwise
    #[command(after_help = BUDGETS)]
    Set(SetOptions),
    /// Show all budgets, and what each host has of them
    #[command(after_help = BUDGETS)]
    List {
        #[command(flatten)]
        ask: AskingOptions,
    },
    /// Show one budget, and what each host has of it
    #[command(after_help = BUDGETS)]
    Show(NamedOptions),
    /// Print what this host's application may use, and each change of it: amount, number, deadline
    #[command(after_help = BUDGETS)]
    Watch {
        /// Name of the budget, with all of its classes if it has some; NAME:CLASS for one of them
        name: String,
    },
    /// Say what this host's application uses of its share; a share that shrinks is another's only once it uses no more than that
    #[command(after_help = BUDGETS)]
    Ack {
        /// The grant that the application follows, as `quorate budget watch` shows it
        #[arg(long, value_name = "N")]
        number: u64,
        /// So much is in use
        #[arg(long, value_name = "U")]
        in_use: u64,
        #[command(flatten)]
        budget: NamedOptions,
    },
    /// Say that what a dead host may use was ended from outside, so that others get its share now
    ///
    /// The host is down, and nothing is used under that grant at the resource any more, nor will be: its sessions are ended and it cannot come
    /// back, or it has no power. A hook does this by itself (docs/HOOKS.md).
    #[command(after_help = BUDGETS)]
    Free {
        /// The host whose grant it is, as `quorate budget show` has it
        #[arg(long, value_name = "HOST")]
        holder: String,
        /// The number of that grant
        #[arg(long, value_name = "N")]
        number: u64,
        #[command(flatten)]
        budget: NamedOptions,
    },
    /// Have a budget go: its shares shrink to nothing, and then it is forgotten
    #[command(after_help = BUDGETS)]
    Remove(NamedOptions),
    /// Prove from the ledger that no change granted more than there was, and show the tightest one
    #[command(after_help = BUDGETS)]
    Audit(NamedOptions),
}

#[derive(Debug, Args)]
pub(crate) struct SetOptions {
    /// All shares together, at most
    #[arg(long, value_name = "N")]
    pub(crate) max: u64,
    /// The least share that is of use: who would get less gets nothing [default: as it is; of a new budget 0]
    #[arg(long, value_name = "N")]
    pub(crate) min: Option<u64>,
    /// For so long a share may be used without the cluster's word; others get it a little later [default: as it is; of a new budget 4s]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) ttl: Option<Duration>,
    /// When the share of a dead host is free: once it lapsed, or as soon as the cluster says that the host is down [default: as it is; of a
    /// new budget strict]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// So much of its share a host keeps when that lapses [default: as it is; of a new budget 0]
    #[arg(long, value_name = "N")]
    pub(crate) reserve: Option<u64>,
    /// What a host does that has lost the quorum: its share lapses (hold), or it uses the whole once --fence has cut off all others (local)
    /// [default: as it is; of a new budget hold]
    #[arg(long, value_enum)]
    pub(crate) on_quorum_loss: Option<QuorumLoss>,
    /// The hook that cuts them off (`on = "fence"`, docs/SHARES.md); local demands one
    #[arg(long, value_name = "HOOK")]
    pub(crate) fence: Option<String>,
    /// Hosts with this label share it (`[labels]` of host.toml); may be given several times, and all must fit; `--scope ''` for all hosts
    /// [default: as it is; of a new budget all hosts]
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) scope: Vec<String>,
    /// So much of it is for one use alone, as for one database user, which has a share of its own: NAME:CLASS; may be given several times,
    /// --max at most together, and names all that there are [default: as it is; of a new budget none]
    #[arg(long = "class", value_name = "CLASS=N")]
    pub(crate) classes: Vec<String>,
    #[command(flatten)]
    pub(crate) budget: NamedOptions,
}

/// See [`SetOptions::mode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All shares together are never more than there are
    Strict,
    /// Quicker; a host that is cut off and not dead may use its share at the same time as others
    Eager,
}

/// See [`SetOptions::on_quorum_loss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QuorumLoss {
    /// Its share lapses to the reserve, and nobody gets more
    Hold,
    /// One of two voters uses the whole once all others are fenced
    Local,
}

/// A budget that something is asked of.
#[derive(Debug, Args)]
pub(crate) struct NamedOptions {
    /// Name of the budget; NAME:CLASS for a class of one
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) ask: AskingOptions,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AskingOptions {
    /// Give up after this long
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5s")]
    pub(crate) timeout: Duration,
}
