//! `quorate hooks run`: follows the daemon and runs each hook when its time has come.
//!
//! What stays true: it waits for no hook; each has one run at a time; at its end no run is left. What it knows of runs before it is
//! nothing, so that each hook is run once at its start, with the present view. A run of which nobody knows what became ends the runner:
//! its unit ends all that is left, and starts it again.

use super::follow::{self, Known};
use super::launch;
use super::one::{InUse, One};
use super::report::Report;
use super::settings;
use super::state::{Shown, StatePage};
use crate::cli::{Changes, Client, Failure, query_value};
use crate::clock;
use crate::config::{LogConfig, LogFormat};
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

struct Runner {
    client: Arc<Client>,
    hooks: Vec<One>,
    runs: JoinSet<(usize, Option<Report>)>,
    /// What is said to the daemon, of which hook; whether that was heard.
    words: JoinSet<(usize, bool)>,
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
            hooks: hooks.into_iter().map(One::new).collect(),
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
            hooks = self.hooks.len(),
            refused = self.page.refused.len(),
            "hooks are run"
        );
        self.show();
        // Its state can be read from now on. Where no service manager listens, nobody has to hear it.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        while !self.news(&mut stop, &mut interrupt).await? {
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
                    self.runs.spawn(async move { (number, launched.ended().await) });
                }
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
                let (number, report) = ended.map_err(|_| lost("a hook"))?;
                self.ended(number, report)?;
            }
            Some(said) = self.words.join_next() => {
                if let Ok((number, false)) = said {
                    let known = self.known.borrow();
                    self.hooks[number].was_not_heard(clock::now(), &known);
                }
            }
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
        let lapses = self.hooks.iter().filter_map(|one| one.lapses_at(&known));
        let now = follow::now_ms();
        // What has lapsed already was looked at.
        let lapses = lapses.filter(|at| *at > now).map(|at| Moment::from_micros(at * 1000));
        let next = due.chain(lapses).min();
        next.map_or(Duration::from_mins(1), clock::until).min(Duration::from_mins(1))
    }

    fn ended(&mut self, number: usize, report: Option<Report>) -> Result<(), Failure> {
        let one = &mut self.hooks[number];
        let Some(report) = report else { return Err(lost(&one.hook.name)) };
        for said in one.ended(clock::now(), &report) {
            let client = Arc::clone(&self.client);
            self.words.spawn(async move { (number, acknowledge(&client, &said).await) });
        }
        Ok(())
    }

    /// Ends all runs, and waits until they have ended: each keeper is through within seconds.
    async fn stop(mut self) -> Result<(), Failure> {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        self.hooks.iter().filter_map(One::keeper).for_each(launch::stop);
        while let Some(ended) = self.runs.join_next().await {
            if let Ok((number, Some(report))) = ended {
                let words = report.in_words(self.hooks[number].hook.timeout);
                tracing::info!(hook = %self.hooks[number].hook.name, "hook {words}");
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
