//! Snapshot files, and what a start makes of them and the log together.

use super::super::snapshots::file::Owner;
use super::super::snapshots::{keeper, names};
use super::*;
use bytes::Bytes;

/// Stores a snapshot as the snapshot thread does.
pub(super) fn store(
    host: &Host,
    metadata: SnapshotMetadata,
    chunks: &[&[u8]],
) -> Result<(), String> {
    let ended = read_ended(&host.root(), &host.running()).expect("a life");
    let owner = Owner { instance: ended.identity.instance, cluster_id: ClusterId::default() };
    let chunks: Vec<Bytes> = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
    let directory = names::directory(&host.life());
    keeper::keep(&directory, owner, GroupId::META, &metadata, chunks.into_iter())
}

fn host_with_log(batches: &[Vec<LogRecord>]) -> Host {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth()]);
    append(&mut log, batches);
    host
}

fn newest(host: &Host) -> PathBuf {
    let listed = names::list(&names::directory(&host.life())).expect("listed");
    listed[0].path.clone()
}

#[test]
fn the_newest_two_snapshots_are_kept_and_the_newest_is_used() {
    let host = host_with_log(&[vec![entries(2, 9, 1)]]);
    for index in [3, 5, 7] {
        store(&host, at(index, 1), &[b"state ", index.to_string().as_bytes()]).expect("kept");
    }
    let listed = names::list(&names::directory(&host.life())).expect("listed");
    assert_eq!(listed.iter().map(|named| named.index).collect::<Vec<_>>(), [7, 5]);
    let log = host.recover().expect("whole");
    assert_eq!(indexes(&log), [8, 9]);
    let (metadata, state) = log.group.expect("a replica").snapshot.expect("a snapshot");
    assert_eq!((metadata.index, state), (7, b"state 7".to_vec()));
}

#[test]
fn a_snapshot_cut_or_changed_at_any_byte_is_passed_over_while_the_log_reaches_back() {
    let host = host_with_log(&[vec![entries(2, 9, 1)]]);
    store(&host, at(3, 1), &[b"old"]).expect("kept");
    store(&host, at(7, 1), &[b"new ", b"state"]).expect("kept");
    let file = newest(&host);
    let whole = std::fs::read(&file).expect("read");
    let check = |bytes: &[u8], what: String| {
        std::fs::write(&file, bytes).expect("written");
        let log = host.recover().expect("the log makes up for it");
        let state = log.group.as_ref().expect("a replica").snapshot.clone().expect("the older");
        assert_eq!(state.1, b"old", "{what}");
        assert_eq!(indexes(&log), [4, 5, 6, 7, 8, 9]);
        assert!(log.notes[0].contains("passed over"), "{:?}", log.notes);
    };
    for place in 0..whole.len() {
        check(&whole[..place], format!("cut at {place}"));
        let mut changed = whole.clone();
        changed[place] ^= 2;
        check(&changed, format!("changed at {place}"));
    }
}

#[test]
fn a_damaged_snapshot_that_the_log_does_not_reach_behind_is_an_error_with_the_remedy() {
    let compacted = LogRecord::Compacted { index: 7, term: 1 };
    let host = host_with_log(&[vec![entries(2, 9, 1)], vec![compacted]]);
    store(&host, at(3, 1), &[b"old"]).expect("kept");
    store(&host, at(7, 1), &[b"new"]).expect("kept");
    std::fs::write(newest(&host), b"qsnap001").expect("cut");
    let refusal = host.recover().expect_err("nothing fits").to_string();
    assert!(refusal.contains("snapshot-00000000000000000007"), "{refusal}");
    assert!(refusal.contains("quorate reset --set-aside --cluster prod"), "{refusal}");
    assert!(newest(&host).exists(), "nothing was removed");
}

#[test]
fn a_snapshot_received_before_the_log_was_reset_replaces_it_for_good() {
    let host = host_with_log(&[vec![entries(2, 4, 1), hard_state(1, 7, 2)]]);
    store(&host, at(50, 3), &[b"from the leader"]).expect("kept");
    let mut log = host.recover().expect("whole");
    assert_eq!(indexes(&log), [0; 0]);
    let group = log.group.as_ref().expect("a replica");
    assert_eq!(group.hard_state, HardState { term: 3, vote: 0, commit: 50 });
    assert_eq!(group.reset, (50, 3));
    append(&mut log, &[vec![entries(51, 52, 3)]]);
    drop(log);
    assert_eq!(indexes(&host.recover().expect("follows on")), [51, 52]);
}

#[test]
fn a_joiner_killed_between_its_first_snapshot_and_its_first_log_write_goes_on() {
    let host = Host::new();
    drop(host.open().expect("created"));
    store(&host, at(50, 3), &[b"from the leader"]).expect("kept");
    let log = host.recover().expect("whole");
    assert_eq!(log.group.expect("a replica").hard_state.commit, 50);
}

#[test]
fn a_kill_while_a_snapshot_is_written_leaves_the_one_before() {
    let host = host_with_log(&[vec![entries(2, 9, 1)]]);
    store(&host, at(5, 1), &[b"whole"]).expect("kept");
    let bytes = std::fs::read(newest(&host)).expect("read");
    let aside =
        host.life().join("snapshots/snapshot-00000000000000000008-00000000000000000001.new");
    for written in 0..bytes.len() {
        std::fs::write(&aside, &bytes[..written]).expect("cut short");
        assert_eq!(indexes(&host.recover().expect("whole")), [6, 7, 8, 9]);
        assert!(!aside.exists());
    }
}

#[test]
fn a_snapshot_of_another_life_is_refused() {
    let host = host_with_log(&[vec![entries(2, 9, 1)]]);
    let other = host_with_log(&[vec![entries(2, 9, 1)]]);
    store(&other, at(5, 1), &[b"theirs"]).expect("kept");
    let name = newest(&other);
    let to = host.life().join("snapshots").join(name.file_name().expect("named"));
    std::fs::copy(&name, to).expect("copied");
    assert!(matches!(host.recover(), Err(DiskError::Mixed { .. })));
}

#[test]
fn the_snapshot_thread_tells_when_a_snapshot_is_durable() {
    let host = Host::new();
    let opened = host.open().expect("created");
    let keeper = SnapshotKeeper::spawn(&opened.dir).expect("spawned");
    let (told, heard) = std::sync::mpsc::channel();
    keeper.store(SnapshotJob {
        cluster_id: cluster_id(1),
        group: GroupId::META,
        metadata: at(9, 2),
        chunks: Box::new([Bytes::from_static(b"state")].into_iter()),
        done: Box::new(move |outcome| told.send(outcome).expect("heard")),
    });
    assert_eq!(heard.recv().expect("told"), Ok(()));
    assert!(newest(&host).exists());
}

#[test]
fn a_snapshot_of_a_group_that_is_not_known_is_refused_and_stays() {
    let host = host_with_log(&[birth()]);
    let directory = names::directory(&host.life());
    let metadata = SnapshotMetadata { index: 9, term: 2, ..SnapshotMetadata::default() };
    let file = directory.join(names::file_name(GroupId::new(17), &metadata));
    std::fs::write(&file, b"another version's").expect("written");
    let refusal = host.recover().expect_err("it would be left out").to_string();
    assert!(refusal.contains("group 17") && refusal.contains("a newer version"), "{refusal}");
    assert_eq!(std::fs::read(&file).expect("read"), b"another version's");
}
