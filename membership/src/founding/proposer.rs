//! This life's own ballot: when to open one, whom to wait for, which record to propose, when to give up.
//!
//! A ballot proposes at most one record: it is opened only after the own promise is durable, and a restart, which
//! forgets the ballot, opens a higher one. The record goes out only after every promiser has confirmed
//! (GENESIS rules 8 to 11 and 14).

use super::config::quorum_without;
use super::{After, Founding, FoundingOutput as Output, PATIENCE, STAGGER};
use quorate_proto::{
    Accept, Ballot, Confirm, FeatureLevel, FoundingRecord, Instance, Moment, Nack, Prepare,
    Promise, Waiver, founding_message::Body,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest random back-off after a ballot that failed, in steps of [`STAGGER`].
const MAX_BACKOFF_STEPS: u32 = 8;

/// How far a ballot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The own promise is being written.
    Opening,
    /// Promises come in.
    Preparing,
    /// Confirmations come in.
    Confirming,
    /// The record is out.
    Accepting,
}

/// The ballot that this life has open. Volatile by design.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) ballot: Ballot,
    pub(super) phase: Phase,
    /// Whose promises are waited for, this life's own included.
    wanted: BTreeSet<Instance>,
    /// Whether every slot was heard: then nothing less than all of them will do.
    all: bool,
    promises: BTreeMap<u32, Promise>,
    confirmed: BTreeSet<Instance>,
    pub(super) record: Option<FoundingRecord>,
    /// The operator's word with which it was opened.
    pub(super) waiver: Option<Waiver>,
    pub(super) deadline: Moment,
}

impl Proposal {
    fn promisers(&self) -> BTreeSet<Instance> {
        self.promises.values().map(|promise| promise.voter.instance).collect()
    }
}

impl Founding {
    /// When this life would open a ballot, as things stand.
    pub(super) fn ballot_time(&self) -> Option<Moment> {
        let me = self.config.me.instance;
        let idle = self.proposal.is_none() && self.is_fresh() && !self.is_contested();
        let slot = self.slot().filter(|_| idle)?;
        if self.hearing.fresh.get(&slot) != Some(&me) {
            return None;
        }
        let grace = self.hearing.enough_since.map(|since| since + self.config.grace);
        if let Some(given) = self.waived_since() {
            return Some(given.max(self.started + self.config.quiet).max(self.not_before));
        }
        let heard = match (self.hearing.all_since, grace) {
            (Some(all), Some(grace)) => all.min(grace),
            (all, grace) => all.or(grace)?,
        };
        let rank = self.hearing.fresh.range(..slot).count();
        let quiet = self.started + self.config.quiet;
        let turn = heard.max(quiet) + STAGGER * u32::try_from(rank).unwrap_or(u32::MAX);
        Some(turn.max(self.not_before))
    }

    pub(super) fn open_ballot_when_due(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.ballot_time().is_none_or(|time| time > now) {
            return;
        }
        let promised = self.state.promised.map_or(0, |promised| promised.round);
        let round = self.round_seen.max(promised) + 1;
        self.round_seen = round;
        let ballot = Ballot { round, instance: self.config.me.instance };
        let all = self.hearing.all_since.is_some();
        let missed = |life: &Instance| self.peers.get(life).is_some_and(|peer| peer.missed);
        let wanted = self.hearing.fresh.values().copied().filter(|life| !missed(life)).collect();
        self.proposal = Some(Proposal {
            ballot,
            phase: Phase::Opening,
            wanted,
            all,
            promises: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            record: None,
            waiver: self.standing_waiver(),
            deadline: now + PATIENCE,
        });
        self.state.promised = Some(ballot);
        let number = self.persist(None, After::Opened(ballot), out);
        self.saved.promise = number;
    }

    /// The own promise is durable: ask all slots for theirs (rule 9).
    pub(super) fn ballot_is_open(&mut self, now: Moment, ballot: Ballot, out: &mut Vec<Output>) {
        let Some(voter) = self.own_voter() else { return };
        let accepted = self.state.accepted.clone();
        let Some(proposal) = self.proposal.as_mut().filter(|open| open.ballot == ballot) else {
            return;
        };
        proposal.phase = Phase::Preparing;
        proposal.deadline = now + PATIENCE;
        proposal.promises.insert(voter.slot, Promise { ballot, voter, accepted });
        self.repeat_ballot(out);
        self.go_on_from_promises(now, false, out);
    }

    /// Says to everyone, or once more, what this ballot waits for.
    pub(super) fn repeat_ballot(&mut self, out: &mut Vec<Output>) {
        let peers: Vec<Instance> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.resume_ballot_with(peer, out));
    }

    /// What the open ballot wants of this peer now.
    pub(super) fn resume_ballot_with(&mut self, to: Instance, out: &mut Vec<Output>) {
        let Some(proposal) = &self.proposal else { return };
        let Some(peer) = self.peers.get(&to) else { return };
        if peer.knows.is_some() || peer.session.digest != self.config.digest {
            return;
        }
        let ballot = proposal.ballot;
        let promised = proposal.promises.values().any(|promise| promise.voter.instance == to);
        let body = match proposal.phase {
            Phase::Preparing if !promised => Body::Prepare(Prepare { ballot }),
            Phase::Confirming if promised && !proposal.confirmed.contains(&to) => {
                Body::Confirm(Confirm { ballot })
            }
            Phase::Accepting if proposal.confirmed.contains(&to) && !self.has_accepted(to) => {
                let Some(record) = proposal.record.clone() else { return };
                let lives = proposal.confirmed.iter().copied().collect();
                let waiver = proposal.waiver.clone();
                Body::Accept(Accept { ballot, record, lives, waiver })
            }
            _ => return,
        };
        self.say(to, body, out);
    }

    fn has_accepted(&self, life: Instance) -> bool {
        let ballot = self.proposal.as_ref().map(|proposal| proposal.ballot);
        self.tally
            .iter()
            .any(|((of, _), votes)| Some(*of) == ballot && votes.values().any(|who| *who == life))
    }

    pub(super) fn promised(
        &mut self,
        now: Moment,
        from: Instance,
        promise: Promise,
        out: &mut Vec<Output>,
    ) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let voter = &promise.voter;
        let reached = peer.session.address;
        if voter.instance != from
            || voter.key != peer.session.key
            || voter.slot as usize >= self.slots
            || !self.record_is_sound(&promise)
        {
            return;
        }
        let Some(proposal) = self.proposal.as_mut() else { return };
        if proposal.ballot != promise.ballot || proposal.phase != Phase::Preparing {
            return;
        }
        if proposal.waiver.as_ref().is_some_and(|waiver| !waiver.lives.contains(&from)) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.missed = false;
        }
        let lives_elsewhere = proposal.promises.values().any(|other| other.voter.instance == from);
        let slot_taken = proposal.promises.contains_key(&promise.voter.slot);
        if slot_taken || lives_elsewhere {
            return;
        }
        let mut promise = promise;
        if promise.voter.address.as_ref().and_then(|address| address.socket()).is_none() {
            promise.voter.address = Some(reached.into());
        }
        proposal.promises.insert(promise.voter.slot, promise);
        self.go_on_from_promises(now, false, out);
    }

    fn record_is_sound(&self, promise: &Promise) -> bool {
        let check = super::proof::check_record;
        promise.accepted.as_ref().is_none_or(|accepted| {
            accepted.ballot < promise.ballot
                && check(&accepted.record, &self.config.cluster).is_ok()
        })
    }

    /// With enough promises: choose the record and ask for confirmation (rule 11).
    fn go_on_from_promises(&mut self, now: Moment, late: bool, out: &mut Vec<Output>) {
        let Some(proposal) = self.proposal.as_mut() else { return };
        let waived = proposal.waiver.as_ref().map_or(0, |waiver| waiver.slots.len());
        let needed = quorum_without(self.quorum, self.slots, waived);
        let promisers = proposal.promisers();
        let everyone = proposal.wanted.is_subset(&promisers);
        let enough = promisers.len() >= needed && (everyone || (late && !proposal.all));
        if proposal.phase != Phase::Preparing || !enough {
            return;
        }
        let me = &self.config.me;
        // Of who has just gone nothing is assumed but the first level.
        let can_run = |life: &Instance| match *life == me.instance {
            true => me.levels.highest(),
            false => {
                self.peers.get(life).map_or(FeatureLevel::BASE, |it| it.session.levels.highest())
            }
        };
        let level = promisers.iter().map(can_run).min().unwrap_or(FeatureLevel::BASE);
        let reports = proposal.promises.values().filter_map(|promise| promise.accepted.as_ref());
        let highest = reports.max_by_key(|accepted| accepted.ballot);
        let record = highest.map_or_else(
            || FoundingRecord {
                cluster: self.config.cluster.to_string(),
                digest: self.config.digest,
                voters: proposal.promises.values().map(|p| p.voter.clone()).collect(),
                ballot: proposal.ballot,
                slots: self.slots as u32,
                level: level.in_record(),
            },
            |accepted| accepted.record.clone(),
        );
        proposal.record = Some(record);
        proposal.phase = Phase::Confirming;
        proposal.deadline = now + PATIENCE;
        let me = self.config.me.instance;
        proposal.confirmed.insert(me);
        self.repeat_ballot(out);
        self.go_on_from_confirmations(now, out);
    }

    pub(super) fn confirmed(
        &mut self,
        now: Moment,
        from: Instance,
        ballot: Ballot,
        out: &mut Vec<Output>,
    ) {
        let Some(proposal) = self.proposal.as_mut() else { return };
        let listed = proposal.promisers().contains(&from);
        if proposal.ballot == ballot && proposal.phase == Phase::Confirming && listed {
            proposal.confirmed.insert(from);
            self.go_on_from_confirmations(now, out);
        }
    }

    /// When all promisers have confirmed, the record goes out.
    fn go_on_from_confirmations(&mut self, now: Moment, out: &mut Vec<Output>) {
        let Some(proposal) = self.proposal.as_mut() else { return };
        if proposal.phase != Phase::Confirming || proposal.confirmed != proposal.promisers() {
            return;
        }
        let Some(record) = proposal.record.clone() else { return };
        let (ballot, waiver) = (proposal.ballot, proposal.waiver.clone());
        proposal.phase = Phase::Accepting;
        proposal.deadline = now + PATIENCE;
        self.note_waiver(ballot, waiver.as_ref());
        self.repeat_ballot(out);
        self.take_record(ballot, record, out);
    }

    pub(super) fn refused(&mut self, now: Moment, nack: &Nack) {
        self.note_round(nack.promised.round);
        let open = self.proposal.as_ref().is_some_and(|open| open.ballot == nack.ballot);
        if open && nack.promised > nack.ballot {
            self.give_up(now);
        }
    }

    /// Nothing came for too long (rule 14).
    pub(super) fn end_stuck_ballot(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.proposal.as_ref().is_none_or(|open| open.deadline > now) {
            return;
        }
        self.go_on_from_promises(now, true, out);
        let Some(stuck) = self.proposal.as_ref().filter(|open| open.deadline <= now) else {
            return;
        };
        let silent: Vec<Instance> = match stuck.phase {
            Phase::Preparing => stuck.wanted.difference(&stuck.promisers()).copied().collect(),
            Phase::Confirming => stuck.promisers().difference(&stuck.confirmed).copied().collect(),
            Phase::Opening | Phase::Accepting => Vec::new(),
        };
        for life in silent {
            if let Some(peer) = self.peers.get_mut(&life) {
                peer.missed = true;
            }
        }
        self.give_up(now);
    }

    pub(super) fn give_up(&mut self, now: Moment) {
        self.proposal = None;
        self.attempts = self.attempts.saturating_add(1);
        let longest = STAGGER * self.attempts.min(MAX_BACKOFF_STEPS);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let pause = Duration::from_millis(50) + Duration::from_micros(self.draw(micros));
        self.not_before = self.not_before.max(now + pause);
    }
}
