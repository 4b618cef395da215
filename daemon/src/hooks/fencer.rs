//! One hook that fences, as the runner has it: it is run for a grant that is in the way, and what it ended is freed.
//!
//! What stays true: a grant is freed only behind a run for it that succeeded. Whether it may be the cluster judges, by its number and by
//! whether its host is down then.

use super::fence::{Guarded, InTheWay, Queue};
use super::follow::Known;
use super::launch::{self, Launched};
use super::one::{self, end_of};
use super::report::Report;
use super::settings::Hook;
use super::state::{FENCE, HookPage};
use super::view::Told;
use crate::cli::{Client, ask_act, query_value};
use crate::clock;
use crate::words::time::rfc3339;
use quorate_proto::Moment;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// How long the leader may take to free a grant.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Fencer {
    pub(super) hook: Hook,
    pub(super) guarded: Guarded,
    queue: Queue,
    keeper: Option<Pid>,
    page: HookPage,
}

impl Fencer {
    /// Of a hook that is a fence. Nothing is known to be in the way.
    pub(super) fn of(hook: Hook) -> Option<Self> {
        let guarded = hook.fences.clone()?;
        let on = vec![format!("{FENCE}{guarded}")];
        let page = HookPage { name: hook.name.clone(), on, ..HookPage::default() };
        let queue = Queue::new(hook.debounce.silence, hook.retry);
        Some(Self { hook, guarded, queue, keeper: None, page })
    }

    /// Something is known anew.
    pub(super) fn see(&mut self, now: Moment, known: &Known) {
        let all = known.in_the_way.iter().chain(&known.alone);
        let own = all.filter(|one| one.is_of(&self.guarded) && one.is_for(&self.hook.name));
        self.queue.see(now, &own.cloned().collect());
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.queue.next()
    }

    /// Runs it for the next grant that is in the way.
    ///
    /// # Errors
    /// As [`launch::launch`]; then the run counts as failed, and [`Self::not_launched`] is to be told.
    pub(super) fn begin(&mut self, known: &Known) -> io::Result<Option<Launched>> {
        let Some(one) = self.queue.begin() else { return Ok(None) };
        let launched = launched(&self.hook, known, &one)?;
        self.keeper = launched.pid();
        self.page.last_run = rfc3339(clock::wall_unix_ms());
        tracing::info!(hook = %self.hook.name, host = %one.host, number = one.number, "fence runs");
        Ok(Some(launched))
    }

    /// The system gave no process for it.
    pub(super) fn not_launched(&mut self, now: Moment, error: &io::Error) {
        self.page.runs += 1;
        self.fail(now, format!("cannot be run: {error}"), String::new());
    }

    /// It has ended. Gives the grant that is to be freed; [`Self::freed`] is told what came of that.
    pub(super) fn ended(&mut self, now: Moment, report: &Report) -> Option<InTheWay> {
        self.keeper = None;
        self.page.runs += 1;
        self.page.took_ms = report.took_ms;
        let words = report.in_words(self.hook.timeout);
        if !report.is_success() {
            self.fail(now, words, end_of(&report.err.end));
            return None;
        }
        self.page.last_ended = words;
        self.queue.running().cloned()
    }

    /// The cluster has freed the grant that was fenced, or says why not.
    pub(super) fn freed(&mut self, now: Moment, said: Result<String, String>) {
        match said {
            Ok(text) => {
                let hook = &self.hook.name;
                tracing::info!(%hook, "fenced: {text}");
                self.queue.end(now, true);
                self.page.succeeded();
                self.page.last_ended = text;
            }
            Err(why) => self.fail(now, format!("succeeded, and freed nothing: {why}"), why),
        }
    }

    fn fail(&mut self, now: Moment, words: String, error: String) {
        let (hook, stderr) = (&self.hook.name, error.trim_end());
        tracing::warn!(%hook, %stderr, "fence failed: {words}");
        self.queue.end(now, false);
        self.page.failed(words, error);
    }

    pub(super) fn keeper(&self) -> Option<Pid> {
        self.keeper
    }

    /// What is shown of it.
    pub(super) fn page(&self, known: &Known) -> HookPage {
        let failing = self.queue.failing();
        let (state, text) = match (self.queue.running(), failing, self.queue.waiting()) {
            (Some(one), ..) => ("running", one.to_string()),
            (None, Some((one, _)), _) => ("failing", format!("will be run again for {one}")),
            (None, None, Some(one)) => ("due", one.to_string()),
            (None, None, None) if known.away.is_some() => {
                ("waiting", "for the daemon of this host".to_owned())
            }
            (None, None, None) => ("idle", String::new()),
        };
        let failures = failing.map_or(0, |(_, failures)| failures);
        HookPage { state: state.to_owned(), text, failures, ..self.page.clone() }
    }
}

/// Starts a fence for a grant.
pub(super) fn launched(hook: &Hook, known: &Known, one: &InTheWay) -> io::Result<Launched> {
    let health = known.health.as_deref();
    let epoch = health.and_then(|line| line["epoch"].as_u64()).unwrap_or_default();
    let view = view(hook, known, one).to_string();
    let named = [
        ("QUORATE_FENCE_HOST", one.host.clone()),
        ("QUORATE_FENCE_ADDRESS", one.address.clone().unwrap_or_default()),
        ("QUORATE_FENCE_NUMBER", one.number.to_string()),
    ];
    launch::launch(hook, view.as_bytes(), &known.host, epoch, &named)
}

/// What it finds on its standard input.
fn view(hook: &Hook, known: &Known, one: &InTheWay) -> Value {
    let told = Told::new();
    let mut view = one::composed(&hook.name, known, &BTreeMap::new(), Some(&told), &told);
    view["first"] = false.into();
    view["fence"] = json!(one);
    view
}

/// Has a grant freed whose use was ended.
pub(super) async fn free(client: &Client, one: &InTheWay) -> Result<String, String> {
    let InTheWay { name, host, since_epoch, number, item, instance, alone, .. } = one;
    let (name, host) = (query_value(name), query_value(host));
    let path = match (item, alone) {
        (_, Some(round)) => {
            let round = round.round;
            format!("/v1/budgets/alone?name={name}&holder={instance}&round={round}")
        }
        (Some(item), None) => {
            let item = query_value(item);
            format!(
                "/v1/assignments/free?name={name}&item={item}&number={number}&away_since={since_epoch}"
            )
        }
        (None, None) => format!(
            "/v1/budgets/free?name={name}&holder={host}&number={number}&away_since={since_epoch}"
        ),
    };
    let page = ask_act(client, &path, PATIENCE).await;
    page.map(|page| page.text).map_err(|failure| failure.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::schedule::{Debounce, Retry};
    use std::sync::Arc;

    #[test]
    fn a_fence_is_handed_the_view_and_whom_it_is_run_for() {
        let hook = Hook {
            name: "stop-pg".to_owned(),
            run: Vec::new(),
            on: Vec::new(),
            fences: None,
            timeout: Duration::from_secs(1),
            debounce: Debounce::default(),
            retry: Retry::default(),
        };
        let line = json!({ "epoch": 5, "quorate": true, "members": [{ "name": "a" }] });
        let known =
            Known { host: "a".to_owned(), health: Some(Arc::new(line)), ..Known::default() };
        let one = InTheWay {
            kind: "assignment",
            name: "edge".to_owned(),
            host: "b".to_owned(),
            instance: "life".to_owned(),
            since_epoch: 5,
            address: Some("10.0.0.2:4747".to_owned()),
            number: 7,
            amount: None,
            item: Some("vip".to_owned()),
            alone: None,
        };
        let view = view(&hook, &known, &one);
        assert_eq!((&view["hook"], &view["epoch"]), (&"stop-pg".into(), &5.into()));
        assert_eq!(
            view["fence"],
            json!({ "kind": "assignment", "name": "edge", "host": "b", "instance": "life", "since_epoch": 5, "address": "10.0.0.2:4747",
                    "number": 7, "item": "vip" })
        );
    }
}
