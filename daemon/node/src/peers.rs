//! Sessions that are up, and where each instance is reached.
//!
//! An address is a hint; the newest source wins: the session, then the committed member, then the founding
//! record. Knows nothing of what is said on a session.

use quorate_proto::{
    ClusterId, FoundingRecord, Generation, HealthView, Instance, Moment, NodeKey, RaftId, Session,
    limits, raft_id,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Everything known of reaching others.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    sessions: BTreeMap<Instance, Standing>,
    founders: BTreeMap<Instance, SocketAddr>,
    members: BTreeMap<Instance, SocketAddr>,
    /// Addresses that a leader hint gave us, for a joiner that has not met the leader.
    hints: BTreeMap<Instance, SocketAddr>,
    pins: BTreeMap<Instance, NodeKey>,
    starts: BTreeMap<Instance, Start>,
    /// Raft ids, which are hashes. At most `MAX_RAFT_IDS`; computed anew when it is full.
    raft_ids: BTreeMap<Instance, RaftId>,
}

/// A session, and since when it stands.
#[derive(Debug)]
struct Standing {
    session: Session,
    since: Moment,
}

/// Raft ids kept: more than the voters and learners that a cluster has.
const MAX_RAFT_IDS: usize = 64;

/// One start of an instance, as its hello told.
#[derive(Debug, Clone, Copy)]
struct Start {
    generation: Generation,
    boot_nonce: u64,
}

/// What a session is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartVerdict {
    /// The start that is known, or a first one.
    Itself,
    /// A later start than the one that is known: what that one had in memory only is gone.
    Restarted,
    /// A start before the one that is known: late news.
    Outdated,
    /// Another copy of the same disk.
    Clone,
}

/// Starts remembered: all members and as many strangers.
const MAX_STARTS: usize = 2 * limits::MEMBERS;

/// Pins kept: those of all members, and of as many that are gone.
const MAX_PINS: usize = 2 * limits::MEMBERS;

/// Leader hints kept at once; a joiner needs one.
const MAX_HINTS: usize = 8;

impl Peers {
    /// Who comes, by its start. The first copy that is met stays; GENESIS rules 4 and 19.
    pub(crate) fn judge(&self, session: &Session) -> StartVerdict {
        let Some(first) = self.starts.get(&session.instance) else { return StartVerdict::Itself };
        if session.generation > first.generation {
            return StartVerdict::Restarted;
        }
        if session.generation < first.generation {
            return StartVerdict::Outdated;
        }
        // Each start raises the generation: two nonces of one generation are two copies of one disk.
        if session.boot_nonce != first.boot_nonce {
            StartVerdict::Clone
        } else {
            StartVerdict::Itself
        }
    }

    /// Remembers the start of a session; a later one takes the place of the one before.
    pub(crate) fn note_start(&mut self, session: &Session) {
        if self.starts.len() >= MAX_STARTS && !self.starts.contains_key(&session.instance) {
            self.starts.clear();
        }
        let came = Start { generation: session.generation, boot_nonce: session.boot_nonce };
        let known = self.starts.entry(session.instance).or_insert(came);
        if came.generation > known.generation {
            *known = came;
        }
    }

    /// Whether this is the newest start of an instance that came here.
    pub(crate) fn met(&self, instance: Instance, generation: Generation, boot_nonce: u64) -> bool {
        let start = self.starts.get(&instance);
        start.is_some_and(|it| (it.generation, it.boot_nonce) == (generation, boot_nonce))
    }

    /// A session came up; an older one with the same instance is forgotten.
    pub(crate) fn up(&mut self, now: Moment, session: Session) {
        let before = self.sessions.get(&session.instance);
        let told_again = before.filter(|before| before.session.number == session.number);
        let since = told_again.map_or(now, |before| before.since);
        self.sessions.insert(session.instance, Standing { session, since });
    }

    /// A session ended, unless a newer one has replaced it already.
    pub(crate) fn down(&mut self, instance: Instance, number: u64) {
        if self.session(instance).is_some_and(|session| session.number == number) {
            self.sessions.remove(&instance);
        }
    }

    /// How long the session with an instance has stood; zero when there is none.
    pub(crate) fn up_for(&self, now: Moment, instance: Instance) -> Duration {
        self.sessions.get(&instance).map_or(Duration::ZERO, |it| now.since(it.since))
    }

    /// Which start of an instance was met last does not matter any more.
    pub(crate) fn forget_start(&mut self, instance: Instance) {
        self.starts.remove(&instance);
    }

    /// The session with an instance.
    pub(crate) fn session(&self, instance: Instance) -> Option<&Session> {
        self.sessions.get(&instance).map(|standing| &standing.session)
    }

    /// All sessions.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|standing| &standing.session)
    }

    /// All sessions, with since when each stands.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (&Session, Moment)> {
        self.sessions.values().map(|standing| (&standing.session, standing.since))
    }

    /// Takes the addresses of the founding record.
    pub(crate) fn learn_record(&mut self, record: &FoundingRecord) {
        for voter in &record.voters {
            if let Some(address) = voter.address.as_ref().and_then(|address| address.socket()) {
                self.founders.insert(voter.instance, address);
            }
            self.pins.entry(voter.instance).or_insert(voter.key);
        }
    }

    /// Takes the addresses of the view, in place of the earlier ones, and the keys. One that was only pushed pins what has
    /// no pin yet: a key belongs to its disk life for ever, and what is pinned is overruled by the own replica alone.
    pub(crate) fn learn_view(&mut self, view: &HealthView, committed_here: bool) {
        self.members.clear();
        if self.pins.len() > MAX_PINS {
            let named = |life: &Instance| view.members.iter().any(|one| one.instance == *life);
            self.pins.retain(|life, _| self.founders.contains_key(life) || named(life));
        }
        for member in &view.members {
            if let Some(address) = member.address.as_ref().and_then(|address| address.socket()) {
                self.members.insert(member.instance, address);
            }
            let pin = self.pins.entry(member.instance).or_insert(member.key);
            if committed_here {
                *pin = member.key;
            }
        }
        self.hints.clear();
    }

    /// Takes the address in a leader hint.
    pub(crate) fn learn_hint(&mut self, instance: Instance, address: SocketAddr) {
        if self.hints.len() >= MAX_HINTS {
            self.hints.clear();
        }
        self.hints.insert(instance, address);
    }

    /// Where an instance is reached.
    pub(crate) fn address(&self, instance: Instance) -> Option<SocketAddr> {
        self.session(instance)
            .map(|session| session.address)
            .or_else(|| self.members.get(&instance).copied())
            .or_else(|| self.founders.get(&instance).copied())
            .or_else(|| self.hints.get(&instance).copied())
    }

    /// The Raft id of a disk life in the one cluster that this node knows.
    pub(crate) fn raft_id(&mut self, cluster_id: ClusterId, instance: Instance) -> RaftId {
        if self.raft_ids.len() >= MAX_RAFT_IDS && !self.raft_ids.contains_key(&instance) {
            self.raft_ids.clear();
        }
        *self.raft_ids.entry(instance).or_insert_with(|| raft_id(cluster_id, instance))
    }

    /// Whether a key is the one pinned for an instance, or that of its session.
    pub(crate) fn is_pinned(&self, instance: Instance, key: NodeKey) -> bool {
        let pinned = self.pins.get(&instance).copied();
        pinned.or_else(|| self.session(instance).map(|session| session.key)) == Some(key)
    }

    /// The disk life behind a Raft id that was asked for before, as that of every sender is.
    pub(crate) fn instance_of(&self, id: RaftId) -> Option<Instance> {
        self.raft_ids.iter().find(|(_, one)| **one == id).map(|(instance, _)| *instance)
    }

    /// Whether a key may speak for an instance: it is the pinned one, or none is pinned yet.
    pub(crate) fn may_speak(&self, instance: Instance, key: NodeKey) -> bool {
        self.pins.get(&instance).is_none_or(|pinned| *pinned == key)
    }
}
