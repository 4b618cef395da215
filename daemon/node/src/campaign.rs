//! A campaign on evidence: a voter that holds a farewell or a confirmed verdict against the leader does not wait for
//! the election timeout (DESIGN section 6).
//!
//! The live voters go in turn, in the order of their Raft ids, until somebody leads. Knows nothing of what others report.

use crate::node::Node;
use crate::timers::Timer;
use quorate_proto::{Instance, RaftId, Verdict, raft_id};
use std::time::Duration;

/// A campaign is repeated while the others may not have seen the evidence yet; each time after twice as long, because a
/// round of votes over a slow network or disk must have time to end before the next makes it void.
const CAMPAIGN_REPEAT: Duration = Duration::from_millis(100);
/// The pause is doubled so many times at most: 3.2 s.
const CAMPAIGN_DOUBLINGS: u32 = 5;
/// The second-lowest live voter waits this much longer than the lowest, and so on: several round trips and syncs.
/// The lowest may be unable to win, because its log is behind; pre-votes keep a collision harmless.
const CAMPAIGN_STAGGER: Duration = Duration::from_millis(60);

/// What this node knows of a leader that is gone.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    /// The leader that is gone, until another leads. A candidate of a later term makes every voter forget whom it
    /// followed, and a vote that was split has to be repeated all the same.
    lost_leader: Option<Instance>,
    /// Campaigns since it is gone.
    campaigns: u32,
}

impl Campaign {
    /// Somebody leads.
    pub(crate) fn leader_found(&mut self) {
        *self = Self::default();
    }
}

impl Node {
    /// Evidence says that the leader is gone: the lowest live voter campaigns at once, the next ones a little
    /// later should it not succeed.
    pub(crate) fn plan_campaign(&mut self) {
        self.campaign.lost_leader = self.health.leader.map(|leader| leader.instance);
        let Some(stagger) = self.campaign_stagger() else { return };
        self.drop_leaders_lease();
        self.timers.arm(Timer::Campaign, self.now + stagger);
    }

    /// How long this node lets the live voters before it, in the order of Raft ids, go first; none when it may not
    /// campaign.
    fn campaign_stagger(&self) -> Option<Duration> {
        let group = self.group.as_ref()?;
        let status = group.replica.status();
        let lost = self.campaign.lost_leader?;
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
        let Some(lost) = self.campaign.lost_leader else { return };
        if let Some(group) = &mut self.group {
            group.replica.evidence_against(raft_id(group.genesis, lost));
        }
    }

    /// The time to campaign has come, unless somebody leads by now.
    pub(crate) fn campaign_on_evidence(&mut self) {
        let Some(lost) = self.campaign.lost_leader else { return };
        let gone = self
            .detector
            .verdict(lost)
            .is_some_and(|opinion| matches!(opinion.verdict, Verdict::Down | Verdict::Left));
        // Apart from each other, or two that split the vote would split it again.
        let Some(stagger) = self.campaign_stagger().filter(|_| gone) else { return };
        self.drop_leaders_lease();
        let times = 1 << self.campaign.campaigns.min(CAMPAIGN_DOUBLINGS);
        self.campaign.campaigns += 1;
        self.timers.arm(Timer::Campaign, self.now + (CAMPAIGN_REPEAT + stagger) * times);
        if let Some(group) = &mut self.group
            && !group.leads()
        {
            group.replica.campaign();
        }
    }
}
