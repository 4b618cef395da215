//! What runs on this host, what is reported of that, and, on a leader, what members report of theirs until it is committed.
//!
//! Level-triggered from end to end: a host reports all of its applications whenever the committed view says something else of them, with each
//! answer to a ping of the leader (`rider.rs`), until the view says it too. The leader keeps the newest report of each, and proposes those that
//! would change anything, one entry at a time, so that what changes meanwhile shares the next epoch. Knows nothing of how an application is
//! checked, and of what an epoch makes of a report.

mod rider;

use crate::groups::Group;
use crate::pings::rhythm::ping_interval;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{
    Application, ApplicationCause, ApplicationReport, ApplicationState, CommandBody, Generation,
    HealthView, HostApplications, Instance, Moment, Reason, ReportApplications, limits,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node that does not reach the leader reports is passed on for so long: it asks again long before.
const KEPT: Duration = Duration::from_secs(1);
/// Whoever answered the leader itself within this needs nobody to speak for it, and what comes around may be older.
const ITSELF: Duration = Duration::from_secs(2);

const _: () = assert!(KEPT.as_millis() < ITSELF.as_millis());

/// A proposal whose fate is not seen after this long is made again.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    /// What runs here, in the order of names, as the shell says; none before it has said anything.
    own: Option<Vec<ApplicationReport>>,
    /// Since when those that do not work do not.
    down_since: BTreeMap<String, Moment>,
    /// As leader: the newest report of each member whose view says something else. At most one for each member.
    reports: BTreeMap<Instance, HostApplications>,
    /// As leader: when each member last answered it itself.
    answered: BTreeMap<Instance, Moment>,
    /// As a voter: what those report that do not reach the leader. At most `limits::RELAYED`.
    passed: BTreeMap<Instance, (Moment, HostApplications)>,
    /// As leader: when the newest proposal was made. Each leads to a round of pings to all, so the next one waits as long as a round:
    /// however many applications flap, they cost no more.
    proposed: Option<Moment>,
    /// As leader: the last host in the newest proposal; the next one begins behind it, so that nobody is served first each time.
    served: Option<Instance>,
    /// As leader: the proposal under way.
    in_flight: Option<(u64, Moment)>,
}

impl Applications {
    /// The shell says what runs here, and how it is. What no host may report is left out; the shell has said so already.
    pub(crate) fn take(&mut self, turn: &mut Turn, mut all: Vec<ApplicationReport>) {
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.dedup_by(|a, b| a.name == b.name);
        all.retain(|told| told.fault().is_none());
        all.truncate(limits::HOST_APPLICATIONS);
        let down = |told: &&ApplicationReport| told.state() == ApplicationState::Down;
        let since = |name: &String| self.down_since.get(name).copied().unwrap_or(turn.now);
        self.down_since =
            all.iter().filter(down).map(|told| (told.name.clone(), since(&told.name))).collect();
        self.own = Some(all);
        turn.duties_due = true;
    }

    /// What this host is to report; none while the view that it has says all of it.
    pub(crate) fn report(&self, sight: &Sight<'_>) -> Option<HostApplications> {
        let (own, me) = (self.own.as_ref()?, sight.health.member(sight.config.instance)?);
        let (instance, generation) = (me.instance, sight.config.generation);
        if me.generation != generation {
            // This start is not committed yet; until it is, a report would be void.
            return None;
        }
        let is_mine = |one: &&Application| one.instance == instance;
        let committed: Vec<&Application> =
            sight.health.view().applications.iter().filter(is_mine).collect();
        let same = is_said(&committed, own, generation);
        (!same).then(|| HostApplications { instance, generation, applications: own.clone() })
    }

    /// As leader: what is to be proposed, if anything is and nothing is under way.
    pub(crate) fn look(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        group: &Group,
    ) -> Option<CommandBody> {
        let apart = ping_interval(sight.health.view().members.len());
        if let Some(next) = self.proposed.map(|last| last + apart).filter(|at| *at > sight.now) {
            turn.timers.arm(Timer::Duties, next);
            return None;
        }
        if self.in_flight.is_some_and(|(_, since)| sight.now.since(since) < PATIENCE) {
            return None;
        }
        let hosts = self.different(sight, &group.meta().view());
        // Also of those that there is no room for in the view: else they would keep the others back for ever.
        self.served = hosts.last().map(|host| host.instance);
        // They would be proposed for ever.
        if !hosts.iter().any(|host| group.meta().is_news(host)) {
            return None;
        }
        let report = ReportApplications { hosts, at_unix_ms: sight.wall_ms };
        let body = CommandBody::Applications(report);
        // Below that level there may be a replica that would stop at it.
        (sight.level() >= Some(body.least_level())).then_some(body)
    }

    /// The reports that say something else than the view: as many as one entry takes, from behind the one that was served last.
    fn different(&self, sight: &Sight<'_>, view: &HealthView) -> Vec<HostApplications> {
        let mut committed: BTreeMap<Instance, Vec<&Application>> = BTreeMap::new();
        for one in &view.applications {
            committed.entry(one.instance).or_default().push(one);
        }
        let own = self.report(sight);
        let mut waiting: Vec<&HostApplications> = own.iter().chain(self.reports.values()).collect();
        waiting.retain(|host| {
            let mine = committed.get(&host.instance).map_or(&[][..], Vec::as_slice);
            !is_said(mine, &host.applications, host.generation)
        });
        waiting.sort_by_key(|host| (Some(host.instance) <= self.served, host.instance));
        let mut room = limits::REPORTED_COST;
        let fits = |host: &&&HostApplications| {
            let fits = host.cost() <= room;
            room = room.saturating_sub(host.cost());
            fits
        };
        waiting.iter().take_while(fits).map(|host| (*host).clone()).collect()
    }

    /// That was proposed under this ticket.
    pub(crate) fn proposed(&mut self, now: Moment, ticket: u64) {
        (self.proposed, self.in_flight) = (Some(now), Some((ticket, now)));
    }

    /// A command with this ticket was applied or came to nothing. Whether it was the proposal under way.
    pub(crate) fn settled(&mut self, ticket: u64) -> bool {
        self.in_flight.take_if(|(waited_for, _)| *waited_for == ticket).is_some()
    }

    /// Applications of this host that do not work, with their check's last word.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = Reason> {
        let own = self.own.iter().flatten();
        own.filter_map(|told| {
            let since = *self.down_since.get(&told.name)?;
            let (name, word) = (told.name.clone(), told.reason.clone());
            Some(Reason::of(&ApplicationCause::Down { name, word }, since))
        })
    }
}

/// Whether what is committed of a host, in the order of names, says what it reports in that order.
fn is_said(committed: &[&Application], told: &[ApplicationReport], generation: Generation) -> bool {
    let mut pairs = committed.iter().zip(told);
    committed.len() == told.len() && pairs.all(|(one, told)| one.says(told, generation))
}

#[cfg(test)]
mod tests;
