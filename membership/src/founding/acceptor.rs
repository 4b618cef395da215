//! Answers to other lives' ballots: promise, confirmation, acceptance, and the proof they add up to.
//!
//! A promise or an acceptance leaves only when it is durable. A promise binds this life for ever, across restarts
//! and edited lists; an acceptance needs the promise of exactly its ballot (GENESIS rules 10 to 13).

use super::config::quorum_without;
use super::proof::check_record;
use super::{After, Founding, FoundingOutput as Output, MAX_ROUND, PATIENCE};
use quorate_proto::{
    Accept, Accepted, AcceptedRecord, Ask, Ballot, ClusterId, Confirm, Confirmed, Exists,
    FounderVoter, FoundingCertificate, FoundingProof, FoundingRecord, Instance, Moment, Nack,
    Prepare, Promise, ProofVote, founding_message::Body,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most (ballot, record) pairs whose acceptances are counted; the lowest ballot goes first. Each live proposer
/// has one ballot at a time.
pub(super) const MAX_TALLIES: usize = 16;

/// Acceptances heard: which lives accepted which record in which ballot, by slot.
pub(super) type Tally = BTreeMap<(Ballot, ClusterId), BTreeMap<usize, Instance>>;

impl Founding {
    /// Answers for a life that is not fresh; whether it is not.
    ///
    /// That a cluster exists is told only when somebody holds its record durably: a veto for a record that a
    /// crash can still take away would leave nobody to hand it over.
    fn veto(&mut self, now: Moment, to: Instance, nonce: u64, out: &mut Vec<Output>) -> bool {
        if self.is_founded_durably() {
            self.tell_record(now, to, true, out);
        } else if let Some(cluster_id) = self.state.exists {
            self.say(to, Body::Exists(Exists { cluster_id, nonce }), out);
        }
        self.state.knows_cluster()
    }

    /// A peer asks whether this life is fresh.
    pub(super) fn asked(&mut self, now: Moment, from: Instance, ask: &Ask, out: &mut Vec<Output>) {
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.its_nonce = Some(ask.nonce);
        }
        if !self.veto(now, from, ask.nonce, out) {
            self.answer(from, out);
        }
    }

    pub(super) fn prepare(
        &mut self,
        now: Moment,
        from: Instance,
        prepare: &Prepare,
        out: &mut Vec<Output>,
    ) {
        let ballot = prepare.ballot;
        if ballot.instance != from || ballot.round > MAX_ROUND || self.veto(now, from, 0, out) {
            return;
        }
        self.note_round(ballot.round);
        // Further above what was seen than one step: the proposer repeats it, and is answered once this life is there.
        if ballot.round > self.round_seen {
            return;
        }
        self.recount(now);
        if self.unfit || self.is_contested() {
            return;
        }
        let Some(voter) = self.own_voter() else { return };
        match self.state.promised {
            Some(promised) if promised > ballot => {
                self.say(from, Body::Nack(Nack { ballot, promised }), out);
            }
            Some(promised) if promised == ballot => {
                // The same question once more. An acceptance of this very ballot is past the promise.
                let before = self.state.accepted.as_ref().is_none_or(|a| a.ballot < ballot);
                if self.saved.is_durable(self.saved.promise) && before {
                    let accepted = self.state.accepted.clone();
                    let promise = Promise { ballot, voter, accepted };
                    self.say(from, Body::Promise(promise), out);
                }
            }
            _ => {
                self.proposal = None;
                self.yield_to_others(now);
                let accepted = self.state.accepted.clone();
                let promise = Promise { ballot, voter, accepted };
                self.state.promised = Some(ballot);
                let number =
                    self.persist(None, After::Say(from, Box::new(Body::Promise(promise))), out);
                self.saved.promise = number;
            }
        }
    }

    /// This life as it would stand in a record.
    pub(super) fn own_voter(&self) -> Option<FounderVoter> {
        let slot = self.slot()?;
        let me = &self.config.me;
        let resolved = || self.seeds.get(slot).and_then(|seed| seed.addresses.first().copied());
        Some(FounderVoter {
            slot: slot as u32,
            instance: me.instance,
            key: me.key,
            address: me.address.or_else(resolved).map(Into::into),
            name: me.name.to_string(),
        })
    }

    pub(super) fn confirm(
        &mut self,
        now: Moment,
        from: Instance,
        confirm: &Confirm,
        out: &mut Vec<Output>,
    ) {
        let ballot = confirm.ballot;
        if ballot.instance != from || self.veto(now, from, 0, out) {
            return;
        }
        match self.state.promised {
            Some(promised) if promised == ballot && self.saved.is_durable(self.saved.promise) => {
                self.yield_to_others(now);
                self.say(from, Body::Confirmed(Confirmed { ballot }), out);
            }
            Some(promised) if promised > ballot => {
                self.say(from, Body::Nack(Nack { ballot, promised }), out);
            }
            _ => {}
        }
    }

    pub(super) fn accept(
        &mut self,
        now: Moment,
        from: Instance,
        accept: &Accept,
        out: &mut Vec<Output>,
    ) {
        let Accept { ballot, record, lives, waiver } = accept;
        if ballot.instance != from || check_record(record, &self.config.cluster).is_err() {
            return;
        }
        let cluster_id = record.cluster_id();
        if self.state.founded.is_some()
            || self.state.exists.is_some_and(|known| known != cluster_id)
        {
            self.veto(now, from, 0, out);
            return;
        }
        if waiver.as_ref().is_some_and(|waiver| !self.may_do_without(waiver, lives)) {
            return;
        }
        let listed = lives.contains(&self.config.me.instance);
        if self.state.promised != Some(*ballot) || !listed || self.slot().is_none() || self.unfit {
            if let Some(promised) = self.state.promised.filter(|promised| promised > ballot) {
                self.say(from, Body::Nack(Nack { ballot: *ballot, promised }), out);
            }
            return;
        }
        self.yield_to_others(now);
        self.note_waiver(*ballot, waiver.as_ref());
        if let Some(own) = &self.state.accepted
            && own.ballot == *ballot
        {
            if self.saved.is_durable(self.saved.accept) {
                self.tell_acceptance(from, out);
            }
            return;
        }
        self.take_record(*ballot, record.clone(), out);
    }

    /// Accepts, durably, then tells all (rule 12).
    pub(super) fn take_record(
        &mut self,
        ballot: Ballot,
        record: FoundingRecord,
        out: &mut Vec<Output>,
    ) {
        let cluster_id = record.cluster_id();
        self.state.accepted = Some(AcceptedRecord { ballot, record });
        self.saved.accept = self.persist(None, After::Accepted(ballot, cluster_id), out);
    }

    fn tell_acceptance(&mut self, to: Instance, out: &mut Vec<Output>) {
        let (Some(own), Some(slot)) = (&self.state.accepted, self.slot()) else { return };
        let cluster_id = own.record.cluster_id();
        let accepted = Accepted { ballot: own.ballot, cluster_id, slot: slot as u32 };
        self.say(to, Body::Accepted(accepted), out);
    }

    /// The own acceptance is durable.
    pub(super) fn acceptance_is_durable(
        &mut self,
        now: Moment,
        ballot: Ballot,
        cluster_id: ClusterId,
        out: &mut Vec<Output>,
    ) {
        let Some(slot) = self.slot() else { return };
        if self.state.accepted.as_ref().is_some_and(|own| own.ballot == ballot) {
            let peers: Vec<Instance> = self.peers.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.tell_acceptance(peer, out));
        }
        let accepted = Accepted { ballot, cluster_id, slot: slot as u32 };
        self.accepted(now, self.config.me.instance, &accepted, out);
    }

    /// Counts an acceptance; q distinct slots of one ballot and record are the proof (rule 13).
    pub(super) fn accepted(
        &mut self,
        now: Moment,
        from: Instance,
        accepted: &Accepted,
        out: &mut Vec<Output>,
    ) {
        let slot = accepted.slot as usize;
        if slot >= self.slots || self.state.founded.is_some() {
            return;
        }
        self.note_round(accepted.ballot.round);
        let key = (accepted.ballot, accepted.cluster_id);
        if self.tally.len() >= MAX_TALLIES && !self.tally.contains_key(&key) {
            self.tally.pop_first();
        }
        let votes = self.tally.entry(key).or_default();
        if !votes.values().any(|life| *life == from) {
            votes.entry(slot).or_insert(from);
        }
        self.look_for_proof(now, key, out);
    }

    fn look_for_proof(&mut self, now: Moment, key: (Ballot, ClusterId), out: &mut Vec<Output>) {
        let waiver = self.waivers.get(&key.0).cloned();
        let waived = waiver.as_ref().map_or(0, |waiver| waiver.slots.len());
        let needed = quorum_without(self.quorum, self.slots, waived);
        let Some(votes) = self.tally.get(&key).filter(|votes| votes.len() >= needed) else {
            return;
        };
        let own = self.state.accepted.as_ref().map(|own| &own.record);
        let proposed = self.proposal.as_ref().and_then(|proposal| proposal.record.as_ref());
        let Some(record) =
            own.into_iter().chain(proposed).find(|record| record.cluster_id() == key.1)
        else {
            return;
        };
        let votes = votes
            .iter()
            .map(|(slot, instance)| ProofVote { slot: *slot as u32, instance: *instance })
            .collect();
        let proof = FoundingProof { ballot: key.0, votes, waiver };
        let founded = FoundingCertificate { record: record.clone(), proof, lineage: None };
        self.learn_record(now, self.config.me.instance, founded, out);
    }

    /// Another life proposes, so this one gives it time (rule 14).
    fn yield_to_others(&mut self, now: Moment) {
        let pause = PATIENCE + Duration::from_millis(self.draw(600));
        self.not_before = self.not_before.max(now + pause);
    }
}
