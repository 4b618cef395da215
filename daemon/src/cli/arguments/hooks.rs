//! What can be typed of hooks: `quorate hooks`.

use super::parse_time;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Of all that is asked of hooks.
pub(super) const HOOKS: &str = "Exit codes:
  0  done; for status: the runner runs, and no hook fails
  1  an error, a hook that fails or a file that is refused; the text says which
  2  the command line is wrong
  3  the daemon of this host is not reachable
  6  there is no such hook";

/// Programs that are run and files that are written.
#[derive(Debug, Subcommand)]
pub(crate) enum HooksCommand {
    /// Run the hooks in the foreground, as quorate-hooks.service does
    #[command(after_help = HOOKS)]
    Run {
        #[command(flatten)]
        places: HooksPlaces,
        #[command(flatten)]
        state: HooksState,
    },
    /// Show each hook: when it ran, whether it succeeded, and what it said when it failed
    #[command(after_help = HOOKS)]
    Status {
        #[command(flatten)]
        state: HooksState,
    },
    /// Check the files of all hooks, and say what is wrong in which line
    #[command(after_help = HOOKS)]
    Check {
        #[command(flatten)]
        places: HooksPlaces,
    },
    /// Run one hook now, as who asks for it, with the present view, and print what it says
    #[command(after_help = HOOKS)]
    Try {
        /// Name of the hook; of a file in files.d `file/NAME`
        name: String,
        #[command(flatten)]
        places: HooksPlaces,
    },
    /// Around one run of a hook
    #[command(hide = true)]
    Keep {
        /// The runner's process
        #[arg(long)]
        parent: u32,
        #[arg(long, value_parser = parse_time)]
        timeout: Duration,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Write a file of files.d from a view on standard input
    #[command(hide = true)]
    Render { file: PathBuf },
}

/// Where hooks are described.
#[derive(Debug, Args)]
pub(crate) struct HooksPlaces {
    /// Directory with hooks.d and files.d
    #[arg(long, value_name = "DIR", default_value = "/etc/quorate")]
    pub(crate) dir: PathBuf,
}

/// Where the runner shows itself.
#[derive(Debug, Args)]
pub(crate) struct HooksState {
    /// Directory in which the runner shows what it does
    #[arg(long, value_name = "DIR", default_value = "/run/quorate-hooks")]
    pub(crate) state: PathBuf,
}
