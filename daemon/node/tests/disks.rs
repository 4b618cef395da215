//! What a leader is told of other hosts' disks, and what all others hear of it.

mod stage;

use quorate_node::{Input, Output};
use quorate_proto::{EnvelopeBody, Instance, Lane, ReasonCode, Warning, WarningKind, Warnings};
use stage::{Stage, address, life, name, said_to};
use std::time::Duration;

fn told(list: Vec<Warning>) -> EnvelopeBody {
    EnvelopeBody::Warnings(Warnings { list, choices: Vec::new() })
}

fn slow(host: u8) -> Warning {
    Warning {
        kind: WarningKind::DiskSlow.into(),
        instance: life(host),
        name: name(host).to_string(),
        address: address(host).into(),
        ..Warning::default()
    }
}

/// To whom how many warnings are told.
fn lists(said: &[Output]) -> Vec<(Instance, usize)> {
    let count = |(to, body)| match body {
        EnvelopeBody::Warnings(told) => Some((to, told.list.len())),
        _ => None,
    };
    said_to(said).filter_map(count).collect()
}

fn is_slow(stage: &Stage) -> bool {
    let reasons = stage.node.status(stage.now).reasons;
    reasons.iter().any(|reason| reason.code == ReasonCode::DiskSlow)
}

#[test]
fn a_leader_hears_from_a_host_that_its_disk_is_well_and_tells_all_at_once() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let moment = Duration::from_millis(1);
    let mut said = stage.say(3, Lane::Control, told(vec![slow(3)]));
    said.extend(stage.pass(moment));
    assert_eq!(lists(&said), [(life(2), 1), (life(3), 1)]);
    let mut said = stage.say(2, Lane::Control, told(vec![slow(2)]));
    said.extend(stage.say(2, Lane::Control, told(Vec::new())));
    said.extend(stage.pass(moment));
    assert!(is_slow(&stage), "host 2 speaks for its own disk: {said:?}");
    let mut said = stage.say(3, Lane::Control, told(Vec::new()));
    said.extend(stage.pass(moment));
    assert_eq!(lists(&said), [(life(2), 0), (life(3), 0)]);
    assert!(!is_slow(&stage));
}

#[test]
fn without_a_leader_a_host_is_believed_about_its_own_disk_and_about_nobody_elses() {
    let mut stage = Stage::new(1);
    assert_eq!(stage.leader(), None);
    stage.say(3, Lane::Control, told(vec![slow(2)]));
    assert!(!is_slow(&stage), "host 2 says nothing of it");
    stage.say(3, Lane::Control, told(vec![slow(3)]));
    assert!(is_slow(&stage));
    stage.say(2, Lane::Control, told(Vec::new()));
    assert!(is_slow(&stage));
    stage.say(3, Lane::Control, told(Vec::new()));
    assert!(!is_slow(&stage), "it is well again");
}

#[test]
fn all_voters_are_there_only_while_no_disk_of_theirs_is_full_or_silent() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let all = |stage: &Stage| stage.node.status(stage.now).all_voters;
    assert!(all(&stage));
    stage.say(3, Lane::Control, told(vec![slow(3)]));
    assert!(all(&stage), "one that is slow acknowledges");
    let full = Warning { kind: WarningKind::DiskFull.into(), ..slow(3) };
    stage.say(3, Lane::Control, told(vec![full]));
    assert!(!all(&stage));
    stage.say(3, Lane::Control, told(Vec::new()));
    assert!(all(&stage));
    stage.give(Input::DiskFull(true));
    assert!(!all(&stage), "its own");
}
