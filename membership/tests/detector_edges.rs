//! One detector alone, at the edges: strangers' bytes, full tables, other nodes' questions.

use bytes::Bytes;
use quorate_membership::{Detector, DetectorConfig, DetectorInput, DetectorOutput, Profile};
use quorate_proto::detector_message::Body;
use quorate_proto::{
    Address, Card, ClusterName, ConfirmAnswer, ConfirmAsk, DetectorMessage, Digest, Generation,
    Goodbye, Instance, LifeAnswer, LifeProbe, Moment, NodeKey, NodeName, Session, Verdict, limits,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const ME: u64 = 1;

fn instance(number: u64) -> Instance {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Instance::from_bytes(bytes)
}

fn address(number: u64) -> SocketAddr {
    let port = u16::try_from(number % 60_000 + 1).expect("fits");
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn session(number: u64, generation: u64) -> Session {
    Session {
        number: number * 100 + generation,
        instance: instance(number),
        generation: Generation::new(generation),
        boot_nonce: generation,
        name: NodeName::new(&format!("h{number}")).expect("a name"),
        cluster: ClusterName::new("test").expect("a name"),
        key: NodeKey::default(),
        address: address(number),
        advertised: true,
        dialled: None,
        cluster_id: None,
        digest: Digest::default(),
        seeds: Vec::new(),
        moved: false,
        voters: 0,
        software: String::new(),
        levels: quorate_proto::Levels::HERE,
        source: None,
    }
}

/// A detector and its clock.
struct Node {
    now: Moment,
    me: u64,
    detector: Detector,
}

impl Node {
    fn new(me: u64) -> Self {
        Self::started(me, 1)
    }

    fn started(me: u64, generation: u64) -> Self {
        let now = Moment::from_micros(1_000);
        let config = DetectorConfig {
            me: instance(me),
            generation: Generation::new(generation),
            seed: me,
            profile: Profile::default(),
        };
        Self { now, me, detector: Detector::new(now, config) }
    }

    fn feed(&mut self, input: DetectorInput) -> Vec<DetectorOutput> {
        let mut out = Vec::new();
        self.detector.step(self.now, input, &mut out);
        out
    }

    /// Lets time pass, waking it whenever it wants.
    fn run(&mut self, millis: u64) -> Vec<DetectorOutput> {
        let end = self.now + Duration::from_millis(millis);
        let mut out = Vec::new();
        while let Some(wake) = self.detector.next_wake().filter(|wake| *wake <= end) {
            self.now = wake;
            self.detector.step(wake, DetectorInput::Wake, &mut out);
        }
        self.now = end;
        out
    }

    fn message(&mut self, from: u64, body: Body) -> Vec<DetectorOutput> {
        let message = DetectorMessage { body: Some(body) };
        self.feed(DetectorInput::Message { from: instance(from), message })
    }

    fn ask(&mut self, from: u64, subject: u64) -> Vec<DetectorOutput> {
        self.ask_with(from, subject, 0)
    }

    fn ask_with(&mut self, from: u64, subject: u64, patience_ms: u32) -> Vec<DetectorOutput> {
        let ask = ConfirmAsk {
            number: 77,
            subject: instance(subject),
            generation: Generation::new(1),
            address: Some(Address::from(address(subject))),
            patience_ms,
        };
        self.message(from, Body::Ask(ask))
    }

    fn meet(&mut self, number: u64, generation: u64) -> Vec<DetectorOutput> {
        self.feed(DetectorInput::SessionUp(session(number, generation)))
    }

    fn verdict(&self, number: u64) -> Option<Verdict> {
        self.detector.verdict(instance(number)).map(|opinion| opinion.verdict)
    }
}

/// The answers among outputs: to whom, and whether "heard".
fn answers(out: &[DetectorOutput]) -> Vec<(Instance, bool)> {
    let answer = |output: &DetectorOutput| match output {
        DetectorOutput::Send { to, message } => match &message.body {
            Some(Body::Answer(answer)) => Some((*to, answer.heard)),
            _ => None,
        },
        _ => None,
    };
    out.iter().filter_map(answer).collect()
}

fn bodies(out: &[DetectorOutput], to: u64) -> Vec<Body> {
    let body = |output: &DetectorOutput| match output {
        DetectorOutput::Send { to: whom, message } if *whom == instance(to) => message.body.clone(),
        _ => None,
    };
    out.iter().filter_map(body).collect()
}

fn packets(out: &[DetectorOutput]) -> Vec<(Instance, Bytes)> {
    let packet = |output: &DetectorOutput| match output {
        DetectorOutput::Datagram { to, bytes, .. } => Some((*to, bytes.clone())),
        _ => None,
    };
    out.iter().filter_map(packet).collect()
}

/// Carries packets between nodes until all are silent; gives from whom to whom each went.
fn exchange(
    nodes: &mut [Node],
    mut out: Vec<(usize, Vec<DetectorOutput>)>,
) -> BTreeSet<(Instance, Instance)> {
    let mut carried = BTreeSet::new();
    while let Some((from, outputs)) = out.pop() {
        let sender = instance(nodes[from].me);
        for (to, bytes) in packets(&outputs) {
            carried.insert((sender, to));
            let Some(at) = nodes.iter().position(|node| instance(node.me) == to) else { continue };
            out.push((at, nodes[at].feed(DetectorInput::Datagram { from: sender, bytes })));
        }
    }
    carried
}

/// Nodes 1 to `count` that know each other by session and gossip.
fn acquainted(count: u64) -> Vec<Node> {
    let mut nodes: Vec<Node> = (1..=count).map(Node::new).collect();
    let mut out = Vec::new();
    for a in 1..=count {
        for b in (1..=count).filter(|b| *b != a) {
            let at = usize::try_from(a - 1).expect("small");
            out.push((at, nodes[at].meet(b, 1)));
        }
    }
    exchange(&mut nodes, out);
    nodes
}

fn card(number: u64) -> Card {
    Card {
        instance: instance(number),
        generation: Generation::new(1),
        version: 1,
        name: format!("h{number}"),
        address: Some(Address::from(address(number))),
        software: "0.1.0".to_owned(),
        levels: None,
    }
}

#[test]
fn a_probe_is_answered_at_once() {
    let mut node = Node::new(ME);
    node.meet(2, 1);
    let out = node.message(2, Body::Probe(LifeProbe { number: 9 }));
    assert_eq!(bodies(&out, 2), [Body::Life(LifeAnswer { number: 9 })]);
}

#[test]
fn a_question_about_a_node_just_heard_is_answered_at_once() {
    let mut node = Node::new(ME);
    (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
    assert_eq!(answers(&node.ask(2, 3)), [(instance(2), true)]);
    assert_eq!(answers(&node.ask(2, ME)), [(instance(2), true)]);
}

#[test]
fn a_question_about_a_node_that_said_goodbye_is_answered_at_once() {
    let mut node = Node::new(ME);
    (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
    let generation = Generation::new(1);
    node.feed(DetectorInput::Farewell { instance: instance(3), generation, by: Goodbye::Stopped });
    assert_eq!(answers(&node.ask(2, 3)), [(instance(2), false)]);
}

#[test]
fn a_goodbye_of_a_start_that_was_never_met_is_none_of_the_one_that_runs() {
    let mut node = Node::new(ME);
    (2..=3).for_each(|peer| drop(node.meet(peer, 4)));
    // A copy of its disk, which raised the count and could not start.
    for number in [3, 5] {
        let generation = Generation::new(number);
        node.feed(DetectorInput::Farewell {
            instance: instance(3),
            generation,
            by: Goodbye::Stopped,
        });
    }
    assert_eq!(answers(&node.ask(2, 3)), [(instance(2), true)]);
}

#[test]
fn own_standing_silence_answers_a_question_at_once() {
    let mut node = Node::new(ME);
    (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
    node.feed(DetectorInput::Expect(vec![instance(3)]));
    node.run(450);
    assert_eq!(answers(&node.ask(2, 3)), [(instance(2), false)]);
}

#[test]
fn without_evidence_the_subject_is_probed_and_the_answer_waits_for_it() {
    for lives in [true, false] {
        let mut node = Node::new(ME);
        (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
        node.run(300);
        let out = node.ask(2, 3);
        assert!(answers(&out).is_empty());
        assert_eq!(bodies(&out, 3), [Body::Probe(LifeProbe { number: 77 })]);
        if lives {
            node.run(50);
            let out = node.message(3, Body::Life(LifeAnswer { number: 77 }));
            assert_eq!(answers(&out), [(instance(2), true)]);
            assert!(answers(&node.run(2_000)).is_empty());
        } else {
            assert!(answers(&node.run(190)).is_empty());
            assert_eq!(answers(&node.run(20)), [(instance(2), false)]);
            // The answer may have been lost: a repeated question gets it again at once.
            assert_eq!(answers(&node.ask(2, 3)), [(instance(2), false)]);
        }
    }
}

fn bears(node: &mut Node, with: u64, millis: u64) {
    let of = [(instance(with), Duration::from_millis(millis))].into();
    node.feed(DetectorInput::Patience { others: Duration::from_millis(500), of });
}

#[test]
fn who_is_asked_looks_for_as_long_as_the_more_patient_of_both() {
    for (own, asker, wait) in [(500, 0, 200), (500, 1_500, 600), (1_500, 500, 600), (500, 150, 200)]
    {
        let mut node = Node::new(ME);
        (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
        bears(&mut node, 3, own);
        node.run(1_000);
        assert!(answers(&node.ask_with(2, 3, asker)).is_empty());
        assert!(answers(&node.run(wait - 10)).is_empty(), "{own} {asker}");
        assert_eq!(answers(&node.run(20)), [(instance(2), false)], "{own} {asker}");
    }
}

#[test]
fn what_is_fresh_follows_from_how_long_the_asker_waited() {
    for (asker, heard) in [(0, true), (500, true), (150, false), (1_500, true)] {
        let mut node = Node::new(ME);
        (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
        node.run(190);
        let said = answers(&node.ask_with(2, 3, asker));
        assert_eq!(said.contains(&(instance(2), true)), heard, "{asker}");
    }
}

#[test]
fn a_peer_is_borne_with_for_as_long_as_was_said_of_it() {
    let mut node = Node::new(ME);
    (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
    node.feed(DetectorInput::Expect(vec![instance(2), instance(3)]));
    bears(&mut node, 3, 1_500);
    node.run(490);
    assert_eq!([2, 3].map(|peer| node.verdict(peer)), [Some(Verdict::Alive); 2]);
    node.run(20);
    let suspect = [Some(Verdict::Suspect), Some(Verdict::Alive)];
    assert_eq!([2, 3].map(|peer| node.verdict(peer)), suspect);
    node.run(980);
    assert_eq!(node.verdict(3), Some(Verdict::Alive));
    node.run(20);
    assert_eq!(node.verdict(3), Some(Verdict::Suspect));
}

#[test]
fn a_silence_that_ended_is_told_once_and_none_of_who_was_gone_or_began_anew() {
    let mut node = Node::new(ME);
    node.meet(2, 1);
    node.feed(DetectorInput::Expect(vec![instance(2)]));
    let silence = |node: &mut Node| {
        let all = node.detector.longest_silences();
        assert_eq!(all.len(), 1);
        all[0].1.as_millis()
    };
    node.run(300);
    assert_eq!(silence(&mut node), 0, "it has not ended");
    node.feed(DetectorInput::Heard { instance: instance(2) });
    node.run(40);
    node.feed(DetectorInput::Heard { instance: instance(2) });
    assert_eq!([silence(&mut node), silence(&mut node)], [300, 0]);
    node.run(2_000);
    assert_eq!(node.verdict(2), Some(Verdict::Down));
    node.feed(DetectorInput::Heard { instance: instance(2) });
    assert_eq!(silence(&mut node), 0, "it was gone");
    node.run(300);
    node.meet(2, 2);
    assert_eq!(silence(&mut node), 0, "another start of it");
}

#[test]
fn a_question_about_a_stranger_makes_us_dial_it() {
    let mut node = Node::new(ME);
    node.meet(2, 1);
    let out = node.ask(2, 3);
    assert!(out.contains(&DetectorOutput::Dial { address: address(3) }));
    assert!(answers(&node.meet(3, 2)).contains(&(instance(2), true)));
}

#[test]
fn a_node_that_stood_still_answers_no_question_from_before() {
    let mut node = Node::new(ME);
    (2..=3).for_each(|peer| drop(node.meet(peer, 1)));
    node.run(300);
    node.ask(2, 3);
    node.now = node.now + Duration::from_secs(3);
    assert!(answers(&node.feed(DetectorInput::Wake)).is_empty());
    assert!(node.detector.doubts_itself());
    assert!(answers(&node.ask(2, 3)).is_empty());
    // Asked anew, it probes anew.
    assert_eq!(answers(&node.run(400)), [(instance(2), false)]);
}

#[test]
fn one_heard_outweighs_any_number_of_not_heard() {
    let mut node = Node::new(ME);
    (2..=5).for_each(|peer| drop(node.meet(peer, 1)));
    node.feed(DetectorInput::Confirmers((1..=5).map(instance).collect()));
    node.feed(DetectorInput::Expect(vec![instance(5)]));
    let mut out = node.run(510);
    assert_eq!(node.verdict(5), Some(Verdict::Suspect));
    out.retain(|output| !bodies(std::slice::from_ref(output), 5).is_empty());
    assert!(!out.is_empty(), "the suspect itself is probed too");
    for (from, heard) in [(2, false), (3, false), (4, true)] {
        let (subject, generation) = (instance(5), Generation::new(1));
        let answer = ConfirmAnswer { number: 1, subject, generation, heard };
        node.message(from, Body::Answer(answer));
    }
    node.run(900);
    assert_eq!(node.verdict(5), Some(Verdict::Suspect));
}

#[test]
fn answers_of_those_who_were_not_asked_count_nothing() {
    let mut node = Node::new(ME);
    (2..=4).for_each(|peer| drop(node.meet(peer, 1)));
    node.feed(DetectorInput::Confirmers(vec![instance(2)]));
    node.feed(DetectorInput::Expect(vec![instance(4)]));
    node.run(510);
    for (from, number) in [(3, 1), (2, 999)] {
        let (subject, generation, heard) = (instance(4), Generation::new(1), false);
        node.message(from, Body::Answer(ConfirmAnswer { number, subject, generation, heard }));
    }
    assert_eq!(node.verdict(4), Some(Verdict::Suspect));
    node.run(300);
    assert!(node.detector.verdict(instance(4)).is_some_and(|opinion| !opinion.confirmed));
}

#[test]
fn bytes_of_strangers_are_refused_and_never_a_panic() {
    let mut nodes = acquainted(3);
    let mut real = Vec::new();
    for _ in 0..30 {
        real.extend(packets(&nodes[1].run(100)).into_iter().map(|(_, bytes)| bytes));
    }
    assert!(!real.is_empty());
    let node = &mut nodes[0];
    node.run(3_000);
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..20_000 {
        let index = usize::try_from(random() % real.len() as u64).expect("small");
        let mut bytes = real[index].to_vec();
        if round % 5 == 0 {
            bytes = (0..random() % 1_300).map(|_| random() as u8).collect();
        }
        for _ in 0..random() % 4 {
            let at = usize::try_from(random() % bytes.len().max(1) as u64).expect("small");
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random() as u8;
            }
        }
        bytes.truncate(usize::try_from(random() % 1_200).expect("small"));
        node.feed(DetectorInput::Datagram { from: instance(2), bytes: bytes.into() });
        if round % 50 == 0 {
            node.run(10);
        }
    }
    assert!(node.detector.refused_packets() > 1_000);
    assert!(node.detector.verdicts().count() <= limits::MEMBERS);
}

#[test]
fn a_packet_counts_only_as_the_word_of_its_session() {
    let mut nodes = acquainted(3);
    let outputs = nodes[1].run(5_000);
    let (_, bytes) = packets(&outputs).into_iter().next().expect("it gossips");
    let node = &mut nodes[0];
    node.run(5_000);
    node.feed(DetectorInput::Datagram { from: instance(2), bytes: bytes.clone() });
    assert_eq!(node.detector.refused_packets(), 0);
    node.feed(DetectorInput::Datagram { from: instance(3), bytes: bytes.clone() });
    assert_eq!(node.detector.refused_packets(), 1, "from another peer");
    node.meet(2, 2);
    node.feed(DetectorInput::Datagram { from: instance(2), bytes });
    assert_eq!(node.detector.refused_packets(), 2, "from an earlier start");
}

#[test]
fn no_more_nodes_are_taken_up_than_a_cluster_can_have() {
    let mut node = Node::new(ME);
    for number in 2..3_000 {
        let (instance, address) = (instance(number), address(number));
        node.feed(DetectorInput::Known { instance, generation: Generation::new(1), address });
    }
    for number in 2..3_000 {
        node.feed(DetectorInput::Heard { instance: instance(number) });
    }
    assert_eq!(node.detector.verdicts().count(), limits::MEMBERS);
    assert_eq!(node.verdict(2), Some(Verdict::Alive), "who came first stays");
}

#[test]
fn those_who_are_not_alive_are_dialled_for_ever_and_not_all_at_once() {
    let mut node = Node::new(ME);
    for number in 2..102 {
        let (instance, address) = (instance(number), address(number));
        node.feed(DetectorInput::Known { instance, generation: Generation::new(1), address });
    }
    let dials = |out: &[DetectorOutput]| {
        out.iter().filter(|output| matches!(output, DetectorOutput::Dial { .. })).count()
    };
    node.run(20_000);
    for _ in 0..10 {
        assert!((1..=20).contains(&dials(&node.run(100)).max(1)));
    }
    let hour = dials(&node.run(600_000));
    assert!((11_000..13_500).contains(&hour), "every 5 s each: {hour}");
    node.feed(DetectorInput::Forget(instance(50)));
    let out = node.run(60_000);
    assert!(!out.contains(&DetectorOutput::Dial { address: address(50) }));
}

#[test]
fn cards_tell_where_those_are_of_whom_only_gossip_speaks() {
    let mut nodes = acquainted(4);
    let mut out: Vec<_> =
        (0..3).map(|at| (at, nodes[at].feed(DetectorInput::Card(card(at as u64 + 1))))).collect();
    let ten_seconds = |nodes: &mut Vec<Node>, out: &mut Vec<(usize, Vec<DetectorOutput>)>| {
        let mut carried = BTreeSet::new();
        for _ in 0..200 {
            for (at, node) in nodes.iter_mut().enumerate() {
                out.push((at, node.run(50)));
            }
            carried.extend(exchange(nodes, std::mem::take(out)));
        }
        carried
    };
    ten_seconds(&mut nodes, &mut out);
    let config = DetectorConfig {
        me: instance(5),
        generation: Generation::new(1),
        seed: 5,
        profile: Profile::default(),
    };
    let now = nodes[0].now;
    let mut late = Node { now, me: 5, detector: Detector::new(now, config) };
    out.push((4, late.meet(1, 1)));
    out.push((4, late.feed(DetectorInput::Card(card(5)))));
    nodes.push(late);
    out.push((0, nodes[0].meet(5, 1)));
    let carried = ten_seconds(&mut nodes, &mut out);
    let went = |from, to| carried.contains(&(instance(from), instance(to)));
    assert!((2..=4).all(|peer| went(peer, 5)), "the card of 5 has come to all: {carried:?}");
    assert!(went(5, 2) && went(5, 3), "theirs have come to 5");
    assert!(!went(5, 4), "who spreads no card is told nothing by one that has not met it");
}

#[test]
fn a_forgotten_node_is_not_brought_back_by_gossip() {
    let mut nodes = acquainted(3);
    nodes[0].feed(DetectorInput::Forget(instance(3)));
    assert_eq!(nodes[0].verdict(3), None);
    for _ in 0..200 {
        let mut out = Vec::new();
        for (at, node) in nodes.iter_mut().enumerate() {
            out.push((at, node.run(50)));
        }
        exchange(&mut nodes, out);
    }
    assert_eq!(nodes[0].verdict(3), None);
    nodes[0].meet(3, 1);
    assert_eq!(nodes[0].verdict(3), Some(Verdict::Alive));
}

/// Three nodes, of which the third says that it is its ninth start, and only the second believes it; and some gossip.
fn rumour_of_a_ninth_start(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes[2] = Node::started(3, 9);
    nodes[1].meet(3, 9);
    nodes[2].meet(2, 1);
    for _ in 0..200 {
        let runs = nodes.iter_mut().enumerate().map(|(at, node)| (at, node.run(50)));
        let out = runs.collect();
        exchange(&mut nodes, out);
    }
    nodes
}

fn start_of_the_third(node: &Node) -> Option<u64> {
    node.detector.verdict(instance(3)).map(|opinion| opinion.generation.get())
}

#[test]
fn gossip_says_nothing_of_a_start_later_than_the_one_that_was_met() {
    let mut nodes = rumour_of_a_ninth_start(acquainted(3));
    assert_eq!(start_of_the_third(&nodes[1]), Some(9), "it met that one");
    assert_eq!(start_of_the_third(&nodes[0]), Some(1), "it met the first");
    nodes[0].meet(3, 9);
    assert_eq!(start_of_the_third(&nodes[0]), Some(9), "until it meets the ninth itself");
}

#[test]
fn what_gossip_said_of_a_later_start_is_forgotten_when_another_is_met() {
    let mut nodes = acquainted(2);
    nodes.push(Node::new(3));
    let mut nodes = rumour_of_a_ninth_start(nodes);
    assert_eq!(start_of_the_third(&nodes[0]), Some(9), "nothing else is known of it");
    nodes[0].meet(3, 1);
    assert_eq!(start_of_the_third(&nodes[0]), Some(1));
    assert_eq!(nodes[0].verdict(3), Some(Verdict::Alive));
}

#[test]
fn after_leaving_it_says_and_wants_nothing() {
    let mut nodes = acquainted(3);
    let out = nodes[0].feed(DetectorInput::Leave);
    assert!(!packets(&out).is_empty(), "gossip carries the goodbye");
    assert_eq!(nodes[0].detector.next_wake(), None);
    assert!(nodes[0].message(2, Body::Probe(LifeProbe { number: 1 })).is_empty());
}

#[test]
fn silence_during_an_own_pause_is_nobodys_fault() {
    let mut node = Node::new(ME);
    node.meet(2, 1);
    node.feed(DetectorInput::Expect(vec![instance(2)]));
    node.run(300);
    node.now = node.now + Duration::from_secs(5);
    node.feed(DetectorInput::Wake);
    node.run(400);
    assert_eq!(node.verdict(2), Some(Verdict::Alive), "half a second has not passed since it woke");
    node.run(500);
    assert_eq!(node.verdict(2), Some(Verdict::Down), "but now it is not our fault any more");
}

#[test]
fn an_own_pause_takes_no_time_from_a_gossip_suspect_to_object() {
    let mut nodes = acquainted(2);
    // Half a second of silence makes a gossip suspect; it has a second to object, in which we stand still.
    nodes[0].run(900);
    nodes[0].now = nodes[0].now + Duration::from_secs(5);
    let woken = nodes[0].feed(DetectorInput::Wake);
    nodes[1].now = nodes[0].now;
    exchange(&mut nodes, vec![(0, woken)]);
    for _ in 0..100 {
        let mut out = Vec::new();
        for (at, node) in nodes.iter_mut().enumerate() {
            out.push((at, node.run(50)));
        }
        exchange(&mut nodes, out);
    }
    assert_eq!(nodes[0].verdict(2), Some(Verdict::Alive));
    assert_eq!(nodes[1].detector.rejoins(), 0, "it was told that it is down");
}

#[test]
fn gossip_does_not_bury_whom_we_hear_but_is_believed_when_it_falls_silent() {
    let mut nodes = acquainted(3);
    let turn = |nodes: &mut Vec<Node>, hears: bool| {
        for _ in 0..50 {
            if hears {
                nodes[0].feed(DetectorInput::Heard { instance: instance(3) });
            }
            let out = (0..2).map(|at| (at, nodes[at].run(100))).collect();
            // Node 3 is not among them: no gossip reaches it, none comes from it.
            exchange(&mut nodes[..2], out);
        }
    };
    turn(&mut nodes, true);
    assert_eq!(nodes[1].verdict(3), Some(Verdict::Down));
    assert_eq!(nodes[0].verdict(3), Some(Verdict::Alive));
    turn(&mut nodes, false);
    assert_eq!(nodes[0].verdict(3), Some(Verdict::Down));
}
