//! The stage: the daemons, those who watch them, and the screen. Whoever tells a story waits here for what is heard
//! next; meanwhile the table is kept, and a daemon that ends unasked ends the story.

use super::daemon::{Daemon, in_words};
use super::heard::{Ear, Heard, Mouth, What, Write, channel};
use super::place::{HOSTS, Place};
use super::screen::Screen;
use super::watching::watch;
use crate::api::pages::{HealthPage, StatusPage};
use crate::cli::Client;
use crate::cli::format::table;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often the daemons' lives are looked at while nothing is heard.
const LOOK: Duration = Duration::from_millis(20);
/// How long the daemons may take to stop together.
const STOP: Duration = Duration::from_secs(5);

/// Why a story ends before its end.
#[derive(Debug)]
pub(super) enum End {
    /// Something did not happen, or should not have.
    Failed(String),
    /// Nobody reads any more.
    Unread,
}

/// Everything that is there. The daemons come first, so that they are gone before their directory goes.
pub(super) struct Stage {
    pub(super) daemons: [Daemon; HOSTS],
    pub(super) screen: Screen,
    /// The newest status of each.
    pub(super) status: [Option<Box<StatusPage>>; HOSTS],
    /// The newest line of the health feed of each.
    pub(super) health: [Option<HealthPage>; HOSTS],
    /// The newest revision that a client was told.
    pub(super) revision: u64,
    /// Whether daemons may end unasked.
    pub(super) lenient: bool,
    pub(super) mouth: Mouth,
    pub(super) tasks: JoinSet<()>,
    ear: Ear,
    pub(super) place: Place,
}

impl Stage {
    /// A furnished stage; nothing runs yet.
    pub(super) fn new() -> Result<Self, String> {
        let place = Place::new()?;
        let daemons = place.furnish()?.map(Daemon::new);
        let (mouth, ear) = channel();
        let (status, health) = ([const { None }; HOSTS], [const { None }; HOSTS]);
        let (screen, tasks) = (Screen::new(), JoinSet::new());
        Ok(Self {
            daemons,
            screen,
            status,
            health,
            revision: 0,
            lenient: false,
            mouth,
            tasks,
            ear,
            place,
        })
    }

    /// Starts all daemons, and those who watch them.
    pub(super) fn open(&mut self) -> Result<Instant, End> {
        let begun = Instant::now();
        for (host, daemon) in self.daemons.iter_mut().enumerate() {
            daemon.start().map_err(End::Failed)?;
            watch(&mut self.tasks, host, &daemon.files, &self.mouth);
        }
        Ok(begun)
    }

    /// A client of one daemon.
    pub(super) fn client(&self, host: usize) -> Client {
        Client::new(self.daemons[host].files.socket.clone())
    }

    /// The name of one.
    pub(super) fn name(&self, host: usize) -> &'static str {
        self.daemons[host].files.name
    }

    /// Which one has this name.
    pub(super) fn host(&self, name: &str) -> Option<usize> {
        self.daemons.iter().position(|daemon| daemon.files.name == name)
    }

    /// Kills one the hard way.
    pub(super) fn kill(&mut self, host: usize) -> Result<Instant, End> {
        let at = self.daemons[host].kill().map_err(End::Failed)?;
        (self.status[host], self.health[host]) = (None, None);
        Ok(at)
    }

    /// What is heard next; none at the deadline.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Option<Heard>, End> {
        loop {
            self.look()?;
            self.screen.show(self.table());
            if self.screen.is_broken() {
                return Err(End::Unread);
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            let patience = LOOK.min(deadline - now);
            let heard = tokio::time::timeout(patience, self.ear.recv()).await;
            if let Ok(Some(heard)) = heard {
                self.note(&heard);
                return Ok(Some(heard));
            }
        }
    }

    fn note(&mut self, heard: &Heard) {
        if let What::Write(Write { outcome: Ok(revision), .. }) = &heard.what {
            self.revision = self.revision.max(*revision);
        }
        if self.daemons[heard.host].process().is_none() {
            return;
        }
        match &heard.what {
            What::Health(page) => self.health[heard.host] = Some(page.clone()),
            What::Status(page) => self.status[heard.host].clone_from(page),
            What::Event(_) | What::Write(_) => {}
        }
    }

    /// Looks whether all still live, the watchers included.
    fn look(&mut self) -> Result<(), End> {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                return Err(End::Failed("the demonstration itself broke".to_owned()));
            }
        }
        for host in 0..HOSTS {
            if let Some(status) = self.daemons[host].ended() {
                (self.status[host], self.health[host]) = (None, None);
                if !self.lenient {
                    let name = self.name(host);
                    return Err(End::Failed(format!("{name} {}", in_words(status))));
                }
            }
        }
        Ok(())
    }

    /// Whether the table shows what the daemons that run have told already.
    pub(super) fn is_shown(&self) -> bool {
        let epoch = self.health.iter().flatten().map(|page| page.epoch).max().unwrap_or(0);
        (0..HOSTS).filter(|host| self.daemons[*host].process().is_some()).all(|host| {
            self.status[host].as_ref().is_some_and(|page| {
                page.state == "quorate"
                    && page.revision >= self.revision
                    && page.health_epoch >= epoch
            })
        })
    }

    /// The members as each daemon sees them.
    pub(super) fn table(&self) -> String {
        let rows: Vec<Vec<String>> = (0..HOSTS).map(|host| self.row(host)).collect();
        let head = ["NODE", "PROCESS", "STATE", "ROLE", "EPOCH", "REVISION", "KNOWS"];
        table(self.screen.pen(), &head, &rows)
    }

    fn row(&self, host: usize) -> Vec<String> {
        let name = self.name(host);
        let mut row = vec![name.to_owned()];
        let Some(process) = self.daemons[host].process() else {
            row.extend(["killed", "-", "-", "-", "-", "-"].map(str::to_owned));
            return row;
        };
        row.push(process.to_string());
        let Some(status) = &self.status[host] else {
            row.extend(["starting", "-", "-", "-", "-"].map(str::to_owned));
            return row;
        };
        let role = match &status.leader {
            Some(leader) if leader == name => "leader",
            _ => status.node.role.as_deref().unwrap_or("-"),
        };
        row.extend([
            status.state.clone(),
            role.to_owned(),
            status.health_epoch.to_string(),
            status.revision.to_string(),
            knows(status),
        ]);
        row
    }

    /// Asks all to stop, and waits until they have. Those that were killed meanwhile are no matter.
    pub(super) async fn close(&mut self) -> Result<Duration, End> {
        let begun = Instant::now();
        self.tasks.abort_all();
        self.lenient = true;
        self.daemons.iter().for_each(Daemon::ask_to_stop);
        loop {
            for host in 0..HOSTS {
                if let Some(status) = self.daemons[host].ended()
                    && !status.success()
                {
                    let (name, how) = (self.name(host), in_words(status));
                    return Err(End::Failed(format!("{name} was asked to stop, but {how}")));
                }
            }
            if self.daemons.iter().all(|daemon| daemon.process().is_none()) {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > STOP {
                let stuck = self.daemons.iter().find(|daemon| daemon.process().is_some());
                let name = stuck.map_or("a daemon", |daemon| daemon.files.name);
                let seconds = STOP.as_secs();
                return Err(End::Failed(format!("{name} did not stop within {seconds} s")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Who lives and who does not, in few words.
fn knows(status: &StatusPage) -> String {
    let mut parts: Vec<String> = Vec::new();
    let alive: Vec<&str> = status
        .members
        .iter()
        .filter(|member| member.state == "alive")
        .map(|member| member.name.as_str())
        .collect();
    if !alive.is_empty() {
        parts.push(format!("{} alive", alive.join(" ")));
    }
    for member in status.members.iter().filter(|member| member.state != "alive") {
        parts.push(format!("{} {}", member.name, member.state));
    }
    if parts.is_empty() { "nobody yet".to_owned() } else { parts.join(", ") }
}
