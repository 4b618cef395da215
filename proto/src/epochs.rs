//! One epoch from the one before, and the difference between two: the only place that knows how.
//!
//! Invariants: `apply` takes a view to exactly the next epoch; what `since` finds between two views takes the earlier to the
//! later; what it says in words is a function of the two views, so that everybody tells an epoch alike.

use crate::{
    Application, ApplicationChange, ApplicationGone, ApplicationState, HealthChange, HealthDelta,
    HealthView, Instance, Member, MemberState, NodeKey, Revocation, limits,
};
use std::collections::{BTreeMap, BTreeSet};

impl HealthView {
    /// The view that a difference leads to; none when it does not lead from this epoch to the next.
    #[must_use]
    pub fn apply(&self, delta: &HealthDelta) -> Option<Self> {
        if self.epoch.get().checked_add(1) != Some(delta.epoch.get()) {
            return None;
        }
        let members = self.with(&delta.members, &delta.removed);
        let mut revoked = self.revoked.clone();
        revoked.extend(delta.revoked.iter().cloned());
        let applications = self.applications_with(&delta.applications, &delta.gone_applications);
        let (epoch, at_unix_ms) = (delta.epoch, delta.at_unix_ms);
        Some(Self { epoch, members, at_unix_ms, revoked, applications })
    }

    /// Whether a cluster may have so many members and applications.
    #[must_use]
    pub fn is_in_bounds(&self) -> bool {
        self.members.len() <= limits::MEMBERS && self.applications.len() <= limits::APPLICATIONS
    }

    /// The applications when some came or changed, and some went.
    fn applications_with(&self, new: &[Application], gone: &[ApplicationGone]) -> Vec<Application> {
        if new.is_empty() && gone.is_empty() {
            return self.applications.clone();
        }
        let gone = gone.iter().map(|one| (one.name.as_str(), one.host.as_str()));
        let replaced: BTreeSet<(&str, &str)> =
            new.iter().map(Application::place).chain(gone).collect();
        let stays = |one: &&Application| !replaced.contains(&one.place());
        let mut all: Vec<Application> = self.applications.iter().filter(stays).cloned().collect();
        all.extend(new.iter().cloned());
        all.sort_by(|a, b| a.place().cmp(&b.place()));
        all
    }

    /// The members when some came or changed, each in place of the one with its name or its disk life, and some left.
    fn with(&self, new: &[Member], removed: &[Instance]) -> Vec<Member> {
        let names: BTreeSet<&str> = new.iter().map(|member| member.name.as_str()).collect();
        let lives = new.iter().map(|member| member.instance).chain(removed.iter().copied());
        let lives: BTreeSet<Instance> = lives.collect();
        let stays = |member: &&Member| {
            !lives.contains(&member.instance) && !names.contains(member.name.as_str())
        };
        let mut members: Vec<Member> = self.members.iter().filter(stays).cloned().collect();
        members.extend(new.iter().cloned());
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// The difference from an earlier view to this one. Empty lists when nobody differs.
    #[must_use]
    pub fn since(&self, before: &Self) -> HealthDelta {
        let old: BTreeMap<&str, &Member> =
            before.members.iter().map(|member| (member.name.as_str(), member)).collect();
        let old_of = |member: &Member| old.get(member.name.as_str()).copied();
        let different = |member: &&Member| old_of(member) != Some(member);
        let members: Vec<Member> = self.members.iter().filter(different).cloned().collect();
        let mut changed: Vec<HealthChange> =
            members.iter().filter_map(|member| change(old_of(member), member)).collect();
        let lives: BTreeSet<Instance> = self.members.iter().map(|m| m.instance).collect();
        let names: BTreeSet<&str> = self.members.iter().map(|m| m.name.as_str()).collect();
        let gone = |member: &&Member| !lives.contains(&member.instance);
        let removed = before.members.iter().filter(gone).map(|member| member.instance).collect();
        let revoked: Vec<Revocation> = self.newly_revoked(before).cloned().collect();
        let was_revoked = |old: &Member| revoked.iter().any(|one| one.instance == old.instance);
        changed.extend(before.members.iter().filter(|old| !names.contains(old.name.as_str())).map(
            |old| HealthChange {
                name: old.name.clone(),
                from: old.state().word().to_owned(),
                to: String::new(),
                reason: if was_revoked(old) { "revoked" } else { "removed" }.to_owned(),
            },
        ));
        let (epoch, at_unix_ms) = (self.epoch, self.at_unix_ms);
        let delta = HealthDelta {
            epoch,
            members,
            removed,
            changed,
            at_unix_ms,
            revoked,
            ..HealthDelta::default()
        };
        self.with_applications_since(before, delta)
    }

    /// Adds to a difference what differs in the applications.
    fn with_applications_since(&self, before: &Self, mut delta: HealthDelta) -> HealthDelta {
        let place = |of: &'_ [Application], one: &Application| {
            of.binary_search_by(|other| other.place().cmp(&one.place())).ok()
        };
        for now in &self.applications {
            let old = place(&before.applications, now).map(|at| &before.applications[at]);
            if old != Some(now) {
                delta.applications.push(now.clone());
                delta.changed_applications.extend(ApplicationChange::between(old, now));
            }
        }
        for old in &before.applications {
            if place(&self.applications, old).is_none() {
                let (name, host) = (old.told.name.clone(), old.host.clone());
                delta.gone_applications.push(ApplicationGone { name, host });
                delta.changed_applications.push(ApplicationChange::gone(old));
            }
        }
        delta
    }

    /// Whose keys are refused now, and were not before.
    fn newly_revoked<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Revocation> {
        let known: BTreeSet<NodeKey> = before.revoked.iter().map(|one| one.key).collect();
        self.revoked.iter().filter(move |one| !known.contains(&one.key))
    }
}

/// Why an application is not known to work, although its host is alive again.
const NOT_REPORTED: &str = "its host has not reported it yet";

impl Application {
    /// What becomes of it by the state of its host. One that is gone or drained keeps all of its applications down; one that came back, or
    /// started again, has to report them anew.
    #[must_use]
    pub fn under(mut self, member: &Member) -> Self {
        match keeps_down(member) {
            Some(why) => {
                self.told.state = ApplicationState::Down.into();
                why.clone_into(&mut self.told.reason);
                self.by_host = true;
            }
            None if self.by_host || self.generation != member.generation => {
                self.told.state = ApplicationState::Unknown.into();
                NOT_REPORTED.clone_into(&mut self.told.reason);
                self.by_host = false;
                self.generation = member.generation;
            }
            None => {}
        }
        self
    }
}

/// Why a host keeps its applications down, if it does.
fn keeps_down(member: &Member) -> Option<&'static str> {
    match member.state() {
        MemberState::Down => Some("its host is down"),
        MemberState::Left => Some("its host has left"),
        MemberState::Alive => member.is_drained().then_some("its host is drained"),
    }
}

/// What changed for one node, in words; none for what says nothing to people.
fn change(before: Option<&Member>, now: &Member) -> Option<HealthChange> {
    let turn = |one: &Member| (one.instance, one.generation, one.state);
    let reason = match before {
        Some(old) if turn(old) == turn(now) && old.role != now.role => {
            because(format!("is now a {}", now.role().word()), &now.role_reason)
        }
        Some(old) if turn(old) == turn(now) && old.drained != now.drained => match &now.drained {
            Some(drained) => because("is drained".to_owned(), &drained.reason),
            None => "is no longer drained".to_owned(),
        },
        Some(old) if turn(old) == turn(now) && old.approved != now.approved => {
            "may become a voter".to_owned()
        }
        Some(old) if turn(old) == turn(now) && old.address != now.address => {
            match now.address.as_ref().and_then(crate::Address::socket) {
                Some(address) => format!("is reached at {address} now"),
                None => "has no address now".to_owned(),
            }
        }
        Some(old) if turn(old) == turn(now) && old.also_at != now.also_at => {
            match now.also_at.as_ref().and_then(crate::Address::socket) {
                Some(address) => format!("is met at {address} too"),
                None => "is met at one address".to_owned(),
            }
        }
        Some(old) if turn(old) == turn(now) && old.labels != now.labels => {
            "has other labels now".to_owned()
        }
        Some(old) if turn(old) == turn(now) => return None,
        _ => now.reason.clone(),
    };
    Some(HealthChange {
        name: now.name.clone(),
        from: before.map_or("", |old| old.state().word()).to_owned(),
        to: now.state().word().to_owned(),
        reason,
    })
}

/// What is, and why where somebody said it.
fn because(what: String, why: &str) -> String {
    if why.is_empty() { what } else { format!("{what}: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Drained, Generation, HealthEpoch, Label, Role};

    fn member(name: &str, life: u8) -> Member {
        let (instance, reason) = (Instance::from_bytes([life; 16]), format!("why {life}"));
        Member { name: name.to_owned(), instance, reason, ..Member::default() }
    }

    fn view(epoch: u64, members: &[Member]) -> HealthView {
        let (epoch, mut members) = (HealthEpoch::new(epoch), members.to_vec());
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let at_unix_ms = epoch.get() * 100;
        HealthView { epoch, members, at_unix_ms, ..HealthView::default() }
    }

    /// The words between two views, after the round trip through the difference.
    fn words(before: &[Member], after: &[Member]) -> Vec<String> {
        let (before, after) = (view(4, before), view(5, after));
        let delta = after.since(&before);
        assert_eq!(before.apply(&delta).as_ref(), Some(&after), "the difference leads there");
        let words = |c: &HealthChange| format!("{} {}>{}: {}", c.name, c.from, c.to, c.reason);
        delta.changed.iter().map(words).collect()
    }

    #[test]
    fn every_kind_of_change_has_its_words_and_leads_to_the_next_view() {
        let (a, b) = (member("a", 1), member("b", 2));
        let pair = [a.clone(), b.clone()];
        let with = |change: &dyn Fn(&mut Member)| {
            let mut other = b.clone();
            change(&mut other);
            words(&pair, &[a.clone(), other])
        };
        assert_eq!(words(&pair, &pair), [""; 0]);
        assert_eq!(with(&|m| m.state = MemberState::Down.into()), ["b alive>down: why 2"]);
        assert_eq!(with(&|m| m.generation = Generation::new(9)), ["b alive>alive: why 2"]);
        assert_eq!(with(&|m| m.role = Role::Voter.into()), ["b alive>alive: is now a voter"]);
        assert_eq!(
            with(&|m| {
                m.role = Role::Voter.into();
                m.role_reason = "n3 is gone".to_owned();
            }),
            ["b alive>alive: is now a voter: n3 is gone"]
        );
        let drained = |reason: &str| {
            let reason = reason.to_owned();
            Some(Drained { reason, since_unix_ms: 5 })
        };
        let drains = |reason| with(&|m| m.drained = drained(reason));
        assert_eq!(drains("a new disk"), ["b alive>alive: is drained: a new disk"]);
        assert_eq!(drains(""), ["b alive>alive: is drained"]);
        let away = Member { drained: drained(""), ..b.clone() };
        assert_eq!(
            words(&[away], std::slice::from_ref(&b)),
            ["b alive>alive: is no longer drained"]
        );
        assert_eq!(with(&|m| m.approved = true), ["b alive>alive: may become a voter"]);
        assert_eq!(with(&|m| m.role_reason = "n3 is gone".to_owned()), [""; 0]);
        assert_eq!(with(&|m| m.since_epoch = HealthEpoch::new(4)), [""; 0]);
        let labels = vec![Label { name: "rack".to_owned(), value: "1".to_owned() }];
        assert_eq!(with(&|m| m.labels = labels.clone()), ["b alive>alive: has other labels now"]);
        let address: std::net::SocketAddr = "10.0.0.2:4747".parse().expect("an address");
        assert_eq!(
            with(&|m| m.address = Some(address.into())),
            ["b alive>alive: is reached at 10.0.0.2:4747 now"]
        );
        assert_eq!(words(&pair, &[a.clone(), member("b", 3)]), ["b alive>alive: why 3"]);
        assert_eq!(words(&pair, std::slice::from_ref(&a)), ["b alive>: removed"]);
        assert_eq!(words(std::slice::from_ref(&a), &pair), ["b >alive: why 2"]);
        assert_eq!(words(&pair, &[a, member("c", 2)]), ["c >alive: why 2", "b alive>: removed"]);
    }

    #[test]
    fn a_host_that_was_revoked_is_told_as_such_once_and_stays_in_every_later_view() {
        let (a, b, c) = (member("a", 1), member("b", 2), member("c", 3));
        let key = |life: u8| NodeKey::from_bytes([life; 32]);
        let revoked = |gone: &Member, life| {
            let (instance, name) = (gone.instance, gone.name.clone());
            Revocation { key: key(life), instance, name, ..Revocation::default() }
        };
        let before = view(4, &[a.clone(), b.clone(), c.clone()]);
        let mut after = view(5, &[a.clone(), c.clone()]);
        after.revoked.push(revoked(&b, 2));
        let delta = after.since(&before);
        assert_eq!(before.apply(&delta).as_ref(), Some(&after));
        assert_eq!((delta.changed[0].reason.as_str(), delta.revoked.len()), ("revoked", 1));
        let mut last = view(6, std::slice::from_ref(&a));
        last.revoked = vec![revoked(&b, 2), revoked(&c, 3)];
        let delta = last.since(&after);
        assert_eq!(after.apply(&delta).as_ref(), Some(&last));
        assert_eq!(delta.revoked, [revoked(&c, 3)], "the first one was told");
    }

    #[test]
    fn a_difference_applies_to_exactly_the_epoch_before() {
        let before = view(4, &[member("a", 1)]);
        for epoch in [0, 3, 4, 6, u64::MAX] {
            let epoch = HealthEpoch::new(epoch);
            assert_eq!(before.apply(&HealthDelta { epoch, ..HealthDelta::default() }), None);
        }
        let last = HealthView { epoch: HealthEpoch::new(u64::MAX), ..HealthView::default() };
        assert_eq!(last.apply(&HealthDelta::default()), None);
    }
}
