//! One campaign: a cluster, its clients and subscribers, round after round of faults, and then the judges.
//!
//! A round draws its faults, strikes, waits, makes sure that each took effect, heals everything, and waits until all is
//! whole again. Which faults there are hangs on the seed alone but for who leads; when answers come does not.

use crate::availability::{Cost, gap};
use crate::clients::Clients;
use crate::faults::{Blow, Fault, Kind, draw, gone, must_lose, surviving};
use crate::health::{self, Line, Subscribers, Window};
use crate::nodes::{Nodes, name};
use crate::revisions::{self, Store};
use crate::{ground, pages};
use quorate_tests::history::Operation;
use quorate_tests::outside::trouble::Trouble;
use quorate_tests::random::Random;
use quorate_tests::registers;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A fault lasts so long, in milliseconds.
const LASTS: (u64, u64) = (1500, 4000);
/// Between two rounds.
const REST: (u64, u64) = (200, 800);

/// What a campaign is about.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) program: PathBuf,
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
    pub(crate) lasts: Duration,
    pub(crate) kinds: Vec<Kind>,
    /// Whether two faults may come at once.
    pub(crate) several: bool,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) costs: Vec<Cost>,
    /// What was done, round by round.
    pub(crate) log: Vec<String>,
    /// What the judges reject, in words.
    pub(crate) offences: Vec<String>,
    pub(crate) operations: usize,
    pub(crate) unknown: usize,
    pub(crate) revisions: u64,
    /// Keys whose search took too long.
    pub(crate) undecided: usize,
}

#[derive(Debug)]
struct Round {
    faults: Vec<Fault>,
    began: Duration,
    healed: Duration,
    whole: Duration,
    window: Window,
}

/// Runs it in this directory, which gets the files and logs of all nodes.
pub(crate) async fn run(plan: &Plan, directory: &Path) -> Result<Outcome, Trouble> {
    let clock = Instant::now();
    let mut random = Random::new(plan.seed);
    let mut nodes = Nodes::start_all(&plan.program, directory, plan.nodes)?;
    nodes.whole().await?;
    let subscribers = Subscribers::start(&nodes.doors(), clock);
    let clients = Clients::start(&nodes.doors(), clock, &mut random);
    let mut outcome = Outcome::default();
    let mut rounds = Vec::new();
    while clock.elapsed() < plan.lasts {
        let number = rounds.len();
        match round(plan, number, clock, &mut nodes, &subscribers, &mut random, &mut outcome.log)
            .await
        {
            Ok(round) => rounds.push(round),
            Err(trouble) => {
                // The judges have their say all the same, as far as they can.
                outcome.offences.push(format!("a round did not end well: {trouble}"));
                ground::heal().await?;
                nodes.start_missing()?;
                break;
            }
        }
    }
    let lines = subscribers.lines();
    let windows: Vec<Window> = rounds.iter().map(|round| round.window.clone()).collect();
    for (round, (_, epochs)) in rounds.iter().zip(health::epochs(&lines, &windows)) {
        outcome.costs.push(cost(round, epochs, &clients, &lines, plan.nodes));
    }
    let operations = clients.end().await;
    judge(&mut nodes, &operations, &mut outcome).await;
    outcome.offences.extend(health::judge(&subscribers.lines(), &windows));
    Ok(outcome)
}

async fn round(
    plan: &Plan,
    number: usize,
    clock: Instant,
    nodes: &mut Nodes,
    subscribers: &Subscribers,
    random: &mut Random,
    log: &mut Vec<String>,
) -> Result<Round, Trouble> {
    let leader = nodes.whole().await?;
    tokio::time::sleep(Duration::from_millis(random.between(REST.0, REST.1))).await;
    let faults = draw(&plan.kinds, plan.nodes, leader, plan.several, random);
    let lasts = Duration::from_millis(random.between(LASTS.0, LASTS.1));
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let before = subscribers.newest();
    let began = clock.elapsed();
    let text = format!(
        "[{:.3}] round {number}, {} leads, epoch {before}, {lasts:?}: {}",
        began.as_secs_f64(),
        name(leader),
        texts.join(" + ")
    );
    eprintln!("{text}");
    log.push(text.clone());
    for (at, fault) in faults.iter().enumerate() {
        strike(nodes, at, fault).await?;
    }
    tokio::time::sleep(lasts).await;
    for at in 0..faults.len() {
        took_effect(nodes, at, &faults).await?;
    }
    ground::heal().await?;
    nodes.start_missing()?;
    let healed = clock.elapsed();
    nodes.whole().await?;
    let window = Window { text, faults: faults.len(), before };
    Ok(Round { faults, began, healed, whole: clock.elapsed(), window })
}

async fn strike(nodes: &mut Nodes, at: usize, fault: &Fault) -> Result<(), Trouble> {
    let mut losses = Vec::new();
    for blow in &fault.blows {
        match *blow {
            Blow::Kill(node) => nodes.kill(node)?,
            Blow::Stop(node) => nodes.stop(node).await?,
            Blow::Pause(node) => nodes.pause(node).await?,
            Blow::Wipe(node) => nodes.wipe(node).await?,
            Blow::Lose(loss) => losses.push(loss),
        }
    }
    if !losses.is_empty() {
        ground::lose(at, losses).await?;
    }
    if fault.kind.back_at_once() {
        for node in fault.blows.iter().filter_map(Blow::process) {
            nodes.start(node)?;
        }
    }
    Ok(())
}

/// Kills, stops and wipes were seen when they were done; a cut has lost packets, a pause has lasted, and who is away is
/// away.
async fn took_effect(nodes: &mut Nodes, at: usize, faults: &[Fault]) -> Result<(), Trouble> {
    let fault = &faults[at];
    if must_lose(faults, at) && ground::lost(at).await? == 0 {
        return Err(Trouble::gone(format!("no packet was lost by {fault}")));
    }
    for blow in &fault.blows {
        match *blow {
            Blow::Pause(node) => nodes.resume(node)?,
            Blow::Kill(node) | Blow::Stop(node) | Blow::Wipe(node) => {
                if nodes.runs(node) != fault.kind.back_at_once() {
                    return Err(Trouble::gone(format!("{} during {fault}", name(node))));
                }
            }
            Blow::Lose(_) => {}
        }
    }
    Ok(())
}

fn cost(round: &Round, epochs: usize, clients: &Clients, lines: &[Line], count: usize) -> Cost {
    let survivors = surviving(&round.faults, count);
    let kind = match &round.faults[..] {
        [one] => one.kind.word(),
        _ => "several at once".to_owned(),
    };
    let acknowledged = clients.acknowledged(&survivors);
    let gap = (!survivors.is_empty()).then(|| gap(&acknowledged, round.began, round.whole));
    let told = |by: usize, about: usize| {
        let name = name(about);
        let during = lines.iter().filter(|line| {
            line.node == by && line.quorate && line.at > round.began && line.at < round.healed
        });
        let mut gone = during
            .filter(|line| line.members.iter().any(|member| member.name == name && !member.alive));
        gone.next().map(|line| line.at.saturating_sub(round.began))
    };
    let gone = gone(&round.faults, count);
    let pairs = gone.iter().flat_map(|about| survivors.iter().map(move |by| (*by, *about)));
    let all: Option<Vec<Duration>> = pairs.map(|(by, about)| told(by, about)).collect();
    let told = all.and_then(|times| times.into_iter().max());
    Cost { kind, gap, told, epochs }
}

async fn judge(nodes: &mut Nodes, operations: &[Operation], outcome: &mut Outcome) {
    outcome.operations = operations.len();
    outcome.unknown = operations
        .iter()
        .filter(|operation| operation.answer == quorate_tests::history::Answer::Unknown)
        .count();
    // First what the nodes still say, then what takes the processor.
    match pages::at_the_end(nodes, operations).await {
        Ok(store) => by_revision(operations, &store, outcome),
        Err(trouble) => outcome.offences.push(format!("the end: {trouble}")),
    }
    let by_key = registers::judge(operations);
    outcome.undecided = by_key.undecided.len();
    outcome.offences.extend(by_key.offences);
}

fn by_revision(operations: &[Operation], store: &Store, outcome: &mut Outcome) {
    outcome.revisions = store.last;
    outcome.offences.extend(revisions::judge(operations, store));
}
