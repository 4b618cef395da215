//! The chaos runner: real daemons in a network of their own, broken on purpose, and judged from outside.
//!
//!     target/release/chaos --seconds 60 --nodes 3,5          root; needs ip and nft
//!     target/release/chaos --seed 7 --nodes 5                the same faults again
//!     target/release/chaos --only leader-deaf,leader-killed  these kinds alone
//!
//! Faults are drawn by the seed, one or two at once, and all heal at the end of each: kills, stops, pauses, cuts both
//! ways and one way, bridges, splits, loss, disks of a minority wiped. Clients put, get, delete and swap through every
//! node. At the end three judges look at what was seen: by revision (`revisions`), by key (`registers`, as in the simulator) and of health
//! (`health`). How long writes were not acknowledged is a table, never a verdict: times hang on the machine.
//!
//! Exit code 0: the judges reject nothing. 1: they do; the seed, the faults, what was rejected and the directory of the
//! daemons' logs are printed. 2: something else went wrong.

mod availability;
mod campaign;
mod clients;
mod faults;
mod ground;
mod health;
mod nodes;
mod pages;
mod revisions;

use campaign::{Outcome, Plan};
use clap::{Parser, ValueEnum as _};
use faults::Kind;
use quorate_tests::outside::processes::Scratch;
use quorate_tests::outside::surroundings;
use quorate_tests::outside::trouble::Trouble;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest campaign: its history must be searched, and old revisions must still be readable.
const LONGEST: u64 = 60;
/// Offences that are printed of one campaign.
const SHOWN: usize = 12;

/// Breaks clusters of real daemons on purpose and judges what their clients saw.
#[derive(Debug, Parser)]
#[command(name = "chaos", max_term_width = 100)]
struct Arguments {
    /// How long, over all campaigns; one campaign has a minute at most
    #[arg(long, default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Of the first campaign; the next one has the next number. By default the time
    #[arg(long)]
    seed: Option<u64>,
    /// Sizes of clusters, taken in turn
    #[arg(long, default_value = "3,5", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(3..=7))]
    nodes: Vec<u8>,
    /// Kinds of faults; by default all, and sometimes two at once
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Kind>,
    /// The daemon; by default the one beside this program
    #[arg(long, default_value_os_t = beside("quorate"))]
    quorate: PathBuf,
    /// Where the files of all nodes are made; those of a campaign that failed stay
    #[arg(long, default_value = "/var/tmp/quorate-chaos")]
    directory: PathBuf,
    /// Keep the files of all campaigns
    #[arg(long)]
    keep: bool,
    /// Also write the table of availability into this file
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// This process is in its own network already
    #[arg(long, hide = true)]
    inside: bool,
}

/// A program in the directory of this one.
fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().map_or_else(|| name.into(), |directory| directory.join(name))
}

// One thread: the daemons are told to end with the thread that started them, and this one lives longest.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ready = if arguments.inside { ground::prepare() } else { Err(ground::enter()) };
    let outcome = match ready {
        Ok(()) => campaigns(&arguments).await,
        Err(trouble) => Err(trouble),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("chaos: {trouble}");
            ExitCode::from(2)
        }
    }
}

/// One campaign after the other; whether the judges were content with all.
async fn campaigns(arguments: &Arguments) -> Result<bool, Trouble> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = arguments.seed.unwrap_or(now);
    let sizes = arguments.nodes.len() as u64;
    let each = (arguments.seconds / sizes).clamp(1, LONGEST);
    let all = Kind::value_variants();
    let before = surroundings::now();
    let (mut costs, mut content) = (Vec::new(), true);
    for number in 0..arguments.seconds.div_ceil(each).max(sizes) {
        let at = usize::try_from(number % sizes).unwrap_or(0);
        let plan = Plan {
            program: arguments.quorate.clone(),
            nodes: usize::from(arguments.nodes[at]),
            seed: seed + number,
            lasts: Duration::from_secs(each),
            kinds: if arguments.only.is_empty() { all.to_vec() } else { arguments.only.clone() },
            several: arguments.only.is_empty(),
        };
        println!("== {} nodes, seed {}, {each} s", plan.nodes, plan.seed);
        let scratch = Scratch::new(&arguments.directory)?;
        let outcome = campaign::run(&plan, scratch.path()).await;
        let fine = matches!(&outcome, Ok(outcome) if outcome.offences.is_empty());
        if !fine || arguments.keep {
            println!("logs of the daemons: {}", scratch.keep().display());
        }
        let outcome = outcome?;
        print(&plan, each, &outcome);
        content &= fine;
        costs.extend(outcome.costs);
    }
    let sizes: Vec<String> = arguments.nodes.iter().map(u8::to_string).collect();
    let title = format!("{} s with {} nodes, seed {seed}", arguments.seconds, sizes.join(", "));
    let table = availability::table(&costs, &title, &before, &surroundings::now());
    println!("\n{table}");
    if let Some(file) = &arguments.markdown {
        write(file, &table)?;
    }
    Ok(content)
}

fn write(file: &Path, text: &str) -> Result<(), Trouble> {
    fs::write(file, text).map_err(Trouble::at(format!("writing {}", file.display())))
}

fn print(plan: &Plan, each: u64, outcome: &Outcome) {
    let Outcome { operations, unknown, revisions, undecided, offences, .. } = outcome;
    println!(
        "{} rounds, {operations} operations ({unknown} of unknown fate), {revisions} revisions, \
         {undecided} keys undecided: {}",
        outcome.costs.len(),
        if offences.is_empty() { "nothing is rejected" } else { "REJECTED" },
    );
    if offences.is_empty() {
        return;
    }
    println!("again: chaos --seed {} --nodes {} --seconds {each}", plan.seed, plan.nodes);
    outcome.log.iter().for_each(|line| println!("  {line}"));
    for offence in offences.iter().take(SHOWN) {
        println!("- {offence}");
    }
    if offences.len() > SHOWN {
        println!("- and {} more", offences.len() - SHOWN);
    }
}
