//! One hook as the runner has it: when it is run, with what, and what became of it.

use super::follow::Known;
use super::launch::{self, Launched};
use super::report::Report;
use super::schedule::{Ended, Schedule};
use super::settings::{Hook, Topic};
use super::state::HookPage;
use super::view::{self, Told};
use crate::api::pages::SharePage;
use crate::clock;
use crate::words::time::rfc3339;
use quorate_proto::Moment;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A share that is still to be let go is asked for again so often: within the shortest TTL.
const RECHECK: Duration = Duration::from_millis(500);
/// Bytes of an error that the status shows.
const SHOWN_ERROR: usize = 2048;

/// See the head of the file.
#[derive(Debug)]
pub(super) struct One {
    pub(super) hook: Hook,
    schedule: Schedule,
    keeper: Option<Pid>,
    /// The epoch and the shares that the run under way was handed.
    epoch: u64,
    shares: BTreeMap<String, SharePage>,
    /// What a run said of a share was not taken, because the daemon is away: it is run again once that is back.
    unheard: bool,
    page: HookPage,
}

/// What a run wants to have said of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InUse {
    pub(super) budget: String,
    pub(super) number: u64,
    pub(super) in_use: u64,
}

impl One {
    pub(super) fn new(hook: Hook) -> Self {
        let on = hook.on.iter().map(|topic| match topic {
            Topic::Health => "health".to_owned(),
            Topic::Budget(name) => format!("budget {name}"),
        });
        let page = HookPage { name: hook.name.clone(), on: on.collect(), ..HookPage::default() };
        let schedule = Schedule::new(hook.debounce, hook.retry);
        let shares = BTreeMap::new();
        Self { hook, schedule, keeper: None, epoch: 0, shares, unheard: false, page }
    }

    /// Something is known anew.
    pub(super) fn see(&mut self, now: Moment, known: &Known) {
        if let Some(told) = self.told(known) {
            self.schedule.see(now, Arc::new(told));
        }
        if known.away.is_none() && std::mem::take(&mut self.unheard) {
            self.was_not_heard(now, known);
        }
    }

    /// All that it follows; none while some of it is not known.
    fn told(&self, known: &Known) -> Option<Told> {
        let mut told = Told::new();
        for topic in &self.hook.on {
            match topic {
                Topic::Health => told.extend(known.told_of_health()?),
                Topic::Budget(name) => {
                    told.extend([known.told_of_share(name, clock::boottime_ms(clock::now()))?]);
                }
            }
        }
        Some(told)
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.schedule.next()
    }

    /// When it must be looked at because a share ends by itself.
    pub(super) fn lapses_at(&self, known: &Known) -> Option<u64> {
        self.budgets().filter_map(|name| known.lapses_at(name)).min()
    }

    pub(super) fn budgets(&self) -> impl Iterator<Item = &str> {
        self.hook.on.iter().filter_map(|topic| match topic {
            Topic::Health => None,
            Topic::Budget(name) => Some(name.as_str()),
        })
    }

    /// Runs it with what is known now.
    ///
    /// # Errors
    /// As [`launch::launch`]; then the run counts as failed, and [`Self::not_launched`] is to be told.
    pub(super) fn begin(&mut self, known: &Known) -> io::Result<Launched> {
        let told = self.told(known).unwrap_or_default();
        let done = self.schedule.begin();
        let now_ms = clock::boottime_ms(clock::now());
        let shares =
            self.budgets().filter_map(|name| Some((name.to_owned(), known.share(name, now_ms)?)));
        self.shares = shares.collect();
        let health = known.health.as_deref();
        self.epoch = health.and_then(|line| line["epoch"].as_u64()).unwrap_or_default();
        let view = composed(&self.hook.name, known, &self.shares, done.as_deref(), &told);
        let view = view.to_string();
        let launched = launch::launch(&self.hook, view.as_bytes(), &known.host, self.epoch, &[])?;
        self.keeper = launched.pid();
        self.page.last_run = rfc3339(clock::wall_unix_ms());
        tracing::info!(hook = %self.hook.name, epoch = self.epoch, "hook runs");
        Ok(launched)
    }

    /// The system gave no process for it.
    pub(super) fn not_launched(&mut self, now: Moment, error: &io::Error) {
        self.fail(now, format!("cannot be run: {error}"), String::new());
    }

    /// It has ended. Gives what is to be said of its shares; [`Self::was_not_heard`] is told where that came to nothing.
    pub(super) fn ended(&mut self, now: Moment, report: &Report) -> Vec<InUse> {
        self.keeper = None;
        self.page.took_ms = report.took_ms;
        let words = report.in_words(self.hook.timeout);
        if !report.is_success() {
            self.fail(now, words, end_of(&report.err.end));
            return Vec::new();
        }
        self.page.runs += 1;
        self.page.last_ended = words;
        let said = in_use(Report::last_line(&report.out), &self.shares);
        // Whoever uses more than it may says so again, until it does not.
        let more = said.iter().any(|said| {
            self.shares.get(&said.budget).is_some_and(|share| said.in_use > share.amount)
        });
        self.succeed(now, if more { Ended::AndAgain(RECHECK) } else { Ended::Well });
        said
    }

    fn succeed(&mut self, now: Moment, ended: Ended) {
        self.schedule.end(now, ended);
        self.page.done_epoch = self.epoch;
        self.page.succeeded();
        let (hook, took_ms) = (&self.hook.name, self.page.took_ms);
        tracing::info!(%hook, epoch = self.epoch, took_ms, "hook succeeded");
    }

    fn fail(&mut self, now: Moment, words: String, error: String) {
        self.schedule.end(now, Ended::Badly);
        self.page.runs += 1;
        let (hook, stderr) = (&self.hook.name, error.trim_end());
        tracing::warn!(%hook, epoch = self.epoch, %stderr, "hook failed: {words}");
        self.page.failed(words, error);
    }

    /// What the run said of a share was not taken: it is run again, with what is then.
    pub(super) fn was_not_heard(&mut self, now: Moment, known: &Known) {
        self.unheard = known.away.is_some();
        if !self.unheard && !self.schedule.is_running() {
            self.schedule.run_again(now + RECHECK);
        }
    }

    pub(super) fn keeper(&self) -> Option<Pid> {
        self.keeper
    }

    /// What is shown of it.
    pub(super) fn page(&self, known: &Known) -> HookPage {
        let failures = self.schedule.failures();
        let (state, text) = match (self.schedule.is_running(), self.schedule.next()) {
            (true, _) => ("running", String::new()),
            (false, _) if self.told(known).is_none() => {
                let what = match &known.away {
                    Some(_) => "for the daemon of this host",
                    None => "for what it follows",
                };
                ("waiting", what.to_owned())
            }
            (false, Some(_)) if failures > 0 => ("failing", "is run again".to_owned()),
            (false, Some(_)) => ("due", String::new()),
            (false, None) => ("idle", String::new()),
        };
        HookPage { state: state.to_owned(), text, failures, ..self.page.clone() }
    }
}

/// The end of an error, at a letter.
pub(super) fn end_of(text: &str) -> String {
    let from = text.ceil_char_boundary(text.len().saturating_sub(SHOWN_ERROR));
    text[from..].to_owned()
}

/// What a hook finds on its standard input.
pub(super) fn composed(
    hook: &str,
    known: &Known,
    shares: &BTreeMap<String, SharePage>,
    done: Option<&Told>,
    told: &Told,
) -> Value {
    let line = known.health.as_deref().unwrap_or(&Value::Null);
    let mut view = view::shown(line);
    let node = view.get("members").and_then(|all| {
        all.as_array()?.iter().find(|member| member["name"] == known.host.as_str()).cloned()
    });
    view.insert("hook".to_owned(), hook.into());
    view.insert("host".to_owned(), known.host.clone().into());
    view.insert("node".to_owned(), node.unwrap_or_default());
    view.insert("first".to_owned(), done.is_none().into());
    let changed = done.map_or_else(|| json!([]), |done| view::in_words(done, told, line));
    view.insert("changed".to_owned(), changed);
    view.insert("budgets".to_owned(), json!(shares));
    Value::Object(view)
}

/// What a run says that it uses: `{"in_use": 3}` of its one budget, or `{"in_use": {"pg": 3}}`.
fn in_use(line: &str, shares: &BTreeMap<String, SharePage>) -> Vec<InUse> {
    let Ok(said) = serde_json::from_str::<Value>(line) else { return Vec::new() };
    let of = |(budget, share): (&String, &SharePage)| {
        let in_use = match &said["in_use"] {
            Value::Object(each) => each.get(budget)?.as_u64()?,
            one if shares.len() == 1 => one.as_u64()?,
            _ => return None,
        };
        let (budget, number) = (budget.clone(), share.number);
        (share.state != "none").then_some(InUse { budget, number, in_use })
    };
    shares.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(names: &[&str]) -> BTreeMap<String, SharePage> {
        let share = |(at, name): (usize, &&str)| {
            let page =
                SharePage { state: "held".to_owned(), number: at as u64, ..SharePage::default() };
            ((*name).to_owned(), page)
        };
        names.iter().enumerate().map(share).collect()
    }

    #[test]
    fn what_is_in_use_is_said_as_a_number_or_by_budget() {
        let said = |line: &str, names: &[&str]| -> Vec<(String, u64, u64)> {
            let all = in_use(line, &shares(names));
            all.into_iter().map(|said| (said.budget, said.number, said.in_use)).collect()
        };
        assert_eq!(said(r#"{"in_use": 3}"#, &["pg"]), [("pg".to_owned(), 0, 3)]);
        let both = [("a".to_owned(), 0, 1), ("b".to_owned(), 1, 2)];
        assert_eq!(said(r#"{"in_use": {"a": 1, "b": 2, "c": 3}}"#, &["a", "b"]), both);
        for nothing in ["", "done", r#"{"in_use": 3}"#, r#"{"in_use": {"a": -1}}"#] {
            assert_eq!(said(nothing, &["a", "b"]), [], "{nothing}");
        }
    }

    #[test]
    fn a_hook_is_handed_the_view_its_own_node_and_what_changed() {
        let line = |state: &str| {
            json!({
                "epoch": 5, "quorate": true, "at": "then", "after": 4, "changed": [], "reset": false,
                "members": [{ "name": "a", "state": "alive" }, { "name": "b", "state": state, "reason": "silent" }],
            })
        };
        let known = |state: &str| Known {
            host: "a".to_owned(),
            health: Some(Arc::new(line(state))),
            ..Known::default()
        };
        let (up, down) = (known("alive"), known("down"));
        let (before, now) =
            (up.told_of_health().expect("told"), down.told_of_health().expect("told"));
        let view = composed("tell", &down, &BTreeMap::new(), Some(&before), &now);
        assert_eq!(
            (&view["hook"], &view["host"], &view["epoch"]),
            (&"tell".into(), &"a".into(), &5.into())
        );
        assert_eq!(view["node"]["state"], "alive");
        assert_eq!(view["changed"][0]["name"], "b");
        assert_eq!((&view["first"], &view["reset"]), (&false.into(), &Value::Null));
        let first = composed("tell", &up, &BTreeMap::new(), None, &before);
        assert_eq!((&first["first"], &first["changed"]), (&true.into(), &json!([])));
    }
}
