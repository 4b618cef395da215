//! The end of a leadership, and the campaign on evidence of it: a voter that holds a farewell, a confirmed verdict or
//! the leader's own word against it does not wait for the election timeout, because nobody can write until it has ended.
//!
//! The live voters go in turn, in the order of their Raft ids, until somebody leads. Nobody deposes a leader on less
//! than that, and nobody at all who stood still. Knows nothing of what others report.

use crate::leadership::Leader;
use crate::node::Node;
use crate::pings::rhythm::PING_INTERVAL;
use crate::sight::UNHEARD;
use crate::timers::Timer;
use quorate_proto::{
    EnvelopeBody, FrameKind, Generation, Instance, Ping, RaftId, Verdict, raft_id,
};
use std::time::Duration;

/// A campaign is repeated while the others may not have seen the evidence yet; each time after twice as long, because a
/// round of votes over a slow network or disk must have time to end before the next makes it void.
const CAMPAIGN_REPEAT: Duration = Duration::from_millis(100);
/// The pause is doubled so many times at most: 3.2 s.
const CAMPAIGN_DOUBLINGS: u32 = 5;
/// The second-lowest live voter waits this much longer than the lowest, and so on: several round trips and syncs.
/// The lowest may be unable to win, because its log is behind; pre-votes keep a collision harmless.
const CAMPAIGN_STAGGER: Duration = Duration::from_millis(60);

/// Why a leader counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grounds {
    /// A verdict says so, and may take it back.
    Verdict,
    /// It gave up or was started again: it never leads again in that term.
    ForGood,
}

/// What this node knows of a leader that is gone.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    /// The leader that is gone, until another leads. A candidate of a later term makes every voter forget whom it
    /// followed, and a vote that was split has to be repeated all the same.
    lost: Option<(Instance, Grounds)>,
    /// Campaigns since it is gone.
    campaigns: u32,
    /// The term in which this node itself led last, until another leads.
    led: Option<u64>,
    /// Who led last, until another leads. Raft's own timer may end its leadership before the verdict on it is there, and
    /// a vote that is split then has to be repeated as soon as that verdict comes.
    followed: Option<Instance>,
}

impl Campaign {
    /// Somebody leads.
    pub(crate) fn leader_found(&mut self) {
        *self = Self::default();
    }

    /// Whether a node, as leader, gave up or was started again.
    pub(crate) fn gave_up(&self, leader: Instance) -> bool {
        self.lost == Some((leader, Grounds::ForGood))
    }

    /// Nobody leads any more; `old` did.
    pub(crate) fn led(&mut self, old: Leader, me: Instance) {
        self.led = (old.instance == me).then_some(old.term);
        self.followed = Some(old.instance);
    }

    /// Who led last, while nobody leads.
    pub(crate) fn followed(&self) -> Option<Instance> {
        self.followed
    }
}

impl Node {
    /// Evidence says that the leader is gone: the lowest live voter campaigns at once, the next ones a little
    /// later should it not succeed.
    pub(crate) fn plan_campaign(&mut self, leader: Instance, grounds: Grounds) {
        let gone_for_good = self.campaign.lost == Some((leader, Grounds::ForGood));
        if gone_for_good && self.turn.timers.is_armed(Timer::Campaign) {
            // Told again. A heartbeat from before may have restored the lease; the pauses stay as they are.
            self.drop_leaders_lease();
            return;
        }
        if !gone_for_good {
            self.campaign.lost = Some((leader, grounds));
        }
        let Some(stagger) = self.campaign_stagger() else { return };
        self.drop_leaders_lease();
        self.turn.timers.arm(Timer::Campaign, self.turn.now + stagger);
    }

    /// A leader whose pings and heartbeats a majority of the voters has not answered for so long may still be heard by
    /// all of them, and would then lead without committing anything: it steps down and says so.
    pub(crate) fn resign_if_unheard(&mut self) {
        let Some(group) = self.group.as_ref().filter(|group| group.leads()) else { return };
        let led_for = self.turn.now.since(self.leadership.heard());
        // After a pause the answers of the others are still in the queue.
        if led_for < UNHEARD || self.detector.stood_still() {
            return;
        }
        let founded = self.founding.state().founded.as_ref();
        let heard = |id: u64| {
            let instance = RaftId::new(id).and_then(|id| group.instance_of(id, founded));
            instance.is_some_and(|instance| self.sight().heard_of_late(instance))
        };
        let answers = |voters: &[u64]| {
            let there = voters.iter().filter(|id| **id == group.me().get() || heard(**id));
            voters.is_empty() || there.count() > voters.len() / 2
        };
        let conf = group.replica().status().conf;
        if !answers(&conf.voters) || !answers(&conf.voters_outgoing) {
            tracing::warn!("a majority of the voters has not answered this leader; it steps down");
            if let Some(group) = &mut self.group {
                group.step_down();
            }
        }
    }

    /// This node led in the present term and does not any more: the voters are told until somebody leads, for they may
    /// hear it although it does not hear them.
    pub(crate) fn tell_resignation(&mut self) {
        let Some(term) = self.campaign.led else { return };
        if self.group.as_ref().is_none_or(|group| group.replica().term() != term) {
            return;
        }
        self.new_round();
        self.turn.timers.arm(Timer::Ping, self.turn.now + PING_INTERVAL);
        let voters: Vec<Instance> = self.sight().other_voters().collect();
        for voter in voters {
            let ping = EnvelopeBody::Ping(Ping { term, ..self.ping(None) });
            self.send_control(voter, FrameKind::Ping, 0, ping);
        }
    }

    /// A ping may tell that a leadership is over: the leader's own, in which it names nobody, or another voter's, which
    /// still takes this node for the leader of the present term.
    pub(crate) fn hear_of_lost_leadership(&mut self, from: Instance, ping: &Ping) {
        let Some(group) = &self.group else { return };
        if group.leads() || ping.term != group.replica().term() {
            return;
        }
        let me = self.config.instance;
        let led = Some(Leader { instance: from, term: ping.term });
        if ping.leader.is_none() && self.leadership.leader() == led {
            self.plan_campaign(from, Grounds::ForGood);
        } else if ping.leader == Some(me) && self.leadership.leader().is_none() {
            self.plan_campaign(me, Grounds::ForGood);
        }
    }

    /// A peer was started again. What it led before is over. What it leads now is not: a start that is committed already was
    /// committed in this term at the latest, and whoever leads the term leads it since then.
    pub(crate) fn leader_restarted(&mut self, instance: Instance, start: Generation) {
        let Some(group) = &self.group else { return };
        if self.health.member(instance).is_some_and(|member| member.generation >= start) {
            return;
        }
        let led = Some(Leader { instance, term: group.replica().term() });
        if self.leadership.leader() == led {
            self.plan_campaign(instance, Grounds::ForGood);
        }
    }

    /// The only voter has nobody to wait for.
    pub(crate) fn campaign_if_alone(&mut self) {
        let Some(group) = &self.group else { return };
        let conf = group.replica().status().conf;
        if conf.voters == [group.me().get()] && conf.voters_outgoing.is_empty() {
            self.plan_campaign(self.config.instance, Grounds::ForGood);
        }
    }

    /// How long this node lets the live voters before it, in the order of Raft ids, go first; none when it may not
    /// campaign.
    fn campaign_stagger(&self) -> Option<Duration> {
        let group = self.group.as_ref()?;
        let status = group.replica().status();
        let (lost, _) = self.campaign.lost?;
        if !status.promotable
            || self.detector.doubts_itself()
            || self.stopping.is_some()
            || self.disk.is_stalled()
        {
            return None;
        }
        let mut live: Vec<RaftId> = self
            .health
            .view()
            .members
            .iter()
            .map(|member| member.instance)
            .filter(|one| *one != lost && self.sight().seems_alive(*one))
            .map(|one| raft_id(group.genesis(), one))
            .filter(|id| status.conf.voters.contains(&id.get()))
            .collect();
        live.sort_unstable();
        // Who led before goes last: it lost its voters, or its memory.
        let last = (lost == self.config.instance).then_some(live.len());
        let place = live.iter().position(|id| *id == group.me()).or(last)?;
        Some(CAMPAIGN_STAGGER * u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn drop_leaders_lease(&mut self) {
        let Some((lost, _)) = self.campaign.lost else { return };
        if let Some(group) = &mut self.group {
            group.evidence_against(raft_id(group.genesis(), lost));
        }
    }

    /// The time to campaign has come, unless somebody leads by now.
    pub(crate) fn campaign_on_evidence(&mut self) {
        let Some((lost, grounds)) = self.campaign.lost else { return };
        let verdict = self
            .detector
            .verdict(lost)
            .is_some_and(|opinion| matches!(opinion.verdict, Verdict::Down | Verdict::Left));
        let gone = verdict || grounds == Grounds::ForGood;
        // Apart from each other, or two that split the vote would split it again.
        let Some(stagger) = self.campaign_stagger().filter(|_| gone) else { return };
        self.drop_leaders_lease();
        let times = 1 << self.campaign.campaigns.min(CAMPAIGN_DOUBLINGS);
        self.campaign.campaigns += 1;
        self.turn.timers.arm(Timer::Campaign, self.turn.now + (CAMPAIGN_REPEAT + stagger) * times);
        if let Some(group) = &mut self.group
            && !group.leads()
        {
            group.campaign();
        }
    }
}
