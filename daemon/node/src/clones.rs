//! Clones: a copy of a disk life came while the life itself was connected from another address.
//!
//! The place is kept for the original when that leaves: otherwise its ordinary restart would give it to the copy that waits for it, and
//! what the copy acknowledged would be missing on the original. The start that came is known by its nonce; a later one by its
//! address, for each start of either has a generation and a nonce of its own. So a copy that says the same address as the original
//! is not known any more when it restarts. Nodes that met one first each, the other first, would go on so, and the life would
//! vote twice: the leader's choice settles it. Invariant: only what this node saw counts here, and what the leader it believes
//! listens to; what others tell are words (`warnings/mod.rs`). Bounded; when it is full, the life whose copy came longest ago is forgotten.

use crate::names::{self, is_at};
use quorate_proto::{Choice, Instance, Member, Moment, Session};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The place is kept for so long after the copy came last beside the original, as a voter's name is. Not longer: it may have
/// been the copy that was there first.
pub(crate) const KEPT: Duration = names::KEPT;
/// Lives whose copies are known at once; more are one mistake.
const LIVES: usize = 64;
/// Addresses of an original: a host has two at most, and moves from one to another.
const ADDRESSES: usize = 4;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Clones {
    lives: BTreeMap<Instance, Life>,
}

#[derive(Debug, Default)]
struct Life {
    came: Moment,
    /// The copy's start.
    nonce: u64,
    /// Where the original was, newest last.
    original: Vec<SocketAddr>,
    /// The data of the original were made on another machine than it runs on.
    original_moved: bool,
    /// The start that the leader listens to.
    chosen: Option<u64>,
}

impl Clones {
    /// A copy came while the original was connected.
    pub(crate) fn seen(&mut self, now: Moment, copy: &Session, original: Option<&Session>) {
        if self.lives.len() >= LIVES && !self.lives.contains_key(&copy.instance) {
            let oldest = self.lives.iter().min_by_key(|(_, life)| life.came).map(|(life, _)| *life);
            oldest.map(|oldest| self.lives.remove(&oldest));
        }
        let life = self.lives.entry(copy.instance).or_default();
        (life.came, life.nonce) = (now, copy.boot_nonce);
        life.original_moved = original.is_some_and(|original| original.moved);
        let original = original.map(|original| original.address);
        life.original.retain(|one| Some(*one) != original && *one != copy.place());
        if life.original.len() >= ADDRESSES {
            life.original.remove(0);
        }
        life.original.extend(original);
    }

    /// The leader listens to this start of a life; this node listened to another, or to none.
    pub(crate) fn chosen(&mut self, now: Moment, choice: Choice, other: Option<&Session>) {
        if let Some(other) = other.filter(|_| !self.lives.contains_key(&choice.instance)) {
            self.seen(now, other, None);
        }
        let Some(life) = self.lives.get_mut(&choice.instance) else { return };
        life.chosen = Some(choice.boot_nonce);
        if let Some(other) = other {
            (life.came, life.nonce) = (now, other.boot_nonce);
            life.original.retain(|one| *one != other.address);
            life.original_moved = false;
        }
    }

    /// What is known of a life whose place is kept for its original.
    fn kept(&self, now: Moment, instance: Instance) -> Option<&Life> {
        self.lives.get(&instance).filter(|life| now.since(life.came) < KEPT)
    }

    /// Whether the one that was there first had its data from another machine.
    pub(crate) fn original_moved(&self, now: Moment, instance: Instance) -> bool {
        self.kept(now, instance).is_some_and(|life| life.original_moved)
    }

    /// Whether this is not the original, of which a copy is known. `member`: what is committed of it.
    pub(crate) fn is_one(&self, now: Moment, session: &Session, member: Option<&Member>) -> bool {
        let Some(life) = self.kept(now, session.instance) else { return false };
        if life.chosen == Some(session.boot_nonce) {
            return false;
        }
        // The place was that of a copy, which came first.
        if life.original_moved && !session.moved {
            return false;
        }
        if session.boot_nonce == life.nonce {
            return true;
        }
        let committed = member.is_some_and(|member| is_at(member, session.address));
        !committed && !life.original.contains(&session.address)
    }
}
