//! Hosts that are revoked: their keys are refused here; and this host, where others refuse it as one of them.
//!
//! Invariants: a key is refused from the moment on when this node knows of it, but for a voter's, whose word is needed until its vote is
//! gone; nothing takes that back. This host ends when its own view says it too, or on the word of two, or of one when nobody else listens to
//! it: not on one word of many. Knows nothing of how a key is refused.

use crate::event::Output;
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{
    Instance, Moment, NodeKey, OperatorCause, Reason, Revocation, Role, revoked_text,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// For so long a word waits for a second one where there is nobody else to ask.
const ALONE: Duration = Duration::from_secs(10);
/// A word that was not said again for so long counts no more: who refuses this host is dialled every few seconds.
const TOLD: Duration = Duration::from_secs(60);

/// Who refused this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A replica that is known.
    Replica(Instance),
    /// Whoever is where the own file has a seed.
    Seed(SocketAddr),
}

/// The first that refused this host, when it did so first, and when anybody did last.
#[derive(Debug, Clone, Copy)]
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
    word: Option<Word>,
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
        let seed = sight.peers.session(by).and_then(|session| session.dialled);
        match seed.filter(|address| sight.founding.is_a_seeds(*address)) {
            _ if sight.is_known_replica(by) => self.heard(sight, turn, By::Replica(by)),
            Some(address) => self.heard(sight, turn, By::Seed(address)),
            None => {}
        }
    }

    /// A dial of this host was answered with: it is revoked.
    pub(crate) fn refused_at(&mut self, sight: &Sight<'_>, turn: &mut Turn, address: SocketAddr) {
        let members = sight.health.view().members.iter();
        let replicas = members.filter(|member| member.role() != Role::Member);
        let there = |life: &Instance| sight.peers.address(*life) == Some(address);
        let replica = replicas.map(|member| member.instance).find(there);
        match replica {
            Some(replica) => self.heard(sight, turn, By::Replica(replica)),
            None if sight.founding.is_a_seeds(address) => {
                self.heard(sight, turn, By::Seed(address));
            }
            None => {}
        }
    }

    fn heard(&mut self, sight: &Sight<'_>, turn: &mut Turn, by: By) {
        let fresh = self.word.filter(|word| turn.now.since(word.last) < TOLD);
        let word = fresh.unwrap_or(Word { by, first: turn.now, last: turn.now });
        self.word = Some(Word { last: turn.now, ..word });
        let asked = match by {
            By::Replica(replica) => replica,
            By::Seed(_) => Instance::default(),
        };
        let alone = sight.other_replicas(asked).next().is_none();
        let second = word.by != by || (alone && turn.now.since(word.first) >= ALONE);
        if is_listed(sight) || second {
            let reason = revoked_text(sight.config.cluster.as_str());
            turn.out.push(Output::Halt { reason, again: false });
        }
    }

    /// For the operator of this host, while it waits for a second word.
    pub(crate) fn reason(&self, sight: &Sight<'_>, now: Moment) -> Option<Reason> {
        let word = self.word.filter(|word| now.since(word.last) < TOLD)?;
        let cluster = sight.config.cluster.to_string();
        Some(Reason::of(&OperatorCause::RevokedHere { cluster }, word.first))
    }
}

/// Whether the view here names this host among the revoked.
fn is_listed(sight: &Sight<'_>) -> bool {
    sight.health.view().revoked.iter().any(|one| one.key == sight.config.key)
}
