//! The bench: quorate side by side with etcd, serf and gRPC, in one run, on this machine. RESULTS.md says what it found.
//!
//! Every figure is a series of at least `--runs` values; ratios are between series of the same run. Loopback only,
//! but for `hosts-formation`, which boots hosts of its own. Every wait has a limit, and a run that passes it ends the
//! bench with what it waited for: no figure is made up of runs that went well.

mod cluster;
mod etcd;
mod failover;
mod flood;
mod formation;
mod log;
mod memory;
mod on_hosts;
mod puts;
mod quorate;
mod report;
mod serf;
mod surroundings;
mod told;
mod transport;

use clap::builder::TypedValueParser;
use clap::{Parser, ValueEnum};
use quorate_tests::outside::trouble::Trouble;
use report::Question;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures quorate beside etcd and serf on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Arguments {
    /// What to measure
    #[arg(required = true, value_enum)]
    what: Vec<What>,
    #[command(flatten)]
    settings: Settings,
    /// Print JSON with every single value instead of tables
    #[arg(long)]
    json: bool,
}

/// What all measurements need to know.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Values a series
    #[arg(long, default_value = "20", value_parser = runs())]
    pub(crate) runs: usize,
    /// Measure only these systems: quorate, etcd, serf, tonic
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// How many nodes there are of whom one is lost (`told`), one measurement each
    #[arg(long, value_delimiter = ',', default_value = "3,10")]
    #[arg(value_parser = sizes())]
    pub(crate) sizes: Vec<usize>,
    /// Seconds in which nothing happens before each loss of a node (`told`): after 240 quorate's timers have followed a quiet machine
    #[arg(long, default_value = "1")]
    pub(crate) calm: u16,
    /// The daemon; by default the one beside this program
    #[arg(long, default_value_os_t = beside("quorate"))]
    pub(crate) quorate: PathBuf,
    #[arg(long, default_value = "etcd")]
    pub(crate) etcd: PathBuf,
    #[arg(long, default_value = "serf")]
    pub(crate) serf: PathBuf,
    /// Where the directories of all nodes are made, and removed again; a disk, not memory
    #[arg(long, default_value = "/var/tmp/quorate-bench")]
    pub(crate) directory: PathBuf,
    /// Print nothing while measuring
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Three nodes started together until the first write
    Formation,
    /// The leader killed under writers
    Failover,
    /// One node killed until the others know
    Told,
    /// Puts per second and how long they take
    Puts,
    /// Memory of an idle node
    Memory,
    /// What a sync costs on this disk
    Log,
    /// Frames over the transport beside gRPC, and a peer that returns
    Transport,
    /// A member back under a flood of forged handshakes
    Flood,
    /// Three hosts with systemd until the first write; needs root
    HostsFormation,
    /// All of them but `hosts-formation`
    All,
}

impl Settings {
    /// Whether this system is to be measured.
    pub(crate) fn asks_for(&self, system: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == system)
    }

    /// Says how it goes, to whoever watches.
    pub(crate) fn tell(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", text.as_ref());
        }
    }
}

/// Ten thousand runs of the slowest question take a day.
fn runs() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u16).range(1..=10_000).map(usize::from)
}

/// Larger ones are beyond what one machine carries.
fn sizes() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u16).range(3..=100).map(usize::from)
}

/// A program in the directory of this one.
fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().map_or_else(|| name.into(), |directory| directory.join(name))
}

/// Milliseconds, as series have them.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let before = quorate_tests::outside::surroundings::now();
    let questions = match measure(&arguments).await {
        Ok(questions) => questions,
        Err(trouble) => {
            eprintln!("bench: {trouble}");
            return ExitCode::FAILURE;
        }
    };
    let about = surroundings::describe(&arguments.settings, &before);
    if arguments.json {
        println!("{}", report::json_text(&about, &questions));
    } else {
        print!("{}", report::text(&about, &questions));
    }
    ExitCode::SUCCESS
}

async fn measure(arguments: &Arguments) -> Result<Vec<Question>, Trouble> {
    const ALL: [What; 8] = [
        What::Log,
        What::Transport,
        What::Formation,
        What::Failover,
        What::Told,
        What::Memory,
        What::Puts,
        What::Flood,
    ];
    let wanted: Vec<What> = match arguments.what.contains(&What::All) {
        true => ALL.to_vec(),
        false => arguments.what.clone(),
    };
    let settings = &arguments.settings;
    let mut questions = Vec::new();
    for what in wanted {
        questions.extend(match what {
            What::Formation => formation::run(settings).await?,
            What::Failover => failover::run(settings).await?,
            What::Told => told::run(settings).await?,
            What::Puts => puts::run(settings).await?,
            What::Memory => memory::run(settings).await?,
            What::Log => log::run(settings)?,
            What::Transport => transport::run(settings).await?,
            What::Flood => flood::run(settings).await?,
            What::HostsFormation => on_hosts::run(settings)?,
            What::All => Vec::new(),
        });
    }
    Ok(questions)
}
