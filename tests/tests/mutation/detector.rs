//! Gossip packets and detector messages into a `Detector` that knows three others.
//!
//! The corpus is what four detectors really sent to each other. Of each input the first byte says from whom it comes,
//! how much later, and whether it is a packet or a message.

use crate::mutation::harness::Target;
use crate::mutation::memory::{Bound, within};
use crate::mutation::samples::{address, detector_messages, key, life};
use crate::mutation::wire::mix;
use crate::mutation::words::{Word, decoded, name};
use bytes::Bytes;
use quorate_membership::{Detector, DetectorConfig, DetectorInput, DetectorOutput, Profile};
use quorate_proto::{
    Card, ClusterName, DetectorMessage, Generation, Instance, Message as _, Moment, NodeName,
    Session, limits,
};
use std::time::Duration;

impl Word for DetectorMessage {
    const NAME: &'static str = "detector";
    const LONGEST: usize = 2 * 1024;
    const BOUND: Bound = Bound { per_byte: 8, constant: 4 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        detector_messages()
    }
}

/// What a step may hold: news of a few dozen nodes, each a verdict, a timer and packets of its own.
const STEP: Bound = Bound { per_byte: 1024, constant: 1024 * 1024 };
/// What a detector may hold after many steps: its tables are bounded by the number of members.
const HELD: i64 = 8 * 1024 * 1024;
/// Bit of the first byte: a message, not a packet.
const MESSAGE: u8 = 0x80;
/// Bit of the first byte: the packet is not made to look as if it came from the session's peer.
const FORGED: u8 = 0x40;

fn detector(number: u8) -> Detector {
    let config = DetectorConfig {
        me: life(number),
        generation: Generation::new(1),
        seed: u64::from(number),
        profile: Profile::default(),
    };
    let mut detector = Detector::new(Moment::ZERO, config);
    let peers: Vec<u8> = (1..=4).filter(|peer| *peer != number).collect();
    let instances: Vec<Instance> = peers.iter().map(|peer| life(*peer)).collect();
    let mut out = Vec::new();
    let mut step = |input| detector.step(Moment::from_micros(1), input, &mut out);
    peers.iter().for_each(|peer| step(DetectorInput::SessionUp(session(*peer))));
    step(DetectorInput::Expect(instances.clone()));
    step(DetectorInput::Confirmers(instances));
    let card = Card {
        instance: life(number),
        generation: Generation::new(1),
        version: 1,
        name: format!("n{number}"),
        address: Some(address(number).into()),
        software: "0.1.0".to_owned(),
        levels: Some(quorate_proto::Levels::HERE),
    };
    step(DetectorInput::Card(card));
    detector
}

fn session(number: u8) -> Session {
    Session {
        number: u64::from(number),
        ..Session::of_host(
            (life(number), key(number)),
            (
                ClusterName::new("fuzz").expect("valid"),
                NodeName::new(&format!("n{number}")).expect("valid"),
            ),
            address(number),
        )
    }
}

/// Four detectors with nothing in between, the fourth silent after a while; packets of every length and kind.
fn sent_by_four() -> Vec<(String, Vec<u8>)> {
    let mut detectors: Vec<Detector> = (1..=4).map(detector).collect();
    let mut outs = vec![Vec::new(); 4];
    let (mut sent, mut kinds) = (Vec::new(), Vec::new());
    for turn in 0..400_u64 {
        let now = Moment::from_micros(10 + turn * 20_000);
        let awake = if turn > 150 { 3 } else { 4 };
        let mut inputs = Vec::new();
        for (at, out) in outs.iter_mut().enumerate() {
            let from = life(u8::try_from(at + 1).expect("four"));
            for output in out.drain(..) {
                let (to, input) = match output {
                    DetectorOutput::Datagram { to, bytes, .. } => {
                        // Behind the two identities stands what kind of packet it is.
                        let kind = (bytes.get(18).copied(), bytes.len() / 16);
                        if !kinds.contains(&kind) && sent.len() < 24 {
                            kinds.push(kind);
                            sent.push((format!("packet-{}", sent.len()), bytes.to_vec()));
                        }
                        (to, DetectorInput::Datagram { from, bytes })
                    }
                    DetectorOutput::Send { to, message } => {
                        (to, DetectorInput::Message { from, message })
                    }
                    _ => continue,
                };
                inputs.push((usize::from(to.to_bytes()[0]) - 1, input));
            }
        }
        inputs.extend((0..awake).map(|at| (at, DetectorInput::Wake)));
        for (at, input) in inputs.into_iter().filter(|(at, _)| *at < awake) {
            detectors[at].step(now, input, &mut outs[at]);
        }
    }
    sent
}

/// The first of them.
pub(crate) struct Watcher {
    detector: Detector,
    now: Moment,
    out: Vec<DetectorOutput>,
    held: i64,
}

impl Watcher {
    fn step(&mut self, input: DetectorInput, length: usize) {
        let (detector, out, now) = (&mut self.detector, &mut self.out, self.now);
        let taken =
            allocation_counter::measure(|| within(STEP, length, || detector.step(now, input, out)));
        self.held += taken.bytes_current;
        assert!(self.held < HELD, "a detector holds {} bytes", self.held);
    }

    /// Time passes in pulses, or the detector would take the gap for a pause of the process.
    fn pass(&mut self, span: Duration, length: usize) {
        let end = self.now + span;
        while let Some(at) = self.detector.next_wake().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step(DetectorInput::Wake, length);
        }
        self.now = end;
    }

    fn note(&mut self) -> Vec<u64> {
        assert!(self.out.len() < 10_000, "one input makes {} outputs", self.out.len());
        assert!(self.detector.verdicts().count() <= limits::MEMBERS, "more verdicts than members");
        let mut outcomes = vec![
            mix(1, self.detector.verdicts().count().min(40) as u64),
            mix(2, self.detector.rejoins().min(3)),
            mix(3, u64::from(self.detector.doubts_itself())),
        ];
        for output in self.out.drain(..) {
            if let DetectorOutput::Datagram { bytes, .. } = &output {
                assert!(bytes.len() <= limits::GOSSIP_PACKET, "a packet of {}", bytes.len());
                outcomes.push(mix(4, u64::from(bytes.get(36).copied().unwrap_or(0))));
                continue;
            }
            let text = format!("{output:?}");
            outcomes.push(name(text.get(..30).unwrap_or(&text)));
        }
        outcomes
    }
}

impl Target for Watcher {
    const NAME: &'static str = "detector";
    const LONGEST: usize = limits::GOSSIP_PACKET + 100;
    const INPUTS: u64 = 30_000;
    const HEAD: usize = 1;

    fn fresh() -> Self {
        let now = Moment::from_micros(2);
        Self { detector: detector(1), now, out: Vec::new(), held: 0 }
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        let messages = detector_messages().into_iter();
        let messages = messages.map(|(name, message)| (name, MESSAGE, message.encode_to_vec()));
        let packets = sent_by_four().into_iter().map(|(name, bytes)| (name, 0, bytes));
        packets
            .chain(messages)
            .map(|(name, how, bytes)| (name, [vec![how], bytes].concat()))
            .collect()
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let Some((how, bytes)) = input.split_first() else { return Vec::new() };
        let number = 2 + how % 3;
        let from = life(number);
        let later = [1, 5, 60, 400][usize::from(how >> 2 & 3)];
        self.pass(Duration::from_millis(later), bytes.len());
        let mut outcomes = Vec::new();
        if how & MESSAGE != 0 {
            match decoded::<DetectorMessage>(bytes, DetectorMessage::BOUND) {
                Ok((message, kinds)) => {
                    outcomes.extend(kinds);
                    self.step(DetectorInput::Message { from, message }, bytes.len());
                }
                Err(error) => return vec![error],
            }
        } else {
            let mut packet = bytes.to_vec();
            if how & FORGED == 0 && packet.len() > 17 {
                packet[..16].fill(number);
                packet[16] = 1;
            }
            let before = self.detector.refused_packets();
            self.step(DetectorInput::Datagram { from, bytes: Bytes::from(packet) }, bytes.len());
            outcomes.push(mix(5, self.detector.refused_packets() - before));
        }
        self.step(DetectorInput::Wake, bytes.len());
        outcomes.extend(self.note());
        outcomes
    }
}
