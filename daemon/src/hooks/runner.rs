//! `quorate hooks run`: follows the daemon and runs each hook when its time has come.
//!
//! What stays true: it waits for no hook; each has one run at a time; at its end no run is left. What it knows of runs before it is
//! nothing, so that each hook is run once at its start, with the present view. A run of which nobody knows what became ends the runner:
//! its unit ends all that is left, and starts it again.

use super::fencer::{self, Fencer};
use super::follow::{self, Known};
use super::in_the_way;
use super::launch;
use super::one::{InUse, One};
use super::report::Report;
use super::settings::{self, Hook};
use super::state::{Shown, StatePage};
use crate::cli::{Changes, Client, Failure, query_value};
use crate::clock;
use crate::config::{LogConfig, LogFormat};
use crate::shell::service::notify;
use crate::words::time::rfc3339;
use bytes::Bytes;
use quorate_proto::Moment;
use sd_notify::NotifyState;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the daemon may take to hear what is in use.
const PATIENCE: Duration = Duration::from_secs(2);

/// A hook by its place, or a fence by its own.
#[derive(Debug, Clone, Copy)]
enum Which {
    Hook(usize),
    Fence(usize),
}

/// What was said to the daemon, of which hook.
enum Word {
    /// What is in use; whether that was heard.
    InUse(usize, bool),
    /// That a fence has ended a use; what came of it.
    Fenced(usize, Result<String, String>),
}

struct Runner {
    client: Arc<Client>,
    hooks: Vec<One>,
    fences: Vec<Fencer>,
    runs: JoinSet<(Which, Option<Report>)>,
    words: JoinSet<Word>,
    known: watch::Receiver<Known>,
    shown: Shown,
    page: StatePage,
}

/// Runs until it is asked to stop.
pub(super) fn run(dir: &Path, state: &Path, socket: PathBuf) -> Result<ExitCode, Failure> {
    let log = LogConfig { level: "info".to_owned(), format: LogFormat::Text };
    crate::journal::start(&log).map_err(|error| Failure::other(format!("cannot log: {error}")))?;
    let shown = Shown::take(state).map_err(Failure::other)?;
    let (hooks, refused) = settings::all(dir);
    for no in &refused {
        tracing::error!(error = %no, "a file is refused, and its hook does not run; `quorate hooks check` shows it");
    }
    let page = StatePage {
        started: rfc3339(clock::wall_unix_ms()),
        refused: refused.iter().map(ToString::to_string).collect(),
        ..StatePage::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let done = runtime.block_on(async {
        let (known, seen) = watch::channel(Known::default());
        let runner = Runner {
            client: Arc::new(Client::new(socket)),
            hooks: hooks.iter().filter(|it| it.fences.is_none()).cloned().map(One::new).collect(),
            fences: hooks.into_iter().filter_map(Fencer::of).collect(),
            runs: JoinSet::new(),
            words: JoinSet::new(),
            known: seen,
            shown,
            page,
        };
        runner.run(known).await
    });
    crate::journal::flush();
    done.map(|()| ExitCode::SUCCESS)
}

impl Runner {
    async fn run(mut self, known: watch::Sender<Known>) -> Result<(), Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::other(format!("no signals: {error}")));
        let mut stop = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        self.follow(known);
        tracing::info!(
            hooks = self.hooks.len() + self.fences.len(),
            refused = self.page.refused.len(),
            "hooks are run"
        );
        self.show();
        // Its state can be read from now on.
        let mut told = notify(&[NotifyState::Ready]);
        while !self.news(&mut stop, &mut interrupt).await? {
            told = told || notify(&[NotifyState::Ready]);
            self.look();
            self.show();
        }
        self.stop().await
    }

    fn follow(&self, known: watch::Sender<Known>) {
        let budgets = self.hooks.iter().flat_map(One::budgets).map(str::to_owned);
        for budget in budgets.collect::<BTreeSet<String>>() {
            tokio::spawn(follow::share(Arc::clone(&self.client), budget, known.clone()));
        }
        let guarded: BTreeSet<_> = self.fences.iter().map(|one| one.guarded.clone()).collect();
        if !guarded.is_empty() {
            tokio::spawn(in_the_way::follow_alone(Arc::clone(&self.client), known.clone()));
            tokio::spawn(in_the_way::follow(Arc::clone(&self.client), guarded, known.clone()));
        }
        tokio::spawn(follow::health(Arc::clone(&self.client), known));
    }

    /// Runs what is due.
    fn look(&mut self) {
        let known = self.known.borrow_and_update().clone();
        let now = clock::now();
        for (number, one) in self.hooks.iter_mut().enumerate() {
            one.see(now, &known);
            if one.next().is_none_or(|due| due > now) {
                continue;
            }
            match one.begin(&known) {
                Ok(launched) => {
                    self.runs.spawn(async move { (Which::Hook(number), launched.ended().await) });
                }
                Err(error) => one.not_launched(now, &error),
            }
        }
        self.fence(now, &known);
    }

    /// Runs the fences that are due.
    fn fence(&mut self, now: Moment, known: &Known) {
        for (number, one) in self.fences.iter_mut().enumerate() {
            one.see(now, known);
            if one.next().is_none_or(|due| due > now) {
                continue;
            }
            match one.begin(known) {
                Ok(launched) => drop(launched.map(|launched| {
                    self.runs.spawn(async move { (Which::Fence(number), launched.ended().await) })
                })),
                Err(error) => one.not_launched(now, &error),
            }
        }
    }

    fn show(&mut self) {
        let known = self.known.borrow();
        self.page.daemon_away.clone_from(&known.away);
        self.page.epoch =
            known.health.as_deref().and_then(|line| line["epoch"].as_u64()).unwrap_or_default();
        self.page.hooks = self.hooks.iter().map(|one| one.page(&known)).collect();
        self.page.hooks.extend(self.fences.iter().map(|one| one.page(&known)));
        drop(known);
        self.shown.show(self.page.clone());
    }

    /// Waits until there is something to look at. True when it is asked to stop.
    async fn news(&mut self, stop: &mut Signal, interrupt: &mut Signal) -> Result<bool, Failure> {
        let wake = self.wake();
        tokio::select! {
            biased;
            _ = stop.recv() => return Ok(true),
            _ = interrupt.recv() => return Ok(true),
            Some(ended) = self.runs.join_next() => {
                let (which, report) = ended.map_err(|_| lost("a hook"))?;
                self.ended(which, report)?;
            }
            Some(Ok(said)) = self.words.join_next() => self.said(said),
            changed = self.known.changed() => {
                changed.map_err(|_| Failure::other("the daemon is followed no more; this is a bug"))?;
            }
            () = tokio::time::sleep(wake) => {}
        }
        Ok(false)
    }

    /// How long until something is due; a minute at most, for the clock of the timers may be behind.
    fn wake(&self) -> Duration {
        let known = self.known.borrow();
        let due = self.hooks.iter().filter_map(One::next);
        let due = due.chain(self.fences.iter().filter_map(Fencer::next));
        let lapses = self.hooks.iter().filter_map(|one| one.lapses_at(&known));
        let now = follow::now_ms();
        // What has lapsed already was looked at.
        let lapses = lapses.filter(|at| *at > now).map(|at| Moment::from_micros(at * 1000));
        let next = due.chain(lapses).min();
        next.map_or(Duration::from_mins(1), clock::until).min(Duration::from_mins(1))
    }

    fn hook(&self, which: Which) -> &Hook {
        match which {
            Which::Hook(number) => &self.hooks[number].hook,
            Which::Fence(number) => &self.fences[number].hook,
        }
    }

    fn ended(&mut self, which: Which, report: Option<Report>) -> Result<(), Failure> {
        let Some(report) = report else { return Err(lost(&self.hook(which).name)) };
        let (now, client) = (clock::now(), Arc::clone(&self.client));
        match which {
            Which::Hook(number) => {
                for said in self.hooks[number].ended(now, &report) {
                    let client = Arc::clone(&client);
                    let word = async move { acknowledge(&client, &said).await };
                    self.words.spawn(async move { Word::InUse(number, word.await) });
                }
            }
            Which::Fence(number) => {
                if let Some(one) = self.fences[number].ended(now, &report) {
                    let word = async move { fencer::free(&client, &one).await };
                    self.words.spawn(async move { Word::Fenced(number, word.await) });
                }
            }
        }
        Ok(())
    }

    /// The daemon has heard something, or has not.
    fn said(&mut self, word: Word) {
        match word {
            Word::InUse(_, true) => {}
            Word::InUse(number, false) => {
                let known = self.known.borrow();
                self.hooks[number].was_not_heard(clock::now(), &known);
            }
            Word::Fenced(number, said) => self.fences[number].freed(clock::now(), said),
        }
    }

    /// Ends all runs, and waits until they have ended: each keeper is through within seconds.
    async fn stop(mut self) -> Result<(), Failure> {
        notify(&[NotifyState::Stopping]);
        let keepers = self.hooks.iter().filter_map(One::keeper);
        keepers.chain(self.fences.iter().filter_map(Fencer::keeper)).for_each(launch::stop);
        while let Some(ended) = self.runs.join_next().await {
            if let Ok((which, Some(report))) = ended {
                let hook = self.hook(which);
                let words = report.in_words(hook.timeout);
                tracing::info!(hook = %hook.name, "hook {words}");
            }
        }
        self.shown.show(StatePage { hooks: Vec::new(), ..self.page });
        Ok(())
    }
}

fn lost(hook: &str) -> Failure {
    Failure::other(format!(
        "a run of {hook} ended without a word, and nobody knows what it left behind; the runner ends, and its unit with all that is in it"
    ))
}

/// Says what is in use. True when it was heard.
async fn acknowledge(client: &Client, said: &InUse) -> bool {
    let InUse { budget, number, in_use } = said;
    let path = format!(
        "/v1/budgets/acknowledge?name={}&number={number}&in_use={in_use}",
        query_value(budget)
    );
    let said = client.post(&path, &[], Bytes::new(), Changes::Something, PATIENCE).await;
    match said {
        Ok(_) => true,
        // Another grant has come meanwhile: the hook is run for that anyway.
        Err(failure) if failure.code == "not-now" || failure.code == "not-found" => true,
        Err(failure) => {
            tracing::warn!(%budget, in_use, error = %failure.text, "what is in use was not heard");
            false
        }
    }
}
