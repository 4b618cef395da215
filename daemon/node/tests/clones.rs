//! A copy of a disk that came while the original was connected: it does not get the place of the original that leaves.

mod stage;

use quorate_node::{Input, MadeOn, Output};
use quorate_proto::{
    Choice, DialFailure, EnvelopeBody, Generation, HealthEpoch, Lane, MemberState, Pong, Role,
    Session, SessionEnd, Warnings,
};
use stage::{Stage, address, key, life, said_to};
use std::net::SocketAddr;
use std::time::Duration;

/// Where the copy of the disk of host 2 runs.
const ELSEWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9)), 4747);

/// A start of host 2, as its hello says from an address.
fn start_of_2(number: u64, generation: u64, from: SocketAddr) -> Session {
    let nonce = u64::from(from.port()) * 1_000 + u64::from(from == ELSEWHERE) * 100 + generation;
    Session { address: from, ..Stage::session(number, 2, key(2), generation, nonce) }
}

fn turned_away(said: &[Output]) -> Vec<u64> {
    let numbers = said.iter().filter_map(|output| match output {
        Output::TurnAway { instance, number } if *instance == life(2) => Some(*number),
        _ => None,
    });
    numbers.collect()
}

/// Host 1, connected with host 2, of whose disk a copy came.
fn warned() -> Stage {
    let mut stage = Stage::new(1);
    stage.give(Input::SessionUp(start_of_2(50, 2, address(2))));
    let said = stage.give(Input::Twice(start_of_2(51, 3, ELSEWHERE)));
    assert_eq!(turned_away(&said), [], "the transport did that");
    stage
}

fn leaves(stage: &mut Stage, number: u64) {
    stage.give(Input::SessionDown { instance: life(2), number, end: SessionEnd::Closed });
}

fn is_connected_from(stage: &Stage, from: Option<SocketAddr>) {
    let sessions = stage.node.status(stage.now).sessions;
    let found = sessions.iter().find(|(instance, ..)| *instance == life(2));
    assert_eq!(found.map(|(.., address)| *address), from);
}

#[test]
fn a_copy_that_is_known_does_not_get_the_place_of_the_original_that_leaves() {
    let mut stage = warned();
    leaves(&mut stage, 50);
    for (number, generation) in [(52, 3), (53, 4), (54, 9)] {
        let said = stage.give(Input::SessionUp(start_of_2(number, generation, ELSEWHERE)));
        assert_eq!(turned_away(&said), [number], "with each of its starts");
        is_connected_from(&stage, None);
    }
    let said = stage.give(Input::SessionUp(start_of_2(55, 3, address(2))));
    assert_eq!(turned_away(&said), []);
    is_connected_from(&stage, Some(address(2)));
}

#[test]
fn a_copy_gets_the_place_when_the_original_was_away_for_minutes() {
    let mut stage = warned();
    leaves(&mut stage, 50);
    stage.pass(Duration::from_secs(299));
    let said = stage.give(Input::SessionUp(start_of_2(52, 3, ELSEWHERE)));
    assert_eq!(turned_away(&said), [52]);
    stage.pass(Duration::from_secs(1));
    let said = stage.give(Input::SessionUp(start_of_2(53, 3, ELSEWHERE)));
    assert_eq!(turned_away(&said), []);
    is_connected_from(&stage, Some(ELSEWHERE));
}

#[test]
fn a_copy_that_moves_does_not_get_the_place_and_an_original_that_had_moved_keeps_it() {
    let (mut stage, other) = (warned(), SocketAddr::from(([10, 0, 0, 77], 4747)));
    stage.give(Input::SessionUp(start_of_2(50, 2, other)));
    stage.give(Input::Twice(start_of_2(51, 3, ELSEWHERE)));
    leaves(&mut stage, 50);
    let third = SocketAddr::from(([10, 0, 0, 78], 4747));
    let said = stage.give(Input::SessionUp(start_of_2(52, 3, third)));
    assert_eq!(turned_away(&said), [52]);
    for (number, there) in [(53, other), (54, address(2))] {
        let said = stage.give(Input::SessionUp(start_of_2(number, number, there)));
        assert_eq!(turned_away(&said), []);
        is_connected_from(&stage, Some(there));
    }
}

#[test]
fn a_copy_that_says_the_address_of_the_original_is_known_by_its_start() {
    let mut stage = Stage::new(1);
    stage.give(Input::SessionUp(start_of_2(50, 2, address(2))));
    let copy = |number| Session { boot_nonce: 77, ..start_of_2(number, 3, address(2)) };
    stage.give(Input::Twice(copy(51)));
    leaves(&mut stage, 50);
    assert_eq!(turned_away(&stage.give(Input::SessionUp(copy(52)))), [52]);
    let said = stage.give(Input::SessionUp(start_of_2(53, 3, address(2))));
    assert_eq!(turned_away(&said), []);
    is_connected_from(&stage, Some(address(2)));
}

#[test]
fn an_earlier_start_is_turned_away_and_hears_it() {
    let mut stage = Stage::new(1);
    stage.give(Input::SessionUp(start_of_2(50, 5, address(2))));
    leaves(&mut stage, 50);
    let said = stage.give(Input::SessionUp(start_of_2(51, 4, address(2))));
    assert_eq!(turned_away(&said), [51]);
    is_connected_from(&stage, None);
}

#[test]
fn who_is_turned_away_says_so_until_it_is_listened_to_again() {
    let mut stage = Stage::new(1);
    let reasons = |stage: &Stage| {
        let all = stage.node.status(stage.now).reasons;
        all.into_iter().filter(|reason| reason.code == "turned-away").collect::<Vec<_>>()
    };
    assert_eq!(reasons(&stage), []);
    let failure = DialFailure::Twice;
    leaves(&mut stage, 1);
    stage.give(Input::DialFailed { address: address(2), failure: failure.clone() });
    let said = reasons(&stage);
    assert!(said[0].text.starts_with("n2 does not listen to this host"), "{said:?}");
    assert!(said[0].remedy.contains("quorate reset --cluster stage"), "{said:?}");
    let end = SessionEnd::Twice;
    stage.give(Input::SessionDown { instance: life(3), number: 2, end });
    assert!(reasons(&stage)[0].text.contains("n2, n3 do not listen"));
    assert_eq!(stage.events.iter().filter(|it| it.starts_with("clone: ")).count(), 1);
    let end = SessionEnd::Twice;
    stage.give(Input::SessionDown { instance: life(5), number: 4, end });
    stage.give(Input::DialFailed { address: address(6), failure });
    assert!(!reasons(&stage)[0].text.contains("10.0.0."), "who is no member has no word");
    stage.meet(2, key(2));
    stage.pass(Duration::from_millis(900));
    assert!(reasons(&stage)[0].text.contains("n2, n3 do not"), "it may be turned away again");
    stage.pass(Duration::from_millis(100));
    assert!(reasons(&stage)[0].text.starts_with("n3 does"), "2 listens again");
    assert!(reasons(&stage)[0].remedy.contains("(most likely this one)"), "it has no quorum");
    let term = stage.term() + 1;
    stage.heartbeat(2, term, 1);
    stage.ping(2, term, Some(stage::view(1, Vec::new())));
    assert!(reasons(&stage)[0].remedy.contains("(most likely the other"), "now it has one");
    stage.pass(Duration::from_secs(30));
    assert_eq!(reasons(&stage), []);
}

/// Host 1, whose data were made there, turned away by host 2; what it is advised.
fn turned_away_with_data_made(on: MadeOn) -> String {
    let mut stage = Stage::made_on(1, on, 1_000);
    let end = SessionEnd::Twice;
    stage.give(Input::SessionDown { instance: life(2), number: 1, end });
    let reasons = stage.node.status(stage.now).reasons;
    reasons.into_iter().find(|reason| reason.code == "turned-away").expect("it is told").remedy
}

#[test]
fn a_host_whose_data_were_made_there_is_not_called_the_copy() {
    let here = turned_away_with_data_made(MadeOn::This);
    assert!(here.contains("made on this machine: it is the other"), "{here}");
    assert!(!here.contains("most likely this one"), "{here}");
    let moved = turned_away_with_data_made(MadeOn::Another);
    assert!(moved.contains("most likely this one, whose data were made on another"), "{moved}");
}

#[test]
fn a_host_with_data_from_elsewhere_says_so_at_its_start() {
    for (on, times) in [(MadeOn::This, 0), (MadeOn::Unknown, 0), (MadeOn::Another, 1)] {
        let stage = Stage::made_on(1, on, 1_000);
        let told = stage.events.iter().filter(|event| event.starts_with("moved: "));
        assert_eq!(told.count(), times, "{on:?}");
    }
}

/// What is advised when a start of host 2 comes beside one that is connected, each with data from elsewhere or not.
fn advice(standing: bool, comer: bool) -> String {
    let mut stage = Stage::new(1);
    stage.ping(2, 2, Some(stage::view(1, Vec::new())));
    stage.give(Input::SessionUp(Session { moved: standing, ..start_of_2(50, 2, address(2)) }));
    stage.give(Input::Twice(Session { moved: comer, ..start_of_2(51, 3, ELSEWHERE) }));
    let reasons = stage.node.status(stage.now).reasons;
    reasons.into_iter().find(|reason| reason.code == "clone").expect("it is told").remedy
}

#[test]
fn the_copy_is_the_one_whose_data_were_made_elsewhere() {
    let comer = format!("the one at {ELSEWHERE}");
    let standing = format!("the one at {}", address(2));
    let moved = "whose data were made on another machine";
    for (came_first, said) in [(false, &comer), (true, &standing)] {
        let advice = advice(came_first, !came_first);
        assert!(advice.contains(&format!("{said}, {moved}")), "{advice}");
    }
    for both in [false, true] {
        let advice = advice(both, both);
        assert!(advice.contains(&comer) && !advice.contains(moved), "{advice}");
    }
}

#[test]
fn a_goodbye_ends_the_start_that_was_met_and_not_a_copy_that_counts_alike() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let start = Stage::session(50, 3, key(3), 2, 33);
    stage.give(Input::SessionUp(start));
    stage.acknowledge(2);
    for (boot_nonce, state) in [(34, MemberState::Alive), (33, MemberState::Left)] {
        let (instance, generation) = (life(3), Generation::new(2));
        stage.give(Input::Farewell { instance, generation, boot_nonce, key: key(3) });
        stage.acknowledge(2);
        let view = stage.node.status(stage.now).view.clone();
        let member = view.members.iter().find(|member| member.instance == life(3));
        assert_eq!(member.expect("a member").state(), state);
    }
}

/// A voter that follows host 2 in term 2.
fn follower() -> Stage {
    let mut stage = Stage::new(1);
    stage.heartbeat(2, 2, 1);
    stage.ping(2, 2, None);
    stage
}

/// It hears its leader every 200 ms.
fn hears_its_leader(stage: &mut Stage, times: u32) {
    for _ in 0..times {
        stage.ping(2, 2, None);
        stage.pass(Duration::from_millis(200));
    }
}

/// A leader whom host 2 answers every 100 ms; what it says.
fn leads_on(stage: &mut Stage, times: u64) -> Vec<Output> {
    let mut said = Vec::new();
    for number in 0..times {
        let epoch = HealthEpoch::new(stage.epoch());
        let pong = EnvelopeBody::Pong(Pong { number, epoch, ..Pong::default() });
        stage.say(2, Lane::Control, pong);
        stage.acknowledge(2);
        said.extend(stage.pass(Duration::from_millis(100)));
    }
    said
}

/// The leader, host 2, says to which start of host 3 it listens.
fn leader_chooses(stage: &mut Stage, boot_nonce: u64) -> Vec<Output> {
    chooses(stage, 2, boot_nonce)
}

/// Any host says so.
fn chooses(stage: &mut Stage, host: u8, boot_nonce: u64) -> Vec<Output> {
    let choices = vec![Choice { instance: life(3), boot_nonce }];
    let told = Warnings { list: Vec::new(), choices };
    stage.say(host, Lane::Control, EnvelopeBody::Warnings(told))
}

/// A start of host 3.
fn start_of_3(number: u64, generation: u64, nonce: u64, from: SocketAddr) -> Session {
    Session { address: from, ..Stage::session(number, 3, key(3), generation, nonce) }
}

/// To which start of host 3 a node listens.
fn listens_to(said: &[Output]) -> bool {
    !said.iter().any(|one| matches!(one, Output::TurnAway { instance, .. } if *instance == life(3)))
}

#[test]
fn nodes_that_met_two_copies_of_one_disk_follow_the_choice_of_the_leader() {
    let mut stage = follower();
    // The copy came first, and is in a later start than the original, which the leader has met first.
    stage.give(Input::SessionUp(start_of_3(50, 4, 44, ELSEWHERE)));
    stage.give(Input::Twice(start_of_3(51, 2, 22, address(3))));
    stage.ping(2, 2, None);
    assert!(listens_to(&leader_chooses(&mut stage, 22)), "it may be the next start of that host");
    stage.pass(Duration::from_millis(400));
    hears_its_leader(&mut stage, 4);
    assert!(listens_to(&leader_chooses(&mut stage, 44)), "it is the one");
    assert!(!listens_to(&leader_chooses(&mut stage, 22)));
    let end = SessionEnd::Closed;
    stage.give(Input::SessionDown { instance: life(3), number: 50, end });
    let copy = start_of_3(52, 5, 55, ELSEWHERE);
    assert!(!listens_to(&stage.give(Input::SessionUp(copy))), "in none of its starts");
    assert!(listens_to(&stage.give(Input::SessionUp(start_of_3(53, 2, 22, address(3))))));
}

#[test]
fn a_choice_of_anybody_but_the_leader_moves_nothing() {
    let mut stage = follower();
    stage.give(Input::SessionUp(start_of_3(50, 4, 44, ELSEWHERE)));
    hears_its_leader(&mut stage, 10);
    for host in [3, 4] {
        assert!(listens_to(&chooses(&mut stage, host, 22)));
    }
    // A leader makes its own choice.
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    let met = Session { advertised: false, ..start_of_3(60, 4, 44, ELSEWHERE) };
    stage.give(Input::SessionUp(met));
    leads_on(&mut stage, 12);
    assert!(listens_to(&leader_chooses(&mut stage, 22)), "2 does not lead");
    assert!(stage.node.vitals().leads_in.is_some());
}

#[test]
fn a_leader_says_to_which_of_two_starts_it_listens() {
    let mut stage = Stage::leading();
    stage.acknowledge(2);
    stage.give(Input::SessionUp(start_of_3(50, 2, 22, address(3))));
    stage.acknowledge(2);
    let mut said = stage.give(Input::Twice(start_of_3(51, 4, 44, ELSEWHERE)));
    said.extend(stage.pass(Duration::from_millis(100)));
    assert_eq!(choices(&said), [22]);
    // Who has no connection with it chooses nobody: it may be there for others, or come back.
    let end = SessionEnd::Closed;
    stage.give(Input::SessionDown { instance: life(3), number: 50, end });
    let (instance, generation) = (life(3), Generation::new(2));
    stage.give(Input::Farewell { instance, generation, boot_nonce: 22, key: key(3) });
    stage.acknowledge(2);
    let mut said = stage.give(Input::SessionUp(start_of_3(52, 5, 55, ELSEWHERE)));
    said.extend(leads_on(&mut stage, 30));
    assert_eq!(choices(&said), [0; 0]);
}

/// To which starts of host 3 a leader says that it listens.
fn choices(said: &[Output]) -> Vec<u64> {
    let told = said_to(said).filter_map(|(_, body)| match body {
        EnvelopeBody::Warnings(told) => Some(told.choices),
        _ => None,
    });
    let mut choices: Vec<u64> = told.flatten().map(|choice| choice.boot_nonce).collect();
    choices.dedup();
    choices
}

#[test]
fn what_was_said_of_copies_of_a_disk_goes_with_the_disk() {
    let mut stage = Stage::new(1);
    stage.ping(2, 2, Some(stage::view(1, Vec::new())));
    stage.give(Input::Twice(start_of_3(51, 2, 22, address(3))));
    let told = |stage: &Stage| {
        let reasons = stage.node.status(stage.now).reasons;
        reasons.into_iter().filter(|reason| reason.code == "clone").collect::<Vec<_>>()
    };
    assert_eq!(told(&stage).len(), 1);
    assert!(told(&stage)[0].text.contains("went back"), "one address: {:?}", told(&stage));
    stage.give(Input::Twice(start_of_3(52, 3, 33, address(3))));
    assert_eq!(told(&stage).len(), 1, "its next start is the same news");
    // Its successor is a member in its place.
    let left = [1, 2].map(|host| stage::member(host, key(host), Role::Voter));
    let view = stage::whole(2, left.to_vec());
    stage.ping(2, 2, Some(view));
    assert_eq!(told(&stage), []);
}

#[test]
fn an_original_gets_its_place_back_from_a_copy_that_came_first_and_left() {
    let mut stage = Stage::new(1);
    stage.give(Input::SessionUp(Session { moved: true, ..start_of_2(50, 2, ELSEWHERE) }));
    stage.give(Input::Twice(start_of_2(51, 2, address(2))));
    leaves(&mut stage, 50);
    let another =
        Session { moved: true, ..start_of_2(52, 3, SocketAddr::from(([10, 0, 0, 77], 4747))) };
    assert_eq!(turned_away(&stage.give(Input::SessionUp(another))), [52], "another copy");
    // At an address that nobody has seen it at.
    let place = SocketAddr::from(([10, 0, 0, 78], 4747));
    let said = stage.give(Input::SessionUp(start_of_2(53, 3, place)));
    assert_eq!(turned_away(&said), [], "the one whose data were made where it is");
    is_connected_from(&stage, Some(place));
}

#[test]
fn what_was_known_of_two_stays_known_when_one_has_left() {
    let mut stage = Stage::new(1);
    stage.ping(2, 2, Some(stage::view(1, Vec::new())));
    stage.give(Input::SessionUp(Session { moved: true, ..start_of_2(50, 2, ELSEWHERE) }));
    let says = |stage: &Stage| {
        let reasons = stage.node.status(stage.now).reasons;
        let it = reasons.into_iter().find(|it| it.code == "clone").expect("it is told").remedy;
        assert!(it.contains(&format!("the one at {ELSEWHERE}, whose data")), "{it}");
    };
    stage.give(Input::Twice(start_of_2(51, 2, address(2))));
    says(&stage);
    leaves(&mut stage, 50);
    // The original comes as an earlier start, which was used already.
    stage.give(Input::SessionUp(start_of_2(52, 2, address(2))));
    says(&stage);
}

#[test]
fn a_copy_that_says_the_address_of_the_original_is_named_where_it_is() {
    let mut stage = Stage::new(1);
    stage.ping(2, 2, Some(stage::view(1, Vec::new())));
    stage.give(Input::SessionUp(start_of_2(50, 2, address(2))));
    let copy = |number| Session {
        source: Some(ELSEWHERE),
        boot_nonce: 9,
        ..start_of_2(number, 3, address(2))
    };
    stage.give(Input::Twice(copy(51)));
    leaves(&mut stage, 50);
    stage.give(Input::SessionUp(copy(52)));
    stage.give(Input::SessionUp(start_of_2(53, 3, address(2))));
    let reasons = stage.node.status(stage.now).reasons;
    let told: Vec<_> = reasons.iter().filter(|it| it.code == "clone").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].text.contains(&format!("n2 at {ELSEWHERE}")), "{told:?}");
}

#[test]
fn a_host_at_its_committed_address_is_not_turned_away_for_an_earlier_start_of_it() {
    let mut stage = follower();
    stage.give(Input::SessionUp(start_of_3(50, 2, 22, address(3))));
    hears_its_leader(&mut stage, 8);
    // The leader is cut off from it and has not noticed that it was started again.
    assert!(listens_to(&leader_chooses(&mut stage, 11)));
}
