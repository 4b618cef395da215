//! Where a member is reached when it is met elsewhere than its committed address says: the leader looks before it believes.
//!
//! Packets may leave a host from another address than the one at which it is reached (two network cards, a secondary
//! address, a name that points to one of several). So an address at which a member was only met does not replace a
//! committed one that still answers: that one is dialled first. If nobody answers there, or somebody else does, the member
//! has moved. If the member itself answers, it has two addresses, which is committed once, so that every node can say so.
//! A member that names its address itself is believed.
//!
//! Knows nothing of who is alive. Bounded by the members.

use crate::event::Output;
use crate::sight::Sight;
use crate::told::Event;
use crate::turn::Turn;
use quorate_membership::Founding;
use quorate_proto::{
    Address, HealthView, Instance, Member, MemberCause, Moment, Reason, Session, limits,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Between two looks at a committed address while its member is met elsewhere: the address may die later.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The same when the member is met at yet another address: it may just have moved.
const LOOK_SOON: Duration = Duration::from_secs(2);
/// Between two moves of a member that names its addresses itself, which it can do only by a restart.
const MOVE_PAUSE: Duration = Duration::from_secs(60);

/// What came of dialling a committed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Not known yet.
    Nothing,
    /// The member itself.
    Itself,
    /// Nobody, or somebody else.
    NotIt,
}

/// A committed address that was dialled because its member was met elsewhere.
#[derive(Debug, Clone, Copy)]
struct Look {
    committed: SocketAddr,
    met_at: SocketAddr,
    at: Moment,
    found: Found,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Whereabouts {
    looks: BTreeMap<Instance, Look>,
    /// When a move that a member named itself was taken up last.
    named: BTreeMap<Instance, (SocketAddr, Moment)>,
    /// Members with two addresses that this node has told of.
    told: BTreeMap<(Instance, SocketAddr), Moment>,
}

fn socket(address: Option<&Address>) -> Option<SocketAddr> {
    address.and_then(Address::socket)
}

impl Whereabouts {
    /// A dial of this address led to nobody. Whether that was to be known.
    pub(crate) fn silent(&mut self, address: SocketAddr) -> bool {
        let mut asked = self.looks.values_mut().filter(|look| look.committed == address);
        asked.any(|look| std::mem::replace(&mut look.found, Found::NotIt) == Found::Nothing)
    }

    /// A session, new or told again: whoever was dialled there is not somebody else.
    pub(crate) fn met(&mut self, session: &Session) {
        let Some(dialled) = session.dialled else { return };
        let asked = self.looks.iter_mut().filter(|(_, look)| look.committed == dialled);
        for (instance, look) in asked.filter(|(_, look)| look.found == Found::Nothing) {
            look.found = if *instance == session.instance { Found::Itself } else { Found::NotIt };
        }
    }

    /// Another start of a member: what was found of the one before says nothing.
    pub(crate) fn forget(&mut self, instance: Instance) {
        self.looks.remove(&instance);
    }

    /// Another address of a member: it was met there, and its committed one answers.
    fn met_also_at(&self, member: &Member) -> Option<SocketAddr> {
        let committed = socket(member.address.as_ref());
        let look = self.looks.get(&member.instance).filter(|look| look.found == Found::Itself)?;
        // One is enough to tell: behind address translation there may be a new one with each connection.
        let news = committed == Some(look.committed) && member.also_at.is_none();
        news.then_some(look.met_at)
    }

    /// Whether the committed address of a member must be dialled before it can be said where the member is.
    fn must_look(
        &mut self,
        now: Moment,
        instance: Instance,
        committed: SocketAddr,
        met_at: SocketAddr,
    ) -> bool {
        if let Some(look) = self.looks.get(&instance) {
            let elsewhere = look.met_at != met_at;
            let pause = if elsewhere { LOOK_SOON } else { LOOK_AGAIN };
            if look.committed == committed && now.since(look.at) < pause {
                return false;
            }
        }
        if self.looks.len() >= limits::MEMBERS && !self.looks.contains_key(&instance) {
            self.looks.pop_first();
        }
        self.looks.insert(instance, Look { committed, met_at, at: now, found: Found::Nothing });
        true
    }

    /// Whether a move that a member names itself is due.
    fn may_move(&self, now: Moment, instance: Instance, to: SocketAddr) -> bool {
        self.named
            .get(&instance)
            .is_none_or(|(last, at)| *last == to || now.since(*at) >= MOVE_PAUSE)
    }

    /// Dials the committed addresses of members that are met elsewhere. For a leader.
    pub(crate) fn look_for_those_met_elsewhere(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let me = sight.config.instance;
        for member in sight.health.view().members.iter().filter(|member| member.instance != me) {
            let Some(session) = sight.peers.session(member.instance) else { continue };
            let Some(committed) = socket(member.address.as_ref()) else { continue };
            let (life, met_at) = (member.instance, session.address);
            if met_at == committed {
                continue;
            }
            if session.advertised {
                self.note_named(turn.now, life, met_at);
            } else if self.must_look(turn.now, life, committed, met_at) {
                turn.out.push(Output::Dial { address: committed });
            }
        }
    }

    /// A member names an address that is not the committed one.
    fn note_named(&mut self, now: Moment, life: Instance, address: SocketAddr) {
        let news = self.named.get(&life).is_none_or(|(last, _)| *last != address);
        if news && self.may_move(now, life, address) {
            if self.named.len() >= limits::MEMBERS {
                self.named.pop_first();
            }
            self.named.insert(life, (address, now));
        }
    }

    /// The address to be committed for a member in place of the one that is; none when that one stays.
    pub(crate) fn moved_to(&self, sight: &Sight<'_>, member: &Member) -> Option<SocketAddr> {
        let session = sight.peers.session(member.instance)?;
        let committed = socket(member.address.as_ref());
        if committed == Some(session.address) {
            return None;
        }
        let moved = match (committed, self.looks.get(&member.instance)) {
            (None, _) => true,
            _ if session.advertised => self.may_move(sight.now, member.instance, session.address),
            (Some(committed), Some(look)) => {
                let same = look.committed == committed && look.met_at == session.address;
                same && look.found == Found::NotIt
            }
            (Some(_), None) => false,
        };
        moved.then_some(session.address)
    }

    /// Another address of a member, to be committed and told: not one of the other family, nor the second one of a name in the list of
    /// seeds, which were meant so.
    pub(crate) fn also_at(&self, founding: &Founding, member: &Member) -> Option<SocketAddr> {
        let committed = socket(member.address.as_ref())?;
        let other = self.met_also_at(member)?;
        let alike = committed.is_ipv4() == other.is_ipv4();
        (alike && !founding.share_a_name(committed, other)).then_some(other)
    }

    /// Tells of each member with two addresses, once.
    pub(crate) fn tell_of_two_addresses(&mut self, view: &HealthView, turn: &mut Turn) {
        let mut told = BTreeMap::new();
        for member in &view.members {
            let Some(other) = socket(member.also_at.as_ref()) else { continue };
            let before = self.told.get(&(member.instance, other));
            told.insert((member.instance, other), before.copied().unwrap_or(turn.now));
            if before.is_none() {
                let reason = Reason::of(&two_addresses(member, other), turn.now);
                let host = Some((member.instance, member.name.clone()));
                turn.event(Event::Wrong { kind: "alarm", reason, host });
            }
        }
        self.told = told;
    }

    /// Why an operator should act on members with two addresses.
    pub(crate) fn two_address_reasons(&self, sight: &Sight<'_>) -> impl Iterator<Item = Reason> {
        let (now, members) = (sight.now, sight.health.view().members.iter());
        members.filter_map(move |member| {
            let other = socket(member.also_at.as_ref())?;
            let told = self.told.get(&(member.instance, other));
            Some(Reason::of(&two_addresses(member, other), told.copied().unwrap_or(now)))
        })
    }
}

fn two_addresses(member: &Member, other: SocketAddr) -> MemberCause {
    let (name, committed) = (member.name.clone(), socket(member.address.as_ref()));
    MemberCause::TwoAddresses { name, committed, other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_names_one_address_after_another_moves_once_a_minute() {
        let life = Instance::from_bytes([1; 16]);
        let at = |last| SocketAddr::from(([10, 0, 0, last], 4747));
        let mut whereabouts = Whereabouts::default();
        assert!(whereabouts.may_move(Moment::ZERO, life, at(1)), "the first time at once");
        whereabouts.named.insert(life, (at(1), Moment::ZERO));
        let later = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        assert!(whereabouts.may_move(later(1), life, at(1)), "it is where it said");
        assert!(!whereabouts.may_move(later(59), life, at(2)));
        assert!(whereabouts.may_move(later(60), life, at(2)));
    }
}
