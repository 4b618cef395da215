//! The judge by key: is there an order of all operations on a key that explains every answer?
//!
//! Linearizability of one register a key, searched with `porcupine`. It takes no notice of revisions, so that it says
//! the same about a store that numbers its changes wrongly. What is of unknown fate stays open to the end: it may take effect at
//! any time after it was asked, or never. What is said not to have been done is in no history, so that its value cannot be read.

use crate::history::{Act, Answer, Before, Key, Operation, Value, key_name};
use porcupine_rs::{CheckResult, Model, check_operations_timeout};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest search for one key; histories of a minute take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Operations shown before the one that cannot be explained.
const SHOWN: usize = 12;

/// What came out.
#[must_use]
#[derive(Debug, Default)]
pub struct Verdict {
    /// Operations that were looked at.
    pub judged: usize,
    /// One text for each key whose answers no order explains.
    pub offences: Vec<String>,
    /// Keys whose search took too long.
    pub undecided: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Register;

impl Model for Register {
    type State = Option<Value>;
    type Op = (Act, Answer);
    type Metadata = ();

    fn init() -> Option<Value> {
        None
    }

    fn step(state: &Option<Value>, (act, answer): &(Act, Answer)) -> (bool, Option<Value>) {
        let next = match *act {
            Act::Put(value) => Some(value),
            Act::Get => *state,
            Act::Delete => None,
            Act::Swap { expected, new } if expected == *state => Some(new),
            Act::Swap { .. } => *state,
        };
        let explained = match *answer {
            Answer::Done { changed, before, .. } => {
                let before = matches!(before, Before::NotAsked) || before == Before::Was(*state);
                // A put of any value is a change; values differ, so any other change shows.
                before && changed == (next != *state)
            }
            Answer::Unknown => true,
            Answer::NotDone => false,
        };
        (explained, next)
    }
}

/// Looks at each key by itself.
pub fn judge(operations: &[Operation]) -> Verdict {
    let mut keys: BTreeMap<Key, Vec<Operation>> = BTreeMap::new();
    for operation in operations {
        let silent = operation.act == Act::Get && operation.answer == Answer::Unknown;
        if operation.answer != Answer::NotDone && !silent {
            keys.entry(operation.key).or_default().push(*operation);
        }
    }
    let mut verdict = Verdict::default();
    for (key, history) in keys {
        verdict.judged += history.len();
        match check(&history) {
            CheckResult::Ok => {}
            CheckResult::Unknown => verdict.undecided.push(key),
            CheckResult::Illegal => {
                let mut text = explain(key, history);
                // Often the answer lies in an operation that was said not to have been done.
                for denied in operations.iter().filter(|one| one.answer == Answer::NotDone) {
                    let value = denied.writes().map(|value| value.to_string());
                    if value.is_some_and(|value| text.contains(&value)) {
                        text += &format!("\n  but: {denied}");
                    }
                }
                verdict.offences.push(text);
            }
        }
    }
    verdict
}

fn check(history: &[Operation]) -> CheckResult {
    let searched: Vec<_> = history.iter().map(searched).collect();
    check_operations_timeout::<Register>(&searched, PATIENCE)
}

fn searched(operation: &Operation) -> porcupine_rs::Operation<Register> {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let open = operation.answer == Answer::Unknown;
    porcupine_rs::Operation {
        client_id: None,
        call_time: nanos(operation.sent),
        return_time: if open { i64::MAX } else { nanos(operation.answered) },
        op: (operation.act, operation.answer),
        metadata: None,
    }
}

/// The history up to the first answer that no order explains, found by halving.
fn explain(key: Key, mut history: Vec<Operation>) -> String {
    history.sort_by_key(|operation| operation.answered);
    let (mut fine, mut bad) = (0, history.len());
    while bad - fine > 1 {
        let middle = usize::midpoint(fine, bad);
        match check(&until(&history, middle)) {
            CheckResult::Illegal => bad = middle,
            _ => fine = middle,
        }
    }
    let from = bad.saturating_sub(SHOWN);
    let lines: Vec<String> =
        history[from..bad].iter().map(|operation| format!("  {operation}")).collect();
    format!("{}: no order explains the last of\n{}", key_name(key), lines.join("\n"))
}

/// The first `count` answers; what was under way then is of unknown fate.
fn until(history: &[Operation], count: usize) -> Vec<Operation> {
    let mut some = history[..count].to_vec();
    let end = some.last().map_or(Duration::ZERO, |operation| operation.answered);
    let under_way = history[count..].iter().filter(|operation| operation.sent < end);
    some.extend(under_way.map(|operation| Operation { answer: Answer::Unknown, ..*operation }));
    some
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::history::by_hand::{get, operation, put};
    use crate::history::{Act, Answer, Before, Operation};

    #[track_caller]
    fn rejects(history: &[Operation], last: &str) {
        let verdict = judge(history);
        let [offence] = &verdict.offences[..] else { panic!("{verdict:?}") };
        assert!(offence.lines().last().is_some_and(|line| line.contains(last)), "{offence}");
    }

    #[test]
    fn a_good_history_passes_whether_an_unknown_write_was_done_or_not() {
        for value in [10, 11] {
            let history = [
                put(0, 1, 10, 2),
                operation(2, 9, Act::Put(11), Answer::Unknown),
                get(20, 21, Some(value), 3),
            ];
            assert_eq!(judge(&history).offences, [""; 0]);
        }
    }

    #[test]
    fn a_lost_write_is_rejected() {
        rejects(&[put(0, 1, 10, 2), get(2, 3, None, 2)], "get k001");
    }

    #[test]
    fn a_stale_read_is_rejected() {
        let history =
            [put(0, 1, 10, 2), put(2, 3, 11, 3), get(4, 5, Some(10), 3), put(6, 7, 12, 4)];
        rejects(&history, "get k001");
    }

    #[test]
    fn an_unknown_write_that_came_and_went_is_rejected() {
        let history = [
            put(0, 1, 10, 2),
            operation(2, 9, Act::Put(11), Answer::Unknown),
            get(20, 21, Some(11), 3),
            get(22, 23, Some(10), 3),
        ];
        rejects(&history, "it was 10");
    }

    #[test]
    fn a_write_said_not_done_that_is_read_is_rejected_and_named() {
        let denied = operation(2, 3, Act::Put(11), Answer::NotDone);
        rejects(&[put(0, 1, 10, 2), denied, get(4, 5, Some(11), 3)], "but: [0.0020 to 0.0030]");
    }

    #[test]
    fn a_read_may_show_a_write_under_way_but_none_may_miss_it_afterwards() {
        let [write, shown] = [put(10, 50, 10, 2), get(20, 30, Some(10), 2)];
        assert_eq!(judge(&[write, shown, get(35, 40, Some(10), 2)]).offences, [""; 0]);
        rejects(&[write, shown, get(35, 40, None, 1)], "it was absent");
    }

    #[test]
    fn a_deletion_that_was_done_twice_is_rejected() {
        let delete = |from, to, changed| {
            let answer = Answer::Done { revision: 3, changed, before: Before::NotAsked };
            operation(from, to, Act::Delete, answer)
        };
        let write = put(10, 20, 10, 2);
        let [done, nothing] = [delete(30, 40, true), delete(30, 41, false)];
        assert_eq!(judge(&[write, done, nothing]).offences, [""; 0]);
        rejects(&[write, done, delete(30, 41, true)], "delete k001");
        rejects(&[write, nothing], "delete k001");
    }

    #[test]
    fn two_swaps_of_one_value_are_rejected() {
        let swap = |from, new| {
            let answer = Answer::Done { revision: 3, changed: true, before: Before::NotAsked };
            operation(from, from + 1, Act::Swap { expected: Some(10), new }, answer)
        };
        rejects(&[put(0, 1, 10, 2), swap(2, 11), swap(4, 12)], "for 12");
    }
}
