//! What a leader says of links that are cut.

mod stage;

use quorate_proto::{EnvelopeBody, HealthEpoch, Lane, Pong, RelayedAcknowledgement};
use stage::{Stage, life};
use std::time::Duration;

#[test]
fn a_leader_names_whom_it_reaches_through_a_voter_only() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let named = |stage: &Stage| {
        let reasons = stage.node.status(stage.now).reasons;
        let cut = reasons.into_iter().filter(|reason| reason.code == "no-link");
        cut.filter_map(|reason| reason.subject).collect::<Vec<_>>()
    };
    assert_eq!(named(&stage), [""; 0]);
    let passes_on = |host: u8, of: u8| {
        let epoch = HealthEpoch::new(1);
        let acknowledged = vec![RelayedAcknowledgement { instance: life(of), epoch }];
        (host, EnvelopeBody::Pong(Pong { acknowledged, ..Pong::default() }))
    };
    // Of itself, by a host that is no member, and of one that is none, it says nothing.
    for (host, body) in [passes_on(2, 2), passes_on(5, 3), passes_on(2, 6)] {
        stage.say(host, Lane::Control, body);
        assert_eq!(named(&stage), [""; 0]);
    }
    for round in 0..11 {
        let (host, body) = passes_on(2, 3);
        stage.say(host, Lane::Control, body);
        let sure = ["n3"].into_iter().filter(|_| round == 10);
        assert_eq!(named(&stage), sure.collect::<Vec<_>>(), "after {round} tenths of a second");
        stage.acknowledge(2);
        stage.pass(Duration::from_millis(100));
    }
    stage.pass(Duration::from_secs(2));
    assert_eq!(named(&stage), [""; 0], "it does not go around any more");
}
