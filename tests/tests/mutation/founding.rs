//! Founding messages into a `Founding` that has two peers, at every stage of a founding.
//!
//! The corpus is what three foundings really said to each other. Of each input the first byte says from whom it
//! comes, how much later, and whether writes have become durable.

use crate::mutation::harness::Target;
use crate::mutation::memory::{Bound, within};
use crate::mutation::samples::{address, key, life};
use crate::mutation::wire::mix;
use crate::mutation::words::{Word, decoded, name};
use quorate_membership::{
    FounderSelf, Founding, FoundingConfig, FoundingInput, FoundingOutput, Mode, OwnSlot,
};
use quorate_proto::{
    ClusterId, ClusterName, Digest, Exists, FoundingMessage, FoundingState, Generation,
    Message as _, Moment, Nack, NodeName, Session, founders_digest, founding_message::Body,
};
use std::collections::VecDeque;
use std::time::Duration;

impl Word for FoundingMessage {
    const NAME: &'static str = "founding";
    const LONGEST: usize = 8 * 1024;
    const BOUND: Bound = Bound { per_byte: 256, constant: 8 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let mut samples = said_by_three();
        let ballot = quorate_proto::Ballot { round: 1, instance: life(1) };
        let promised = quorate_proto::Ballot { round: 2, instance: life(2) };
        let cluster_id = ClusterId::from_bytes([0xce; 16]);
        let mut add = |name: &str, body| {
            samples.push((name.to_owned(), Self { digest: digest(), body: Some(body) }));
        };
        add("nack", Body::Nack(Nack { ballot, promised }));
        add("exists", Body::Exists(Exists { cluster_id, nonce: 0 }));
        samples
    }
}

/// What a step may hold: the state is written whole, and an answer repeats the record.
const STEP: Bound = Bound { per_byte: 1024, constant: 256 * 1024 };
/// What a founding may hold after many steps: its tables are bounded by the number of members.
const HELD: i64 = 1024 * 1024;

fn cluster() -> ClusterName {
    ClusterName::new("fuzz").expect("valid")
}

fn seeds() -> Vec<String> {
    (1..=3).map(|number| format!("n{number}:4747")).collect()
}

fn digest() -> Digest {
    founders_digest(&cluster(), &seeds(), &Mode::Majority.to_string())
}

fn node_name(number: u8) -> NodeName {
    NodeName::new(&format!("n{number}")).expect("valid")
}

/// A founder that has heard of nobody yet.
fn founder(number: u8) -> Founding {
    let me = FounderSelf {
        instance: life(number),
        generation: Generation::new(1),
        boot_nonce: u64::from(number),
        name: node_name(number),
        key: key(number),
        address: Some(address(number)),
        levels: quorate_proto::Levels::HERE,
    };
    let config = FoundingConfig {
        cluster: cluster(),
        seeds: seeds(),
        mode: Mode::Majority,
        digest: digest(),
        quiet: Duration::from_millis(100),
        grace: Duration::from_millis(200),
        me,
        seed: u64::from(number),
        nonce_key: u64::from(number),
        marker: None,
    };
    Founding::new(Moment::ZERO, config, FoundingState::fresh(life(number), &cluster()))
}

fn session(number: u8) -> Session {
    Session {
        number: u64::from(number),
        boot_nonce: u64::from(number),
        digest: digest(),
        seeds: seeds(),
        ..Session::of_host(
            (life(number), key(number)),
            (cluster(), node_name(number)),
            address(number),
        )
    }
}

/// Tells a founder where everybody is and connects it with everybody.
fn introduce(founding: &mut Founding, number: u8, out: &mut Vec<FoundingOutput>) {
    let now = Moment::from_micros(1);
    for slot in 0..3_u8 {
        let addresses = vec![address(slot + 1)];
        let resolved =
            FoundingInput::Resolved { slot: usize::from(slot), addresses, problem: None };
        founding.step(now, resolved, out);
    }
    founding.step(now, FoundingInput::OwnSlot(OwnSlot::Slot(usize::from(number) - 1)), out);
    for peer in (1..=3).filter(|peer| *peer != number) {
        founding.step(now, FoundingInput::SessionUp(session(peer)), out);
    }
}

/// Three foundings with nothing in between; every message that is unlike the earlier ones.
fn said_by_three() -> Vec<(String, FoundingMessage)> {
    let mut founders: Vec<Founding> = (1..=3).map(founder).collect();
    let mut outs = vec![Vec::new(); 3];
    for (number, founding) in (1..=3).zip(&mut founders) {
        introduce(founding, number, &mut outs[usize::from(number) - 1]);
    }
    let (mut said, mut kinds) = (Vec::new(), Vec::new());
    for turn in 0..300_u64 {
        let now = Moment::from_micros(10 + turn * 20_000);
        let mut inputs: VecDeque<(usize, FoundingInput)> = VecDeque::new();
        for (at, out) in outs.iter_mut().enumerate() {
            inputs.push_back((at, FoundingInput::Wake));
            for output in out.drain(..) {
                match output {
                    FoundingOutput::Persist { number, .. } => {
                        inputs.push_back((at, FoundingInput::Persisted { number }));
                    }
                    FoundingOutput::Send { to, message } => {
                        let kind = format!("{:?}", message.body);
                        let kind = kind.split(['(', ' ']).nth(1).unwrap_or("none").to_lowercase();
                        if kinds.iter().filter(|known| **known == kind).count() < 2 {
                            said.push((format!("{kind}-{}", said.len()), message.clone()));
                            kinds.push(kind);
                        }
                        let there = usize::from(to.to_bytes()[0]) - 1;
                        let from = life(u8::try_from(at + 1).expect("three"));
                        inputs.push_back((there, FoundingInput::Message { from, message }));
                    }
                    _ => {}
                }
            }
        }
        for (at, input) in inputs {
            founders[at].step(now, input, &mut outs[at]);
        }
    }
    said
}

/// The founder of slot 0, with what it has been told.
pub(crate) struct Founder {
    founding: Founding,
    now: Moment,
    out: Vec<FoundingOutput>,
    written: u64,
    held: i64,
}

impl Founder {
    fn step(&mut self, input: FoundingInput, length: usize) -> Vec<u64> {
        self.out.clear();
        let before = (self.founding.state().knows_cluster(), self.founding.state().founded.clone());
        let (founding, out, now) = (&mut self.founding, &mut self.out, self.now);
        let taken =
            allocation_counter::measure(|| within(STEP, length, || founding.step(now, input, out)));
        self.held += taken.bytes_current;
        assert!(self.held < HELD, "a founding holds {} bytes", self.held);
        assert!(self.out.len() < 100, "one message makes {} outputs", self.out.len());
        let wake = self.founding.next_wake();
        assert!(wake.is_none_or(|at| at > self.now), "a wake of the past: {wake:?}");
        let after = self.founding.state();
        assert!(after.knows_cluster() || !before.0, "a life that knew a cluster is fresh again");
        assert!(before.1.is_none() || before.1 == after.founded, "another record was founded");
        self.note()
    }

    fn note(&mut self) -> Vec<u64> {
        let mut outcomes = vec![mix(1, self.founding.refused_records().min(3))];
        for output in &self.out {
            if let FoundingOutput::Persist { number, state, .. } = output {
                assert_eq!(FoundingState::from_file(&state.to_file()).as_ref(), Ok(state));
                self.written = *number;
            }
            let text = format!("{output:?}");
            outcomes.push(name(text.get(..40).unwrap_or(&text)));
        }
        outcomes
            .extend(self.founding.reasons(self.now).iter().map(|reason| name(reason.code.word())));
        outcomes
    }
}

impl Target for Founder {
    const NAME: &'static str = "founding";
    const LONGEST: usize = FoundingMessage::LONGEST;
    const INPUTS: u64 = 30_000;
    const HEAD: usize = 1;

    fn fresh() -> Self {
        let mut founding = founder(1);
        let mut out = Vec::new();
        introduce(&mut founding, 1, &mut out);
        Self { founding, now: Moment::from_micros(2), out, written: 0, held: 0 }
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        let seeds = FoundingMessage::samples().into_iter().enumerate();
        seeds
            .map(|(at, (name, message))| {
                let mut bytes = vec![0x10 | (at as u8 & 1)];
                message.encode(&mut bytes).expect("a vector has room");
                (name, bytes)
            })
            .collect()
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let Some((how, bytes)) = input.split_first() else { return Vec::new() };
        let (mut message, mut outcomes) =
            match decoded::<FoundingMessage>(bytes, FoundingMessage::BOUND) {
                Ok(decoded) => decoded,
                Err(error) => return vec![error],
            };
        let later = [1, 20, 600, 4_000][usize::from(how >> 2 & 3)];
        self.now = self.now + Duration::from_millis(later);
        // A message with the digest of another list is dropped at once, mostly.
        if how >> 5 != 7 {
            message.digest = digest();
        }
        let from = life(2 + (how & 1));
        outcomes.extend(self.step(FoundingInput::Message { from, message }, bytes.len()));
        if how & 0x10 != 0 {
            let number = self.written;
            outcomes.extend(self.step(FoundingInput::Persisted { number }, bytes.len()));
        }
        outcomes.extend(self.step(FoundingInput::Wake, bytes.len()));
        outcomes
    }
}
