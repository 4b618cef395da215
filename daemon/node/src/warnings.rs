//! Hosts that an operator must look at, and that only some nodes see: copies of disks, strays with the name of another, and hosts
//! that have trouble with their own disk.
//!
//! Whoever was there first is listened to; the one that came is not. The node that saw it tells the leader, and the leader tells all,
//! for as long as it comes again: once as an event on each node, and as a reason. Nobody is ever told to erase the data
//! of the host that is in the cluster. Nothing but words hangs on what is told, except that all nodes follow the leader in
//! which of two copies is listened to (`clones.rs`). Bounded; more than there is room for is one mistake.

use crate::boot::MadeOn;
use crate::node::Node;
use crate::pings::rhythm::ping_interval;
use crate::timers::Timer;
use quorate_proto::{
    Address, Choice, Copied, CopyCause, CopyGuess, EnvelopeBody, FrameKind, HealthEpoch, Instance,
    LinkCause, Member, MemberCause, Moment, NodeName, Reason, ReasonCode, Session, Trouble,
    Warning, WarningKind, Warnings as Told, limits,
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

impl Node {
    /// A copy of a disk life that runs came, and was turned away or is not listened to.
    pub(crate) fn came_twice(&mut self, session: &Session) {
        self.warn_of(WarningKind::RunsTwice, session);
    }

    /// An older copy of a disk life came, whose later start is known.
    pub(crate) fn came_from_the_past(&mut self, session: &Session) {
        self.warn_of(WarningKind::OlderCopy, session);
    }

    /// Which is the copy: the one that came, or the one that runs, here or elsewhere. By where their data were made.
    fn which_is_the_copy(&self, came: &Session) -> CopyGuess {
        let me = came.instance == self.config.instance;
        let there = self.peers.session(came.instance).map(|session| session.moved);
        let kept = self.clones.original_moved(self.turn.now, came.instance).then_some(true);
        let there = if me { Some(self.config.made_on == MadeOn::Another) } else { there.or(kept) };
        let is_a_seeds = |address| self.founding.is_a_seeds(address);
        match (came.moved, there) {
            (true, None | Some(false)) => CopyGuess::Comer,
            (false, Some(true)) => CopyGuess::Standing,
            // A seed is where the list of seeds leads, and a copy of it elsewhere.
            _ if is_a_seeds(came.place())
                && self.standing(came.instance).is_some_and(|there| !is_a_seeds(there)) =>
            {
                CopyGuess::Standing
            }
            _ => CopyGuess::Unknown,
        }
    }

    /// Where the one runs that this node listens to.
    fn standing(&self, instance: Instance) -> Option<SocketAddr> {
        if instance == self.config.instance {
            return self.health.member(instance)?.address.as_ref()?.socket();
        }
        self.peers.session(instance).map(Session::place)
    }

    /// A disk life that is no member any more was replaced: what is said of its copies would be taken for advice about the new one.
    pub(crate) fn forget_warnings_of_the_replaced(&mut self) {
        let Self { warnings, health, .. } = self;
        if health.view().epoch == HealthEpoch::ZERO {
            return;
        }
        warnings.entries.retain(|(kind, instance, _), _| {
            !is_of_a_copy(*kind) || health.member(*instance).is_some()
        });
    }

    fn warn_of(&mut self, kind: WarningKind, session: &Session) {
        let warning = Warning {
            kind: kind.into(),
            instance: session.instance,
            generation: session.generation,
            boot_nonce: session.boot_nonce,
            name: session.name.to_string(),
            address: session.place().into(),
            copy: self.which_is_the_copy(session).into(),
            standing: self.standing(session.instance).map(Into::into),
        };
        self.warn(warning);
    }

    /// Packets of a member at this address come in, and those of this node do not reach it: it cannot know that itself.
    pub(crate) fn not_heard_at(&mut self, address: SocketAddr) {
        let mut members = self.health.view().members.iter();
        let Some(member) = members.find(|member| crate::names::is_at(member, address)) else {
            return;
        };
        let warning = Warning {
            kind: WarningKind::OneWay.into(),
            instance: member.instance,
            name: member.name.clone(),
            address: address.into(),
            standing: self.standing(self.config.instance).map(Into::into),
            ..Warning::default()
        };
        self.warn(warning);
    }

    /// This node saw something that all should know.
    pub(crate) fn warn(&mut self, warning: Warning) {
        self.note_warning(warning, false);
        self.turn.timers.arm_if_idle(Timer::Warnings, self.turn.now);
    }

    fn note_warning(&mut self, warning: Warning, told: bool) {
        // Of its own disk a node knows more than anybody else.
        if trouble(warning.kind()).is_some() && warning.instance == self.config.instance {
            return;
        }
        if !self.warnings.note(self.turn.now, warning.clone(), told) {
            return;
        }
        let Some(at) = warning.address.socket() else { return };
        let reason = self.reason_of(&warning, at, self.turn.now);
        let kind = match reason.code {
            ReasonCode::NameHeld => "alarm",
            code => code.word(),
        };
        self.event_of(kind, &reason, warning.instance);
        if self.sight().leads() {
            self.turn.timers.arm(Timer::Warnings, self.turn.now);
        }
    }

    /// What this node saw goes to the leader, and what a leader knows to all; again while there is anything.
    pub(crate) fn tell_warnings(&mut self) {
        let (now, leads, me) = (self.turn.now, self.sight().leads(), self.config.instance);
        self.note_own_disk();
        let entries = self.warnings.entries.values();
        let leader = self.leadership.leader().map(|leader| leader.instance);
        let list: Vec<Warning> = entries
            .filter(|entry| entry.is_seen(now) || (leads && entry.is_fresh(now)))
            // Without a leader nobody passes anything on, and a host is believed about its own disk alone.
            .filter(|entry| leader.is_some() || trouble(entry.warning.kind()).is_some())
            .map(|entry| entry.warning.clone())
            .collect();
        let over = std::mem::take(&mut self.warnings.over);
        if list.is_empty() && !over {
            return;
        }
        if !list.is_empty() {
            self.turn.timers.arm(
                Timer::Warnings,
                now + ping_interval(self.health.view().members.len()) * REPEAT_ROUNDS,
            );
        }
        let choices = if leads { self.choices() } else { Vec::new() };
        let told = Told { list, choices };
        let to: Vec<Instance> = if leads {
            let all = self.health.alive().map(|member| member.instance);
            all.filter(|instance| *instance != me).collect()
        } else {
            let met = |one: &Instance| self.peers.session(*one).is_some();
            leader.map_or_else(
                || self.sight().other_voters().filter(met).collect(),
                |leader| vec![leader],
            )
        };
        for instance in to {
            let body = EnvelopeBody::Warnings(told.clone());
            self.send_control(instance, FrameKind::Warnings, 0, body);
        }
    }

    /// Whether copies of a disk life are told of.
    pub(crate) fn runs_twice_somewhere(&self, instance: Instance) -> bool {
        self.warnings.entries.iter().any(|((kind, life, _), entry)| {
            *kind == WarningKind::RunsTwice && *life == instance && entry.is_fresh(self.turn.now)
        })
    }

    /// As leader: to which start this node listens, of each disk life that runs twice.
    fn choices(&self) -> Vec<Choice> {
        let entries = self.warnings.entries.iter();
        let twice = entries
            .filter(|((kind, ..), entry)| is_of_a_copy(*kind) && entry.is_fresh(self.turn.now));
        let mut choices: Vec<Choice> = twice
            .filter_map(|((_, instance, _), _)| self.peers.session(*instance))
            .map(|session| Choice { instance: session.instance, boot_nonce: session.boot_nonce })
            .collect();
        choices.dedup();
        choices
    }

    /// A member tells the leader, or the leader tells this node.
    pub(crate) fn warnings_told(&mut self, from: Instance, told: Told) {
        let leader = self.leadership.leader().is_some_and(|leader| leader.instance == from);
        let known = self.health.member(from).is_some();
        let member = self.sight().leads() && known;
        if known && self.leadership.leader().is_none() {
            return self.told_of_a_disk(from, told.list);
        }
        if !(leader || member) || told.list.len() > limits::WARNINGS {
            self.turn.counters.frames_fenced += 1;
            return;
        }
        if leader {
            told.choices.iter().take(limits::WARNINGS).for_each(|it| self.choose(*it));
            // A leader tells all that there is.
            self.warnings.stand_only(&told.list, |_| true);
        } else if self.warnings.stand_only(&told.list, |instance| instance == from) {
            self.warnings.over = true;
            self.turn.timers.arm(Timer::Warnings, self.turn.now);
        }
        self.note_told(told.list);
        if member {
            self.turn.timers.arm_if_idle(Timer::Warnings, self.turn.now);
        }
    }

    /// A member tells what is wrong with its own disk, while nobody leads. For all else it takes a leader.
    fn told_of_a_disk(&mut self, from: Instance, mut list: Vec<Warning>) {
        list.retain(|it| trouble(it.kind()).is_some() && it.instance == from);
        self.warnings.stand_only(&list, |instance| instance == from);
        self.note_told(list);
    }

    /// Another node told of these.
    pub(crate) fn note_told(&mut self, list: Vec<Warning>) {
        for warning in list.into_iter().take(limits::WARNINGS) {
            self.note_warning(warning, true);
        }
    }

    /// Why an operator should look at hosts that were not let in, or not listened to.
    pub(crate) fn warning_reasons(&self) -> impl Iterator<Item = Reason> {
        let now = self.turn.now;
        let fresh = self.warnings.entries.values().filter(move |entry| entry.is_fresh(now));
        let own_disk = |entry: &&Entry| {
            let warning = &entry.warning;
            trouble(warning.kind()).is_some() && warning.instance == self.config.instance
        };
        // A way that others lack is no trouble of this host.
        let others_way = move |entry: &&Entry| {
            let deaf = entry.warning.instance == self.config.instance;
            entry.warning.kind() == WarningKind::OneWay && !deaf && !entry.is_seen(now)
        };
        let fresh = fresh.filter(move |entry| !own_disk(entry) && !others_way(entry));
        fresh.map(|entry| self.reason_of(&entry.warning, entry.at, entry.since))
    }

    /// A way that is open in one direction only, by the names of its ends.
    fn one_way(&self, warning: &Warning, at: SocketAddr) -> LinkCause {
        let there = warning.standing.as_ref().and_then(Address::socket);
        let is_there =
            |member: &&Member| there.is_some_and(|there| crate::names::is_at(member, there));
        let hears = self.health.view().members.iter().find(is_there);
        let hears = hears.map_or_else(|| "another host".to_owned(), |member| member.name.clone());
        let (deaf, me) = (warning.name.clone(), warning.instance == self.config.instance);
        let other = if me { hears.clone() } else { deaf.clone() };
        LinkCause::OneWay { deaf, hears, other, port: at.port() }
    }

    fn reason_of(&self, warning: &Warning, at: SocketAddr, since: Moment) -> Reason {
        if warning.kind() == WarningKind::OneWay {
            return Reason::of(&self.one_way(warning, at), since);
        }
        let Some(trouble) = trouble(warning.kind()) else {
            return Reason::of(&self.cause_of(warning, at), since);
        };
        let leads =
            self.leadership.leader().is_some_and(|leader| leader.instance == warning.instance);
        let name = warning.name.clone();
        Reason::of(&MemberCause::Disk { name, here: false, leads, trouble }, since)
    }

    /// Whether nothing is known of a disk that is full or silent: of this host's by itself, of another's by what it told.
    pub(crate) fn has_working_disk(&self, instance: Instance) -> bool {
        if instance == self.config.instance {
            return !(self.disk.is_full() || self.disk.is_stalled());
        }
        !self.warnings.tells_of_disk(self.turn.now, instance)
    }

    /// What is wrong with the disk of this host begins or ends: all nodes are to know.
    pub(crate) fn tell_of_own_disk(&mut self) {
        let me = self.config.instance;
        for kind in [WarningKind::DiskFull, WarningKind::DiskStalled, WarningKind::DiskSlow] {
            self.warnings.forget(kind, me);
        }
        self.warnings.over = true;
        self.turn.timers.arm(Timer::Warnings, self.turn.now);
    }

    fn note_own_disk(&mut self) {
        let me = self.config.instance;
        let address = self.health.member(me).and_then(|member| member.address.clone());
        let Some(address) = address.or(self.config.advertise.map(Into::into)) else { return };
        for (trouble, _) in self.disk.troubles() {
            let kind = match trouble {
                Trouble::DiskFull => WarningKind::DiskFull,
                Trouble::DiskStalled => WarningKind::DiskStalled,
                Trouble::DiskSlow => WarningKind::DiskSlow,
            };
            let warning = Warning {
                kind: kind.into(),
                instance: me,
                generation: self.config.generation,
                boot_nonce: 0,
                name: self.config.name.to_string(),
                address: address.clone(),
                copy: CopyGuess::Unknown.into(),
                standing: None,
            };
            self.warnings.note(self.turn.now, warning, false);
        }
    }

    fn cause_of(&self, warning: &Warning, at: SocketAddr) -> CopyCause {
        let (name, life) = (warning.name.clone(), warning.instance);
        let there = warning.standing.as_ref().and_then(Address::socket);
        let (start, cluster) = (warning.generation.get(), self.config.cluster.to_string());
        let (own, copy) = (life == self.config.instance, self.copied(warning));
        match warning.kind() {
            WarningKind::OlderCopy => {
                CopyCause::Older { name, at, life, start, there, copy, cluster }
            }
            WarningKind::NameInUse => CopyCause::NameInUse { name, at },
            WarningKind::NameKept => {
                CopyCause::NameKept { name, at, minutes: crate::names::KEPT.as_secs() / 60 }
            }
            // Nobody else is there: it is one host, whose disk went back, or a copy of one that is off.
            WarningKind::RunsTwice if !own && there.is_none_or(|there| there == at) => {
                CopyCause::WentBack { name, at, life, start, cluster }
            }
            _ if own => CopyCause::OwnTwice { name, at, there, copy, cluster },
            _ => CopyCause::Twice { name, at, life, there, copy, cluster },
        }
    }

    fn copied(&self, warning: &Warning) -> Copied {
        let me = warning.instance == self.config.instance;
        let own = || me.then(|| self.where_the_copy_is(self.turn.now));
        match (warning.copy(), own()) {
            (_, Some(Copied::Moved)) => Copied::Moved,
            (CopyGuess::Standing, _) => Copied::Standing,
            (CopyGuess::Comer, _) => Copied::Comer,
            (_, Some(Copied::Here)) => Copied::Here,
            _ => Copied::Later,
        }
    }
}

/// What a host says of its own disk.
fn trouble(kind: WarningKind) -> Option<Trouble> {
    match kind {
        WarningKind::DiskFull => Some(Trouble::DiskFull),
        WarningKind::DiskStalled => Some(Trouble::DiskStalled),
        WarningKind::DiskSlow => Some(Trouble::DiskSlow),
        _ => None,
    }
}

/// Whether it is about a disk life that runs, or ran, at two places.
fn is_of_a_copy(kind: WarningKind) -> bool {
    matches!(kind, WarningKind::RunsTwice | WarningKind::OlderCopy)
}

#[cfg(test)]
mod tests;
