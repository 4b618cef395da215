//! The applications of hosts in the view: what the leader proposes of their reports, and what each epoch makes of them by the state of their hosts.
//!
//! Invariants: every application is on a member, and no epoch shows one as up whose host is gone or drained. A report that says nothing new
//! makes no epoch. All applications together stay below `limits::APPLICATIONS_COST`: what a report would add beyond is left out, and what is
//! there already goes on to change. Which reports are proposed is the leader's business, and it asks here whether one would change anything.

use super::{Draft, Roster};
use quorate_proto::{
    Application, ApplicationReport, HealthDelta, HealthEpoch, HostApplications, Instance, Member,
    ReportApplications, limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Roster {
    /// Applies what hosts report. A report of another start than the committed one, or that no host would make, is void.
    pub(super) fn report(&mut self, report: &ReportApplications) -> Option<Arc<HealthDelta>> {
        let mut draft = self.draft(report.at_unix_ms);
        for host in report.hosts.iter().filter(|host| !host.is_faulty()) {
            let member = self.by_instance(host.instance);
            let member = member.filter(|member| member.generation == host.generation);
            member.into_iter().for_each(|member| draft.take_report(member, host));
        }
        let step = draft.finish();
        self.apply_step(step)
    }

    /// Whether a report would change anything.
    pub(crate) fn is_news(&self, host: &HostApplications) -> bool {
        let hosts = vec![host.clone()];
        // A clone shares nearly everything.
        self.clone().report(&ReportApplications { hosts, at_unix_ms: 0 }).is_some()
    }
}

impl Draft<'_> {
    /// The applications of a host are those of its report from now on.
    fn take_report(&mut self, member: &Member, host: &HostApplications) {
        let (epoch, at_unix_ms) = (self.epoch, self.at_unix_ms);
        let (before, mut others): (Vec<Application>, Vec<Application>) =
            std::mem::take(&mut self.applications)
                .into_iter()
                .partition(|one| one.instance == member.instance);
        let mut before: BTreeMap<String, Application> =
            before.into_iter().map(|old| (old.told.name.clone(), old)).collect();
        let mut room = limits::APPLICATIONS_COST.saturating_sub(cost(&others));
        // Whoever is there keeps its place, and those that are new have what is left.
        let (known, new): (Vec<&ApplicationReport>, Vec<&ApplicationReport>) =
            host.applications.iter().partition(|told| before.contains_key(&told.name));
        for told in known.into_iter().chain(new) {
            let old = before.remove(&told.name);
            let next = told_of(member, told);
            let next = match old {
                Some(old)
                    if old.says(&next.told, next.generation) && old.by_host == next.by_host =>
                {
                    old
                }
                Some(old) if next.told.cost() > room => old,
                Some(old) if old.told.state == next.told.state => Application {
                    since_epoch: old.since_epoch,
                    since_unix_ms: old.since_unix_ms,
                    ..next
                },
                None if next.told.cost() > room || others.len() >= limits::APPLICATIONS => continue,
                _ => Application { since_epoch: epoch, since_unix_ms: at_unix_ms, ..next },
            };
            room = room.saturating_sub(next.told.cost());
            others.push(next);
        }
        others.sort_by(|a, b| a.place().cmp(&b.place()));
        self.applications = others;
    }

    /// The applications of the next view, whose members are these.
    pub(super) fn applications_under(
        applications: Vec<Application>,
        members: &[Member],
        epoch: HealthEpoch,
        at_unix_ms: u64,
    ) -> Vec<Application> {
        if applications.is_empty() {
            return applications;
        }
        let members: BTreeMap<Instance, &Member> =
            members.iter().map(|member| (member.instance, member)).collect();
        let under = |old: Application| {
            let (state, member) = (old.told.state, members.get(&old.instance)?);
            let mut next = old.under(member);
            if next.told.state != state {
                (next.since_epoch, next.since_unix_ms) = (epoch, at_unix_ms);
            }
            Some(next)
        };
        applications.into_iter().filter_map(under).collect()
    }
}

/// The record of what a member reports, as the member's state lets it stand.
fn told_of(member: &Member, told: &ApplicationReport) -> Application {
    let record = Application {
        told: told.clone(),
        host: member.name.clone(),
        instance: member.instance,
        generation: member.generation,
        ..Application::default()
    };
    record.under(member)
}

/// What applications take of the bound.
pub(super) fn cost(applications: &[Application]) -> usize {
    applications.iter().map(|one| one.told.cost()).sum()
}
