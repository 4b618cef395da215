//! Whom this node hears: sessions, questions and answers, which slots are fresh, and one life per slot.
//!
//! Freshness counts only in answer to a nonce of the session that stands (GENESIS rule 5). A slot that two lives
//! claim is heard from neither, and nobody promises until one is gone (rule 4).

use super::{Founding, FoundingOutput as Output, OwnSlot, PATIENCE, PROBE};
use quorate_proto::{
    Answer, Ask, ClusterId, Generation, Instance, Moment, Session, founding_message::Body,
    short_hash,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A clone is taken for gone when nothing was seen of it for so long: well above a dial that is repeated.
const CLONE_MEMORY: Duration = Duration::from_secs(10);
/// Most lives whose last start is remembered: seeds and joiners around a birth. The oldest entries go first by
/// order of instance, which only delays the finding of a clone.
const MAX_STARTS: usize = 256;

/// A peer with a session that stands.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) up_since: Moment,
    /// What it must echo.
    nonce: u64,
    asked_at: Moment,
    /// Its answer on this session: the slot it claims.
    pub(super) answered: Option<Option<usize>>,
    /// The nonce it asked with, to answer again when our slot changes.
    pub(super) its_nonce: Option<u64>,
    /// The cluster that it has said it knows.
    pub(super) knows: Option<ClusterId>,
    /// When it was told the record last.
    told_at: Option<Moment>,
    /// It let a ballot down; it does not make "all" again before it promises something.
    pub(super) missed: bool,
}

/// Two starts of one life at one time.
#[derive(Debug)]
pub(super) struct Clone {
    /// Where the one is that came last.
    pub(super) at: SocketAddr,
    pub(super) since: Moment,
    until: Moment,
}

/// Which slots are fresh, and since when they are enough.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Lives that are fresh, by slot; this node's own included.
    pub(super) fresh: BTreeMap<usize, Instance>,
    /// Slots that several lives claim, and since when.
    pub(super) contested: BTreeMap<usize, (Vec<Instance>, Moment)>,
    /// Since when all slots are fresh and none let a ballot down.
    pub(super) all_since: Option<Moment>,
    /// Since when at least a quorum is.
    pub(super) enough_since: Option<Moment>,
    /// The newest start of each life that was seen.
    starts: BTreeMap<Instance, (Generation, u64)>,
    pub(super) clones: BTreeMap<Instance, Clone>,
}

impl Founding {
    pub(super) fn session_up(&mut self, now: Moment, session: Session, out: &mut Vec<Output>) {
        let me = self.config.me.instance;
        if session.instance == me && session.boot_nonce == self.config.me.boot_nonce {
            return;
        }
        self.watch_for_clones(now, &session);
        if session.instance == me {
            return;
        }
        self.seeds.reached(session.address);
        if let Some(address) = session.dialled {
            self.seeds.led_to(now, address, session.instance);
        }
        let earlier = self.peers.get_mut(&session.instance);
        if let Some(peer) = earlier.filter(|peer| peer.session.number == session.number) {
            // Told again: its host may have moved meanwhile.
            peer.session.address = session.address;
            return;
        }
        let earlier = self.peers.get(&session.instance);
        let instance = session.instance;
        let knows = session.cluster_id.or_else(|| earlier.and_then(|peer| peer.knows));
        let key = self.config.nonce_key.to_be_bytes();
        let number = session.number.to_be_bytes();
        let nonce = short_hash(&[&key, &instance.to_bytes(), &number]).max(1);
        if self.peers.len() >= super::MAX_PEERS && earlier.is_none() {
            return;
        }
        let heard = session.cluster_id;
        let address = session.address;
        let peer = Peer {
            session,
            up_since: now,
            nonce,
            asked_at: now,
            answered: None,
            its_nonce: None,
            knows,
            told_at: None,
            missed: false,
        };
        self.peers.insert(instance, peer);
        match heard {
            Some(cluster_id) => self.hears_of(now, instance, cluster_id, out),
            None => self.seen_at(address, instance),
        }
        self.open_session(now, instance, out);
    }

    /// What is said first on a new session: the record by who has it, the question by who has not.
    fn open_session(&mut self, now: Moment, to: Instance, out: &mut Vec<Output>) {
        if self.is_founded_durably() {
            self.tell_record(now, to, false, out);
        } else {
            self.ask(now, to, out);
            self.resume_ballot_with(to, out);
        }
    }

    pub(super) fn session_down(&mut self, now: Moment, instance: Instance, number: u64) {
        if self.peers.get(&instance).is_some_and(|peer| peer.session.number == number) {
            let gone = self.peers.remove(&instance);
            let address = gone.map(|peer| peer.session.address);
            if address.is_some_and(|address| self.seeds.slot_at(address).is_some()) {
                self.resolve_at = self.resolve_at.min(now + super::RESOLVE_SOON);
            }
        }
        if instance == self.config.me.instance {
            self.hearing.clones.remove(&instance);
        }
    }

    /// One life runs once: two nonces of one generation, or a generation that went back, are two machines.
    fn watch_for_clones(&mut self, now: Moment, session: &Session) {
        let start = (session.generation, session.boot_nonce);
        let me = &self.config.me;
        let known = if session.instance == me.instance {
            Some((me.generation, me.boot_nonce))
        } else {
            self.hearing.starts.get(&session.instance).copied()
        };
        let twice = known
            .is_some_and(|known| start.0 < known.0 || (start.0 == known.0 && start.1 != known.1))
            || session.instance == me.instance;
        if twice {
            return self.runs_twice(now, session);
        }
        let starts = &mut self.hearing.starts;
        if starts.len() >= MAX_STARTS && !starts.contains_key(&session.instance) {
            starts.pop_first();
        }
        starts.insert(session.instance, start);
    }

    /// A second start of a life is there while the first one is.
    pub(super) fn runs_twice(&mut self, now: Moment, session: &Session) {
        let until = now + CLONE_MEMORY;
        let entry = self.hearing.clones.entry(session.instance);
        entry.or_insert(Clone { at: session.address, since: now, until }).until = until;
    }

    fn ask(&mut self, now: Moment, to: Instance, out: &mut Vec<Output>) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        peer.asked_at = now;
        let nonce = peer.nonce;
        self.say(to, Body::Ask(Ask { nonce }), out);
    }

    /// Answers the last question of a peer with the same list: "I am fresh, and this slot is mine".
    pub(super) fn answer(&mut self, to: Instance, out: &mut Vec<Output>) {
        let Some(peer) = self.peers.get(&to) else { return };
        let Some(nonce) = peer.its_nonce else { return };
        if peer.session.digest != self.config.digest || self.unfit {
            return;
        }
        let slot = self.slot().map(|slot| slot as u32);
        self.say(to, Body::Answer(Answer { nonce, slot, round: self.round_seen }), out);
    }

    pub(super) fn answered(&mut self, from: Instance, answer: &Answer) {
        let slots = self.slots;
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if answer.nonce != peer.nonce {
            return;
        }
        let slot = answer.slot.map(|slot| slot as usize).filter(|slot| *slot < slots);
        peer.answered = Some(slot);
        self.note_round(answer.round);
        if let (Some(slot), None) = (slot, self.peers.get(&from).and_then(|peer| peer.knows)) {
            self.holders.insert(slot, (from, false));
        }
    }

    pub(super) fn own_slot(&mut self, slot: OwnSlot, out: &mut Vec<Output>) {
        self.looked_up = true;
        let slot = match slot {
            OwnSlot::Slot(slot) | OwnSlot::OtherPort { slot, .. } if slot >= self.slots => {
                OwnSlot::NotASeed
            }
            other => other,
        };
        // A slot once decided outlives a resolver that is down; one that a promise was given for outlives all.
        let keep = match (self.own_slot, slot) {
            (OwnSlot::Slot(_), OwnSlot::Undecided) => true,
            (OwnSlot::Slot(_), _) => self.state.promised.is_some(),
            _ => false,
        };
        if keep || slot == self.own_slot {
            return;
        }
        self.own_slot = slot;
        if !self.state.knows_cluster() {
            let peers: Vec<Instance> = self.peers.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.answer(peer, out));
        }
    }

    /// Asks again, and tells the record again, where nothing came back.
    pub(super) fn repeat_questions(&mut self, now: Moment, out: &mut Vec<Output>) {
        let founded = self.is_founded_durably().then(|| self.state.known_cluster()).flatten();
        let peers: Vec<Instance> = self.peers.keys().copied().collect();
        for to in peers {
            let Some(peer) = self.peers.get(&to) else { continue };
            if founded.is_some() {
                let again = |at| peer.knows.is_none() && now.since(at) >= PROBE;
                let due = peer.told_at.is_none_or(again);
                if peer.knows != founded && due {
                    self.tell_record(now, to, false, out);
                }
                continue;
            }
            // Who knows a cluster is asked on for its record; who answered as fresh says by itself when it is not.
            let pause = if peer.knows.is_some() { PATIENCE } else { PROBE };
            let silent = peer.answered.is_none() || peer.knows.is_some();
            if silent && now.since(peer.asked_at) >= pause {
                self.ask(now, to, out);
            }
        }
    }

    /// Hands the record over (rules 13 and 20), unless the peer is known to have it and did not ask.
    pub(super) fn tell_record(
        &mut self,
        now: Moment,
        to: Instance,
        asked: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(founded) = self.state.founded.clone() else { return };
        let Some(peer) = self.peers.get_mut(&to) else { return };
        if !asked && peer.knows == Some(founded.record.cluster_id()) {
            return;
        }
        peer.told_at = Some(now);
        self.say(to, Body::Founded(founded), out);
    }

    /// Counts anew who is fresh, and since when they are enough.
    pub(super) fn recount(&mut self, now: Moment) {
        self.hearing.clones.retain(|_, clone| clone.until > now);
        let mut claims: BTreeMap<usize, Vec<Instance>> = BTreeMap::new();
        if let Some(slot) = self.slot() {
            claims.entry(slot).or_default().push(self.config.me.instance);
        }
        for (instance, peer) in &self.peers {
            let same_list = peer.session.digest == self.config.digest;
            if let (Some(Some(slot)), None, true) = (peer.answered, peer.knows, same_list) {
                claims.entry(slot).or_default().push(*instance);
            }
        }
        let mut contested = BTreeMap::new();
        self.hearing.fresh.clear();
        for (slot, lives) in claims {
            if let [life] = lives[..] {
                self.hearing.fresh.insert(slot, life);
                self.seeds.heard(now, slot);
            } else {
                let since = self.hearing.contested.get(&slot).map_or(now, |(_, since)| *since);
                contested.insert(slot, (lives, since));
            }
        }
        self.hearing.contested = contested;
        self.count(now);
        self.void_waiver(now);
    }

    fn count(&mut self, now: Moment) {
        let count = self.hearing.fresh.len();
        let missed: BTreeSet<Instance> =
            self.peers.iter().filter(|(_, peer)| peer.missed).map(|(life, _)| *life).collect();
        let all =
            count == self.slots && self.hearing.fresh.values().all(|life| !missed.contains(life));
        let had_all = self.hearing.all_since.is_some();
        let hearing = &mut self.hearing;
        hearing.all_since = all.then(|| hearing.all_since.unwrap_or(now));
        hearing.enough_since = if count < self.quorum {
            None
        } else if had_all && !all {
            // One that was there stays away: the grace starts again (rule 8a).
            Some(now)
        } else {
            Some(hearing.enough_since.unwrap_or(now))
        };
    }

    /// Whether one slot, or one life, is there twice (rule 4).
    pub(super) fn is_contested(&self) -> bool {
        !self.hearing.contested.is_empty() || !self.hearing.clones.is_empty()
    }

    pub(super) fn clones_end(&self) -> Option<Moment> {
        self.hearing.clones.values().map(|clone| clone.until).min()
    }

    pub(super) fn stands_at(&self, address: SocketAddr) -> bool {
        self.peers.values().any(|peer| peer.session.address == address)
    }
}
