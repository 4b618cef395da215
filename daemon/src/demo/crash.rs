//! The loss of the leader and its return, under two clients that write without a pause.

use super::figures::{Figures, longest_gap};
use super::heard::{Heard, What};
use super::patience::{STEP, broken, late, settle};
use super::place::HOSTS;
use super::screen::listed;
use super::stage::{End, Stage};
use super::writing::{keep_writing, written};
use crate::api::pages::HealthPage;
use crate::cli::Failure;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// Acknowledged writes before the kill, so that it strikes a cluster at work.
const BEFORE: usize = 100;
/// The same number follows the return of the writes, so that the longest gap is really behind us.
const AFTER: usize = 50;

/// Between looks at a copy that is not yet complete.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// What a daemon says of a write that was proposed and then not heard of.
const FATE_UNKNOWN: &str = "fate-unknown";

/// What the loss leaves behind.
pub(super) struct Crash {
    /// Who was killed.
    pub(super) killed: usize,
    /// The clients, which go on.
    pub(super) clients: Clients,
}

/// The writing clients, and what they were told.
#[derive(Default)]
pub(super) struct Clients {
    tasks: Vec<AbortHandle>,
    /// When writes were acknowledged.
    acknowledged: Vec<Instant>,
    /// Which ones.
    keys: BTreeSet<String>,
    /// When the newest acknowledged write had been asked for.
    newest_asked: Option<Instant>,
    /// Which daemon has told its client what kind of bad news: each kind is told once.
    refused: BTreeSet<(usize, String)>,
}

impl Clients {
    fn start(&mut self, stage: &mut Stage, hosts: &[usize]) {
        for &host in hosts {
            let files = &stage.daemons[host].files;
            let writing = keep_writing(host, files.name, files.socket.clone(), stage.mouth.clone());
            self.tasks.push(stage.tasks.spawn(writing));
        }
    }

    /// Notes what a client was told; what is not an acknowledgement goes to the screen, with the time after `from`.
    fn note(&mut self, stage: &mut Stage, heard: &Heard, from: Instant) {
        let What::Write(write) = &heard.what else { return };
        match &write.outcome {
            Ok(_) => {
                self.acknowledged.push(heard.at);
                self.newest_asked = self.newest_asked.max(Some(write.asked));
                self.keys.insert(write.key.clone());
            }
            Err(failure) if self.refused.insert((heard.host, failure.code.clone())) => {
                let name = stage.name(heard.host);
                let text = match failure.code.as_str() {
                    FATE_UNKNOWN => {
                        "the fate of its write, which the leader had in hand, is unknown"
                    }
                    _ => failure.text.as_str(),
                };
                let text = format!("{name} tells its client: {text}");
                stage.screen.happened(heard.at.saturating_duration_since(from), &text);
            }
            Err(_) => {}
        }
    }

    fn stop(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

/// Chapter three.
pub(super) async fn kill_the_leader(
    stage: &mut Stage,
    figures: &mut Figures,
) -> Result<Crash, End> {
    stage
        .screen
        .chapter("The leader is killed with -9 while two clients write through the others.");
    let leader = stage.status[0].as_ref().and_then(|status| status.leader.clone());
    let killed = leader.as_deref().and_then(|name| stage.host(name));
    let Some(killed) = killed else {
        return Err(End::Failed("n1 does not know who leads".to_owned()));
    };
    let survivors: Vec<usize> = (0..HOSTS).filter(|host| *host != killed).collect();
    let mut clients = Clients::default();
    clients.start(stage, &survivors);
    let begun = Instant::now();
    while clients.acknowledged.len() < BEFORE {
        let Some(heard) = stage.next(begun + STEP).await? else {
            return Err(late(&format!("not even {BEFORE} writes were acknowledged")));
        };
        clients.note(stage, &heard, begun);
    }
    let process = stage.daemons[killed].process().unwrap_or(0);
    let at = stage.kill(killed)?;
    let name = stage.name(killed);
    stage.screen.happened(Duration::ZERO, &format!("kill -9 {process}: {name} is gone"));
    let mut loss = Loss { killed, name, at, told: Vec::new(), leader: None, resumed: None };
    while !loss.is_over(&survivors, &clients) {
        let Some(heard) = stage.next(at + STEP).await? else {
            return Err(late(&loss.missing(stage, &survivors)));
        };
        clients.note(stage, &heard, at);
        loss.note(stage, &heard, &clients);
    }
    figures.told = loss.told.iter().map(|(host, at)| (stage.name(*host), *at)).collect();
    figures.told.sort_unstable();
    figures.gap = longest_gap(&clients.acknowledged, at);
    settle(stage).await?;
    Ok(Crash { killed, clients })
}

/// What is known of the loss so far.
struct Loss {
    killed: usize,
    name: &'static str,
    at: Instant,
    told: Vec<(usize, Duration)>,
    leader: Option<String>,
    /// How many writes were acknowledged when one that was asked for after the kill was.
    resumed: Option<usize>,
}

impl Loss {
    fn is_over(&self, survivors: &[usize], clients: &Clients) -> bool {
        let resumed = self.resumed.is_some_and(|then| clients.acknowledged.len() >= then + AFTER);
        self.told.len() == survivors.len() && resumed
    }

    fn note(&mut self, stage: &mut Stage, heard: &Heard, clients: &Clients) {
        let after = heard.at.saturating_duration_since(self.at);
        if heard.host == self.killed {
            return;
        }
        let name = stage.name(heard.host);
        match &heard.what {
            What::Health(page) if !self.told.iter().any(|(host, _)| *host == heard.host) => {
                if let Some(reason) = reason_of(page, self.name, "down") {
                    let gone = self.name;
                    let text =
                        format!("{name} is told: {gone} is down, epoch {}: {reason}", page.epoch);
                    stage.screen.happened(after, &text);
                    self.told.push((heard.host, after));
                }
            }
            What::Event(event)
                if event.kind == "leader"
                    && self.leader.is_none()
                    && !event.text.starts_with(self.name) =>
            {
                stage.screen.happened(after, &event.text);
                self.leader = Some(event.text.clone());
            }
            What::Write(_)
                if self.resumed.is_none()
                    && clients.newest_asked.is_some_and(|asked| asked > self.at) =>
            {
                stage.screen.happened(after, "writes go on");
                self.resumed = Some(clients.acknowledged.len());
            }
            _ => {}
        }
    }

    fn missing(&self, stage: &Stage, survivors: &[usize]) -> String {
        if self.leader.is_none() {
            return format!("after the loss of {} no new leader was elected", self.name);
        }
        if self.resumed.is_none() {
            return format!(
                "there is a new leader after the loss of {}, but writes did not go on",
                self.name
            );
        }
        let told = |host: &usize| self.told.iter().any(|(told, _)| told == host);
        let untold: Vec<&str> =
            survivors.iter().filter(|host| !told(host)).map(|host| stage.name(*host)).collect();
        if untold.is_empty() {
            return format!("after the loss of {} too few writes were acknowledged", self.name);
        }
        format!("{} was not told that {} is down", listed(&untold), self.name)
    }
}

/// Why a member is in this state, in a view that says so.
fn reason_of<'a>(page: &'a HealthPage, name: &str, state: &str) -> Option<&'a str> {
    let member = page.members.iter().find(|member| member.name == name)?;
    (member.state == state).then_some(member.reason.as_str())
}

/// Chapter four.
pub(super) async fn bring_it_back(
    stage: &mut Stage,
    back: usize,
    mut clients: Clients,
    figures: &mut Figures,
) -> Result<(), End> {
    let name = stage.name(back);
    stage.screen.chapter(&format!("{name} starts again, with its data as the kill left them."));
    let down = stage.health.iter().flatten().map(|page| page.epoch).max().unwrap_or(0);
    let at = stage.daemons[back].start().map_err(End::Failed)?;
    let process = stage.daemons[back].process().unwrap_or(0);
    stage.screen.happened(Duration::ZERO, &format!("start: {name} (process {process})"));
    let mut told = [false; HOSTS];
    while told != [true; HOSTS] {
        let Some(heard) = stage.next(at + STEP).await? else {
            let untold: Vec<&str> =
                (0..HOSTS).filter(|host| !told[*host]).map(|host| stage.name(host)).collect();
            return Err(late(&format!("{} was not told that {name} is back", listed(&untold))));
        };
        clients.note(stage, &heard, at);
        let What::Health(page) = &heard.what else { continue };
        if told[heard.host] || !page.quorate || page.epoch <= down {
            continue;
        }
        if let Some(reason) = reason_of(page, name, "alive") {
            told[heard.host] = true;
            let who = stage.name(heard.host);
            let text = format!("{who} is told: {name} is alive, epoch {}: {reason}", page.epoch);
            stage.screen.happened(heard.at.saturating_duration_since(at), &text);
        }
    }
    check_writes(stage, back, &mut clients, at, figures).await?;
    settle(stage).await
}

/// Reads through the one that was away what was acknowledged while it was, and waits until its own copy has it too.
async fn check_writes(
    stage: &mut Stage,
    back: usize,
    clients: &mut Clients,
    at: Instant,
    figures: &mut Figures,
) -> Result<(), End> {
    clients.stop();
    let name = stage.name(back);
    (figures.back, figures.writes) = (name, clients.keys.len());
    let client = stage.client(back);
    let failed = |failure: Failure| broken(name, "a read of all writes", &failure.text);
    let found = written(&client, false).await.map_err(failed)?;
    let lost: Vec<&String> = clients.keys.difference(&found).collect();
    if let Some(first) = lost.first() {
        let count = lost.len();
        return Err(End::Failed(format!("{count} acknowledged writes are lost, such as {first}")));
    }
    let all = clients.keys.len();
    let text = format!("{name} serves: a read through it finds all {all} acknowledged writes");
    stage.screen.happened(at.elapsed(), &text);
    while !clients.keys.is_subset(&written(&client, true).await.map_err(failed)?) {
        if at.elapsed() > STEP {
            return Err(late(&format!("{name} did not catch up with what it missed")));
        }
        // What is heard meanwhile is only for the table.
        stage.next(Instant::now() + ASK_AGAIN).await?;
    }
    figures.rejoin = at.elapsed();
    let text = format!("{name} has caught up: its own copy has them all");
    stage.screen.happened(figures.rejoin, &text);
    Ok(())
}
