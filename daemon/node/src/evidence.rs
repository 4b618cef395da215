//! A node's dissent: its own verdicts minus the committed health. It is sent whole to the leader on every
//! change and each second while it is not empty; the leader keeps the newest of each reporter.
//!
//! Also here: what a verdict against the leader itself leads to, a campaign on evidence (DESIGN section 6).

use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use quorate_membership::Opinion;
use quorate_proto::{
    Dissent, EnvelopeBody, FrameKind, HealthEpoch, Instance, MemberState, Moment, RaftId, Verdict,
    VerdictReport, limits, raft_id,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a dissent is repeated.
const REPEAT: Duration = Duration::from_secs(1);
/// A report older than this no longer counts: its reporter would have repeated it.
pub(crate) const FRESH: Duration = Duration::from_secs(3);
/// A campaign is repeated while the others may not have seen the evidence yet; each time after twice as long, because a
/// round of votes over a slow network or disk must have time to end before the next makes it void.
const CAMPAIGN_REPEAT: Duration = Duration::from_millis(100);
/// The pause is doubled so many times at most: 3.2 s.
const CAMPAIGN_DOUBLINGS: u32 = 5;
/// The second-lowest live voter waits this much longer than the lowest, and so on: several round trips and syncs.
/// The lowest may be unable to win, because its log is behind; pre-votes keep a collision harmless.
const CAMPAIGN_STAGGER: Duration = Duration::from_millis(60);

/// What others reported to this node while it leads.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    reports: BTreeMap<Instance, (Moment, Dissent)>,
    sent_to: Option<(Instance, HealthEpoch)>,
    verdict_changed: bool,
    /// The leader that is gone, until another leads. A candidate of a later term makes every voter forget whom it
    /// followed, and a vote that was split has to be repeated all the same.
    pub(crate) lost_leader: Option<Instance>,
    /// Campaigns since it is gone.
    campaigns: u32,
}

impl Evidence {
    /// A new leader, or this node's term as leader begins: old reports are void.
    pub(crate) fn clear(&mut self) {
        self.reports.clear();
        self.sent_to = None;
    }

    /// Somebody leads.
    pub(crate) fn leader_found(&mut self) {
        self.lost_leader = None;
        self.campaigns = 0;
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

    /// Evidence says that the leader is gone: the lowest live voter campaigns at once, the next ones a little
    /// later should it not succeed.
    pub(crate) fn plan_campaign(&mut self) {
        self.evidence.lost_leader = self.health.leader.map(|leader| leader.instance);
        let Some(stagger) = self.campaign_stagger() else { return };
        self.drop_leaders_lease();
        self.timers.arm(Timer::Campaign, self.now + stagger);
    }

    /// How long this node lets the live voters before it, in the order of Raft ids, go first; none when it may not
    /// campaign.
    fn campaign_stagger(&self) -> Option<Duration> {
        let group = self.group.as_ref()?;
        let status = group.replica.status();
        let lost = self.evidence.lost_leader?;
        if !status.promotable
            || self.detector.doubts_itself()
            || self.stopping.is_some()
            || self.disk_stalled.is_some()
        {
            return None;
        }
        let mut live: Vec<RaftId> = self
            .health
            .view
            .members
            .iter()
            .map(|member| member.instance)
            .filter(|one| *one != lost && self.seems_alive(*one))
            .map(|one| raft_id(group.genesis, one))
            .filter(|id| status.conf.voters.contains(&id.get()))
            .collect();
        live.sort_unstable();
        let place = live.iter().position(|id| *id == group.me)?;
        Some(CAMPAIGN_STAGGER * u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Whether this node itself has no reason to think another is gone.
    pub(crate) fn seems_alive(&self, instance: Instance) -> bool {
        instance == self.config.instance
            || self
                .detector
                .verdict(instance)
                .is_some_and(|opinion| matches!(opinion.verdict, Verdict::Alive | Verdict::Suspect))
    }

    fn drop_leaders_lease(&mut self) {
        let Some(lost) = self.evidence.lost_leader else { return };
        if let Some(group) = &mut self.group {
            group.replica.evidence_against(raft_id(group.genesis, lost));
        }
    }

    /// The time to campaign has come, unless somebody leads by now.
    pub(crate) fn campaign_on_evidence(&mut self) {
        let Some(lost) = self.evidence.lost_leader else { return };
        let gone = self
            .detector
            .verdict(lost)
            .is_some_and(|opinion| matches!(opinion.verdict, Verdict::Down | Verdict::Left));
        // Apart from each other, or two that split the vote would split it again.
        let Some(stagger) = self.campaign_stagger().filter(|_| gone) else { return };
        self.drop_leaders_lease();
        let times = 1 << self.evidence.campaigns.min(CAMPAIGN_DOUBLINGS);
        self.evidence.campaigns += 1;
        self.timers.arm(Timer::Campaign, self.now + (CAMPAIGN_REPEAT + stagger) * times);
        if let Some(group) = &mut self.group
            && !group.leads()
        {
            group.replica.campaign();
        }
    }
}
