//! What is kept of warnings, for how long, and what makes way.

use super::*;
use crate::trial::{Trial, life};
use quorate_proto::{Address, Lane, ReasonCode};

fn at(seconds: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(seconds)
}

fn copy(number: u8, name: &str) -> Warning {
    Warning {
        kind: WarningKind::RunsTwice.into(),
        instance: Instance::from_bytes([number; 16]),
        name: name.to_owned(),
        address: SocketAddr::from(([10, 0, 0, number], 4747)).into(),
        ..Warning::default()
    }
}

#[test]
fn each_is_new_once_and_again_when_it_was_forgotten() {
    let mut warnings = Warnings::default();
    assert!(warnings.note(at(0), copy(1, "n1"), false));
    assert!(!warnings.note(at(50), copy(1, "n1"), true));
    assert!(!warnings.note(at(69), copy(1, "n1"), true), "what is told keeps it too");
    assert!(warnings.note(at(89), copy(1, "n1"), true), "nobody saw it or told of it since");
    warnings.forget(WarningKind::RunsTwice, Instance::from_bytes([1; 16]));
    assert!(warnings.entries.is_empty());
}

#[test]
fn what_another_node_told_is_not_passed_on_as_seen_here() {
    let mut warnings = Warnings::default();
    warnings.note(at(0), copy(1, "n1"), true);
    let entry = warnings.entries.values().next().expect("noted");
    assert!(entry.is_fresh(at(19)) && !entry.is_seen(at(0)));
    assert!(!entry.is_fresh(at(20)));
}

#[test]
fn more_than_there_is_room_for_and_what_cannot_be_shown_is_not_kept() {
    let mut warnings = Warnings::default();
    for number in 1..=limits::WARNINGS + 5 {
        let number = u8::try_from(number).expect("few");
        let kept = warnings.note(at(0), copy(number, "n1"), true);
        assert_eq!(kept, usize::from(number) <= limits::WARNINGS);
    }
    let slow = |number| Warning { kind: WarningKind::DiskSlow.into(), ..copy(number, "n1") };
    let mut warnings = Warnings::default();
    for number in 1..=16 {
        assert!(warnings.note(at(0), slow(number), true));
    }
    assert!(warnings.note(at(0), copy(1, "n1"), true), "a copy takes the place of a slow disk");
    assert!(!warnings.note(at(0), slow(16), true), "and not the other way round");
    assert_eq!(warnings.entries.len(), limits::WARNINGS);
    let mut warnings = Warnings::default();
    assert!(!warnings.note(at(0), copy(1, "\u{1b}[2J"), true), "no name");
    assert!(!warnings.note(at(0), Warning { kind: 99, ..copy(1, "n1") }, true), "no kind");
    let nowhere = Warning { address: Address::default(), ..copy(1, "n1") };
    assert!(!warnings.note(at(0), nowhere, true), "no address");
}

fn disk_reasons(trial: &Trial) -> Vec<ReasonCode> {
    let reasons = trial.node.status(trial.now).reasons.into_iter();
    let of_disk = |code: &ReasonCode| matches!(code, ReasonCode::DiskSlow | ReasonCode::DiskFull);
    reasons.map(|reason| reason.code).filter(of_disk).collect()
}

fn told(list: Vec<Warning>) -> EnvelopeBody {
    EnvelopeBody::Warnings(Told { list, choices: Vec::new() })
}

fn of_disk(kind: WarningKind, host: u8) -> Warning {
    Warning { kind: kind.into(), instance: life(host), ..copy(host, &format!("n{host}")) }
}

#[test]
fn what_a_leader_tells_of_disks_is_over_with_the_first_list_that_lacks_it() {
    let mut trial = Trial::member_under_2(5);
    let slow = of_disk(WarningKind::DiskSlow, 3);
    let full = of_disk(WarningKind::DiskFull, 3);
    trial.hears(2, Lane::Control, told(vec![slow.clone(), full.clone(), copy(7, "n7")]));
    assert_eq!(disk_reasons(&trial).len(), 2);
    trial.hears(2, Lane::Control, told(vec![full]));
    assert_eq!(disk_reasons(&trial), [ReasonCode::DiskFull]);
    trial.hears(2, Lane::Control, told(Vec::new()));
    assert!(disk_reasons(&trial).is_empty());
    let reasons = trial.node.status(trial.now).reasons.into_iter();
    let copies = reasons.filter(|reason| reason.code == ReasonCode::Clone);
    assert_eq!(copies.count(), 1, "a copy may come again without being seen at once");
    trial.hears(2, Lane::Control, told(vec![slow]));
    trial.hears(3, Lane::Control, told(Vec::new()));
    assert_eq!(disk_reasons(&trial), [ReasonCode::DiskSlow], "no other host speaks for all");
}
