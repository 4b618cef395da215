//! Ways that are shut for a while, peers that start anew, and peers that are suddenly somewhere else.

use crate::flow::{Party, Plan, numbered, read, run};
use crate::quick;
use crate::stage::relay::{CALM, Dice, Relay};
use crate::stage::{Actor, Node, actor, eventually};
use quorate_proto::Lane;
use quorate_transport::{LinkReport, Timings, TransportEvent};
use std::collections::BTreeMap;
use std::time::Duration;

fn parties(relay: &Relay, numbers: &[u8], timings: Timings) -> Vec<Party> {
    let party = |number: &u8| {
        let others: Vec<u8> = numbers.iter().copied().filter(|other| other != number).collect();
        Party::new(relay.start_mortal(actor(*number), timings), relay, &others)
    };
    numbers.iter().map(party).collect()
}

fn plan(over: Duration) -> Plan {
    Plan { frames: 3_000, over, patience: over + Duration::from_secs(60) }
}

async fn one_way_is_shut(timings: Timings, time: Duration) -> Vec<LinkReport> {
    let relay = Relay::new(5, CALM);
    let both = parties(&relay, &[1, 2], timings);
    let faults = async {
        tokio::time::sleep(time / 2).await;
        relay.shut_for(1, 2, time).await;
    };
    let both = run(both, plan(time * 2), faults).await;
    both.iter().flat_map(|party| party.node.transport.links()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_of_silence_one_way_within_the_idle_time_costs_no_connection_and_no_frame() {
    for link in one_way_is_shut(Timings::default(), Duration::from_secs(1)).await {
        assert!(link.connections <= 2, "two when both dialled, {link:?}");
        assert!(link.retransmitted == 0 || link.connections == 2, "{link:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_of_silence_one_way_beyond_the_idle_time_costs_connections_and_no_frame() {
    let links = one_way_is_shut(quick(), Duration::from_secs(1)).await;
    assert!(links.iter().any(|link| link.retransmitted > 0), "{links:?}");
}

/// A sender and a receiver that is started again.
struct Restart {
    relay: Relay,
    sender: Node,
    sent: u64,
    dice: Dice,
}

impl Restart {
    fn new() -> (Self, Node) {
        let relay = Relay::new(11, CALM);
        let sender = relay.start(actor(1), quick());
        let receiver = relay.start(actor(2), quick());
        (Self { relay, sender, sent: 0, dice: Dice(1) }, receiver)
    }

    fn send(&mut self, count: u64) {
        for _ in 0..count {
            self.sent += 1;
            let frame = numbered(1, 1, self.sent, &mut self.dice);
            self.sender.transport.send(actor(2).instance(), self.relay.address(2), frame);
        }
    }

    fn link(&self) -> LinkReport {
        self.sender.transport.links().remove(0)
    }

    /// The first start of the receiver: it has 100 frames and has said so; then 100 of which the sender has not heard,
    /// and 100 more that are written and do not reach it. Then it is gone, without a word.
    async fn first_life(&mut self, mut receiver: Node) {
        self.send(100);
        assert_eq!(numbers(&mut receiver, 100).await, (1..=100).collect::<Vec<_>>());
        eventually(|| self.link().log_bytes == 0).await;
        self.relay.shut(2, 1, true);
        self.send(100);
        assert_eq!(numbers(&mut receiver, 100).await, (101..=200).collect::<Vec<_>>());
        self.relay.shut(1, 2, true);
        self.send(100);
        eventually(|| self.link().unacknowledged == 200 && self.link().waiting_log == 0).await;
        drop(receiver);
    }

    fn second_life(&self) -> Node {
        let again = Actor { generation: 2, nonce: 22, ..actor(2) };
        let node = self.relay.start(again, quick());
        self.relay.cut(1, 2, false);
        node
    }
}

async fn numbers(node: &mut Node, count: usize) -> Vec<u64> {
    let mut found = vec![];
    while found.len() < count {
        let number = node.until(|event| match event {
            TransportEvent::Frame { lane: Lane::Log, bytes, .. } => Some(read(&bytes).2),
            _ => None,
        });
        found.push(number.await);
    }
    found
}

async fn undelivered(node: &mut Node) {
    node.until(|event| matches!(event, TransportEvent::Undelivered { .. }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_anew_gets_what_was_never_written_and_the_rest_is_reported() {
    let (mut story, receiver) = Restart::new();
    story.first_life(receiver).await;
    story.sender.session_end().await;
    story.send(100);
    let mut again = story.second_life();
    assert_eq!(numbers(&mut again, 100).await, (301..=400).collect::<Vec<_>>());
    undelivered(&mut story.sender).await;
    assert_eq!(story.link().given_up.log_lost, 200);
    story.send(50);
    assert_eq!(numbers(&mut again, 50).await, (401..=450).collect::<Vec<_>>());
    eventually(|| story.link().log_bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_anew_before_its_end_was_noticed_gets_nothing_twice() {
    let (mut story, receiver) = Restart::new();
    story.first_life(receiver).await;
    // It dials at once, so that the sender learns of the end by the new start.
    let mut again = story.second_life();
    again.transport.dial(story.relay.address(1));
    undelivered(&mut story.sender).await;
    assert_eq!(story.link().given_up.log_lost, 200);
    story.send(50);
    assert_eq!(numbers(&mut again, 50).await, (301..=350).collect::<Vec<_>>());
}

/// Nodes are elsewhere from now on and say so in their hellos.
fn move_away(relay: &Relay, transports: &BTreeMap<u8, quorate_transport::Transport>, who: &[u8]) {
    for number in who {
        let advertise = Some(relay.move_away(*number));
        transports[number].set_hello(Actor { advertise, ..actor(*number) }.hello());
    }
}

fn transports(parties: &[Party]) -> BTreeMap<u8, quorate_transport::Transport> {
    let one = |party: &Party| (party.node.actor.number, party.node.transport.clone());
    parties.iter().map(one).collect()
}

const PAUSE: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_when_a_router_forgets_the_ports_of_one_peer_and_then_of_all() {
    let relay = Relay::new(21, CALM);
    let all = parties(&relay, &[1, 2, 3], quick());
    let faults = async {
        tokio::time::sleep(PAUSE).await;
        relay.rebind(1);
        tokio::time::sleep(PAUSE).await;
        for number in [1, 2, 3] {
            relay.rebind(number);
        }
    };
    run(all, plan(PAUSE * 4), faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_when_a_peer_moves_and_those_that_it_dials_learn_it_from_its_hello() {
    let relay = Relay::new(22, CALM);
    let all = parties(&relay, &[1, 2, 3], quick());
    let all: Vec<Party> = all.into_iter().map(Party::learning).collect();
    let transports = transports(&all);
    let faults = async {
        for number in [1, 2, 3] {
            tokio::time::sleep(PAUSE).await;
            move_away(&relay, &transports, &[number]);
        }
    };
    run(all, plan(PAUSE * 5), faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_when_all_peers_move_at_once_and_their_owners_hear_of_it() {
    let relay = Relay::new(23, CALM);
    let all = parties(&relay, &[1, 2, 3], quick());
    let transports = transports(&all);
    let faults = async {
        tokio::time::sleep(PAUSE).await;
        move_away(&relay, &transports, &[1, 2, 3]);
    };
    run(all, plan(PAUSE * 3), faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_moved_and_dialled_is_dialled_where_it_is_now_when_that_connection_is_lost() {
    let relay = Relay::new(24, CALM);
    let mut a = relay.start_mortal(actor(1), Timings::default());
    let mut b = relay.start_mortal(actor(2), Timings::default());
    a.transport.dial(relay.address(2));
    let before = a.session_up().await.address;
    b.session_up().await;
    let now = relay.move_away(2);
    b.transport.set_hello(Actor { advertise: Some(now), ..actor(2) }.hello());
    // Its end of the connection is reset; the other end still believes in it when the dial arrives.
    relay.kill(2, 1);
    b.transport.send(a.instance(), relay.address(1), numbered(2, 1, 1, &mut Dice(1)));
    let mut known = before;
    while known == before {
        // Its owner knows the address that sessions told.
        known = a.session_up().await.address;
    }
    assert_eq!(known, now);
    eventually(|| b.transport.links()[0].log_bytes == 0).await;
    relay.kill(1, 2);
    // From now on the peer has nothing to say, so that it does not dial.
    for number in 1..=2 {
        a.transport.send(b.instance(), known, numbered(1, 1, number, &mut Dice(1)));
    }
    assert_eq!(numbers(&mut b, 2).await, [1, 2]);
}
