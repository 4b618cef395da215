//! `quorate demo`: three real daemons on this machine found a cluster, lose their leader and get it back, and everything
//! that happens is told with its time.
//!
//! However it ends (well, with a failure, by a signal, in a panic), no process and no file stays behind. It needs no rights,
//! no terminal and no hand.

mod crash;
mod daemon;
mod figures;
mod heard;
mod patience;
mod place;
mod screen;
mod stage;
mod stay;
mod story;
mod watching;
mod writing;

use crate::cli::{DemoOptions, complain};
use stage::{End, Stage};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The whole story. A demonstration that takes longer is a failure that nobody wants to watch.
const WHOLE: Duration = Duration::from_secs(30);
/// How much of each daemon's log is shown when something did not happen.
const LAST_WORDS: usize = 10;

/// Runs the demonstration.
pub(crate) fn demo(options: &DemoOptions) -> ExitCode {
    // A panic must unwind here, so that daemons and directory go.
    std::panic::set_hook(Box::new(|panic| {
        complain(&format!("quorate demo panicked, which is a bug in quorate: {panic}"));
    }));
    // One thread: the daemons are told to end with the thread that started them, and this one lives longest.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let played = match runtime {
        Ok(runtime) => runtime.block_on(play(options.stay)),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    played.unwrap_or_else(|error| {
        complain(&format!("quorate demo: {error}"));
        ExitCode::FAILURE
    })
}

async fn play(stay: bool) -> Result<ExitCode, String> {
    let mut signals =
        Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let mut stage = Stage::new()?;
    let shown = tokio::select! {
        biased;
        name = signals.next() => Err(Cut::Signal(name)),
        shown = show(&mut stage) => shown.map_err(Cut::End),
    };
    let ended = match shown {
        Ok(()) if stay => tokio::select! {
            biased;
            _ = signals.next() => Ok(()),
            stayed = stay::stay(&mut stage) => stayed.map_err(Cut::End),
        },
        ended => ended,
    };
    let ended = match ended {
        Ok(()) => close(&mut stage).await.map_err(Cut::End),
        ended => ended,
    };
    Ok(match ended {
        Ok(()) | Err(Cut::End(End::Unread)) => ExitCode::SUCCESS,
        Err(Cut::Signal(code)) => {
            stage.screen.clear();
            complain("quorate demo: interrupted; nothing is left behind");
            ExitCode::from(code)
        }
        Err(Cut::End(End::Failed(text))) => {
            stage.screen.clear();
            complain(&format!("\nquorate demo: {text}\n{}", last_words(&mut stage).trim_end()));
            ExitCode::FAILURE
        }
    })
}

/// Why the show ended before its end.
enum Cut {
    /// By its own doing.
    End(End),
    /// By a signal; the exit code that shells expect then.
    Signal(u8),
}

async fn show(stage: &mut Stage) -> Result<(), End> {
    let begun = Instant::now();
    let root = stage.place.root().display().to_string();
    let version = env!("CARGO_PKG_VERSION");
    stage.screen.say(&format!("quorate {version} demo: three daemons on this machine, in {root}"));
    let figures = match tokio::time::timeout(WHOLE, story::tell(stage)).await {
        Ok(told) => told?,
        Err(_) => {
            return Err(End::Failed(format!("it was not over within {} s", WHOLE.as_secs())));
        }
    };
    let text = format!("Figures, after {:.1} s", begun.elapsed().as_secs_f64());
    stage.screen.chapter(&text);
    for line in figures.draw().lines() {
        stage.screen.say(line);
    }
    Ok(())
}

async fn close(stage: &mut Stage) -> Result<(), End> {
    stage.screen.freeze();
    let took = stage.close().await?;
    let text = format!(
        "\nAll three stopped when asked, within {}. Nothing is left behind.",
        screen::millis(took)
    );
    stage.screen.say(&text);
    Ok(())
}

/// What the daemons say of it themselves.
fn last_words(stage: &mut Stage) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for (daemon, status) in stage.daemons.iter_mut().zip(&stage.status) {
        let ended = daemon.ended().map(daemon::in_words);
        let running = status.as_ref().map_or("does not answer", |status| status.state.as_str());
        let name = daemon.files.name;
        let _ = writeln!(out, "\n{name} {}", ended.as_deref().unwrap_or(running));
        for reason in status.iter().flat_map(|status| &status.waiting_for) {
            let _ = writeln!(out, "  waits: {}", reason.text);
        }
        for line in daemon.last_words(LAST_WORDS) {
            let _ = writeln!(out, "  log: {line}");
        }
    }
    out
}

/// The signals by which people and machines end a program.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The exit code of the one that comes.
    async fn next(&mut self) -> u8 {
        let signal = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        u8::try_from(128 + signal.as_raw_value()).unwrap_or(u8::MAX)
    }
}
