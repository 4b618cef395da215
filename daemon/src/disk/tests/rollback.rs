//! Data that are older than what this host is known to have reached: a log that was shortened, a directory that was
//! restored, the last batch damaged.

use super::*;

/// Writes these batches through the real writer, from start to orderly stop.
fn run_once(host: &Host, batches: Vec<Vec<LogRecord>>) {
    let opened = host.open().expect("opened");
    let recovered = recover(&opened).expect("whole");
    let writer = Writer::spawn(&opened.dir, recovered.log, Box::new(|_| ())).expect("spawned");
    for (number, batch) in (1..).zip(batches) {
        writer.submit(number, log_write(batch));
    }
}

#[test]
fn behind_an_orderly_stop_damage_of_the_last_batch_is_known_to_be_damage() {
    let host = Host::new();
    run_once(&host, vec![birth(), vec![entries(2, 2, 1)]]);
    let file = host.life().join("log").join("log-00000000000000000001");
    let mut bytes = std::fs::read(&file).expect("read");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("written");
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).expect("changed");
    for _ in 0..2 {
        let refusal = host.recover().expect_err("damaged").to_string();
        assert!(refusal.contains("had been written safely"), "{refusal}");
        assert!(refusal.contains("quorate reset --set-aside --cluster prod"), "{refusal}");
        assert_eq!(std::fs::read(&file).expect("read"), bytes, "nothing was cut");
    }
}

#[test]
fn a_tail_that_a_crash_may_have_torn_is_not_called_unacknowledged() {
    let host = Host::new();
    run_once(&host, vec![birth(), vec![entries(2, 2, 1)]]);
    let mut log = host.recover().expect("whole");
    append(&mut log, &[vec![entries(3, 3, 1)]]);
    drop(log);
    let file = host.life().join("log").join("log-00000000000000000001");
    let mut bytes = std::fs::read(&file).expect("read");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("written");
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).expect("changed");
    let log = host.recover().expect("the last start had not seen it");
    assert!(log.notes[0].contains("may have been acknowledged"), "{:?}", log.notes);
    assert_eq!(indexes(&log), [2]);
}

#[test]
fn an_older_copy_of_the_data_directory_is_refused_and_a_reset_begins_anew() {
    let host = Host::new();
    run_once(&host, vec![birth()]);
    let older = Host::new();
    copy(&host.root(), &older.root());
    run_once(&host, vec![vec![entries(2, 2, 1)]]);
    std::fs::remove_dir_all(host.root()).expect("removed");
    copy(&older.root(), &host.root());
    let refusal = host.open().expect_err("older").to_string();
    assert!(refusal.contains("older copy") && refusal.contains("1 times"), "{refusal}");
    reset(&host.root(), &host.birth(), &cluster("prod"), "prod", false).expect("reset");
    assert!(host.open().expect("anew").fresh);
    assert!(!host.birth().join("prod.reached").exists());
}

#[test]
fn a_note_of_the_log_that_cannot_be_read_or_is_anothers_only_means_knowing_less() {
    let host = Host::new();
    run_once(&host, vec![birth(), vec![entries(2, 2, 1)]]);
    let note = host.birth().join("prod.reached");
    let whole = std::fs::read(&note).expect("there");
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        std::fs::write(&note, changed).expect("changed");
        match host.open() {
            Ok(opened) => drop(opened),
            // Two places of the mark number its format: then a newer version seems to have written it.
            Err(newer) => {
                assert!(matches!(newer, DiskError::Newer { .. }) && (6..8).contains(&place))
            }
        }
        std::fs::write(&note, &whole[..place]).expect("cut");
        drop(host.open().expect("passed over"));
    }
    std::fs::write(&note, &whole).expect("put back");
    std::fs::remove_dir_all(host.root()).expect("erased");
    assert!(host.open().expect("another life").fresh);
}

#[test]
fn a_log_that_is_shorter_than_at_the_last_stop_is_refused() {
    let host = Host::new();
    run_once(&host, vec![birth(), vec![entries(2, 2, 1)]]);
    let file = host.life().join("log").join("log-00000000000000000001");
    let older = std::fs::read(&file).expect("read");
    run_once(&host, vec![vec![entries(3, 9, 1)]]);
    std::fs::write(&file, older).expect("rolled back");
    let refusal = host.recover().expect_err("shorter").to_string();
    assert!(refusal.contains("older copy"), "{refusal}");
}

#[test]
fn a_log_that_is_gone_together_with_its_mark_is_noticed_by_the_note_outside() {
    let host = Host::new();
    run_once(&host, vec![birth(), vec![entries(2, 2, 1)]]);
    run_once(&host, Vec::new());
    std::fs::remove_file(host.life().join("log").join("log-00000000000000000001")).expect("gone");
    std::fs::remove_file(host.life().join("store")).expect("gone");
    for _ in 0..2 {
        let refusal = host.recover().expect_err("lost").to_string();
        assert!(refusal.contains("the log of this host is gone"), "{refusal}");
        assert!(refusal.contains("quorate reset --set-aside --cluster prod"), "{refusal}");
    }
}
