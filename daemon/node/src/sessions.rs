//! Who comes is judged before anybody in this node hears of it.
//!
//! Invariants: nobody speaks for a disk life with another key than the pinned one; of two copies of one disk, the one that
//! was met first is listened to. Knows nothing of what is said on a session, nor of what follows from the judgement (`node/sessions.rs`).

use crate::clones::Clones;
use crate::names::is_at;
use crate::peers::{Peers, StartVerdict};
use crate::sight::Sight;
use quorate_proto::{Choice, Session};
use std::time::Duration;

/// A session that has stood for so long is older than what a leader said on its way here.
const SETTLED: Duration = Duration::from_secs(1);

/// What somebody who comes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A life with another key than the one pinned for it.
    WrongKey,
    /// This node's own disk life, from elsewhere.
    Own,
    /// A copy of a life that is listened to. Before the birth founding judges for itself who is there twice.
    Copy,
    /// A start before the one that is known: an older copy of the disk.
    FromThePast,
    /// Late news of a session that stands already.
    Late,
    /// Whom it says. `known`: the session stood already; `restarted`: in a later start than the one before.
    Itself { known: bool, restarted: bool },
}

/// Judges a session by its key, its start, and the copies that are known of its life.
pub(crate) fn judge(sight: &Sight<'_>, clones: &Clones, session: &Session) -> Arrival {
    let instance = session.instance;
    if !sight.peers.may_speak(instance, session.key) {
        return Arrival::WrongKey;
    }
    if instance == sight.config.instance {
        return Arrival::Own;
    }
    // A dial may find a session that stands already. That it stands is no sign of life: it may be dying.
    let known = is_known(sight.peers, session);
    let member = sight.health.member(instance);
    // Before the birth, founding judges for itself.
    if !known && sight.cluster_id.is_some() && clones.is_one(sight.now, session, member) {
        return Arrival::Copy;
    }
    // Told again, it is the old connection of a host that was started anew just now: late news, not a copy.
    let committed = member.map(|member| member.generation);
    if !known && committed.is_some_and(|committed| session.generation < committed) {
        return Arrival::FromThePast;
    }
    match sight.peers.judge(session) {
        StartVerdict::Itself => Arrival::Itself { known, restarted: false },
        StartVerdict::Restarted => Arrival::Itself { known, restarted: true },
        StartVerdict::Outdated if known => Arrival::Late,
        StartVerdict::Outdated => Arrival::FromThePast,
        StartVerdict::Clone => Arrival::Copy,
    }
}

fn is_known(peers: &Peers, session: &Session) -> bool {
    peers.session(session.instance).is_some_and(|before| before.number == session.number)
}

/// The leader says to which start of a life that runs twice it listens: this node does not listen to another, if it has a session with
/// one (`Ok`). A session that is as young as the leader's word may be the next start of the same host, and so may one from the
/// committed address, when the leader is cut off from that host: then nothing follows (`Err`).
pub(crate) fn other_than_chosen(sight: &Sight<'_>, choice: Choice) -> Result<Option<Session>, ()> {
    let session = sight.peers.session(choice.instance).cloned();
    let other = session.filter(|session| session.boot_nonce != choice.boot_nonce);
    let settled = sight.peers.up_for(sight.now, choice.instance) >= SETTLED;
    let member = sight.health.member(choice.instance);
    let at_home = other.as_ref().zip(member);
    let at_home = at_home.is_some_and(|(other, member)| is_at(member, other.place()));
    if choice.instance == sight.config.instance || (other.is_some() && (!settled || at_home)) {
        return Err(());
    }
    Ok(other)
}
