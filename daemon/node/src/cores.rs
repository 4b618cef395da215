//! The two detectors inside a node: how they are set up, how they are stepped, and where what they say goes.
//!
//! Knows nothing of what they decide, and nothing of inputs other than theirs.

use crate::boot::NodeConfig;
use crate::disk::Owner;
use crate::event::{Output, Write};
use crate::node::Node;
use quorate_membership::{
    DetectorConfig, DetectorInput, DetectorOutput, FounderSelf, FoundingConfig, FoundingInput,
    FoundingOutput,
};
use quorate_proto::{
    Envelope, EnvelopeBody, Frame, FrameKind, GenesisId, Instance, Lane, Supersede,
    founders_digest, short_hash,
};

impl Node {
    /// Steps the quorum detector and carries out what it says.
    pub(crate) fn step_founding(&mut self, input: FoundingInput) {
        let mut said = Vec::new();
        self.founding.step(self.turn.now, input, &mut said);
        if self.genesis.is_none() {
            self.genesis = self.founding.state().known_genesis();
        }
        for output in said {
            match output {
                FoundingOutput::Dial { address } => self.turn.out.push(Output::Dial { address }),
                FoundingOutput::Resolve => self.turn.out.push(Output::ResolveSeeds),
                FoundingOutput::Send { to, message } => {
                    let subject = subject_of(&message);
                    let body = EnvelopeBody::Founding(message);
                    self.send_control(to, FrameKind::Founding, subject, body);
                }
                FoundingOutput::Persist { number, state, marker } => {
                    let write = Write::Founding { state: Box::new(state), marker };
                    self.disk.write(&mut self.turn, Owner::Founding(number), write);
                }
                FoundingOutput::Founded(founded) => self.founded(founded),
                FoundingOutput::Join(genesis) => self.exists(genesis),
                FoundingOutput::Ban { instance, reason } => {
                    self.turn.out.push(Output::Ban { instance, reason })
                }
                FoundingOutput::Alarm { code, text } => self.turn.event(code.word(), text, true),
            }
        }
        self.campaign_as_founder();
    }

    /// Steps the detector and carries out what it says.
    pub(crate) fn step_detector(&mut self, input: DetectorInput) {
        let mut said = Vec::new();
        self.detector.step(self.turn.now, input, &mut said);
        for output in said {
            match output {
                DetectorOutput::Datagram { to, address, bytes } => {
                    self.turn.out.push(Output::SendDatagram { to, address, bytes });
                }
                DetectorOutput::Send { to, message } => {
                    let subject = subject_of(&message);
                    let body = EnvelopeBody::Detector(message);
                    self.send_control(to, FrameKind::Detector, subject, body);
                }
                DetectorOutput::Verdict(opinion) => self.verdict_changed(&opinion),
                DetectorOutput::IsThere { address } => {
                    self.turn.out.push(Output::IsThere { address })
                }
                DetectorOutput::Dial { address } => self.turn.out.push(Output::Dial { address }),
            }
        }
    }

    /// Sends on the control lane; dropped when the peer's address is not known at all.
    pub(crate) fn send_control(
        &mut self,
        to: Instance,
        kind: FrameKind,
        subject: u64,
        body: EnvelopeBody,
    ) {
        let Some(address) = self.peers.address(to) else { return };
        let supersede = Some(Supersede { kind, group: 0, subject });
        let bytes = Envelope::encode_body(body);
        let frame = Frame { lane: Lane::Control, supersede, expires: None, bytes };
        self.turn.out.push(Output::Send { to, address, frame });
    }
}

/// Messages of the cores replace nothing but themselves, across ballots, kinds and questions.
fn subject_of(message: &impl quorate_proto::Message) -> u64 {
    short_hash(&[&message.encode_to_vec()])
}

pub(crate) fn founding_config(config: &NodeConfig, marker: Option<GenesisId>) -> FoundingConfig {
    FoundingConfig {
        cluster: config.cluster.clone(),
        seeds: config.seeds.clone(),
        mode: config.mode,
        digest: founders_digest(&config.cluster, &config.seeds, &config.mode.to_string()),
        quiet: config.quiet,
        grace: config.grace,
        me: FounderSelf {
            instance: config.instance,
            generation: config.generation,
            boot_nonce: config.boot_nonce,
            name: config.name.clone(),
            key: config.key,
            address: config.advertise,
        },
        seed: config.seed,
        nonce_key: config.boot_nonce,
        marker,
    }
}

pub(crate) fn detector_config(config: &NodeConfig) -> DetectorConfig {
    DetectorConfig {
        me: config.instance,
        generation: config.generation,
        seed: config.seed,
        profile: quorate_membership::Profile::default(),
    }
}
