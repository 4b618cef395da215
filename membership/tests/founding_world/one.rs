//! One `Founding` alone, fed by hand: seed f1 of three unless told otherwise. Nothing is durable until said.

use super::{address_of, cluster, key_of, life};
use quorate_membership::{
    FounderSelf, Founding, FoundingConfig, FoundingInput as Input, FoundingOutput as Output, Mode,
    OwnSlot,
};
use quorate_proto::{
    Accepted, Answer, Ask, Ballot, ClusterId, FounderVoter, FoundingCertificate, FoundingMessage,
    FoundingProof, FoundingRecord, FoundingState, Generation, Instance, Moment, NodeName,
    ProofVote, Session, founders_digest, founding_message::Body,
};
use std::time::Duration;

pub struct One {
    pub now: u64,
    pub founding: Founding,
    pub out: Vec<Output>,
    pub written: u64,
    pub last: u64,
}

pub fn seeds(n: usize) -> Vec<String> {
    (0..n).map(|slot| format!("f{}", slot + 1)).collect()
}

pub fn config(n: usize, mode: Mode) -> FoundingConfig {
    FoundingConfig {
        cluster: cluster(),
        seeds: seeds(n),
        mode,
        digest: founders_digest(&cluster(), &seeds(n), &mode.to_string()),
        quiet: Duration::ZERO,
        grace: Duration::from_secs(3),
        me: FounderSelf {
            instance: life(0, 0),
            generation: Generation::new(1),
            boot_nonce: 77,
            name: NodeName::new("f1").expect("valid"),
            key: key_of(life(0, 0)),
            address: Some(address_of(0)),
            levels: quorate_proto::Levels::HERE,
        },
        seed: 1,
        nonce_key: 2,
        marker: None,
    }
}

pub fn session(host: usize, number: u64, n: usize, mode: Mode) -> Session {
    Session {
        number,
        instance: life(host, 0),
        generation: Generation::new(1),
        boot_nonce: 500 + host as u64,
        name: NodeName::new(&format!("f{}", host + 1)).expect("valid"),
        cluster: cluster(),
        key: key_of(life(host, 0)),
        address: address_of(host),
        advertised: true,
        dialled: None,
        cluster_id: None,
        digest: founders_digest(&cluster(), &seeds(n), &mode.to_string()),
        seeds: seeds(n),
        moved: false,
        voters: 0,
        software: String::new(),
        levels: quorate_proto::Levels::HERE,
        source: None,
    }
}

/// A record with the lives of these hosts, first proposed in this ballot.
pub fn record(hosts: &[usize], slots: usize, mode: Mode, ballot: Ballot) -> FoundingRecord {
    let voter = |host: &usize| FounderVoter {
        slot: *host as u32,
        instance: life(*host, 0),
        key: key_of(life(*host, 0)),
        address: Some(address_of(*host).into()),
        name: format!("f{}", host + 1),
    };
    FoundingRecord {
        cluster: cluster().to_string(),
        digest: founders_digest(&cluster(), &seeds(slots), &mode.to_string()),
        voters: hosts.iter().map(voter).collect(),
        ballot,
        slots: slots as u32,
        level: quorate_proto::FeatureLevel::HIGHEST.in_record(),
    }
}

pub fn founded(record: FoundingRecord) -> FoundingCertificate {
    let vote = |voter: &FounderVoter| ProofVote { slot: voter.slot, instance: voter.instance };
    let votes = record.voters.iter().map(vote).collect();
    let proof = FoundingProof { ballot: record.ballot, votes, waiver: None };
    FoundingCertificate { record, proof, lineage: None }
}

pub fn ballot(round: u64, host: usize) -> Ballot {
    Ballot { round, instance: life(host, 0) }
}

impl One {
    pub fn new(config: FoundingConfig, state: FoundingState) -> Self {
        let founding = Founding::new(Moment::ZERO, config, state);
        Self { now: 0, founding, out: Vec::new(), written: 0, last: 0 }
    }

    /// f1 of three in mode "majority", fresh, its slot known.
    pub fn fresh() -> Self {
        Self::of(3, Mode::Majority)
    }

    pub fn of(n: usize, mode: Mode) -> Self {
        let mut one = Self::new(config(n, mode), FoundingState::fresh(life(0, 0), &cluster()));
        for slot in 0..n {
            let addresses = vec![address_of(slot)];
            one.step(Input::Resolved { slot, addresses, problem: None });
        }
        one.step(Input::OwnSlot(OwnSlot::Slot(0)));
        one
    }

    pub fn step(&mut self, input: Input) {
        let before = self.out.len();
        self.founding.step(Moment::from_micros(self.now), input, &mut self.out);
        for output in &self.out[before..] {
            if let Output::Persist { number, .. } = output {
                self.last = *number;
            }
        }
    }

    pub fn wait(&mut self, span: Duration) {
        let end = self.now + span.as_micros() as u64;
        while let Some(wake) = self.founding.next_wake().filter(|wake| wake.as_micros() <= end) {
            self.now = wake.as_micros();
            self.step(Input::Wake);
        }
        self.now = end;
    }

    pub fn up(&mut self, session: Session) {
        self.step(Input::SessionUp(session));
    }

    pub fn say(&mut self, host: usize, body: Body) {
        self.say_with(host, 3, Mode::Majority, body);
    }

    pub fn say_with(&mut self, host: usize, n: usize, mode: Mode, body: Body) {
        let digest = founders_digest(&cluster(), &seeds(n), &mode.to_string());
        let message = FoundingMessage { digest, body: Some(body) };
        self.step(Input::Message { from: life(host, 0), message });
    }

    /// All writes so far become durable.
    pub fn flush(&mut self) {
        while self.written < self.last {
            self.written = self.last;
            self.step(Input::Persisted { number: self.written });
        }
    }

    /// What was put out since the last call.
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// What was said to this host since the last [`Self::take`].
    pub fn said(&self, host: usize) -> Vec<Body> {
        let to_host = |output: &Output| match output {
            Output::Send { to, message } if *to == life(host, 0) => message.body.clone(),
            _ => None,
        };
        self.out.iter().filter_map(to_host).collect()
    }

    pub fn persists(&self) -> usize {
        self.out.iter().filter(|output| matches!(output, Output::Persist { .. })).count()
    }

    pub fn alarms(&self) -> Vec<&'static str> {
        let code = |output: &Output| match output {
            Output::Alarm { code, .. } => Some(code.word()),
            _ => None,
        };
        self.out.iter().filter_map(code).collect()
    }

    pub fn asked_nonce(&self, host: usize) -> u64 {
        let nonce = |body: &Body| match body {
            Body::Ask(Ask { nonce }) => Some(*nonce),
            _ => None,
        };
        self.said(host).iter().rev().find_map(nonce).expect("it was asked")
    }

    /// The host's session comes up and it answers as fresh.
    pub fn hear(&mut self, host: usize, n: usize, mode: Mode) {
        self.up(session(host, host as u64, n, mode));
        let nonce = self.asked_nonce(host);
        let answer = Answer { nonce, slot: Some(host as u32), round: 0 };
        self.say_with(host, n, mode, Body::Answer(answer));
    }

    pub fn reason(&self, code: &str) -> quorate_proto::Reason {
        let reasons = self.founding.reasons(Moment::from_micros(self.now));
        let codes: Vec<_> = reasons.iter().map(|reason| reason.code.word()).collect();
        let found = reasons.into_iter().find(|reason| reason.code == code);
        found.unwrap_or_else(|| panic!("no {code} in {codes:?}"))
    }

    pub fn accepted(&mut self, host: usize, ballot: Ballot, cluster_id: ClusterId) {
        self.say(host, Body::Accepted(Accepted { ballot, cluster_id, slot: host as u32 }));
    }

    pub fn me(&self) -> Instance {
        life(0, 0)
    }
}
