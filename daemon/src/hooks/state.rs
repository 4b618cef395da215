//! What the runner shows of itself: a file that `hooks status` reads, and beside it the same for Prometheus' node exporter.
//!
//! Invariant: each is whole at each moment, for it is written aside and renamed; the lock beside them says whether their runner lives.
//! Nothing is synced: nothing of it outlives the machine.

use crate::clock::wall_unix_ms;
use crate::regular;
use crate::words::time::rfc3339;
use quorate_proto::FenceCause;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// How the page says that a hook is a fence, before what it guards.
pub(super) const FENCE: &str = "fence ";
const STATE: &str = "state.json";
const FIGURES: &str = "quorate-hooks.prom";
/// Held by the runner, and asked for by nobody but another one.
const LOCK: &str = "lock";
/// Held by the runner too; who reads the state looks whether it is.
const ALIVE: &str = "alive";

/// The runner and all hooks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StatePage {
    /// Whether the runner runs: told by who reads the file.
    #[serde(default)]
    pub(super) running: bool,
    pub(super) started: String,
    /// Why the daemon is not reached; null while it is.
    pub(super) daemon_away: Option<String>,
    /// The epoch that is known.
    pub(super) epoch: u64,
    /// Files that are refused; their hooks do not run.
    pub(super) refused: Vec<String>,
    pub(super) hooks: Vec<HookPage>,
}

/// One hook.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct HookPage {
    pub(super) name: String,
    pub(super) on: Vec<String>,
    /// `waiting` for what it follows, `idle`, `due`, `running`, `failing`.
    pub(super) state: String,
    /// What that means now; empty where the word says it.
    pub(super) text: String,
    /// Runs that ended, and those of them that failed.
    pub(super) runs: u64,
    pub(super) failed: u64,
    /// Runs that failed since the last that succeeded, or since the view was another.
    pub(super) failures: u32,
    pub(super) last_run: String,
    pub(super) last_success: String,
    #[serde(default)]
    pub(super) last_success_unix_ms: u64,
    /// The epoch that the last run that succeeded was handed.
    pub(super) done_epoch: u64,
    /// How the last run ended.
    pub(super) last_ended: String,
    pub(super) took_ms: u64,
    /// The end of what the last run that failed printed on its standard error.
    pub(super) last_error: String,
}

impl HookPage {
    /// A run succeeded just now.
    pub(super) fn succeeded(&mut self) {
        self.last_success_unix_ms = wall_unix_ms();
        self.last_success = rfc3339(self.last_success_unix_ms);
        self.last_error.clear();
    }

    /// A run failed: how it ended, and the end of what it said.
    pub(super) fn failed(&mut self, words: String, error: String) {
        self.failed += 1;
        (self.last_ended, self.last_error) = (words, error);
    }
}

/// Where the runner shows itself, for as long as this is held.
#[derive(Debug)]
pub(super) struct Shown {
    place: PathBuf,
    _locks: [File; 2],
    written: Option<StatePage>,
    fails: bool,
}

impl Shown {
    /// Takes the place, which one runner has at a time.
    ///
    /// # Errors
    /// In words, with what helps.
    pub(super) fn take(place: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| {
            format!(
                "cannot keep the state of the hooks in {}: {error}; name another directory with --state",
                place.display()
            )
        };
        fs::create_dir_all(place).map_err(failed)?;
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o644);
            options.open(place.join(name)).map_err(failed)
        };
        let (lock, alive) = (open(LOCK)?, open(ALIVE)?);
        match lock.try_lock() {
            Ok(()) => {
                // Whoever looks has it for a moment only.
                alive.lock().map_err(failed)?;
                let place = place.to_owned();
                Ok(Self { place, _locks: [lock, alive], written: None, fails: false })
            }
            Err(TryLockError::WouldBlock) => Err(format!(
                "another `quorate hooks run` has {}: two would run each hook twice; stop that one, or name another directory with --state",
                place.display()
            )),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Shows this, if it is not shown already. What cannot be written is logged once: hooks run all the same.
    pub(super) fn show(&mut self, page: StatePage) {
        if self.written.as_ref() == Some(&page) {
            return;
        }
        let text = serde_json::to_vec(&page).expect("pages have text keys only");
        // What a hook said when it failed is not for everybody; figures are.
        let done = replace(&self.place.join(STATE), &text, 0o640)
            .and_then(|()| replace(&self.place.join(FIGURES), figures(&page).as_bytes(), 0o644));
        match done {
            Ok(()) => (self.written, self.fails) = (Some(page), false),
            Err(error) if !self.fails => {
                let place = self.place.display();
                tracing::warn!(%place, %error, "the state of the hooks cannot be shown");
                self.fails = true;
            }
            Err(_) => {}
        }
    }
}

fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let aside = path.with_extension("new");
    regular::fresh(&aside, mode)?.write_all(content)?;
    fs::rename(&aside, path)
}

/// What is shown at a place.
///
/// # Errors
/// In words, with what helps.
pub(super) fn look(place: &Path) -> Result<StatePage, String> {
    let path = place.join(STATE);
    let text = crate::regular::read(&path, 4 * crate::regular::SMALL).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "no runner has run here: `systemctl enable --now quorate-hooks`, or name its directory with --state",
            io::ErrorKind::PermissionDenied => "run this as root",
            _ => "name the runner's directory with --state",
        };
        format!("{}: {error}; {help}", path.display())
    })?;
    let page: StatePage = serde_json::from_slice(&text).map_err(|error| {
        format!("{}: not understood: {error}; is the runner of another version?", path.display())
    })?;
    let held = File::open(place.join(ALIVE))
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
    Ok(StatePage { running: held, ..page })
}

/// Beside the place of the daemon's socket: `/run/quorate-hooks` beside `/run/quorate`.
const BESIDE: &str = "-hooks";

/// Fences that fail, and files of hooks that are refused, as the runner beside the daemon of this socket shows them. None where no runner runs
/// there, or whoever asks may not read what it shows.
pub(crate) fn failing(socket: &Path) -> Vec<FenceCause> {
    let beside = socket.parent().and_then(|place| {
        let name = [place.file_name()?, OsStr::new(BESIDE)].into_iter().collect::<OsString>();
        Some(place.with_file_name(name))
    });
    let page = beside.and_then(|place| look(&place).ok()).filter(|page| page.running);
    page.map_or_else(Vec::new, |page| page.failing())
}

impl StatePage {
    fn failing(self) -> Vec<FenceCause> {
        let fences = self
            .hooks
            .into_iter()
            .filter(|hook| hook.failures > 0 && hook.on.iter().any(|on| on.starts_with(FENCE)));
        let fails = fences.map(|hook| FenceCause::Fails {
            guards: hook.on.join(", "),
            hook: hook.name,
            failures: hook.failures,
            ended: hook.last_ended,
        });
        let refused = self.refused.into_iter().map(|problem| FenceCause::Refused { problem });
        fails.chain(refused).collect()
    }
}

/// Prometheus' text format, for the textfile collector.
fn figures(page: &StatePage) -> String {
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, of: &dyn Fn(&HookPage) -> String| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for hook in &page.hooks {
            let _ = writeln!(out, "{name}{{hook=\"{}\"}} {}", hook.name, of(hook));
        }
    };
    family("quorate_hook_runs_total", "counter", "Runs of a hook that ended.", &|hook| {
        hook.runs.to_string()
    });
    family("quorate_hook_failures_total", "counter", "Runs of a hook that failed.", &|hook| {
        hook.failed.to_string()
    });
    family("quorate_hook_failing", "gauge", "Whether its last run failed.", &|hook| {
        u8::from(hook.failures > 0).to_string()
    });
    family(
        "quorate_hook_last_success_timestamp_seconds",
        "gauge",
        "When a run of a hook last succeeded; 0 for never.",
        &|hook| {
            format!("{}.{:03}", hook.last_success_unix_ms / 1000, hook.last_success_unix_ms % 1000)
        },
    );
    let away = u8::from(page.daemon_away.is_none());
    let _ = write!(
        out,
        "# HELP quorate_hooks_daemon_reached Whether the daemon of this host is reached.\n\
         # TYPE quorate_hooks_daemon_reached gauge\nquorate_hooks_daemon_reached {away}\n\
         # HELP quorate_hooks_refused Files of hooks that are refused.\n\
         # TYPE quorate_hooks_refused gauge\nquorate_hooks_refused {}\n",
        page.refused.len()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_fails_and_a_file_that_is_refused_are_told_and_other_hooks_are_not() {
        let hook = |name: &str, on: &str, failures| HookPage {
            name: name.to_owned(),
            on: vec![on.to_owned()],
            failures,
            last_ended: "ended with 1".to_owned(),
            ..HookPage::default()
        };
        let hooks = vec![
            hook("evict", "fence budget pg", 2),
            hook("good", "fence budget pg", 0),
            hook("tell", "health", 3),
        ];
        let refused = vec!["/etc/quorate/hooks.d/odd.toml: line 1".to_owned()];
        let told = StatePage { hooks, refused, ..StatePage::default() }.failing();
        let [FenceCause::Fails { hook, guards, failures: 2, .. }, FenceCause::Refused { problem }] =
            &*told
        else {
            panic!("{told:?}");
        };
        assert_eq!((hook.as_str(), guards.as_str()), ("evict", "fence budget pg"));
        assert!(problem.contains("odd.toml"));
    }

    #[test]
    fn the_state_is_shown_whole_and_one_runner_has_its_place() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(look(dir.path()).expect_err("none ran").contains("systemctl enable"));
        let mut shown = Shown::take(dir.path()).expect("it is free");
        assert!(Shown::take(dir.path()).expect_err("it is taken").contains("another"));
        let hook =
            HookPage { name: "tell".to_owned(), runs: 3, failures: 1, ..HookPage::default() };
        let page = StatePage { epoch: 7, hooks: vec![hook], ..StatePage::default() };
        shown.show(page.clone());
        assert_eq!(look(dir.path()), Ok(StatePage { running: true, ..page.clone() }));
        let figures = fs::read_to_string(dir.path().join(FIGURES)).expect("it is there");
        assert!(figures.contains("quorate_hook_runs_total{hook=\"tell\"} 3\n"), "{figures}");
        assert!(figures.contains("quorate_hook_failing{hook=\"tell\"} 1\n"), "{figures}");
        drop(shown);
        assert_eq!(look(dir.path()), Ok(page), "its runner has ended");
    }
}
