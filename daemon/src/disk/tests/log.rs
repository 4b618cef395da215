//! The segmented log and its writer.

use super::*;
use quorate_node::Write;
use std::sync::mpsc;

fn segments(host: &Host) -> Vec<String> {
    let listing = std::fs::read_dir(host.life().join("log")).expect("listed");
    let names =
        listing.map(|entry| entry.expect("listed").file_name().into_string().expect("text"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with("log-")).collect();
    names.sort();
    names
}

#[test]
fn a_log_comes_back_as_it_was_written() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    assert!(log.group.is_none());
    append(&mut log, &[birth(), vec![entries(2, 4, 1), hard_state(2, 9, 3)]]);
    drop(log);
    let log = host.recover().expect("whole");
    assert_eq!(indexes(&log), [2, 3, 4]);
    let group = log.group.expect("a replica");
    assert_eq!(group.hard_state, HardState { term: 2, vote: 9, commit: 3 });
    assert_eq!((group.reset, group.snapshot), ((1, 1), None));
}

#[test]
fn a_batch_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 2, 1)]]);
    let file = host.life().join("log").join("log-00000000000000000001");
    let before = std::fs::read(&file).expect("read");
    append(&mut log, &[vec![entries(3, 3, 1)]]);
    drop(log);
    let after = std::fs::read(&file).expect("read");
    let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    let (start, end) = (changed[0], changed[changed.len() - 1] + 1);
    for torn in (start..end).step_by(7) {
        let mut bytes = after.clone();
        bytes[torn..end].copy_from_slice(&before[torn..end]);
        std::fs::write(&file, &bytes).expect("torn");
        let mut log = host.recover().expect("a torn tail is no corruption");
        assert_eq!(indexes(&log), [2], "torn at {torn}");
        assert_eq!(log.notes.len(), usize::from(torn > start));
        append(&mut log, &[vec![entries(3, 4, 2)]]);
        drop(log);
        assert_eq!(indexes(&host.recover().expect("whole")), [2, 3, 4]);
    }
}

#[test]
fn damage_of_what_was_synced_names_file_and_offset_and_cuts_nothing() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 2, 1)], vec![entries(3, 3, 1)]]);
    drop(log);
    let file = host.life().join("log").join("log-00000000000000000001");
    let whole = std::fs::read(&file).expect("read");
    for place in (0..250).step_by(3) {
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        std::fs::write(&file, &bytes).expect("changed");
        let refusal = host.recover().expect_err("damaged").to_string();
        assert!(
            refusal.contains("log-00000000000000000001") && refusal.contains("byte "),
            "{refusal}"
        );
        assert!(refusal.contains("quorate reset --set-aside --cluster prod"), "{refusal}");
        assert_eq!(std::fs::read(&file).expect("read"), bytes, "nothing was cut");
    }
}

#[test]
fn segments_roll_and_are_freed_once_everything_in_them_is_compacted() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth()]);
    for index in 2..200 {
        append(&mut log, &[vec![entries(index, index, 1), hard_state(1, 5, index - 1)]]);
    }
    let before = segments(&host);
    assert!(before.len() > 4, "{before:?}");
    append(&mut log, &[vec![LogRecord::Compacted { index: 150, term: 1 }]]);
    let after = segments(&host);
    assert!(after.len() < before.len() && !after.contains(&before[0]), "{after:?}");
    drop(log);
    // Without a snapshot the rest is not enough; with it, it is.
    let refusal = host.recover().expect_err("no snapshot").to_string();
    assert!(refusal.contains("150"), "{refusal}");
    snapshot::store(&host, at(150, 1), &[b"state"]).expect("kept");
    let mut log = host.recover().expect("whole");
    assert_eq!(indexes(&log), (151..200).collect::<Vec<_>>());
    assert_eq!(log.group.as_ref().expect("a replica").hard_state.commit, 198);
    append(&mut log, &[vec![entries(200, 201, 2)]]);
    drop(log);
    assert_eq!(indexes(&host.recover().expect("whole")), (151..202).collect::<Vec<_>>());
}

#[test]
fn the_vote_outlives_the_segment_that_it_was_written_in() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![hard_state(7, 3, 1)]]);
    for index in 2..100 {
        append(&mut log, &[vec![entries(index, index, 1)]]);
    }
    append(&mut log, &[vec![LogRecord::Compacted { index: 90, term: 1 }]]);
    drop(log);
    assert!(!segments(&host).contains(&"log-00000000000000000001".to_owned()));
    snapshot::store(&host, at(90, 1), &[b"state"]).expect("kept");
    let hard_state = host.recover().expect("whole").group.expect("a replica").hard_state;
    assert_eq!((hard_state.term, hard_state.vote), (7, 3));
}

#[test]
fn a_segment_stays_while_one_entry_in_it_is_needed() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth()]);
    let mut last = 1;
    while segments(&host).len() == 1 {
        last += 1;
        append(&mut log, &[vec![entries(last, last, 1)]]);
    }
    // The newest entry opened the second segment; the one before it is the last in the first.
    append(&mut log, &[vec![LogRecord::Compacted { index: last - 2, term: 1 }]]);
    assert_eq!(segments(&host).len(), 2, "entry {} is needed", last - 1);
    append(&mut log, &[vec![LogRecord::Compacted { index: last - 1, term: 1 }]]);
    assert_eq!(segments(&host), ["log-00000000000000000002"]);
}

#[test]
fn what_was_cut_is_zeroed_and_never_found_again() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 9, 1)]]);
    drop(log);
    let file = host.life().join("log").join("log-00000000000000000001");
    let mut bytes = std::fs::read(&file).expect("read");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("written");
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("torn");
    assert_eq!(host.recover().expect("cut").notes.len(), 1);
    let mut log = host.recover().expect("whole");
    assert!(log.notes.is_empty(), "{:?}", log.notes);
    append(&mut log, &[vec![entries(2, 2, 1)]]);
    drop(log);
    let log = host.recover().expect("whole");
    assert!(log.notes.is_empty() && indexes(&log) == [2], "{:?}", log.notes);
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own_size() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 201, 1)], vec![entries(202, 202, 1)]]);
    drop(log);
    assert_eq!(indexes(&host.recover().expect("whole")).len(), 201);
}

#[test]
fn a_missing_segment_and_a_lost_log_are_damage() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth()]);
    for index in 2..100 {
        append(&mut log, &[vec![entries(index, index, 1)]]);
    }
    drop(log);
    let names = segments(&host);
    let lost = Host::new();
    copy(&host.root(), &lost.root());
    std::fs::remove_file(lost.life().join("log").join(&names[1])).expect("removed");
    assert!(lost.recover().expect_err("a gap").to_string().contains(&names[1]));
    for name in &names {
        std::fs::remove_file(host.life().join("log").join(name)).expect("removed");
    }
    assert!(host.recover().expect_err("lost").to_string().contains("log of this host is gone"));
}

#[test]
fn the_writer_makes_queued_writes_durable_in_order_and_tells_the_highest_number() {
    let host = Host::new();
    let opened = host.open().expect("created");
    let recovered = recover(&opened).expect("empty");
    let (told, heard) = mpsc::channel();
    let report = Box::new(move |completed| told.send(completed).expect("heard"));
    let writer = Writer::spawn(&opened.dir, recovered.log, report).expect("spawned");
    let mut state = opened.founding.clone();
    state.exists = Some(cluster_id(4));
    writer
        .submit(1, Write::Founding { state: Box::new(state.clone()), marker: Some(cluster_id(4)) });
    writer.submit(2, log_write(birth()));
    for index in 2..400_u64 {
        writer.submit(index + 1, log_write(vec![entries(index, index, 1)]));
    }
    drop(writer);
    let numbers: Vec<u64> = heard
        .iter()
        .map(|completed| match completed {
            Completed::Durable { number } => number,
            Completed::DiskFull(full) => panic!("disk full: {full}"),
        })
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!((numbers[0], numbers[numbers.len() - 1]), (1, 400));
    drop(opened);
    let opened = host.open().expect("whole");
    assert_eq!((&opened.founding, opened.marker), (&state, Some(cluster_id(4))));
    assert_eq!(indexes(&recover(&opened).expect("whole")).len(), 398);
}

#[test]
fn a_log_of_another_cluster_is_refused() {
    let host = Host::new();
    let opened = host.open().expect("created");
    let mut recovered = recover(&opened).expect("empty");
    recovered.log.segments.belongs_to(cluster_id(5));
    append(&mut recovered, &[birth()]);
    drop(recovered);
    let mut other = opened.founding.clone();
    other.exists = Some(cluster_id(6));
    let error = recover_with(&opened.dir, &other, SMALL, Arc::new(Machine), |_| Ok(()))
        .expect_err("another");
    assert!(matches!(error, DiskError::Mixed { .. }), "{error}");
}

#[test]
fn a_log_with_a_group_that_is_not_known_is_refused_and_stays_as_it_is() {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 3, 1)]]);
    log.log
        .segments
        .append(&[(GroupId::new(7), LogRecord::Reset { index: 1, term: 1 })])
        .expect("appended");
    drop(log);
    let file = host.life().join("log").join("log-00000000000000000001");
    let before = std::fs::read(&file).expect("read");
    let refusal = host.recover().expect_err("another version's").to_string();
    assert!(refusal.contains("group 7") && refusal.contains("a newer version"), "{refusal}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
}
