//! All applications of this host: those of files, those that registered, the state of each, and who hears of it.
//!
//! Invariants: one task has all of it, so nothing of it is locked. Each application that is checked has one task that does nothing else; the
//! result of a task whose application is another one meanwhile counts for nothing. A registration ends with the daemon: the files of `apps.d`
//! are the lasting way. The node is told all of it, whenever something of it is another than before.

use super::check::{Outcome, Places};
use super::definition::{Definition, Kind, Source, TTLS, spoken};
use super::drop_ins::DropIns;
use super::rise_fall::{Held, RiseFall};
use quorate_node::Input;
use quorate_proto::{ApplicationCause, ApplicationReport, limits};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Asks and results that wait: more than there are applications, each of which has one result at a time.
const ASKS: usize = 2 * limits::HOST_APPLICATIONS;
/// Without a heartbeat there is nothing to look at; the keeper looks again after this long.
const IDLE: Duration = Duration::from_secs(3600);

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is none of this host.
    #[error(
        "no application named `{0}` is registered on this host; `quorate app list` shows those that are"
    )]
    Unknown(String),
    /// It cannot be so.
    #[error("{0}")]
    Wrong(String),
    /// The daemon stops.
    #[error("the daemon stops")]
    Stops,
}

/// What is asked of the keeper, and what its checks tell it.
enum Ask {
    Register(Definition, oneshot::Sender<Result<(), Refused>>),
    Remove(String, oneshot::Sender<Result<(), Refused>>),
    Heartbeat {
        name: String,
        works: bool,
        word: String,
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    Checked {
        name: String,
        run: u64,
        outcome: Outcome,
    },
}

/// An application of this host, as its doors show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) definition: Definition,
    /// With the last word of its check, also where that changed nothing.
    pub(crate) report: ApplicationReport,
}

/// What the doors know of the keeper; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Applications {
    asks: mpsc::Sender<Ask>,
    all: watch::Receiver<Arc<Vec<Local>>>,
    files: watch::Receiver<Arc<DropIns>>,
}

impl Applications {
    /// Begins to check what the files say, now and whenever they were read again, and tells the node.
    pub(crate) fn begin(
        files: watch::Receiver<Arc<DropIns>>,
        node: mpsc::Sender<Input>,
        threads: &Handle,
    ) -> Self {
        let (asks, asked) = mpsc::channel(ASKS);
        let (show, all) = watch::channel(Arc::default());
        let keeper = Keeper {
            all: BTreeMap::new(),
            has_told: false,
            runs: 0,
            places: Arc::new(Places::new()),
            results: asks.downgrade(),
            node,
            show,
        };
        threads.spawn(keeper.keep(asked, files.clone()));
        Self { asks, all, files }
    }

    /// One that has none, and takes none.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let (asks, _) = mpsc::channel(1);
        let (all, files) = (watch::channel(Arc::default()).1, watch::channel(Arc::default()).1);
        Self { asks, all, files }
    }

    /// All of them, in the order of names.
    pub(crate) fn all(&self) -> Arc<Vec<Local>> {
        Arc::clone(&self.all.borrow())
    }

    /// What could not be used of the files.
    pub(crate) fn problems(&self) -> Vec<ApplicationCause> {
        self.files.borrow().problems.clone()
    }

    /// Registers an application, or anew, which is a heartbeat too.
    pub(crate) async fn register(&self, definition: Definition) -> Result<(), Refused> {
        if let Some(why) = self.files.borrow().takes_none {
            return Err(Refused::Wrong(format!("{why}; nothing was registered")));
        }
        self.ask(|reply| Ask::Register(definition, reply)).await
    }

    /// Takes one out that was registered so.
    pub(crate) async fn remove(&self, name: String) -> Result<(), Refused> {
        self.ask(|reply| Ask::Remove(name, reply)).await
    }

    /// An application says how it is.
    pub(crate) async fn heartbeat(
        &self,
        name: String,
        works: bool,
        word: String,
    ) -> Result<(), Refused> {
        self.ask(|reply| Ask::Heartbeat { name, works, word, reply }).await
    }

    async fn ask(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<(), Refused>>) -> Ask,
    ) -> Result<(), Refused> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.map_err(|_| Refused::Stops)?;
        answer.await.map_err(|_| Refused::Stops)?
    }
}

/// One application.
struct Kept {
    definition: Definition,
    known: RiseFall,
    /// The last word of its check.
    word: String,
    /// Until when its last heartbeat counts.
    until: Option<Instant>,
    /// The task that checks it, by the number that its results have.
    checker: Option<(u64, JoinHandle<()>)>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some((_, task)) = self.checker.take() {
            task.abort();
        }
    }
}

impl Kept {
    fn report(&self) -> ApplicationReport {
        let state = self.known.state().into();
        let in_words = |held: &Held| (held.times(), spoken(held.hold));
        let held = self.known.held().as_ref().map(in_words);
        let reason = match (held, self.known.will_be_held().as_ref().map(in_words)) {
            (Some((times, hold)), _) => {
                format!(
                    "works, but went down {times} of late: held down until it has worked for {hold}"
                )
            }
            // In front, because the reason is cut: this is committed with the state, and so known to all while it is held.
            (None, Some((times, hold))) => {
                format!("down {times} of late, until it has worked for {hold}: {}", self.word)
            }
            (None, None) => self.word.clone(),
        };
        let reason = ApplicationReport::cut(&reason);
        ApplicationReport { state, reason, ..self.definition.report() }
    }
}

struct Keeper {
    all: BTreeMap<String, Kept>,
    /// Whether the node was told of them since the daemon started.
    has_told: bool,
    runs: u64,
    places: Arc<Places>,
    results: mpsc::WeakSender<Ask>,
    node: mpsc::Sender<Input>,
    show: watch::Sender<Arc<Vec<Local>>>,
}

impl Keeper {
    /// Until nobody can ask any more, or there is no loop to be told.
    async fn keep(
        mut self,
        mut asked: mpsc::Receiver<Ask>,
        mut files: watch::Receiver<Arc<DropIns>>,
    ) {
        let first = Arc::clone(&files.borrow_and_update());
        self.take_files(&first);
        loop {
            if self.tell().await.is_err() {
                return;
            }
            let held = |kept: &Kept| kept.known.held().map(|held| held.until);
            let due = self.all.values().flat_map(|kept| [kept.until, held(kept)]).flatten().min();
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(ask) => self.take(ask),
                    None => return,
                },
                Ok(()) = files.changed() => {
                    let now = Arc::clone(&files.borrow_and_update());
                    self.take_files(&now);
                }
                () = sleep_until(due.unwrap_or_else(|| Instant::now() + IDLE)) => self.look_at_what_is_due(),
            }
            while let Ok(ask) = asked.try_recv() {
                self.take(ask);
            }
        }
    }

    /// The node and the doors hear of all, if anything is another than it was.
    async fn tell(&mut self) -> Result<(), mpsc::error::SendError<Input>> {
        let local =
            |kept: &Kept| Local { definition: kept.definition.clone(), report: kept.report() };
        let all: Vec<Local> = self.all.values().map(local).collect();
        let before = self.show.borrow().clone();
        // An earlier start may have left something behind of which this one has nothing: the node says so, too.
        let first = !std::mem::replace(&mut self.has_told, true);
        if *before == all && !first {
            return Ok(());
        }
        let reports = |all: &[Local]| all.iter().map(|one| one.report.clone()).collect::<Vec<_>>();
        let told = reports(&all);
        let news = first || told != reports(&before);
        self.show.send_replace(Arc::new(all));
        match news {
            true => self.node.send(Input::Applications(told)).await,
            false => Ok(()),
        }
    }

    /// What the files define is what there is, beside what registered itself. What a file defined that cannot be used any more stays as it was:
    /// a slip of the pen takes no application down.
    fn take_files(&mut self, files: &DropIns) {
        let defined = |name: &String| files.definitions.iter().any(|one| one.name == *name);
        let slipped = |path: &Path| {
            files.problems.iter().any(|cause| match cause {
                ApplicationCause::DropIn { file, .. } => path.starts_with(file),
                ApplicationCause::Down { .. } => false,
            })
        };
        self.all.retain(|name, kept| match &kept.definition.source {
            Source::Registered => true,
            Source::DropIn(path) => defined(name) || slipped(path),
        });
        for definition in &files.definitions {
            self.define(definition.clone());
        }
        // Files come first: what registered itself beyond the bound goes.
        while self.all.len() > limits::HOST_APPLICATIONS {
            let registered =
                |(_, kept): &(&String, &Kept)| kept.definition.source == Source::Registered;
            let Some(name) =
                self.all.iter().filter(registered).map(|(name, _)| name.clone()).next_back()
            else {
                return;
            };
            self.all.remove(&name);
        }
    }

    fn define(&mut self, definition: Definition) {
        let name = definition.name.clone();
        let before = self.all.remove(&name);
        let same = before.as_ref().is_some_and(|it| it.definition.check == definition.check);
        let mut kept = match before {
            Some(mut before) => {
                before.definition = definition;
                before
            }
            None => {
                let (word, known) = ("not checked yet".to_owned(), RiseFall::new());
                Kept { definition, known, word, until: None, checker: None }
            }
        };
        if !same {
            kept.known.begin_anew();
            kept.until = None;
            if let Some((_, task)) = kept.checker.take() {
                task.abort();
            }
            match &kept.definition.check.kind {
                Kind::None => {
                    kept.known.set(Instant::now(), true);
                    kept.word = "is not checked".to_owned();
                }
                Kind::Heartbeat { ttl } => {
                    kept.until = Some(Instant::now() + *ttl);
                    kept.word = "no heartbeat yet".to_owned();
                }
                _ => kept.checker = Some(self.checker(&kept.definition)),
            }
        }
        self.all.insert(name, kept);
    }

    /// Checks an application until it is aborted, or nobody hears it.
    fn checker(&mut self, definition: &Definition) -> (u64, JoinHandle<()>) {
        self.runs += 1;
        let (run, name, check) = (self.runs, definition.name.clone(), definition.check.clone());
        let (places, results) = (Arc::clone(&self.places), self.results.clone());
        let task = tokio::spawn(async move {
            while let Some(outcome) = places.run(&check).await {
                let Some(results) = results.upgrade() else { return };
                let checked = Ask::Checked { name: name.clone(), run, outcome };
                if results.send(checked).await.is_err() {
                    return;
                }
                drop(results);
                tokio::time::sleep(check.interval).await;
            }
        });
        (run, task)
    }

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Register(definition, reply) => drop(reply.send(self.register(definition))),
            Ask::Remove(name, reply) => drop(reply.send(self.remove(&name))),
            Ask::Heartbeat { name, works, word, reply } => {
                drop(reply.send(self.heartbeat(&name, works, word)));
            }
            Ask::Checked { name, run, outcome } => {
                let kept = self.all.get_mut(&name);
                let kept =
                    kept.filter(|kept| kept.checker.as_ref().is_some_and(|(it, _)| *it == run));
                let Some(kept) = kept else { return };
                let check = &kept.definition.check;
                kept.known.note(Instant::now(), outcome.works, check.rise, check.fall);
                kept.word = outcome.word;
            }
        }
    }

    fn register(&mut self, definition: Definition) -> Result<(), Refused> {
        let wrong = |text: String| Err(Refused::Wrong(text));
        if let Some(fault) = definition.fault() {
            return wrong(fault);
        }
        if let Kind::Heartbeat { ttl } = &definition.check.kind
            && !TTLS.contains(ttl)
        {
            let (least, most) = (spoken(*TTLS.start()), spoken(*TTLS.end()));
            return wrong(format!("a ttl is between {least} and {most}, not {}", spoken(*ttl)));
        }
        let name = definition.name.clone();
        match self.all.get(&name).map(|kept| &kept.definition.source) {
            Some(Source::DropIn(path)) => {
                let path = path.display();
                return wrong(format!(
                    "`{name}` is defined by {path}; change that file, then `systemctl reload quorate`"
                ));
            }
            None if self.all.len() >= limits::HOST_APPLICATIONS => {
                let most = limits::HOST_APPLICATIONS;
                return wrong(format!(
                    "this host has {most} applications, as many as it may; remove one first"
                ));
            }
            _ => {}
        }
        self.define(definition);
        self.heartbeat(&name, true, "registered".to_owned())
    }

    fn remove(&mut self, name: &str) -> Result<(), Refused> {
        match self.all.get(name).map(|kept| &kept.definition.source) {
            None => Err(Refused::Unknown(name.to_owned())),
            Some(Source::DropIn(path)) => {
                let path = path.display();
                Err(Refused::Wrong(format!(
                    "`{name}` is defined by {path}; remove that file, then `systemctl reload quorate`"
                )))
            }
            Some(Source::Registered) => {
                self.all.remove(name);
                Ok(())
            }
        }
    }

    fn heartbeat(&mut self, name: &str, works: bool, word: String) -> Result<(), Refused> {
        let kept = self.all.get_mut(name).ok_or_else(|| Refused::Unknown(name.to_owned()))?;
        let Kind::Heartbeat { ttl } = kept.definition.check.kind else {
            let kind = &kept.definition.check.kind;
            return Err(Refused::Wrong(format!(
                "`{name}` is checked otherwise ({kind}); only one whose check is `heartbeat` says by itself how it is"
            )));
        };
        kept.until = Some(Instant::now() + ttl);
        kept.known.set(Instant::now(), works);
        kept.word = ApplicationReport::cut(&word);
        Ok(())
    }

    /// Those whose heartbeat does not count any more are down, and those that were held down for long enough are up.
    fn look_at_what_is_due(&mut self) {
        let now = Instant::now();
        for kept in self.all.values_mut() {
            if let (Some(until), Kind::Heartbeat { ttl }) =
                (kept.until, &kept.definition.check.kind)
                && until <= now
            {
                kept.until = None;
                kept.known.set(now, false);
                kept.word = format!("no heartbeat within {}", spoken(*ttl));
            }
            kept.known.look(now);
        }
    }
}

#[cfg(test)]
mod tests;
