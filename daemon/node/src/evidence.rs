//! A node's dissent: its own verdicts minus the committed health. It is sent whole to the leader on every
//! change and each second while it is not empty; the leader keeps the newest of each reporter.
//!
//! Knows nothing of what a verdict against the leader leads to: that is in `campaign.rs`.

use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use quorate_membership::Opinion;
use quorate_proto::{
    Dissent, EnvelopeBody, FrameKind, HealthEpoch, Instance, MemberState, Moment, Verdict,
    VerdictReport, limits,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a dissent is repeated.
const REPEAT: Duration = Duration::from_secs(1);
/// A report older than this no longer counts: its reporter would have repeated it.
pub(crate) const FRESH: Duration = Duration::from_secs(3);

/// What others reported to this node while it leads.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    reports: BTreeMap<Instance, (Moment, Dissent)>,
    sent_to: Option<(Instance, HealthEpoch)>,
    verdict_changed: bool,
}

impl Evidence {
    /// A new leader, or this node's term as leader begins: old reports are void.
    pub(crate) fn clear(&mut self) {
        self.reports.clear();
        self.sent_to = None;
    }

    /// Fresh reports about one instance, with their reporters.
    pub(crate) fn about(
        &self,
        subject: Instance,
        now: Moment,
    ) -> impl Iterator<Item = (Instance, &VerdictReport)> {
        self.reports.iter().filter(move |(_, (at, _))| now.since(*at) < FRESH).filter_map(
            move |(reporter, (_, dissent))| {
                let report = dissent.verdicts.iter().find(|report| report.instance == subject)?;
                Some((*reporter, report))
            },
        )
    }
}

impl Node {
    /// The detector changed its mind about somebody.
    pub(crate) fn verdict_changed(&mut self, opinion: &Opinion, out: &mut Vec<Output>) {
        self.evidence.verdict_changed = true;
        self.timers.arm(Timer::Dissent, self.now);
        self.duties_due = true;
        let name = self.health.name(opinion.instance);
        tracing::debug!(%name, verdict = ?opinion.verdict, reason = %opinion.reason, "verdict");
        let leader = self.health.leader.is_some_and(|leader| leader.instance == opinion.instance);
        if leader && matches!(opinion.verdict, Verdict::Down | Verdict::Left) {
            self.fail_requests_at(opinion.instance, out);
            self.plan_campaign();
        }
    }

    /// The verdicts that differ from the committed health.
    pub(crate) fn dissent(&self) -> Vec<VerdictReport> {
        let mut reports = Vec::new();
        for opinion in self.detector.verdicts() {
            let Some(member) = self.health.member(opinion.instance) else { continue };
            let differs = match (member.state(), opinion.verdict) {
                (_, Verdict::Suspect) => false,
                (MemberState::Alive, Verdict::Alive) => opinion.generation > member.generation,
                (_, Verdict::Alive) => opinion.direct && opinion.generation >= member.generation,
                (MemberState::Alive, Verdict::Down | Verdict::Left) => {
                    opinion.generation >= member.generation
                }
                (MemberState::Down, Verdict::Left) => opinion.generation >= member.generation,
                _ => false,
            };
            if differs && reports.len() < limits::MEMBERS {
                reports.push(VerdictReport {
                    instance: opinion.instance,
                    generation: opinion.generation,
                    verdict: opinion.verdict.into(),
                    reason: opinion.reason,
                    age_ms: u64::try_from(self.now.since(opinion.since).as_millis())
                        .unwrap_or(u64::MAX),
                    confirmed: opinion.confirmed,
                });
            }
        }
        reports
    }

    /// Sends the dissent to the leader; keeps repeating while it is not empty.
    pub(crate) fn send_dissent(&mut self, out: &mut Vec<Output>) {
        let Some(leader) = self.health.leader else { return };
        if leader.instance == self.config.instance {
            return;
        }
        let verdicts = self.dissent();
        let here = Some((leader.instance, self.health.view.epoch));
        let said_before = self.evidence.sent_to == here && !self.evidence.verdict_changed;
        if verdicts.is_empty() && said_before {
            return;
        }
        self.evidence.verdict_changed = false;
        self.evidence.sent_to = here;
        if !verdicts.is_empty() {
            self.timers.arm(Timer::Dissent, self.now + REPEAT);
        }
        let dissent = Dissent { epoch: self.health.view.epoch, verdicts };
        self.send_control(
            leader.instance,
            FrameKind::Dissent,
            0,
            EnvelopeBody::Dissent(dissent),
            out,
        );
    }

    /// Another node's dissent; only members are listened to, and only while this node leads.
    pub(crate) fn dissent_received(&mut self, from: Instance, dissent: Dissent) {
        if !self.leads() || self.health.member(from).is_none() {
            return;
        }
        if dissent.verdicts.len() > limits::MEMBERS {
            self.counters.frames_guarded += 1;
            return;
        }
        self.evidence.reports.insert(from, (self.now, dissent));
        self.duties_due = true;
    }
}
