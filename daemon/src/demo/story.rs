//! The story, in four chapters: birth, writes, the loss of the leader, its return. Each waits for what it tells, and
//! fails with what is missing when that does not happen in time.

use super::crash::{self, Crash};
use super::figures::Figures;
use super::heard::What;
use super::patience::{STEP, broken, late, settle};
use super::place::HOSTS;
use super::screen::listed;
use super::stage::{End, Stage};
use super::writing::{first_write, get, put};
use std::time::{Duration, Instant};

/// Tells it all.
pub(super) async fn tell(stage: &mut Stage) -> Result<Figures, End> {
    let mut figures = Figures::default();
    birth(stage, &mut figures).await?;
    writes(stage).await?;
    let Crash { killed, clients, .. } = crash::kill_the_leader(stage, &mut figures).await?;
    crash::bring_it_back(stage, killed, clients, &mut figures).await?;
    Ok(figures)
}

/// What birth still waits for.
#[derive(Debug, Default)]
struct Birth {
    founded: Option<String>,
    leader: Option<String>,
    written: bool,
    quorate: [bool; HOSTS],
}

impl Birth {
    fn is_over(&self) -> bool {
        self.founded.is_some() && self.written && self.quorate == [true; HOSTS]
    }

    fn missing(&self, stage: &Stage) -> String {
        if self.founded.is_none() {
            return "the cluster was not founded".to_owned();
        }
        if self.leader.is_none() {
            return "the cluster was founded, but elected no leader".to_owned();
        }
        if !self.written {
            return "there is a leader, but the first write was not acknowledged".to_owned();
        }
        let waiting: Vec<&str> =
            (0..HOSTS).filter(|host| !self.quorate[*host]).map(|host| stage.name(host)).collect();
        format!("{} did not hear that all three are alive", listed(&waiting))
    }
}

async fn birth(stage: &mut Stage, figures: &mut Figures) -> Result<(), End> {
    stage
        .screen
        .chapter("Birth. Three daemons that know a list of seeds and a secret, nothing else.");
    let begun = stage.open()?;
    let processes: Vec<String> = stage
        .daemons
        .iter()
        .map(|daemon| format!("{} (process {})", daemon.files.name, daemon.process().unwrap_or(0)))
        .collect();
    let processes: Vec<&str> = processes.iter().map(String::as_str).collect();
    stage.screen.happened(Duration::ZERO, &format!("start: {}", listed(&processes)));
    let socket = stage.daemons[0].files.socket.clone();
    stage.tasks.spawn(first_write(0, socket, stage.mouth.clone()));
    let mut birth = Birth::default();
    while !birth.is_over() {
        let Some(heard) = stage.next(begun + STEP).await? else {
            return Err(late(&birth.missing(stage)));
        };
        let after = heard.at.duration_since(begun);
        let name = stage.name(heard.host);
        match heard.what {
            What::Event(event) if event.kind == "founded" && birth.founded.is_none() => {
                stage.screen.happened(after, &format!("{name}: {}", event.text));
                birth.founded = Some(event.text);
            }
            What::Event(event) if event.kind == "leader" && birth.leader.is_none() => {
                stage.screen.happened(after, &event.text);
                birth.leader = Some(event.text);
            }
            What::Write(write) => {
                write.outcome.map_err(|failure| broken(name, "the first write", &failure.text))?;
                let text =
                    "the first write is acknowledged; n1 was asked before there was a leader";
                stage.screen.happened(after, text);
                figures.first_write = after;
                birth.written = true;
            }
            What::Health(page) if !birth.quorate[heard.host] => {
                let alive = page.members.iter().filter(|member| member.state == "alive").count();
                birth.quorate[heard.host] = page.quorate && alive == HOSTS;
                if birth.quorate == [true; HOSTS] {
                    stage.screen.happened(after, "n1, n2 and n3 each know: all three are alive");
                    figures.formation = after;
                }
            }
            _ => {}
        }
    }
    settle(stage).await
}

async fn writes(stage: &mut Stage) -> Result<(), End> {
    stage.screen.chapter("Writes and reads, each through another node.");
    for (writer, readers, key, value) in
        [(1, [0, 2], "colour", "blue"), (2, [1, 0], "answer", "42")]
    {
        let begun = Instant::now();
        let done = put(&stage.client(writer), key, value).await;
        let name = stage.name(writer);
        let revision = done.map_err(|failure| broken(name, "put", &failure.text))?;
        let text = format!("{name}  put {key} = {value}, revision {revision}");
        stage.screen.happened(begun.elapsed(), &text);
        for reader in readers {
            let begun = Instant::now();
            let name = stage.name(reader);
            let read = get(&stage.client(reader), key).await;
            let read = read.map_err(|failure| broken(name, "get", &failure.text))?;
            if read.as_deref() != Some(value) {
                let read = read.as_deref().unwrap_or("nothing");
                return Err(End::Failed(format!("{name} read {read} for {key}, not {value}")));
            }
            stage.screen.happened(begun.elapsed(), &format!("{name}  get {key} -> {value}"));
        }
    }
    Ok(())
}
