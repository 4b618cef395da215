//! What a hook acts on, taken apart: what is told of each host, of the quorum and of each budget; and what differs between two views,
//! with its cause.
//!
//! Invariant: times, epochs and reasons are no difference. A host that went and came back is as it was, though it says so in other words.
//! Fields that are not known here count like those that are. Pure; knows nothing of when anything is run.

use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What says when and why, and not what is. Not told by the stream of health, and so never true there: who leads, and versions.
const WORDS: [&str; 9] = [
    "since",
    "since_epoch",
    "reason",
    "role_reason",
    "goodbye",
    "at",
    "leader",
    "version",
    "feature_levels",
];
/// What belongs to a line of the stream, and not to the view.
const OF_A_LINE: [&str; 7] =
    ["epoch", "at", "after", "reset", "changed", "changed_applications", "id"];

/// Whom something is told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Subject {
    Quorum,
    Host(String),
    Budget(String),
    /// A field of the view that tells of no host.
    Field(String),
}

/// What is, by whom it is told of.
pub(super) type Told = BTreeMap<Subject, Value>;

/// Why something is different, as far as it decides how soon that is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    /// A host is not heard, or there is no quorum any more: it may be over in a moment.
    Silence,
    /// A host said goodbye, or its unit said for it that it crashed, or it was removed.
    Goodbye,
    /// A host is drained, or no longer.
    Drain,
    /// A host came or is back, or anything else.
    Other,
}

/// What is told of health: the quorum, and each host with all that lists of the view tell of it.
pub(super) fn of_health(line: &Value) -> Told {
    let mut told = Told::new();
    for (key, value) in line.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            (key, _) if OF_A_LINE.contains(&key) => {}
            ("quorate", value) => drop(told.insert(Subject::Quorum, value.clone())),
            ("members", Value::Array(members)) => members.iter().for_each(|member| {
                if let Some(name) = member["name"].as_str() {
                    note(&mut told, name, "member", essence(member));
                }
            }),
            // What runs on a host goes with it.
            (key, Value::Array(items)) if items.iter().all(|item| item["host"].is_string()) => {
                for item in items {
                    let name = item["host"].as_str().unwrap_or_default();
                    note(&mut told, name, key, essence(item));
                }
            }
            (key, value) => drop(told.insert(Subject::Field(key.to_owned()), essence(value))),
        }
    }
    told
}

/// One more thing that is told of a host.
fn note(told: &mut Told, host: &str, key: &str, what: Value) {
    let all = told.entry(Subject::Host(host.to_owned())).or_insert_with(|| json!({}));
    match all[key].as_array_mut() {
        Some(list) => list.push(what),
        None => all[key] = json!([what]),
    }
}

/// What is told of a budget: all but until when, since each renewal moves that.
pub(super) fn of_budget(name: &str, share: &Value) -> (Subject, Value) {
    let mut what = share.clone();
    if let Some(fields) = what.as_object_mut() {
        fields.retain(|key, _| !matches!(key.as_str(), "deadline" | "deadline_boottime_ms"));
    }
    (Subject::Budget(name.to_owned()), what)
}

/// Without the words that say when and why.
fn essence(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| !WORDS.contains(&key.as_str()));
            Value::Object(fields.map(|(key, value)| (key.clone(), essence(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(essence).collect()),
        other => other.clone(),
    }
}

/// Who differs, and why.
pub(super) fn differences(before: &Told, now: &Told) -> BTreeMap<Subject, Cause> {
    let subjects = before.keys().chain(now.keys());
    let differ = subjects.filter(|subject| before.get(subject) != now.get(subject));
    differ.map(|one| (one.clone(), cause(one, before.get(one), now.get(one)))).collect()
}

fn cause(subject: &Subject, before: Option<&Value>, now: Option<&Value>) -> Cause {
    let member = |told: Option<&Value>| told.map(|told| told["member"][0].clone());
    match subject {
        Subject::Quorum if now == Some(&Value::Bool(false)) => Cause::Silence,
        Subject::Host(_) => match member(now) {
            None => Cause::Goodbye,
            Some(now) if now["state"] == "down" => Cause::Silence,
            Some(now) if now["state"] == "left" => Cause::Goodbye,
            Some(now)
                if Some(&now["drained"]) != member(before).as_ref().map(|it| &it["drained"]) =>
            {
                Cause::Drain
            }
            Some(_) if is_only_unknown(before, now) => Cause::Silence,
            Some(_) => Cause::Other,
        },
        _ => Cause::Other,
    }
}

/// Whether all that differs of a host is that nothing is known of what runs there: so it is for a moment behind each return of the host.
fn is_only_unknown(before: Option<&Value>, now: Option<&Value>) -> bool {
    let lists = |told: Option<&Value>| Some(told?.as_object()?.clone());
    let (Some(before), Some(now)) = (lists(before), lists(now)) else { return false };
    let same_or_unknown = |was: &[Value], is: &[Value]| {
        was.len() == is.len()
            && was.iter().zip(is).all(|(was, is)| {
                was == is || (is["state"] == "unknown" && is["name"] == was["name"])
            })
    };
    before.len() == now.len()
        && now.iter().all(|(key, is)| {
            let was = before.get(key).and_then(Value::as_array);
            was.zip(is.as_array()).is_some_and(|(was, is)| same_or_unknown(was, is))
        })
}

/// The differences in words, as a hook is told of them.
pub(super) fn in_words(before: &Told, now: &Told, line: &Value) -> Value {
    let state = |told: &Told, subject: &Subject| {
        told.get(subject).map_or(Value::Null, |told| match subject {
            Subject::Host(_) => told["member"][0]["state"].clone(),
            Subject::Budget(_) => told["amount"].clone(),
            Subject::Quorum | Subject::Field(_) => told.clone(),
        })
    };
    let words = differences(before, now).into_iter().map(|(subject, cause)| {
        let (what, name) = match &subject {
            Subject::Quorum => ("quorum", ""),
            Subject::Host(name) => ("host", name.as_str()),
            Subject::Budget(name) => ("budget", name.as_str()),
            Subject::Field(name) => ("field", name.as_str()),
        };
        let reason = match &subject {
            Subject::Host(_) => member(line, name).map_or(Value::Null, |one| one["reason"].clone()),
            _ => Value::Null,
        };
        json!({
            "what": what, "name": name, "cause": cause, "reason": reason,
            "from": state(before, &subject), "to": state(now, &subject),
        })
    });
    words.collect()
}

/// What a line tells of a member.
pub(super) fn member<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    line["members"].as_array()?.iter().find(|member| member["name"] == name)
}

/// A line of health as a hook is told of it: without what belongs to the stream, and without what that does not know.
pub(super) fn shown(line: &Value) -> Map<String, Value> {
    let mut shown = line.as_object().cloned().unwrap_or_default();
    for key in ["changed", "after", "reset", "id", "opinions"] {
        shown.remove(key);
    }
    for member in shown.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(member) = member.as_object_mut() {
            member
                .retain(|key, _| !matches!(key.as_str(), "leader" | "version" | "feature_levels"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(epoch: u64, members: &[(&str, &str)]) -> Value {
        let member = |(name, state): &(&str, &str)| {
            json!({ "name": name, "state": state, "since_epoch": epoch, "since": epoch.to_string(),
                    "reason": format!("{state} in {epoch}"), "leader": false, "labels": {} })
        };
        let members: Vec<Value> = members.iter().map(member).collect();
        json!({ "epoch": epoch, "quorate": true, "at": epoch.to_string(), "members": members })
    }

    fn causes(before: &Value, now: &Value) -> Vec<(Subject, Cause)> {
        differences(&of_health(before), &of_health(now)).into_iter().collect()
    }

    fn host(name: &str) -> Subject {
        Subject::Host(name.to_owned())
    }

    #[test]
    fn who_went_and_came_back_is_no_difference_though_it_says_so_in_other_words() {
        let (up, again) = (line(4, &[("a", "alive")]), line(6, &[("a", "alive")]));
        assert_eq!(causes(&up, &again), []);
        assert_eq!(causes(&up, &line(5, &[("a", "down")])), [(host("a"), Cause::Silence)]);
    }

    #[test]
    fn each_difference_has_its_cause() {
        let up = line(4, &[("a", "alive"), ("b", "alive")]);
        let left = line(5, &[("a", "alive"), ("b", "left")]);
        assert_eq!(causes(&up, &left), [(host("b"), Cause::Goodbye)]);
        assert_eq!(causes(&left, &up), [(host("b"), Cause::Other)]);
        assert_eq!(causes(&up, &line(5, &[("a", "alive")])), [(host("b"), Cause::Goodbye)]);
        let mut drained = up.clone();
        drained["members"][0]["drained"] = json!({ "reason": "a disk", "since": "then" });
        assert_eq!(causes(&up, &drained), [(host("a"), Cause::Drain)]);
        let mut alone = up.clone();
        alone["quorate"] = false.into();
        assert_eq!(causes(&up, &alone), [(Subject::Quorum, Cause::Silence)]);
        assert_eq!(causes(&alone, &up), [(Subject::Quorum, Cause::Other)]);
    }

    #[test]
    fn what_runs_on_a_host_goes_with_it_and_what_is_not_known_counts() {
        let with = |state: &str, runs: &str, colour: &str| {
            let mut line = line(4, &[("a", state)]);
            line["things"] =
                json!([{ "host": "a", "name": "web", "state": runs, "since": "then" }]);
            line["colour"] = colour.into();
            line
        };
        let (up, silent) = (with("alive", "up", "red"), with("down", "down", "red"));
        assert_eq!(causes(&up, &silent), [(host("a"), Cause::Silence)]);
        assert_eq!(causes(&up, &with("alive", "down", "red")), [(host("a"), Cause::Other)]);
        let back = with("alive", "unknown", "red");
        assert_eq!(causes(&up, &back), [(host("a"), Cause::Silence)], "its host was just back");
        assert_eq!(causes(&back, &up), [(host("a"), Cause::Other)]);
        let blue = causes(&up, &with("alive", "up", "blue"));
        assert_eq!(blue, [(Subject::Field("colour".to_owned()), Cause::Other)]);
    }

    #[test]
    fn a_deadline_that_moves_is_no_difference_and_an_amount_is() {
        let share = |amount: u64, deadline: u64| json!({ "amount": amount, "deadline": "x", "deadline_boottime_ms": deadline });
        assert_eq!(of_budget("pg", &share(15, 1)), of_budget("pg", &share(15, 2)));
        assert_ne!(of_budget("pg", &share(15, 1)), of_budget("pg", &share(30, 1)));
    }

    #[test]
    fn what_changed_is_told_with_states_cause_and_reason() {
        let (up, down) = (line(4, &[("a", "alive")]), line(5, &[("a", "down")]));
        let words = in_words(&of_health(&up), &of_health(&down), &down);
        assert_eq!(
            words,
            json!([{ "what": "host", "name": "a", "from": "alive", "to": "down", "cause": "silence",
                     "reason": "down in 5" }])
        );
        assert!(shown(&down)["members"][0].get("leader").is_none(), "the stream does not know it");
    }
}
