//! Learning that a cluster exists: vetoes, founded records, two clusters, and the steps after each write.
//!
//! A cluster once heard of is never forgotten, and this life then never founds (GENESIS rule 6). Who hears of two
//! joins neither. A marker without data is a cluster heard of (rule 2).

use super::proof::check_founded;
use super::{After, Founding, FoundingOutput as Output};
use quorate_proto::{
    ClusterId, Exists, FoundingCertificate, FoundingMessage, Instance, Moment,
    founding_message::Body,
};

/// Most foreign cluster ids that are remembered, to be named; one is enough to stop.
const MAX_RIVALS: usize = 4;

impl Founding {
    /// A peer that is authentic says that this cluster exists.
    pub(super) fn hears_of(
        &mut self,
        now: Moment,
        from: Instance,
        cluster_id: ClusterId,
        out: &mut Vec<Output>,
    ) {
        if cluster_id.is_nobody() {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.knows = Some(cluster_id);
        }
        // Who has accepted this very record need not be told to found no other: the acceptance, reported in every
        // promise, leads any ballot to it. A bare veto from it could outlive the last holder of the record.
        let accepted = self.state.accepted.as_ref();
        let completes = accepted.is_some_and(|own| own.record.cluster_id() == cluster_id);
        match self.state.known_cluster() {
            None if completes => {}
            None => {
                self.proposal = None;
                self.known_since = Some(now);
                self.state.exists = Some(cluster_id);
                self.persist(Some(cluster_id), After::Exists(cluster_id), out);
            }
            Some(known) if known == cluster_id || self.comes_from(cluster_id) => {}
            Some(_) => {
                if self.rivals.len() < MAX_RIVALS {
                    self.rivals.insert(cluster_id);
                }
            }
        }
        self.note_holder(from);
    }

    /// A record with its proof, from whichever side (rules 6, 13, 20).
    pub(super) fn learn_record(
        &mut self,
        now: Moment,
        from: Instance,
        founded: FoundingCertificate,
        out: &mut Vec<Output>,
    ) {
        let config = &self.config;
        if check_founded(&founded, &config.cluster, config.digest, self.quorum).is_err() {
            self.refused_records += 1;
            return;
        }
        let cluster_id = founded.record.cluster_id();
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.knows = Some(cluster_id);
        }
        self.note_holder(from);
        let known = self.state.known_cluster();
        if known.is_some() && founded.comes_from() == known && known != Some(cluster_id) {
            return out.push(Output::FoundedAnew(founded));
        }
        if self.comes_from(cluster_id) {
            return;
        }
        if known.is_some_and(|known| known != cluster_id) || self.joins_neither() {
            if known != Some(cluster_id) && self.rivals.len() < MAX_RIVALS {
                self.rivals.insert(cluster_id);
            }
            return;
        }
        if self.state.founded.is_some() {
            if self.is_founded_durably() {
                self.acknowledge(from, cluster_id, out);
            }
            return;
        }
        self.proposal = None;
        self.tally.clear();
        self.waivers.clear();
        self.known_since.get_or_insert(now);
        self.state.founded = Some(founded);
        self.saved.founded = self.persist(Some(cluster_id), After::Founded, out);
    }

    /// "I know it too": an unasked `Exists` tells the giver of a record that it has arrived.
    fn acknowledge(&mut self, to: Instance, cluster_id: ClusterId, out: &mut Vec<Output>) {
        self.say(to, Body::Exists(Exists { cluster_id, nonce: 0 }), out);
    }

    /// A write is durable: what waited for it comes out, in order.
    pub(super) fn persisted(&mut self, now: Moment, number: u64, out: &mut Vec<Output>) {
        self.saved.durable = self.saved.durable.max(number);
        while let Some(first) = self.saved.after.first_entry() {
            if *first.key() > number {
                break;
            }
            let after = first.remove();
            self.carry_out(now, after, out);
        }
    }

    fn carry_out(&mut self, now: Moment, after: After, out: &mut Vec<Output>) {
        match after {
            After::Say(to, body) => self.say(to, *body, out),
            After::Opened(ballot) => self.ballot_is_open(now, ballot, out),
            After::Accepted(ballot, cluster_id) => {
                self.acceptance_is_durable(now, ballot, cluster_id, out);
            }
            After::Exists(cluster_id) => {
                self.exists_durably = true;
                if self.state.founded.is_none() && !self.joins_neither() {
                    out.push(Output::Join(cluster_id));
                }
            }
            After::Founded => self.record_is_durable(now, out),
            After::Marked => {}
        }
    }

    /// From here on this life has founded; everyone who has not is told at once (rule 13).
    fn record_is_durable(&mut self, now: Moment, out: &mut Vec<Output>) {
        let Some(founded) = self.state.founded.clone() else { return };
        let cluster_id = founded.record.cluster_id();
        self.note_own_holding();
        self.note_members();
        out.push(Output::Founded(founded));
        let peers: Vec<Instance> = self.peers.keys().copied().collect();
        for peer in peers {
            if self.peers[&peer].knows == Some(cluster_id) {
                self.acknowledge(peer, cluster_id, out);
            } else {
                self.tell_record(now, peer, false, out);
            }
        }
    }

    /// This life's cluster was founded anew by others as that one, and goes on beside it: two clusters of one name.
    pub fn is_beside(&mut self, cluster_id: ClusterId) {
        if self.rivals.len() < MAX_RIVALS {
            self.rivals.insert(cluster_id);
        }
    }

    /// Whether this life's cluster was founded anew from that one, which is over: who was left behind in it is told so, and is no rival.
    fn comes_from(&self, cluster_id: ClusterId) -> bool {
        let founded = self.state.founded.as_ref();
        founded.and_then(FoundingCertificate::comes_from) == Some(cluster_id)
    }

    /// Whether two clusters of this name were heard of before this life was in either.
    pub(super) fn joins_neither(&self) -> bool {
        self.state.founded.is_none() && !self.rivals.is_empty()
    }

    /// Sends to a peer whose session stands; anything else is dropped, for it will be asked for again.
    pub(super) fn say(&self, to: Instance, body: Body, out: &mut Vec<Output>) {
        if self.peers.contains_key(&to) {
            let message = FoundingMessage { digest: self.config.digest, body: Some(body) };
            out.push(Output::Send { to, message });
        }
    }
}
