//! When the name of a member may go to another disk life: a leader's judgement.
//!
//! A wiped host comes back under its name, from its address: it takes the name as soon as the old life is committed as gone. Who
//! comes from elsewhere may be a stray host with a name that is another's. While its holder is alive it is refused. When
//! the holder is a voter that is gone, its disk may come back, and its vote with it: then the name is kept for it for some
//! minutes. A name without a vote moves at once. The place of a host is also its last second address, unless it has moved since: a host
//! with two addresses that is started again and again is met at the second one anew each time, and may be wiped before that.
//!
//! Knows nothing of how an asker is answered, nor of how all nodes are told of it (`warnings/mod.rs`). Bounded by the members.

use quorate_proto::{
    Address, Admit, HealthView, Instance, Member, MemberState, Moment, Role, WarningKind,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How long the name of a voter that is gone is kept from hosts at other addresses: longer than a reboot with checks of the file
/// systems, or the replacement of a part.
pub(crate) const KEPT: Duration = Duration::from_secs(5 * 60);
/// What an asker for a held name gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The name, in place of its holder.
    Succeeds,
    /// No answer yet: the holder may be found dead.
    Later,
    /// A refusal, and what all nodes are to be warned of.
    Refused { text: String, warning: Option<WarningKind> },
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Since when members are gone, as seen here.
    gone: BTreeMap<Instance, Moment>,
    /// Where members were met too, by any of their starts, and what their address was then.
    also_at: BTreeMap<Instance, (Option<Address>, Address)>,
}

fn shown(address: Option<&Address>) -> String {
    let socket = address.and_then(Address::socket);
    socket.map_or_else(|| "an unknown address".to_owned(), |socket| socket.to_string())
}

/// Whether a member is reached there, as committed: at one address, or at two.
pub(crate) fn is_at(member: &Member, there: SocketAddr) -> bool {
    let mut places = [&member.address, &member.also_at].into_iter().flatten();
    places.any(|place| place.socket() == Some(there))
}

impl Names {
    /// Since when a member is committed as gone, as seen here.
    pub(crate) fn gone_since(&self, instance: Instance) -> Option<Moment> {
        self.gone.get(&instance).copied()
    }

    /// Notes who is gone, and who was met at two addresses, from each new view.
    pub(crate) fn note(&mut self, now: Moment, view: &HealthView) {
        let mut gone = BTreeMap::new();
        for member in view.members.iter().filter(|one| one.state() != MemberState::Alive) {
            let since = self.gone.get(&member.instance).copied().unwrap_or(now);
            gone.insert(member.instance, since);
        }
        self.gone = gone;
        // Of one that has moved the second address is the past, too.
        let stays = |life: &Instance, address: &Option<Address>| {
            view.members.iter().any(|it| it.instance == *life && it.address == *address)
        };
        self.also_at.retain(|life, (address, _)| stays(life, address));
        let doubled = view
            .members
            .iter()
            .filter_map(|it| Some((it.instance, (it.address.clone(), it.also_at.clone()?))));
        self.also_at.extend(doubled);
    }

    /// Whether an asker comes from where the holder was reached.
    fn at_its_place(&self, holder: &Member, admit: &Admit) -> bool {
        let Some(from) = admit.address.as_ref().and_then(Address::socket) else { return false };
        let before = self.also_at.get(&holder.instance).and_then(|(_, also)| also.socket());
        is_at(holder, from) || before == Some(from)
    }

    /// Whether an asker gets the name that `holder` has. `held_down`: the holder comes and goes, and counts as alive meanwhile;
    /// `patience_is_over`: it had its time to be found dead.
    pub(crate) fn claim(
        &self,
        now: Moment,
        holder: &Member,
        admit: &Admit,
        held_down: bool,
        patience_is_over: bool,
    ) -> Claim {
        let from = shown(admit.address.as_ref());
        let there = shown(holder.address.as_ref());
        let name = &admit.name;
        if holder.state() == MemberState::Alive || held_down {
            if !patience_is_over {
                return Claim::Later;
            }
            // A wiped host at its own place only comes before the old life is found dead.
            let warning = (!self.at_its_place(holder, admit)).then_some(WarningKind::NameInUse);
            let text = format!(
                "the name `{name}` belongs to instance {} at {there}, which is alive: two hosts with one name, or a cloned \
                 disk. Give this host another name in host.toml, or stop the other",
                holder.instance
            );
            return Claim::Refused { text, warning };
        }
        let gone = self.gone.get(&holder.instance).map(|since| now.since(*since));
        let kept = holder.role() == Role::Voter && gone.is_none_or(|gone| gone < KEPT);
        if !kept || self.at_its_place(holder, admit) {
            return Claim::Succeeds;
        }
        let minutes = KEPT.as_secs() / 60;
        let text = format!(
            "the name `{name}` is that of a voter at {there} that is {}, and this host comes from {from}: two hosts with one \
             name, or a replacement at another address. A replacement gets the name {minutes} minutes after the voter went, or at \
             once from the voter's address; a host that has the name by mistake needs another one in host.toml",
            holder.state().word()
        );
        Claim::Refused { text, warning: Some(WarningKind::NameKept) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{address, life};

    fn admit(from: u8) -> Admit {
        Admit { name: "n2".to_owned(), address: Some(address(from).into()), ..Admit::default() }
    }

    /// A voter at address 2, met at this one too.
    fn voter(state: MemberState, also_at: Option<u8>) -> Member {
        Member {
            instance: life(2),
            name: "n2".to_owned(),
            state: state.into(),
            role: Role::Voter.into(),
            address: Some(address(2).into()),
            also_at: also_at.map(|number| address(number).into()),
            ..Member::default()
        }
    }

    fn seen(names: &mut Names, member: &Member) {
        let view = HealthView { members: vec![member.clone()], ..HealthView::default() };
        names.note(Moment::ZERO, &view);
    }

    #[test]
    fn a_wiped_host_gets_its_name_back_at_each_address_at_which_any_start_of_it_was_met() {
        let mut names = Names::default();
        seen(&mut names, &voter(MemberState::Alive, Some(12)));
        // It came and went again before the leader could see that its next start has two addresses as well.
        let gone = voter(MemberState::Down, None);
        seen(&mut names, &gone);
        let claim =
            |names: &Names, from| names.claim(Moment::ZERO, &gone, &admit(from), false, true);
        assert_eq!(claim(&names, 2), Claim::Succeeds);
        assert_eq!(claim(&names, 12), Claim::Succeeds);
        assert!(matches!(claim(&names, 13), Claim::Refused { .. }));
        let mut moved = names;
        seen(&mut moved, &Member { address: Some(address(3).into()), ..gone.clone() });
        assert!(matches!(claim(&moved, 12), Claim::Refused { .. }), "that is the past");
        let mut names = moved;
        seen(&mut names, &Member { instance: life(3), ..gone.clone() });
        assert!(names.also_at.is_empty(), "nothing is kept of who is no member");
    }
}
