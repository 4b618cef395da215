//! `quorate run-with`: runs a command with a share of a budget, or while this host holds an item, for programs that follow nothing themselves.
//!
//! `machine` says what is to be done, and is pure; `followed` is what it goes by, `command` the process. What stays true: nothing waits for the
//! daemon here but words to it, so a deadline ends the command also while nobody answers.

mod command;
mod followed;
mod machine;
mod restarts;
mod sole;

pub(super) use command::become_child;

use super::arguments::{ChangeWord, RunWithOptions};
use super::budgets::no_share;
use super::client::{Changes, Client};
use super::definitions::is_unknown;
use super::exit::{Exit, Failure};
use super::show::query_value;
use super::stderr::complain;
use crate::api::pages::AssignmentPage;
use crate::clock;
use bytes::Bytes;
use command::{End, Running, Wrapped, code_of};
use followed::{Followed, Newest};
use machine::{Act, Machine, OnChange};
use quorate_proto::{Assignment, Moment};
use rustix::process::Signal;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How long the daemon may take to hear a word.
const PATIENCE: Duration = Duration::from_secs(2);
/// A word that was not heard is said again then.
const AGAIN: Duration = Duration::from_millis(300);
/// Between looks whether what a command left behind is gone.
const BURY: Duration = Duration::from_millis(20);
/// How long the last word may take, when the command has ended.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Signals that are passed on, and whether they are meant to end the command.
const PASSED_ON: [(Signal, SignalKind, bool); 8] = [
    (Signal::TERM, SignalKind::terminate(), true),
    (Signal::INT, SignalKind::interrupt(), true),
    (Signal::QUIT, SignalKind::quit(), true),
    (Signal::HUP, SignalKind::hangup(), false),
    (Signal::USR1, SignalKind::user_defined1(), false),
    (Signal::USR2, SignalKind::user_defined2(), false),
    // Of a terminal: the command stands still, and its deadline is watched over all the same.
    (Signal::TSTP, SignalKind::from_raw(Signal::TSTP.as_raw()), false),
    (Signal::CONT, SignalKind::from_raw(Signal::CONT.as_raw()), false),
];

/// Runs a command for as long as it goes on.
pub(super) async fn run_with(
    client: &Client,
    options: RunWithOptions,
) -> Result<ExitCode, Failure> {
    let (followed, told_by) = understood(&options)?;
    sole::claim(client.path(), &followed)?;
    let item = match &followed {
        Followed::Item { item, .. } => Some(item.clone()),
        Followed::Budget(_) => None,
    };
    let on_change = if told_by.is_some() { OnChange::Signal } else { OnChange::Restart };
    let grace = u64::try_from(options.grace.as_millis()).unwrap_or(u64::MAX / 4);
    let (sender, newest) = watch::channel((0, None));
    let (signals, passed) = listen()?;
    tokio::spawn(followed::follow(client.with_patience(PATIENCE), followed.clone(), sender));
    let (words, heard) = watch::channel(None);
    tokio::spawn(speak(client.with_patience(PATIENCE), heard));
    complain(&format!("quorate: waiting for {}", followed.words()));
    tokio::spawn(say_if_unknown(client.with_patience(PATIENCE), followed.clone()));
    let wrapped = Wrapped { command: options.command, item, file: options.file };
    let machine = Machine::new(on_change, grace.min(u64::MAX / 4));
    let client = client.with_patience(PATIENCE);
    let (running, ended, warns) = (None, None, Some(grace));
    Wrapper { machine, wrapped, followed, told_by, words, client, running, ended, warns }
        .run(newest, passed, signals)
        .await
}

/// A name that nobody has defined may be mistyped, or is defined later.
async fn say_if_unknown(client: Client, followed: Followed) {
    let wrong = match &followed {
        Followed::Budget(name) => no_share(&client, name).await,
        Followed::Item { assignment: name, .. } => {
            let is_it = |page: &AssignmentPage| page.name == *name;
            let unknown = is_unknown(&client, "/v1/assignments", is_it).await;
            unknown.then(|| Assignment::unknown(name))
        }
    };
    if let Some(text) = wrong {
        complain(&format!("quorate: {text}; it is waited for"));
    }
}

/// What is followed, and the signal that tells the command of another amount; none: it is started anew.
fn understood(options: &RunWithOptions) -> Result<(Followed, Option<Signal>), Failure> {
    let usage = |text: String| Failure::new(Exit::Usage, "usage", text);
    let followed = Followed::parse(&options.what).map_err(usage)?;
    let signal = match options.on_change {
        ChangeWord::Restart => None,
        ChangeWord::Hup => Some(Signal::HUP),
        ChangeWord::Usr1 => Some(Signal::USR1),
        ChangeWord::Usr2 => Some(Signal::USR2),
    };
    if matches!(followed, Followed::Item { .. }) && (signal.is_some() || options.file.is_some()) {
        let text = "an item is held or not: `--on-change` and `--file` are for budgets";
        return Err(usage(text.to_owned()));
    }
    if signal.is_some() && options.file.is_none() {
        let text = "a signal says that the amount is another one, not which: name the file that is to have it with `--file PATH`";
        return Err(usage(text.to_owned()));
    }
    Ok((followed, signal))
}

/// All signals that are passed on, and the one that says that the command has ended.
fn listen() -> Result<(Signals, mpsc::Receiver<(Signal, bool)>), Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::other(format!("no signals: {error}")));
    let (sender, passed) = mpsc::channel(PASSED_ON.len());
    for (number, kind, ends) in PASSED_ON {
        let (mut signals, sender) = (listen(kind)?, sender.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send((number, ends)).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok((listen(SignalKind::child())?, passed))
}

struct Wrapper {
    machine: Machine,
    wrapped: Wrapped,
    followed: Followed,
    told_by: Option<Signal>,
    /// The path of the newest word.
    words: watch::Sender<Option<String>>,
    client: Client,
    running: Option<Running>,
    ended: Option<ExitStatus>,
    /// The grace, until it was looked whether the command bears a restart of the daemon.
    warns: Option<u64>,
}

impl Wrapper {
    async fn run(
        mut self,
        mut newest: watch::Receiver<Newest>,
        mut passed: mpsc::Receiver<(Signal, bool)>,
        mut ends: Signals,
    ) -> Result<ExitCode, Failure> {
        let mut reached = 0;
        loop {
            let next = self.machine.next().map(|at| Moment::from_micros(at * 1000));
            // The clock of the timers may be behind that of the deadlines.
            let wake =
                next.map_or(Duration::from_mins(1), clock::until).min(Duration::from_mins(1));
            let acts = tokio::select! {
                biased;
                _ = ends.recv() => self.look_at_end(),
                Some((signal, ends)) = passed.recv() => self.pass_on(signal, ends),
                Ok(()) = newest.changed() => {
                    let (times, told) = *newest.borrow_and_update();
                    if std::mem::replace(&mut reached, times) != times {
                        self.machine.follows_anew();
                    }
                    told.map_or_else(Vec::new, |told| self.machine.take(now_ms(), told))
                }
                // Nobody tells of the end of processes that are not ours.
                () = tokio::time::sleep(BURY), if self.leaves_some() => self.look_at_end(),
                () = tokio::time::sleep(wake) => self.machine.look(now_ms()),
            };
            for act in acts {
                if let Some(code) = self.carry_out(act).await? {
                    return Ok(code);
                }
            }
        }
    }

    fn leaves_some(&self) -> bool {
        self.running.as_ref().is_some_and(Running::has_ended)
    }

    fn look_at_end(&mut self) -> Vec<Act> {
        match self.running.as_mut().map_or(End::No, Running::end) {
            End::No => Vec::new(),
            End::Leaves => self.machine.leaves(now_ms()),
            End::With(status) => {
                (self.running, self.ended) = (None, Some(status));
                self.machine.ended(now_ms())
            }
        }
    }

    fn pass_on(&mut self, signal: Signal, ends: bool) -> Vec<Act> {
        if let Some(running) = &mut self.running {
            running.signal(signal);
        } else if ends {
            // Nothing ran: this process ends as by that signal.
            self.ended = Some(std::os::unix::process::ExitStatusExt::from_raw(signal.as_raw()));
        }
        if ends { self.machine.is_to_end(now_ms()) } else { Vec::new() }
    }

    /// Gives the exit code once all is over.
    async fn carry_out(&mut self, act: Act) -> Result<Option<ExitCode>, Failure> {
        match act {
            Act::Start(may) => {
                self.running = Some(self.wrapped.start(&may)?);
                complain(&format!("quorate: {}", self.started_with(&may)));
                if let Some(grace) = self.warns.take() {
                    let client = self.client.with_patience(PATIENCE);
                    tokio::spawn(restarts::warn(client, self.followed.clone(), grace));
                }
            }
            Act::Tell(may) => {
                self.wrapped.write(&may)?;
                self.send(self.told_by.unwrap_or(Signal::HUP));
            }
            Act::Terminate => {
                complain(&match self.leaves_some() {
                    true => "quorate: the command has ended: what it left in its process group is asked to end".to_owned(),
                    false => format!(
                        "quorate: {} is over, or another one: the command is asked to end",
                        self.followed.words()
                    ),
                });
                if let Some(running) = &mut self.running {
                    running.ask();
                }
            }
            Act::Kill => {
                complain(match self.leaves_some() {
                    true => "quorate: what the command left has not ended in time: it is killed",
                    false => "quorate: the command has not ended in time: it is killed",
                });
                self.send(Signal::KILL);
            }
            Act::Say { number, in_use } => self.say(&format!("&number={number}&in_use={in_use}")),
            Act::Release { number } => self.say(&format!("&number={number}")),
            Act::End => {
                let last = self.words.borrow().clone();
                if let Some(path) = last {
                    // It is said already, or is heard now: a daemon that is away is not waited for.
                    let _ = tokio::time::timeout(LAST_WORD, say(&self.client, &path)).await;
                }
                return Ok(Some(self.ended.map_or(ExitCode::FAILURE, code_of)));
            }
        }
        Ok(None)
    }

    fn started_with(&self, may: &machine::Use) -> String {
        match &self.followed {
            Followed::Budget(name) => {
                format!("started with {} of {name}, grant {}", may.amount, may.number)
            }
            Followed::Item { .. } => {
                format!("started with {}, grant {}", self.followed.words(), may.number)
            }
        }
    }

    fn send(&mut self, signal: Signal) {
        if let Some(running) = &mut self.running {
            running.signal(signal);
        }
    }

    fn say(&self, what: &str) {
        let path = match &self.followed {
            Followed::Budget(name) => {
                format!("/v1/budgets/acknowledge?name={}{what}", query_value(name))
            }
            Followed::Item { assignment, item } => {
                let (assignment, item) = (query_value(assignment), query_value(item));
                format!("/v1/assignments/release?name={assignment}&item={item}{what}")
            }
        };
        self.words.send_replace(Some(path));
    }
}

fn now_ms() -> u64 {
    clock::boottime_ms(clock::now())
}

/// Says the newest word until it is heard, or there is a newer one.
async fn speak(client: Client, mut words: watch::Receiver<Option<String>>) {
    while words.changed().await.is_ok() {
        let word = words.borrow_and_update().clone();
        let Some(path) = word else { continue };
        while !say(&client, &path).await && !words.has_changed().unwrap_or(true) {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Says a word once. True when it was heard, or is of no interest any more.
async fn say(client: &Client, path: &str) -> bool {
    match client.post(path, &[], Bytes::new(), Changes::Something, PATIENCE).await {
        Ok(_) => true,
        Err(failure) => failure.code == "not-now" || failure.code == "not-found",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn options(what: &str, on_change: ChangeWord, file: Option<&str>) -> RunWithOptions {
        let (grace, command) = (Duration::from_secs(5), vec!["true".to_owned()]);
        let (what, file) = (what.to_owned(), file.map(PathBuf::from));
        RunWithOptions { what, on_change, file, grace, command }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_what_does() {
        let refused = |what, on_change, file| {
            let failure = understood(&options(what, on_change, file)).expect_err("it is refused");
            assert_eq!(failure.exit, Exit::Usage);
            failure.text
        };
        assert!(refused("budget=pg", ChangeWord::Hup, None).contains("--file PATH"));
        assert!(refused("assignment=edge/vip", ChangeWord::Hup, Some("x")).contains("budgets"));
        assert!(refused("assignment=edge/vip", ChangeWord::Restart, Some("x")).contains("budgets"));
        assert!(refused("pg", ChangeWord::Restart, None).contains("budget=NAME"));
        let (followed, signal) =
            understood(&options("budget=pg", ChangeWord::Usr1, Some("x"))).expect("it fits");
        assert_eq!((followed.words().as_str(), signal), ("a share of pg", Some(Signal::USR1)));
    }
}
