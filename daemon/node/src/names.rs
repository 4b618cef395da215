//! When the name of a member may go to another disk life: a leader's judgement, and what is told of one that must wait.
//!
//! A wiped host comes back under its name, from its address: it takes the name as soon as the old life is committed as gone. Who
//! comes from elsewhere may be a stray host with a name that is another's. While its holder is alive it is refused. When
//! the holder is a voter that is gone, its disk may come back, and its vote with it: then the name is kept for it for some
//! minutes. A name without a vote moves at once.
//!
//! Knows nothing of how an asker is answered. Bounded by the members, and by who asks of late.

use crate::event::Output;
use crate::node::Node;
use crate::status::Reason;
use quorate_proto::{Address, Admit, Instance, Member, MemberState, Moment, Role};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the name of a voter that is gone is kept from hosts at other addresses: longer than a reboot with checks of the file
/// systems, or the replacement of a part.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// So long an asker that had to wait is told of; it asks every second.
const TOLD_FOR: Duration = Duration::from_secs(10);
/// Askers told of at once; more than that are one mistake.
const MAX_TOLD: usize = 8;

/// What an asker for a held name gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The name, in place of its holder.
    Succeeds,
    /// No answer yet: the holder may be found dead.
    Later,
    /// A refusal.
    Refused(String),
}

/// An asker that had to wait.
#[derive(Debug)]
struct Waiting {
    name: String,
    text: String,
    since: Moment,
    last: Moment,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Since when members are gone, as seen here.
    gone: BTreeMap<Instance, Moment>,
    waiting: BTreeMap<Instance, Waiting>,
}

fn shown(address: Option<&Address>) -> String {
    let socket = address.and_then(Address::socket);
    socket.map_or_else(|| "an unknown address".to_owned(), |socket| socket.to_string())
}

/// Whether an asker comes from where the holder was reached.
fn at_its_place(holder: &Member, admit: &Admit) -> bool {
    let from = admit.address.as_ref().and_then(Address::socket);
    let places = [holder.address.as_ref(), holder.also_at.as_ref()];
    from.is_some() && places.into_iter().flatten().any(|place| place.socket() == from)
}

impl Node {
    /// Notes who is gone, from each new view.
    pub(crate) fn note_who_is_gone(&mut self) {
        let mut gone = BTreeMap::new();
        for member in &self.health.view.members {
            if member.state() != MemberState::Alive {
                let since = self.names.gone.get(&member.instance).copied().unwrap_or(self.now);
                gone.insert(member.instance, since);
            }
        }
        self.names.gone = gone;
    }

    /// Whether an asker gets the name that `holder` has; `patience` is over when the holder had its time to be found dead.
    pub(crate) fn claim(
        &mut self,
        holder: &Member,
        admit: &Admit,
        patience_is_over: bool,
        out: &mut Vec<Output>,
    ) -> Claim {
        let from = shown(admit.address.as_ref());
        let there = shown(holder.address.as_ref());
        let name = &admit.name;
        let held = self.damping.holds(self.now, holder.instance);
        if holder.state() == MemberState::Alive || held {
            if !patience_is_over {
                return Claim::Later;
            }
            return Claim::Refused(format!(
                "the name `{name}` belongs to instance {} at {there}, which is alive: two hosts with one name, or a cloned \
                 disk. Give this host another name in host.toml, or stop the other",
                holder.instance
            ));
        }
        let gone = self.names.gone.get(&holder.instance).map(|since| self.now.since(*since));
        let kept = holder.role() == Role::Voter && gone.is_none_or(|gone| gone < KEPT);
        if !kept || at_its_place(holder, admit) {
            self.names.waiting.remove(&admit.instance);
            return Claim::Succeeds;
        }
        let minutes = KEPT.as_secs() / 60;
        let text = format!(
            "the name `{name}` is that of a voter at {there} that is {}, and this host comes from {from}: two hosts with one \
             name, or a replacement at another address. A replacement gets the name {minutes} minutes after the voter went, or at \
             once from the voter's address; a host that has the name by mistake needs another one in host.toml",
            holder.state().word()
        );
        self.note_waiting(admit, &from, minutes, out);
        Claim::Refused(text)
    }

    fn note_waiting(&mut self, admit: &Admit, from: &str, minutes: u64, out: &mut Vec<Output>) {
        let now = self.now;
        let waiting = &mut self.names.waiting;
        waiting.retain(|_, one| now.since(one.last) < TOLD_FOR);
        if let Some(one) = waiting.get_mut(&admit.instance) {
            one.last = now;
            return;
        }
        if waiting.len() >= MAX_TOLD {
            return;
        }
        let text = format!(
            "another host, at {from}, asks for the name of voter {}, which is gone; it gets the name {minutes} minutes after the \
             voter went, unless that comes back",
            admit.name
        );
        let one = Waiting { name: admit.name.clone(), text: text.clone(), since: now, last: now };
        waiting.insert(admit.instance, one);
        self.event("alarm", text, true, out);
    }

    /// Why an operator should look at hosts that ask for names of others.
    pub(crate) fn name_reasons(&self) -> impl Iterator<Item = Reason> {
        let now = self.now;
        let fresh = self.names.waiting.values().filter(move |one| now.since(one.last) < TOLD_FOR);
        fresh.map(|one| Reason {
            code: "name-held",
            subject: Some(one.name.clone()),
            text: one.text.clone(),
            remedy: format!(
                "if {} comes back: start it, and give the other host another name in host.toml; if the other host is its \
                 replacement: wait",
                one.name
            ),
            since: one.since,
        })
    }
}
