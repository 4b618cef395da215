//! Hosts get new addresses: names are asked again soon, and nobody is dialled where it is not needed.

mod founding_world;

use founding_world::one::{One, ballot, config, founded, record, session};
use founding_world::{address_of, life};
use quorate_membership::{FoundingInput as Input, FoundingOutput as Output, Mode, OwnSlot};
use quorate_proto::{FoundingState, Session};
use std::net::SocketAddr;
use std::time::Duration;

const ALL: [usize; 3] = [0, 1, 2];

/// f1 of three that founded a cluster and is connected with the other two.
fn connected() -> One {
    let of_all = founded(record(&ALL, 3, Mode::Majority, ballot(1, 0)));
    let mut state = FoundingState::fresh(life(0, 0), &founding_world::cluster());
    state.founded = Some(of_all);
    let mut one = One::new(config(3, Mode::Majority), state);
    for slot in ALL {
        one.step(Input::Resolved { slot, addresses: vec![address_of(slot)], problem: None });
    }
    one.step(Input::OwnSlot(OwnSlot::Slot(0)));
    one.up(session(1, 1, 3, Mode::Majority));
    one.up(session(2, 2, 3, Mode::Majority));
    // Until the names were asked with all there, which is not repeated for half a minute.
    one.wait(Duration::from_secs(6));
    one.take();
    one
}

fn resolves(one: &mut One) -> usize {
    one.take().iter().filter(|output| matches!(output, Output::Resolve)).count()
}

fn dialled(one: &mut One) -> Vec<SocketAddr> {
    let address = |output: Output| match output {
        Output::Dial { address } => Some(address),
        _ => None,
    };
    one.take().into_iter().filter_map(address).collect()
}

#[test]
fn a_lost_seed_is_resolved_anew_after_a_second_and_then_every_five() {
    let mut one = connected();
    one.wait(Duration::from_secs(20));
    assert_eq!(resolves(&mut one), 0, "nothing is missing");
    one.step(Input::SessionDown { instance: life(1, 0), number: 1 });
    one.wait(Duration::from_millis(1_100));
    assert_eq!(resolves(&mut one), 1);
    one.wait(Duration::from_secs(10));
    assert_eq!(resolves(&mut one), 2);
}

#[test]
fn a_seed_that_its_name_finds_elsewhere_is_dialled_there_at_once() {
    let mut one = connected();
    one.step(Input::SessionDown { instance: life(1, 0), number: 1 });
    let moved: SocketAddr = "10.9.0.2:4747".parse().expect("valid");
    one.take();
    one.step(Input::Resolved { slot: 1, addresses: vec![moved], problem: None });
    assert!(dialled(&mut one).contains(&moved));
}

#[test]
fn a_seed_with_two_addresses_is_not_dialled_on_the_second_while_it_is_met_on_the_first() {
    let mut one = connected();
    let other: SocketAddr = "[fd00::2]:4747".parse().expect("valid");
    let addresses = vec![address_of(1), other];
    assert!(!one.founding.share_a_name(address_of(1), other), "its name does not say so yet");
    one.step(Input::Resolved { slot: 1, addresses, problem: None });
    assert!(one.founding.share_a_name(address_of(1), other));
    assert!(!one.founding.share_a_name(address_of(0), other), "that is another seed's");
    one.take();
    one.wait(Duration::from_secs(10));
    assert!(!dialled(&mut one).contains(&other));
    one.step(Input::SessionDown { instance: life(1, 0), number: 1 });
    one.wait(Duration::from_secs(1));
    let dialled = dialled(&mut one);
    assert!(dialled.contains(&other) && dialled.contains(&address_of(1)), "{dialled:?}");
}

#[test]
fn a_session_that_is_told_again_has_moved() {
    let mut one = connected();
    let moved: SocketAddr = "10.9.0.2:4747".parse().expect("valid");
    let mut again = session(1, 1, 3, Mode::Majority);
    again.address = moved;
    one.up(again);
    one.step(Input::Resolved { slot: 1, addresses: vec![moved], problem: None });
    one.take();
    one.wait(Duration::from_secs(10));
    assert!(!dialled(&mut one).contains(&moved), "it is met there");
}

#[test]
fn a_seed_whose_name_leads_to_a_host_that_is_met_elsewhere_is_not_dialled_for_ever() {
    let mut one = connected();
    // Its packets leave from another address than the one that its name says.
    let other: SocketAddr = "10.9.0.2:4747".parse().expect("valid");
    one.step(Input::SessionDown { instance: life(1, 0), number: 1 });
    let met = Session { address: other, advertised: false, ..session(1, 3, 3, Mode::Majority) };
    one.up(met.clone());
    one.take();
    one.wait(Duration::from_secs(1));
    assert!(dialled(&mut one).contains(&address_of(1)), "whose address that is must be seen");
    one.up(Session { dialled: Some(address_of(1)), ..met });
    one.take();
    one.wait(Duration::from_secs(20));
    assert_eq!(dialled(&mut one), [], "it led to a host that is there");
    one.wait(Duration::from_secs(15));
    assert!(dialled(&mut one).contains(&address_of(1)), "now and then it is looked at again");
    one.step(Input::SessionDown { instance: life(1, 0), number: 3 });
    one.take();
    one.wait(Duration::from_secs(1));
    assert!(dialled(&mut one).contains(&address_of(1)), "it is looked for");
}
