//! A copy of a disk that came while the original was connected: it does not get the place of the original that leaves.

mod stage;

use quorate_node::{Input, Output};
use quorate_proto::{DialFailure, Session, SessionEnd};
use stage::{Stage, address, key, life};
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
    assert!(reasons(&stage)[0].text.starts_with("n3 does"), "2 listens again");
    assert!(reasons(&stage)[0].remedy.contains("(most likely this one)"), "it has no quorum");
    stage.ping(2, 2, Some(stage::view(1, Vec::new())));
    assert!(reasons(&stage)[0].remedy.contains("(most likely the other"), "now it has one");
    stage.pass(Duration::from_secs(30));
    assert_eq!(reasons(&stage), []);
}
