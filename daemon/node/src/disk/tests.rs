//! When a disk is called slow, silent or full, for whom its writes are, and what it asks for.

use super::*;
use crate::event::{Input, Output};
use crate::trial::Trial;

fn alarms(out: &[Output]) -> usize {
    let alarm =
        |output: &&Output| matches!(output, Output::Event(event) if event.kind() == "disk-stalled");
    out.iter().filter(alarm).count()
}

#[test]
fn a_disk_is_slow_when_most_of_its_newest_writes_were_late_and_well_again_when_few_are() {
    let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
    let mut pace = DiskPace::default();
    for write in 0..MANY_LATE as u64 {
        assert!(!pace.judge(at(write)) && pace.slow_since().is_none(), "{write} late writes");
        pace.note(at(write), LATE);
    }
    let now = MANY_LATE as u64;
    assert!(pace.judge(at(now)), "it is told once");
    assert!(!pace.judge(at(now)));
    assert_eq!(pace.slow_since(), Some(at(now)));
    for _ in 0..NEWEST - MANY_LATE + 4 {
        pace.note(at(now), LATE / 2);
    }
    assert!(!pace.judge(at(now)), "half as many are still late");
    pace.note(at(now), LATE / 2);
    assert!(pace.judge(at(now)) && pace.slow_since().is_none());
    (0..NEWEST).for_each(|_| pace.note(at(now), LATE));
    assert!(pace.judge(at(now)));
    assert!(pace.judge(at(now) + OF_LATE), "nothing was written for a minute");
}

#[test]
fn a_process_that_stood_still_does_not_blame_its_disk() {
    let mut trial = Trial::voter();
    // Its first writes are under way, and nobody says that they are durable.
    trial.now = trial.now + STALL * 10;
    assert_eq!(alarms(&trial.turn([Input::Wake])), 0);
    assert_eq!(alarms(&trial.pass(STALL - LOOK)), 0);
    assert_eq!(alarms(&trial.pass(LOOK * 2)), 1, "from now on it is silent for as long as any");
    trial.now = trial.now + STALL * 2;
    assert_eq!(alarms(&trial.turn([Input::Wake])), 0, "it still does not answer");
    let halts = |out: &[Output]| out.iter().any(|one| matches!(one, Output::Halt { .. }));
    assert!(!halts(&trial.pass(GIVE_UP - STALL - LOOK * 4)));
    assert!(halts(&trial.pass(LOOK * 6)), "30 s in which the process ran");
}

/// A room of its own, in a turn of its own.
fn room() -> (Disk, Turn) {
    (Disk::default(), Turn::new(Moment::from_micros(1_000_000), 0))
}

fn write() -> Write {
    Write::Log { group: GroupId::META, records: Vec::new() }
}

#[test]
fn what_is_durable_is_told_to_its_owners_in_order_and_once() {
    let (mut disk, mut turn) = room();
    for owner in [
        Owner::Log(GroupId::META, 7),
        Owner::Nobody,
        Owner::Founding(3),
        Owner::Log(GroupId::META, 8),
    ] {
        disk.write(&mut turn, owner, write());
    }
    let numbers = turn.out.iter().map(|output| match output {
        Output::Persist { number, .. } => *number,
        other => panic!("{other:?}"),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(disk.written(&turn, 0), []);
    assert_eq!(
        disk.written(&turn, 3),
        [Owner::Log(GroupId::META, 7), Owner::Nobody, Owner::Founding(3)]
    );
    assert_eq!(disk.written(&turn, 3), [], "once");
    assert_eq!(disk.written(&turn, 9), [Owner::Log(GroupId::META, 8)]);
}

#[test]
fn a_full_disk_is_told_once_and_asks_a_leader_to_hand_over_again_and_again() {
    let (mut disk, mut turn) = room();
    assert!(!disk.is_to_hand_over(&mut turn, true), "nothing is wrong");
    assert!(disk.filled(&mut turn, true) && !disk.filled(&mut turn, true));
    assert_eq!(turn.out.len(), 1);
    assert!(!disk.is_to_hand_over(&mut turn, false), "another leads");
    assert!(disk.is_to_hand_over(&mut turn, true));
    assert!(!disk.is_to_hand_over(&mut turn, true), "it takes a while");
    turn.now = turn.now + HAND_OVER_AGAIN;
    assert!(disk.is_to_hand_over(&mut turn, true), "the first came to nothing");
    // A write that waits for room does not make the disk silent.
    disk.write(&mut turn, Owner::Nobody, write());
    turn.now = turn.now + GIVE_UP;
    disk.look(&mut turn);
    let troubles: Vec<Trouble> = disk.troubles().map(|(trouble, _)| trouble).collect();
    assert_eq!(troubles, [Trouble::DiskFull]);
}

#[test]
fn a_write_that_waited_for_room_makes_no_silent_disk_when_there_is_room_again() {
    let troubles = |disk: &Disk| disk.troubles().map(|(trouble, _)| trouble).collect::<Vec<_>>();
    let halts = |turn: &Turn| turn.out.iter().any(|one| matches!(one, Output::Halt { .. }));
    let (mut disk, mut turn) = room();
    disk.filled(&mut turn, true);
    disk.write(&mut turn, Owner::Nobody, write());
    turn.now = turn.now + GIVE_UP * 2;
    // Room is told before the write that waited for it is.
    disk.filled(&mut turn, false);
    disk.look(&mut turn);
    assert!(!halts(&turn) && troubles(&disk).is_empty());
    turn.now = turn.now + STALL;
    disk.look(&mut turn);
    assert_eq!(troubles(&disk), [Trouble::DiskStalled], "it had room for as long as any");
    disk.filled(&mut turn, true);
    turn.now = turn.now + GIVE_UP;
    disk.filled(&mut turn, false);
    disk.look(&mut turn);
    assert_eq!(troubles(&disk), [Trouble::DiskStalled], "it was silent before it was full");
    assert!(!halts(&turn), "but not for so long");
    turn.now = turn.now + GIVE_UP;
    disk.look(&mut turn);
    assert!(halts(&turn));
}
