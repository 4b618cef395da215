//! Hosts that an operator must look at, and that only some nodes see: copies of disks, strays with the name of another, and hosts
//! that have trouble with their own disk.
//!
//! Whoever was there first is listened to; the one that came is not. The node that saw it tells the leader, and the leader tells all,
//! for as long as it comes again: once as an event on each node, and as a reason. Nobody is ever told to erase the data
//! of the host that is in the cluster. Nothing but words hangs on what is told, except that all nodes follow the leader in
//! which of two copies is listened to (`clones.rs`). Bounded; more than there is room for is one mistake.

mod causes;

pub(crate) use causes::{kind_of, reason_of};

use crate::clones::Clones;
use crate::health::Health;
use crate::names::is_at;
use crate::news::News;
use crate::pings::rhythm::ping_interval;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use causes::{standing, trouble, warning_of};
use quorate_proto::{
    Admit, Choice, CopyGuess, EnvelopeBody, FrameKind, HealthEpoch, Instance, Moment, NodeName,
    Session, Trouble, Warning, WarningKind, Warnings as Told, limits,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// So long a copy is told of after it came last; it dials every few seconds.
const COPY_TOLD: Duration = Duration::from_secs(60);
/// The same of one that asks for a name, which it does every second.
const NAME_TOLD: Duration = Duration::from_secs(10);
/// What another node told is kept for so long; it is repeated much sooner.
const PASSED_ON: Duration = Duration::from_secs(20);
/// It is repeated each so many rounds of pings: two seconds, more in large clusters.
const REPEAT_ROUNDS: u32 = 13;

/// What a warning is about: of one life at one address there is one of each kind.
type Key = (WarningKind, Instance, SocketAddr);

#[derive(Debug)]
struct Entry {
    warning: Warning,
    at: SocketAddr,
    since: Moment,
    /// When this node saw it last.
    seen: Option<Moment>,
    /// When another node told of it last.
    told: Option<Moment>,
}

/// See the head of the file. At most `limits::WARNINGS` entries.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    entries: BTreeMap<Key, Entry>,
    /// Something that was told of a disk is over: that is told once more, though nothing may be left to tell.
    over: bool,
}

impl Entry {
    fn is_seen(&self, now: Moment) -> bool {
        let span = match self.warning.kind() {
            WarningKind::RunsTwice | WarningKind::OlderCopy => COPY_TOLD,
            _ => NAME_TOLD,
        };
        self.seen.is_some_and(|at| now.since(at) < span)
    }

    fn is_fresh(&self, now: Moment) -> bool {
        self.is_seen(now) || self.told.is_some_and(|at| now.since(at) < PASSED_ON)
    }
}

impl Warnings {
    /// All that stand, for a node that hears of them through this one.
    pub(crate) fn known(&self, now: Moment) -> Vec<Warning> {
        let fresh = self.entries.values().filter(|entry| entry.is_fresh(now));
        fresh.map(|entry| entry.warning.clone()).collect()
    }

    /// Whether the disk of this one is full or silent, as it said itself.
    fn tells_of_disk(&self, now: Moment, instance: Instance) -> bool {
        self.entries.iter().any(|((kind, life, _), entry)| {
            let trouble = matches!(kind, WarningKind::DiskFull | WarningKind::DiskStalled);
            trouble && *life == instance && entry.is_fresh(now)
        })
    }

    /// Nothing is wrong with this one any more.
    pub(crate) fn forget(&mut self, kind: WarningKind, instance: Instance) {
        self.entries.retain(|key, _| (key.0, key.1) != (kind, instance));
    }

    /// What another node told of disks stands as long as that node tells it: the rest is over. True when something was.
    fn stand_only(&mut self, list: &[Warning], concerns: impl Fn(Instance) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(kind, instance, _), entry| {
            let told = trouble(*kind).is_some() && entry.seen.is_none() && concerns(*instance);
            let same = |it: &Warning| it.kind() == *kind && it.instance == *instance;
            !told || list.iter().any(same)
        });
        self.entries.len() < before
    }

    /// Lets go of one that ranks below this kind; false when there is none.
    fn makes_way(&mut self, kind: WarningKind) -> bool {
        let least = self.entries.last_entry().filter(|entry| rank(entry.key().0) > rank(kind));
        least.map(|entry| entry.remove()).is_some()
    }

    /// Notes one; true when it is a new one. `told`: by another node.
    fn note(&mut self, now: Moment, warning: Warning, told: bool) -> bool {
        self.entries.retain(|_, entry| entry.is_fresh(now));
        let (kind, at) = (warning.kind(), warning.address.socket());
        let Some(at) = at.filter(|_| kind != WarningKind::Unknown) else { return false };
        if NodeName::new(&warning.name).is_err() {
            return false;
        }
        let key = (kind, warning.instance, at);
        let news = !self.entries.contains_key(&key);
        if news && self.entries.len() >= limits::WARNINGS && !self.makes_way(kind) {
            return false;
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            warning: warning.clone(),
            at,
            since: now,
            seen: None,
            told: None,
        });
        // Where the other one was stays known when it has gone.
        let standing = entry.warning.standing.take();
        entry.warning = warning;
        entry.warning.standing = entry.warning.standing.take().or(standing);
        *(if told { &mut entry.told } else { &mut entry.seen }) = Some(now);
        news
    }
}

/// What is told first where there is no room for all: on copies hangs who is listened to, on names who is let in.
fn rank(kind: WarningKind) -> u8 {
    match kind {
        WarningKind::RunsTwice | WarningKind::OlderCopy => 0,
        WarningKind::NameInUse | WarningKind::NameKept => 1,
        _ => 2,
    }
}

impl Warnings {
    /// A copy of a disk life that runs came, and was turned away or is not listened to.
    pub(crate) fn came_twice(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        clones: &Clones,
        copy: &Session,
    ) {
        self.warn(sight, turn, warning_of(WarningKind::RunsTwice, sight, clones, copy));
    }

    /// An older copy of a disk life came, whose later start is known.
    pub(crate) fn came_from_the_past(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        clones: &Clones,
        copy: &Session,
    ) {
        self.warn(sight, turn, warning_of(WarningKind::OlderCopy, sight, clones, copy));
    }

    /// A host asks for a name that is another's.
    pub(crate) fn name_is_held(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        kind: WarningKind,
        asker: &Admit,
    ) {
        let Some(address) = asker.address.clone() else { return };
        let warning = Warning {
            kind: kind.into(),
            instance: asker.instance,
            generation: asker.generation,
            boot_nonce: 0,
            name: asker.name.clone(),
            address,
            copy: CopyGuess::Unknown.into(),
            standing: None,
        };
        self.warn(sight, turn, warning);
    }

    /// Packets of a member at this address come in, and those of this node do not reach it: it cannot know that itself.
    pub(crate) fn not_heard_at(&mut self, sight: &Sight<'_>, turn: &mut Turn, address: SocketAddr) {
        let mut members = sight.health.view().members.iter();
        let Some(member) = members.find(|member| is_at(member, address)) else { return };
        let warning = Warning {
            kind: WarningKind::OneWay.into(),
            instance: member.instance,
            name: member.name.clone(),
            address: address.into(),
            standing: standing(sight, sight.config.instance).map(Into::into),
            ..Warning::default()
        };
        self.warn(sight, turn, warning);
    }

    /// This node saw something that all should know.
    fn warn(&mut self, sight: &Sight<'_>, turn: &mut Turn, warning: Warning) {
        self.take(sight, turn, warning, false);
        turn.timers.arm_if_idle(Timer::Warnings, turn.now);
    }

    fn take(&mut self, sight: &Sight<'_>, turn: &mut Turn, warning: Warning, told: bool) {
        // Of its own disk a node knows more than anybody else.
        if trouble(warning.kind()).is_some() && warning.instance == sight.config.instance {
            return;
        }
        if !self.note(turn.now, warning.clone(), told) {
            return;
        }
        turn.tell(News::Warned(warning));
        if sight.leads() {
            turn.timers.arm(Timer::Warnings, turn.now);
        }
    }

    /// A disk life that is no member any more was replaced: what is said of its copies would be taken for advice about the new one.
    pub(crate) fn forget_the_replaced(&mut self, health: &Health) {
        if health.view().epoch == HealthEpoch::ZERO {
            return;
        }
        self.entries.retain(|(kind, instance, _), _| {
            !is_of_a_copy(*kind) || health.member(*instance).is_some()
        });
    }

    /// What this node saw goes to the leader, and what a leader knows to all; again while there is anything.
    pub(crate) fn tell_others(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let (now, leads) = (turn.now, sight.leads());
        self.note_own_disk(sight);
        let leader = sight.leadership.leader().map(|leader| leader.instance);
        let list: Vec<Warning> = self
            .entries
            .values()
            .filter(|entry| entry.is_seen(now) || (leads && entry.is_fresh(now)))
            // Without a leader nobody passes anything on, and a host is believed about its own disk alone.
            .filter(|entry| leader.is_some() || trouble(entry.warning.kind()).is_some())
            .map(|entry| entry.warning.clone())
            .collect();
        let over = std::mem::take(&mut self.over);
        if list.is_empty() && !over {
            return;
        }
        if !list.is_empty() {
            let rounds = ping_interval(sight.health.view().members.len()) * REPEAT_ROUNDS;
            turn.timers.arm(Timer::Warnings, now + rounds);
        }
        let choices = if leads { self.choices(sight) } else { Vec::new() };
        let told = Told { list, choices };
        for instance in whom_to_tell(sight) {
            let body = EnvelopeBody::Warnings(told.clone());
            turn.send_control(sight.peers, instance, FrameKind::Warnings, 0, body);
        }
    }

    /// Whether copies of a disk life are told of.
    pub(crate) fn runs_twice_somewhere(&self, now: Moment, instance: Instance) -> bool {
        self.entries.iter().any(|((kind, life, _), entry)| {
            *kind == WarningKind::RunsTwice && *life == instance && entry.is_fresh(now)
        })
    }

    /// As leader: to which start this node listens, of each disk life that runs twice.
    fn choices(&self, sight: &Sight<'_>) -> Vec<Choice> {
        let twice = self
            .entries
            .iter()
            .filter(|((kind, ..), entry)| is_of_a_copy(*kind) && entry.is_fresh(sight.now));
        let mut choices: Vec<Choice> = twice
            .filter_map(|((_, instance, _), _)| sight.peers.session(*instance))
            .map(|session| Choice { instance: session.instance, boot_nonce: session.boot_nonce })
            .collect();
        choices.dedup();
        choices
    }

    /// A member tells the leader, or the leader tells this node.
    pub(crate) fn told(&mut self, sight: &Sight<'_>, turn: &mut Turn, from: Instance, told: Told) {
        let leader = sight.leadership.leader().is_some_and(|leader| leader.instance == from);
        let known = sight.health.member(from).is_some();
        let member = sight.leads() && known;
        if known && sight.leadership.leader().is_none() {
            return self.told_of_a_disk(sight, turn, from, told.list);
        }
        if !(leader || member) || told.list.len() > limits::WARNINGS {
            turn.counters.frames_fenced += 1;
            return;
        }
        if leader {
            let choices = told.choices.into_iter().take(limits::WARNINGS);
            choices.for_each(|choice| turn.tell(News::Chosen(choice)));
            // A leader tells all that there is.
            self.stand_only(&told.list, |_| true);
        } else if self.stand_only(&told.list, |instance| instance == from) {
            self.over = true;
            turn.timers.arm(Timer::Warnings, turn.now);
        }
        self.note_told(sight, turn, told.list);
        if member {
            turn.timers.arm_if_idle(Timer::Warnings, turn.now);
        }
    }

    /// A member tells what is wrong with its own disk, while nobody leads. For all else it takes a leader.
    fn told_of_a_disk(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        mut list: Vec<Warning>,
    ) {
        list.retain(|it| trouble(it.kind()).is_some() && it.instance == from);
        self.stand_only(&list, |instance| instance == from);
        self.note_told(sight, turn, list);
    }

    /// Another node told of these.
    pub(crate) fn note_told(&mut self, sight: &Sight<'_>, turn: &mut Turn, list: Vec<Warning>) {
        for warning in list.into_iter().take(limits::WARNINGS) {
            self.take(sight, turn, warning, true);
        }
    }

    /// What an operator should look at: hosts that were not let in, or not listened to, and disks of others. Each with its address and
    /// since when.
    pub(crate) fn to_look_at(
        &self,
        sight: &Sight<'_>,
    ) -> impl Iterator<Item = (&Warning, SocketAddr, Moment)> {
        let (now, me) = (sight.now, sight.config.instance);
        let fresh = self.entries.values().filter(move |entry| entry.is_fresh(now));
        let own_disk = move |entry: &&Entry| {
            let warning = &entry.warning;
            trouble(warning.kind()).is_some() && warning.instance == me
        };
        // A way that others lack is no trouble of this host.
        let others_way = move |entry: &&Entry| {
            let deaf = entry.warning.instance == me;
            entry.warning.kind() == WarningKind::OneWay && !deaf && !entry.is_seen(now)
        };
        let fresh = fresh.filter(move |entry| !own_disk(entry) && !others_way(entry));
        fresh.map(|entry| (&entry.warning, entry.at, entry.since))
    }

    /// Whether nothing is known of a disk that is full or silent: of this host's by itself, of another's by what it told.
    pub(crate) fn has_working_disk(&self, sight: &Sight<'_>, instance: Instance) -> bool {
        if instance == sight.config.instance {
            return !(sight.disk.is_full() || sight.disk.is_stalled());
        }
        !self.tells_of_disk(sight.now, instance)
    }

    /// What is wrong with the disk of this host begins or ends: all nodes are to know.
    pub(crate) fn own_disk_changed(&mut self, turn: &mut Turn, me: Instance) {
        for kind in [WarningKind::DiskFull, WarningKind::DiskStalled, WarningKind::DiskSlow] {
            self.forget(kind, me);
        }
        self.over = true;
        turn.timers.arm(Timer::Warnings, turn.now);
    }

    fn note_own_disk(&mut self, sight: &Sight<'_>) {
        let (config, me) = (sight.config, sight.config.instance);
        let address = sight.health.member(me).and_then(|member| member.address.clone());
        let Some(address) = address.or(config.settings.advertise.map(Into::into)) else { return };
        for (trouble, _) in sight.disk.troubles() {
            let kind = match trouble {
                Trouble::DiskFull => WarningKind::DiskFull,
                Trouble::DiskStalled => WarningKind::DiskStalled,
                Trouble::DiskSlow => WarningKind::DiskSlow,
            };
            let warning = Warning {
                kind: kind.into(),
                instance: me,
                generation: config.generation,
                boot_nonce: 0,
                name: config.name.to_string(),
                address: address.clone(),
                copy: CopyGuess::Unknown.into(),
                standing: None,
            };
            self.note(sight.now, warning, false);
        }
    }
}

/// A leader tells all that are alive; others tell it, and without one each voter that they meet.
fn whom_to_tell(sight: &Sight<'_>) -> Vec<Instance> {
    let me = sight.config.instance;
    if sight.leads() {
        let all = sight.health.alive().map(|member| member.instance);
        return all.filter(|instance| *instance != me).collect();
    }
    match sight.leadership.leader() {
        Some(leader) => vec![leader.instance],
        None => {
            let met = |one: &Instance| sight.peers.session(*one).is_some();
            sight.other_voters().filter(met).collect()
        }
    }
}

/// Whether it is about a disk life that runs, or ran, at two places.
fn is_of_a_copy(kind: WarningKind) -> bool {
    matches!(kind, WarningKind::RunsTwice | WarningKind::OlderCopy)
}

#[cfg(test)]
mod tests;
