//! The two detectors are stepped here, and what they say goes where it belongs.

use crate::cores::subject_of;
use crate::disk::Owner;
use crate::event::{Output, Write};
use crate::node::Node;
use crate::told::Event;
use quorate_membership::{DetectorInput, DetectorOutput, FoundingInput, FoundingOutput};
use quorate_proto::{EnvelopeBody, FrameKind, Instance};

impl Node {
    /// Steps the quorum detector and carries out what it says.
    pub(crate) fn step_founding(&mut self, input: FoundingInput) {
        let mut said = Vec::new();
        self.founding.step(self.turn.now, input, &mut said);
        if self.cluster_id.is_none() {
            self.cluster_id = self.founding.state().known_cluster();
        }
        for output in said {
            match output {
                FoundingOutput::Dial { address } => self.turn.out.push(Output::Dial { address }),
                FoundingOutput::Resolve => self.turn.out.push(Output::ResolveSeeds),
                FoundingOutput::Send { to, message } => {
                    let subject = subject_of(&message);
                    let body = EnvelopeBody::Founding(message);
                    self.turn.send_control(&self.peers, to, FrameKind::Founding, subject, body);
                }
                FoundingOutput::Persist { number, state, marker } => {
                    let write = Write::Founding { state: Box::new(state), marker };
                    self.disk.write(&mut self.turn, Owner::Founding(number), write);
                }
                FoundingOutput::Founded(founded) => self.founded(founded),
                FoundingOutput::Join(cluster_id) => self.exists(cluster_id),
                FoundingOutput::FoundedAnew(founded) => self.founded_anew(founded),
                FoundingOutput::Ban { instance, reason } => {
                    self.turn.out.push(Output::Ban { instance, reason })
                }
                FoundingOutput::Alarm { code, text } => {
                    self.turn.event(Event::Founding { code, text })
                }
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
                    self.turn.send_control(&self.peers, to, FrameKind::Detector, subject, body);
                }
                DetectorOutput::Verdict(opinion) => self.verdict_changed(&opinion),
                DetectorOutput::IsThere { address } => {
                    self.turn.out.push(Output::IsThere { address })
                }
                DetectorOutput::Dial { address } => self.turn.out.push(Output::Dial { address }),
            }
        }
    }
}

impl Node {
    /// Sends on the control lane; dropped when the peer's address is not known at all.
    pub(crate) fn send_control(
        &mut self,
        to: Instance,
        kind: FrameKind,
        subject: u64,
        body: EnvelopeBody,
    ) {
        self.turn.send_control(&self.peers, to, kind, subject, body);
    }
}
