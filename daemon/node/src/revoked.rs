//! Hosts that are revoked: their keys are refused here; and this host, where others refuse it as one of them.
//!
//! Invariants: a key is refused from the moment on when this node knows of it, but for a voter's, whose word is needed until its vote is
//! gone; nothing takes that back. This host ends when its own view says it too, or on the word of two, or of one when nobody else listens to
//! it: not on one word of many. A host has one word, whatever addresses it has and whichever way it is met: where two words may be one
//! host's they are one. Knows nothing of how a key is refused.

use crate::event::Output;
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{
    Address, Instance, Moment, NodeKey, OperatorCause, Reason, Revocation, Role, revoked_text,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// For so long a word waits for a second one where there is nobody else to ask.
const ALONE: Duration = Duration::from_secs(10);
/// A word that was not said again for so long counts no more: who refuses this host is dialled every few seconds.
const TOLD: Duration = Duration::from_secs(60);

/// So many that refused this host are kept apart.
const WORDS: usize = 16;

/// Who refused this host: a replica that is known, or whoever is where the own file has a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct By {
    replica: Option<Instance>,
    /// The places in the list of seeds whose names lead there.
    slots: BTreeSet<usize>,
}

impl By {
    /// Whether these are surely two hosts. Replicas are told apart by themselves, all others by the names that lead to them.
    fn is_another_host_than(&self, other: &Self) -> bool {
        match (self.replica, other.replica) {
            (Some(one), Some(other)) => one != other,
            _ => {
                let named = !self.slots.is_empty() && !other.slots.is_empty();
                named && self.slots.is_disjoint(&other.slots)
            }
        }
    }
}

/// One that refused this host, when it did so first, and when last.
#[derive(Debug, Clone)]
struct Word {
    by: By,
    first: Moment,
    last: Moment,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    /// Keys that the shell refuses. As many as views have named: at most `limits::REVOKED` but for a leader that lies.
    refused: BTreeSet<NodeKey>,
    /// At most [`WORDS`].
    words: Vec<Word>,
}

impl Revoked {
    /// Has every key refused that the view has as revoked, once.
    pub(crate) fn refuse(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let revoked = &sight.health.view().revoked;
        let due = |one: &&Revocation| {
            !self.refused.contains(&one.key)
                && one.key != sight.config.key
                && !sight.votes_yet(one.instance)
        };
        let due: Vec<&Revocation> = revoked.iter().filter(due).collect();
        for one in due {
            self.refused.insert(one.key);
            turn.out.push(Output::Revoke { key: one.key, name: one.name.clone() });
        }
    }

    /// A session of this host was cut because it is revoked.
    pub(crate) fn cut_off_by(&mut self, sight: &Sight<'_>, turn: &mut Turn, by: Instance) {
        let dialled = sight.peers.session(by).and_then(|session| session.dialled);
        if sight.is_known_replica(by) {
            self.heard(sight, turn, replica(sight, by, dialled));
        } else if let Some(address) = dialled.filter(|it| sight.founding.is_a_seeds(*it)) {
            self.heard(sight, turn, seed(sight, address));
        }
    }

    /// A dial of this host was answered with: it is revoked.
    pub(crate) fn refused_at(&mut self, sight: &Sight<'_>, turn: &mut Turn, address: SocketAddr) {
        let members = sight.health.view().members.iter();
        let replicas = members.filter(|member| member.role() != Role::Member);
        let there = |life: &Instance| sight.peers.address(*life) == Some(address);
        let known = replicas.map(|member| member.instance).find(there);
        if let Some(known) = known {
            self.heard(sight, turn, replica(sight, known, Some(address)));
        } else if sight.founding.is_a_seeds(address) {
            self.heard(sight, turn, seed(sight, address));
        }
    }

    fn heard(&mut self, sight: &Sight<'_>, turn: &mut Turn, by: By) {
        let now = turn.now;
        self.words.retain(|word| now.since(word.last) < TOLD);
        let second = self.words.iter().any(|word| by.is_another_host_than(&word.by));
        let alone = sight.other_replicas(by.replica.unwrap_or_default()).next().is_none();
        if let Some(word) = self.words.iter_mut().find(|word| word.by == by) {
            word.last = now;
        } else if self.words.len() < WORDS {
            self.words.push(Word { by, first: now, last: now });
        }
        let long = self.first().is_some_and(|first| now.since(first) >= ALONE);
        if is_listed(sight) || second || (alone && long) {
            let reason = revoked_text(sight.config.cluster.as_str());
            turn.out.push(Output::Halt { reason, again: false });
        }
    }

    /// For the operator of this host, while it waits for a second word.
    pub(crate) fn reason(&self, sight: &Sight<'_>, now: Moment) -> Option<Reason> {
        self.words.iter().find(|word| now.since(word.last) < TOLD)?;
        let cluster = sight.config.cluster.to_string();
        Some(Reason::of(&OperatorCause::RevokedHere { cluster }, self.first()?))
    }

    /// Since when this host is refused.
    fn first(&self) -> Option<Moment> {
        self.words.iter().map(|word| word.first).min()
    }
}

/// A replica, which may be a seed under any of its addresses.
fn replica(sight: &Sight<'_>, life: Instance, met_at: Option<SocketAddr>) -> By {
    let session = sight.peers.session(life);
    let met = session.into_iter().flat_map(|session| [Some(session.address), session.dialled]);
    let member = sight.health.member(life);
    let committed = member.into_iter().flat_map(|it| [&it.address, &it.also_at]);
    let committed = committed.map(|address| address.as_ref().and_then(Address::socket));
    let all = met.chain(committed).chain([met_at, sight.peers.address(life)]).flatten();
    let slots = all.flat_map(|address| sight.founding.slots_at(address)).collect();
    By { replica: Some(life), slots }
}

fn seed(sight: &Sight<'_>, address: SocketAddr) -> By {
    By { replica: None, slots: sight.founding.slots_at(address).collect() }
}

/// Whether the view here names this host among the revoked.
fn is_listed(sight: &Sight<'_>) -> bool {
    sight.health.view().revoked.iter().any(|one| one.key == sight.config.key)
}
