//! How a decision of the autopilot is told: in the epoch that shows it, in `quorate autopilot`, and as reasons of `quorate why`.

use super::facts::{Candidate, Facts, is_seed_host, zone};
use super::plan::{Could, Plan, Why, next_change, voter_target};
use super::{Absences, Autopilot};
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_meta::Meta;
use quorate_proto::{
    AutopilotHost, AutopilotReport, ConfChange, ConfChangeKind, Member, MemberState, OperatorCause,
    RaftId, Reason, raft_id,
};
use std::time::Duration;

/// A change of the voters, for people.
pub(crate) fn describe(meta: &Meta, changes: &[ConfChange]) -> String {
    let words: Vec<String> = changes
        .iter()
        .map(|one| {
            let name = name(meta, one.node_id);
            match one.kind() {
                ConfChangeKind::AddVoter => format!("{name} becomes a voter"),
                ConfChangeKind::AddLearner => format!("{name} becomes a standby"),
                ConfChangeKind::Remove => format!("{name} leaves the voters"),
            }
        })
        .collect();
    words.join(", ")
}

/// Also of a life that is over.
fn name(meta: &Meta, id: u64) -> String {
    let name = RaftId::new(id).and_then(|id| meta.name_by_raft(id));
    name.map_or_else(|| format!("{id:016x}"), str::to_owned)
}

/// A span as the configuration writes it.
fn span(of: Duration) -> String {
    match of.as_secs() {
        seconds if seconds % 3600 == 0 && seconds > 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 && seconds > 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// What makes so many voters the right number: of the hosts that are not lost, or where voters are missing of those that are alive.
pub(super) fn rule(facts: &Facts, target: usize) -> String {
    let count =
        |which: fn(&Candidate) -> bool| facts.candidates.iter().filter(|one| which(one)).count();
    let hosts = [count(|one| !one.lost), count(|one| one.alive)];
    match (facts.wanted, hosts.into_iter().find(|hosts| voter_target(*hosts) == target)) {
        (Some(wanted), _) => format!("`voters = {wanted}`"),
        (None, Some(0 | 1)) => "one voter for one host".to_owned(),
        (None, Some(hosts)) => format!("{target} voters for {hosts} hosts"),
        (None, None) => format!(
            "{target} voters for {} hosts, until those that are lost are removed",
            facts.candidates.len()
        ),
    }
}

/// Why something is done, or nothing.
pub(super) fn why(sight: &Sight<'_>, meta: &Meta, facts: &Facts, plan: &Plan) -> String {
    let name = |id: RaftId| name(meta, id.get());
    let after = span(sight.config.settings.replace_after);
    match plan.why {
        Why::Settled => "the voters are as they should be".to_owned(),
        Why::NoMember(id) => format!("{} is no member any more", name(id)),
        Why::Prepares { instead: Some(id), .. } => format!("to vote in place of {}", name(id)),
        Why::Prepares { instead: None, .. } => "to vote".to_owned(),
        Why::CatchesUp(id) => format!("{} does not have the whole log yet", name(id)),
        Why::TooFew { target } => rule(facts, target),
        Why::Replaces(id) => format!("{} has been gone for {after} (`replace_after`)", name(id)),
        Why::Succeeds(dead) if dead.removed => format!("{} was removed", name(dead.id)),
        Why::Succeeds(dead) => format!("{} has a new disk", name(dead.id)),
        Why::TooMany { target, lost: Some(id) } => format!(
            "{} has been gone for {after} (`replace_after`), and {target} voters suit the hosts that are left",
            name(id)
        ),
        Why::TooMany { target, lost: None } => rule(facts, target),
        Why::Spreads { from, to } => format!(
            "zone {} has so many voters that its loss would stop the cluster, and zone {} has a host to spare",
            zone_of(meta, from),
            zone_of(meta, to)
        ),
        Why::AwaitsPair => {
            "of four voters no more may be lost than of three, so two hosts come at once".to_owned()
        }
        Why::NoSuccessor { lost, could } => {
            format!(
                "{} has been gone for {after} (`replace_after`), and {}",
                name(lost),
                who_could(could)
            )
        }
        Why::Awaits(id) => {
            format!("{} is gone, but not for {after} yet (`replace_after`)", name(id))
        }
        Why::Keeps(id) => format!(
            "{} is no member any more, but without its vote the living voters would be no majority",
            name(id)
        ),
        Why::Unapproved(id) => format!(
            "there are fewer voters than there should be, and {} waits for an operator's word (`promote = \"approve\"`)",
            name(id)
        ),
        Why::Paused => "an operator paused the autopilot".to_owned(),
    }
}

fn who_could(could: Could) -> &'static str {
    match could {
        Could::Nobody => "no host without a vote is alive",
        Could::Unapproved => "the hosts that could get its vote wait for an operator's word",
        Could::Drained => "the hosts that could get its vote are drained",
        Could::Broken => "the disks of the hosts that could get its vote are full or do not answer",
        Could::DrainedOrBroken => {
            "the hosts that could get its vote are drained, or their disks are full or do not answer"
        }
    }
}

fn zone_of(meta: &Meta, id: RaftId) -> String {
    meta.member_by_raft(id).and_then(zone).unwrap_or_default().to_owned()
}

/// What would change a decision, with the command where it is one.
fn would_change(sight: &Sight<'_>, meta: &Meta, plan: &Plan, absences: &Absences) -> Vec<String> {
    let settings = &sight.config.settings;
    let mut out = Vec::new();
    if plan.why == Why::Paused {
        out.push("`quorate autopilot resume`".to_owned());
    }
    let gone = sight.health.view().members.iter().filter(|it| it.state() != MemberState::Alive);
    for member in gone.filter(|it| it.role() == quorate_proto::Role::Voter) {
        let name = &member.name;
        let left = absences
            .gone_for(sight.now, member.instance)
            .map(|gone| settings.replace_after.saturating_sub(gone));
        out.push(match left {
            None => format!("{name} is drained, and keeps its vote until `quorate undrain {name}`"),
            Some(Duration::ZERO) => format!(
                "{name} comes back and keeps its vote, or a host that is alive gets it, or `quorate remove {name}`"
            ),
            Some(left) => format!(
                "{name} comes back, or is gone for {} more: then a host without a vote that is alive gets it, if there is one",
                span(Duration::from_secs(left.as_secs().max(1)))
            ),
        });
    }
    if let Why::Unapproved(id) | Why::CatchesUp(id) = plan.why {
        let name = name(meta, id.get());
        out.push(match plan.why {
            Why::Unapproved(_) => format!("`quorate promote {name}`"),
            _ => format!("{name} has caught up"),
        });
    }
    if settings.voters.is_none() && plan.target < 5 {
        let hosts = if plan.target < 3 { plan.target + 1 } else { 5 };
        out.push(format!("{hosts} hosts: {} voters", voter_target(hosts)));
    }
    out
}

/// All of it, for `quorate autopilot`; and what the leader knows to be in its way, for `quorate why`.
pub(crate) fn told(
    sight: &Sight<'_>,
    group: &Group,
    autopilot: &Autopilot,
    warnings: &Warnings,
) -> (AutopilotReport, Option<Reason>) {
    let absences = autopilot.absences();
    let facts = Facts::gather(sight, group, &group.replica().status(), absences, warnings);
    let plan = next_change(&facts);
    (report(sight, group, absences, &facts, &plan), reason(sight, group, autopilot, &facts, &plan))
}

fn report(
    sight: &Sight<'_>,
    group: &Group,
    absences: &Absences,
    facts: &Facts,
    plan: &Plan,
) -> AutopilotReport {
    let (status, meta) = (group.replica().status(), group.meta());
    let pause = meta.autopilot_pause().cloned().unwrap_or_default();
    let (does, why) = match (status.joint, plan.changes.is_empty()) {
        (true, _) => ("waits".to_owned(), "a change of the voters is under way".to_owned()),
        (false, true) => ("nothing".to_owned(), why(sight, meta, facts, plan)),
        (false, false) => (describe(meta, &plan.changes), why(sight, meta, facts, plan)),
    };
    let host = |member: &Member| {
        let id = raft_id(group.cluster_id(), member.instance);
        let known = facts.candidates.iter().find(|one| one.id == id);
        let gone = absences.gone_for(sight.now, member.instance);
        AutopilotHost {
            name: member.name.clone(),
            role: member.role,
            state: member.state,
            zone: zone(member).unwrap_or_default().to_owned(),
            seed: is_seed_host(&sight.config.founding.seeds, member),
            drained: member.is_drained(),
            caught_up: known.is_some_and(|one| one.learner && one.caught_up),
            gone_seconds: gone.map(|gone| gone.as_secs()),
            lost: known.is_some_and(|one| one.lost),
            witness: member.is_witness(),
        }
    };
    AutopilotReport {
        target: u32::try_from(plan.target).unwrap_or(u32::MAX),
        rule: rule(facts, plan.target),
        paused: facts.paused,
        paused_for: pause.reason,
        paused_since_unix_ms: pause.at_unix_ms,
        does,
        why,
        would_change: would_change(sight, meta, plan, absences),
        hosts: sight.health.view().members.iter().map(host).collect(),
    }
}

fn reason(
    sight: &Sight<'_>,
    group: &Group,
    autopilot: &Autopilot,
    facts: &Facts,
    plan: &Plan,
) -> Option<Reason> {
    let member = |id| group.meta().member_by_raft(id);
    let text = why(sight, group.meta(), facts, plan);
    match plan.why {
        Why::NoSuccessor { lost, could } => {
            let lost = member(lost)?;
            let unapproved = could == Could::Unapproved;
            let waiting = |it: &&Member| {
                let role = it.role() != quorate_proto::Role::Voter && !it.is_drained();
                role && it.state() == MemberState::Alive && !it.approved
            };
            let first = sight.health.view().members.iter().find(waiting).filter(|_| unapproved);
            let (name, waits) = (lost.name.clone(), first.map(|it| it.name.clone()));
            let gone = autopilot.absences().gone_for(sight.now, lost.instance).unwrap_or_default();
            let since = sight
                .now
                .as_micros()
                .saturating_sub(u64::try_from(gone.as_micros()).unwrap_or(u64::MAX));
            let cause = OperatorCause::NoSuccessor { name, text, waits };
            Some(Reason::of(&cause, quorate_proto::Moment::from_micros(since)))
        }
        Why::Unapproved(id) => {
            let name = member(id)?.name.clone();
            let since = autopilot.unapproved_since(id).unwrap_or(sight.now);
            Some(Reason::of(&OperatorCause::Unapproved { name, text }, since))
        }
        _ => None,
    }
}
