//! When the name of a member may go to another disk life: a leader's judgement.
//!
//! A wiped host comes back under its name, from its address: it takes the name as soon as the old life is committed as gone. Who
//! comes from elsewhere may be a stray host with a name that is another's. While its holder is alive it is refused. When
//! the holder is a voter that is gone, its disk may come back, and its vote with it: then the name is kept for it for some
//! minutes. A name without a vote moves at once.
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

/// Whether an asker comes from where the holder was reached.
fn at_its_place(holder: &Member, admit: &Admit) -> bool {
    let from = admit.address.as_ref().and_then(Address::socket);
    from.is_some_and(|from| is_at(holder, from))
}

impl Names {
    /// Since when a member is committed as gone, as seen here.
    pub(crate) fn gone_since(&self, instance: Instance) -> Option<Moment> {
        self.gone.get(&instance).copied()
    }

    /// Notes who is gone, from each new view.
    pub(crate) fn note_who_is_gone(&mut self, now: Moment, view: &HealthView) {
        let mut gone = BTreeMap::new();
        for member in view.members.iter().filter(|one| one.state() != MemberState::Alive) {
            let since = self.gone.get(&member.instance).copied().unwrap_or(now);
            gone.insert(member.instance, since);
        }
        self.gone = gone;
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
            let warning = (!at_its_place(holder, admit)).then_some(WarningKind::NameInUse);
            let text = format!(
                "the name `{name}` belongs to instance {} at {there}, which is alive: two hosts with one name, or a cloned \
                 disk. Give this host another name in host.toml, or stop the other",
                holder.instance
            );
            return Claim::Refused { text, warning };
        }
        let gone = self.gone.get(&holder.instance).map(|since| now.since(*since));
        let kept = holder.role() == Role::Voter && gone.is_none_or(|gone| gone < KEPT);
        if !kept || at_its_place(holder, admit) {
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
