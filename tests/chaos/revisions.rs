//! The judge by revision, over the whole store: each revision is exactly one operation, what was acknowledged is there,
//! and the revisions stand in the order of real time.
//!
//! It replays the history from the empty store, revision by revision. A revision that nobody was told of must be one
//! operation whose fate is unknown: the store's own page at that revision says which. Knows nothing of nodes or faults.

use quorate_tests::history::{Act, Answer, Before, Key, Operation, Value, key_name, shown};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The store before any client: empty, and at this revision, as in etcd.
pub(crate) const FIRST: u64 = 1;

/// All keys and values at one revision.
pub(crate) type Page = BTreeMap<Key, Value>;

/// What the store said about itself at the end.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Its newest revision.
    pub(crate) last: u64,
    /// Its pages at some revisions: at least of all that nobody was told of, and of the last.
    pub(crate) pages: BTreeMap<u64, Page>,
}

/// Revisions that no client was told of, up to `last`.
pub(crate) fn untold(operations: &[Operation], last: u64) -> Vec<u64> {
    let told: std::collections::BTreeSet<u64> =
        operations.iter().filter_map(Operation::made).collect();
    (FIRST + 1..=last).filter(|revision| !told.contains(revision)).collect()
}

/// Everything that cannot be true of one store, in words; empty when all is well.
pub(crate) fn judge(operations: &[Operation], store: &Store) -> Vec<String> {
    let mut replay = Replay::new(operations, store.last);
    for revision in FIRST..=store.last {
        replay.advance(revision, store.pages.get(&revision));
    }
    let mut offences = replay.offences;
    offences.extend(out_of_order(replay.placed));
    offences
}

struct Replay<'a> {
    /// By the revision that they were told.
    writes: BTreeMap<u64, &'a Operation>,
    reads: BTreeMap<u64, Vec<&'a Operation>>,
    /// Not acknowledged, by what they would write.
    values: HashMap<Value, &'a Operation>,
    /// Deletes of unknown fate.
    deletes: Vec<&'a Operation>,
    page: Page,
    /// Each operation with its revision, in no order.
    placed: Vec<Placed<'a>>,
    offences: Vec<String>,
}

#[derive(Clone, Copy)]
struct Placed<'a> {
    operation: &'a Operation,
    revision: u64,
    /// None while it may still be on its way.
    over: Option<Duration>,
    changed: bool,
}

impl<'a> Replay<'a> {
    fn new(operations: &'a [Operation], last: u64) -> Self {
        let mut replay = Self {
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            values: HashMap::new(),
            deletes: Vec::new(),
            page: Page::new(),
            placed: Vec::new(),
            offences: Vec::new(),
        };
        for operation in operations {
            replay.file(operation, last);
        }
        replay
    }

    fn file(&mut self, operation: &'a Operation, last: u64) {
        match operation.answer {
            Answer::Done { revision, changed, .. } => {
                if revision > last {
                    self.offences
                        .push(format!("lost: the store ends at revision {last}, but {operation}"));
                    return;
                }
                let over = Some(operation.answered);
                self.placed.push(Placed { operation, revision, over, changed });
                if !changed {
                    self.reads.entry(revision).or_default().push(operation);
                } else if let Some(other) = self.writes.insert(revision, operation) {
                    self.offences.push(format!(
                        "revision {revision} is two operations:\n  {other}\n  {operation}"
                    ));
                }
            }
            Answer::NotDone | Answer::Unknown => {
                if let Some(value) = operation.writes() {
                    self.values.insert(value, operation);
                } else if operation.act == Act::Delete {
                    self.deletes.push(operation);
                }
            }
        }
    }

    fn advance(&mut self, revision: u64, page: Option<&Page>) {
        match (self.writes.get(&revision), page) {
            (Some(operation), _) => {
                let operation = *operation;
                self.check_before(operation);
                self.apply(operation);
            }
            (None, Some(page)) if revision > FIRST => self.find(revision, page),
            (None, None) if revision > FIRST => {
                self.offences
                    .push(format!("revision {revision} was told to nobody, nor looked up"));
            }
            (None, _) => {}
        }
        if let Some(page) = page
            && *page != self.page
        {
            let differ = differing(&self.page, page);
            self.offences.push(format!("at revision {revision} the store has {differ}"));
            self.page.clone_from(page);
        }
        for read in self.reads.remove(&revision).unwrap_or_default() {
            self.check_before(read);
        }
    }

    /// What the answer says of the key before must be what it had.
    fn check_before(&mut self, operation: &Operation) {
        let had = self.page.get(&operation.key).copied();
        let Answer::Done { before, changed, .. } = operation.answer else { return };
        if let Before::Was(value) = before
            && value != had
        {
            let had = shown(had);
            self.offences.push(format!("stale: the key was {had} at that revision: {operation}"));
        }
        if let Act::Swap { expected, .. } = operation.act
            && (expected == had) != changed
        {
            let had = shown(had);
            self.offences.push(format!("compared wrongly: the key was {had}: {operation}"));
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation.writes() {
            Some(value) => self.page.insert(operation.key, value),
            None => self.page.remove(&operation.key),
        };
    }

    /// Which operation made a revision that nobody was told of?
    fn find(&mut self, revision: u64, page: &Page) {
        let keys: Vec<Key> = different_keys(&self.page, page);
        let [key] = keys[..] else {
            let differ = differing(&self.page, page);
            self.offences.push(format!("revision {revision} is not one operation: {differ}"));
            return;
        };
        let found = match page.get(&key) {
            Some(value) => self.values.remove(value).filter(|operation| operation.key == key),
            None => {
                let wanted = |operation: &&Operation| operation.key == key;
                let at = self.deletes.iter().position(wanted);
                at.map(|at| self.deletes.swap_remove(at))
            }
        };
        let Some(operation) = found else {
            let (name, value) = (key_name(key), shown(page.get(&key).copied()));
            self.offences.push(format!(
                "revision {revision} is nobody's operation, or one that was done before: {name} is {value}"
            ));
            return;
        };
        let had = self.page.get(&key).copied();
        if operation.answer == Answer::NotDone {
            self.offences.push(format!("it was done, at revision {revision}: {operation}"));
        }
        if matches!(operation.act, Act::Swap { expected, .. } if expected != had) {
            let had = shown(had);
            self.offences.push(format!("compared wrongly: the key was {had}: {operation}"));
        }
        self.placed.push(Placed { operation, revision, over: None, changed: true });
        self.apply(operation);
    }
}

fn different_keys(one: &Page, other: &Page) -> Vec<Key> {
    let mut keys: Vec<Key> = one.keys().chain(other.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| one.get(key) != other.get(key));
    keys
}

fn differing(expected: &Page, found: &Page) -> String {
    let each = different_keys(expected, found).into_iter().map(|key| {
        let [was, is] = [expected, found].map(|page| shown(page.get(&key).copied()));
        format!("{} {is} where {was} is due", key_name(key))
    });
    let list: Vec<String> = each.take(5).collect();
    if list.is_empty() { "nothing changed".to_owned() } else { list.join(", ") }
}

/// Operations that began after another was over, and have a revision from before it.
fn out_of_order(mut placed: Vec<Placed<'_>>) -> Vec<String> {
    let mut over: Vec<Placed<'_>> =
        placed.iter().filter(|one| one.over.is_some()).copied().collect();
    over.sort_by_key(|one| one.over);
    placed.sort_by_key(|one| one.operation.sent);
    let mut ended = over.into_iter().peekable();
    let mut newest: Option<Placed<'_>> = None;
    let mut offences = Vec::new();
    for one in placed {
        while let Some(other) = ended.next_if(|other| other.over < Some(one.operation.sent)) {
            if newest.is_none_or(|newest| newest.revision < other.revision) {
                newest = Some(other);
            }
        }
        let least = newest.map_or(0, |newest| newest.revision + u64::from(one.changed));
        if one.revision < least {
            let newest = newest.map_or(String::new(), |newest| newest.operation.to_string());
            let (revision, late) = (one.revision, one.operation);
            offences.push(format!("out of order, at revision {revision}:\n  {newest}\n  {late}"));
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::{Page, Store, judge, untold};
    use quorate_tests::history::by_hand::{get, operation, put};
    use quorate_tests::history::{Act, Answer, Before, Operation};

    fn store(last: u64, pages: &[(u64, Option<u64>)]) -> Store {
        let page = |value: Option<u64>| value.map(|value| (1, value)).into_iter().collect::<Page>();
        Store { last, pages: pages.iter().map(|(at, value)| (*at, page(*value))).collect() }
    }

    #[track_caller]
    fn rejects(history: &[Operation], store: &Store, word: &str) {
        let offences = judge(history, store);
        assert!(offences.iter().any(|offence| offence.contains(word)), "{offences:?}");
    }

    #[test]
    fn a_good_history_with_an_unknown_write_that_was_done_passes() {
        let delete = Answer::Done { revision: 4, changed: true, before: Before::Was(Some(11)) };
        let history = [
            put(0, 1, 10, 2),
            operation(2, 9, Act::Put(11), Answer::Unknown),
            operation(2, 3, Act::Put(12), Answer::NotDone),
            get(4, 5, Some(11), 3),
            operation(10, 11, Act::Delete, delete),
            get(12, 13, None, 4),
        ];
        assert_eq!(untold(&history, 4), [3]);
        assert_eq!(judge(&history, &store(4, &[(3, Some(11)), (4, None)])), [""; 0]);
    }

    #[test]
    fn a_lost_write_is_rejected() {
        rejects(&[put(0, 1, 10, 2)], &store(1, &[(1, None)]), "lost");
        let history = [put(0, 1, 10, 2), put(2, 3, 11, 3)];
        rejects(&history, &store(3, &[(3, Some(10))]), "where 11 is due");
    }

    #[test]
    fn a_stale_read_is_rejected() {
        let history = [put(0, 1, 10, 2), put(2, 3, 11, 3), get(4, 5, Some(10), 3)];
        rejects(&history, &store(3, &[(3, Some(11))]), "stale");
        let history = [put(0, 1, 10, 2), put(2, 3, 11, 3), get(4, 5, Some(10), 2)];
        rejects(&history, &store(3, &[(3, Some(11))]), "out of order");
    }

    #[test]
    fn a_revision_used_twice_is_rejected() {
        let history = [put(0, 5, 10, 2), put(0, 5, 11, 2)];
        rejects(&history, &store(2, &[(2, Some(11))]), "two operations");
    }

    #[test]
    fn an_operation_done_twice_is_rejected() {
        let history = [put(0, 1, 10, 2)];
        rejects(&history, &store(3, &[(3, Some(10))]), "not one operation");
        let history = [put(0, 1, 10, 2), put(0, 1, 11, 3)];
        rejects(&history, &store(4, &[(4, Some(10))]), "done before");
    }

    #[test]
    fn a_write_said_not_done_that_was_done_is_rejected() {
        let history = [operation(0, 1, Act::Put(10), Answer::NotDone)];
        rejects(&history, &store(2, &[(2, Some(10))]), "it was done");
    }

    #[test]
    fn a_swap_of_what_was_not_there_is_rejected() {
        let swap = |revision| {
            let answer = Answer::Done { revision, changed: true, before: Before::NotAsked };
            operation(2, 3, Act::Swap { expected: None, new: 11 }, answer)
        };
        let history = [put(0, 1, 10, 2), swap(3)];
        rejects(&history, &store(3, &[(3, Some(11))]), "compared wrongly");
    }

    #[test]
    fn writes_out_of_the_order_of_real_time_are_rejected() {
        let history = [put(0, 1, 10, 3), put(2, 3, 11, 2)];
        rejects(&history, &store(3, &[(3, Some(10))]), "out of order");
    }
}
