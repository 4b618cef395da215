//! Watches: ordered, without gaps, without repetition, whole revisions, or told that history is gone.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{KeyChange, KeyRange, Watch, WatchCompacted, WatchOptions};
use quorate_proto::*;
use support::*;

fn watch(replica: &Replica, start_revision: i64, key: &str, end: &str) -> Watch {
    let range =
        KeyRange::new(&key.to_owned().into_bytes().into(), &end.to_owned().into_bytes().into());
    let options = WatchOptions { range, start_revision, no_put: false, no_delete: false };
    Watch::new(&replica.meta, options)
}

fn show<'a>(changes: impl IntoIterator<Item = &'a KeyChange>) -> String {
    let word = |change: &KeyChange| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let prev = change.prev.as_ref().map_or_else(String::new, |prev| text(&prev.value));
        let sign = if change.deleted { "-" } else { "+" };
        let kv = &change.kv;
        format!("{sign}{}={}<{prev}@{}", text(&kv.key), text(&kv.value), change.revision())
    };
    changes.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_watch_from_the_past_replays_and_then_follows_without_repeating() {
    let mut replica = Replica::new();
    replica.put("a", "1");
    replica.put("x", "1");
    replica.delete("a", "");
    let mut watch = watch(&replica, 2, "a", "c");
    let replay = watch.replay(&replica.meta, 100).unwrap();
    assert_eq!(show(&replay.changes), "+a=1<@2 -a=<1@4");
    assert_eq!(replay.revision, 4);
    assert!(watch.synced(&replica.meta));
    let both = KvRequest {
        request: Some(kv_request::Request::Txn(all(vec![op_put("b", "2"), op_put("y", "2")]))),
    };
    let applied = replica.apply(CommandBody::Kv(both));
    assert_eq!(show(watch.live(&applied.changes).unwrap()), "+b=2<@5");
    assert_eq!(show(watch.live(&applied.changes).unwrap()), "", "given again, not told again");
    assert!(watch.replay(&replica.meta, 100).unwrap().changes.is_empty());
}

#[test]
fn a_watch_that_missed_an_entry_is_told_to_replay() {
    let mut replica = Replica::new();
    let mut watch = watch(&replica, 0, "a", "");
    replica.put("a", "1");
    let applied = replica.apply(CommandBody::Kv(put("a", "2")));
    assert!(watch.live(&applied.changes).is_none());
    assert_eq!(show(&watch.replay(&replica.meta, 9).unwrap().changes), "+a=1<@2 +a=2<1@3");
}

#[test]
fn a_watch_from_the_future_is_silent_until_then() {
    let mut replica = Replica::new();
    let mut watch = watch(&replica, 4, "a", "");
    for (value, wanted) in [("1", ""), ("2", ""), ("3", "+a=3<2@4"), ("4", "+a=4<3@5")] {
        assert_eq!(watch.replay(&replica.meta, 9).unwrap().changes, []);
        let applied = replica.apply(CommandBody::Kv(put("a", value)));
        assert_eq!(show(watch.live(&applied.changes).unwrap()), wanted);
    }
}

#[test]
fn a_compacted_start_is_told_with_the_revision_to_start_from() {
    let mut replica = Replica::new();
    for value in ["1", "2", "3", "4"] {
        replica.put("a", value);
    }
    replica.delete("a", "");
    replica.compact(6).unwrap();
    for _ in 0..10 {
        replica.meta.apply_nothing(replica.meta.applied() + 1);
    }
    let gone = watch(&replica, 5, "a", "").replay(&replica.meta, 9);
    assert_eq!(gone, Err(WatchCompacted { compact_revision: 6 }));
    let kept = watch(&replica, 6, "a", "").replay(&replica.meta, 9).unwrap();
    assert_eq!(show(&kept.changes), "-a=<@6", "prev_kv is absent when it is compacted");
}

#[test]
fn a_replay_in_parts_keeps_revisions_whole_and_loses_none() {
    let mut replica = Replica::new();
    for number in 0..50 {
        let ops = vec![op_put("a", &number.to_string()), op_put("b", ""), op_put("c", "")];
        replica.txn(all(ops)).unwrap();
    }
    let mut watch = watch(&replica, 2, "a", "c");
    let mut next = 2;
    while !watch.synced(&replica.meta) {
        let replay = watch.replay(&replica.meta, 3).unwrap();
        assert_eq!(replay.changes.len() % 2, 0, "two keys of each revision");
        for pair in replay.changes.chunks(2) {
            assert_eq!((pair[0].revision(), pair[1].revision()), (next, next));
            next += 1;
        }
        assert_eq!(replay.revision + 1, next);
        assert_eq!(watch.next_revision(), next);
    }
    assert_eq!(next, 52);
}

#[test]
fn filters_leave_out_puts_or_deletions() {
    let mut replica = Replica::new();
    let start = watch(&replica, 2, "a", "");
    replica.put("a", "1");
    replica.delete("a", "");
    let range = KeyRange::single(&"a".into());
    let options = |no_put, no_delete| WatchOptions {
        range: range.clone(),
        start_revision: start.next_revision(),
        no_put,
        no_delete,
    };
    let told = |options| {
        show(&Watch::new(&replica.meta, options).replay(&replica.meta, 9).unwrap().changes)
    };
    assert_eq!(told(options(true, false)), "-a=<1@3");
    assert_eq!(told(options(false, true)), "+a=1<@2");
}
