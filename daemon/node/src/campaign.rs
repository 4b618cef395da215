//! The end of a leadership, and the campaign on evidence of it: a voter that holds a farewell, a confirmed verdict or
//! the leader's own word against it does not wait for the election timeout, because nobody can write until it has ended.
//!
//! The live voters go in turn, in the order of their Raft ids, until somebody leads. Nobody deposes a leader on less
//! than that, and nobody at all who stood still. Knows nothing of what others report.

use crate::leadership::Leader;
use crate::news::News;
use crate::sight::{Sight, UNHEARD};
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_membership::Opinion;
use quorate_proto::{Generation, Instance, Member, Ping, RaftId, Verdict, raft_id};
use std::time::Duration;

/// A campaign is repeated while the others may not have seen the evidence yet; each time after twice as long, because a
/// round of votes over a slow network or disk must have time to end before the next makes it void.
const CAMPAIGN_REPEAT: Duration = Duration::from_millis(100);
/// The pause is doubled so many times at most: 3.2 s.
const CAMPAIGN_DOUBLINGS: u32 = 5;
/// The second-lowest live voter waits this much longer than the lowest, and so on: several round trips and syncs.
/// The lowest may be unable to win, because its log is behind; pre-votes keep a collision harmless.
const CAMPAIGN_STAGGER: Duration = Duration::from_millis(60);

/// A voter that leads only where nobody else can lets all others try three times before it does. They may be unable to win, where it alone
/// has the newest entry.
const CAMPAIGN_OF_RELUCTANT: Duration = Duration::from_millis(700);

/// Why a leader counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grounds {
    /// A verdict says so, and may take it back.
    Verdict,
    /// It gave up: it never leads again in that term.
    ForGood,
    /// It was started again, in this start: what it led before is over. What it says in that start is not.
    Restarted(Generation),
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
    /// Who said last itself that it leads, and in which of its starts.
    spoke: Option<(Leader, Generation)>,
}

impl Campaign {
    /// Somebody leads.
    pub(crate) fn leader_found(&mut self) {
        *self = Self { spoke: self.spoke, ..Self::default() };
    }

    /// Whether a node, as leader, gave up or was started again.
    pub(crate) fn gave_up(&self, leader: Instance) -> bool {
        let grounds = self.lost.filter(|(lost, _)| *lost == leader).map(|(_, grounds)| grounds);
        matches!(grounds, Some(Grounds::ForGood | Grounds::Restarted(_)))
    }

    /// Nobody leads any more; `old` did.
    pub(crate) fn led(&mut self, old: Leader, me: Instance) {
        self.led = (old.instance == me).then_some(old.term);
        self.followed = Some(old.instance);
    }

    /// The detector judges anew: the leader, or who led last, may be gone.
    pub(crate) fn judged(&mut self, sight: &Sight<'_>, turn: &mut Turn, opinion: &Opinion) {
        let leader = sight.leadership.leader().map(|leader| leader.instance);
        let leader = leader.or(self.followed) == Some(opinion.instance);
        if leader && matches!(opinion.verdict, Verdict::Down | Verdict::Left) {
            self.plan(sight, turn, opinion.instance, Grounds::Verdict);
        }
    }

    /// Evidence says that the leader is gone: the lowest live voter campaigns at once, the next ones a little
    /// later should it not succeed.
    fn plan(&mut self, sight: &Sight<'_>, turn: &mut Turn, leader: Instance, grounds: Grounds) {
        let gone_for_good = self.gave_up(leader);
        if gone_for_good && turn.timers.is_armed(Timer::Campaign) {
            // Told again. A heartbeat from before may have restored the lease; the pauses stay as they are.
            turn.tell(News::LeaderGone(leader));
            return;
        }
        if !gone_for_good {
            self.lost = Some((leader, grounds));
        }
        let Some(stagger) = self.stagger(sight) else { return };
        turn.tell(News::LeaderGone(leader));
        turn.timers.arm(Timer::Campaign, turn.now + stagger);
    }

    /// The term in which this node led until now, while nobody leads and the replica knows of no later term: the voters are
    /// told so, for they may hear this node although it does not hear them.
    pub(crate) fn resigned_in(&self, sight: &Sight<'_>) -> Option<u64> {
        let group = sight.group?;
        self.led.filter(|term| group.replica().term() == *term)
    }

    /// A ping may tell that a leadership is over: the leader's own, in which it names nobody, or another voter's, which
    /// still takes this node for the leader of the present term.
    pub(crate) fn pinged(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        ping: &Ping,
    ) {
        let Some(group) = sight.group else { return };
        if group.leads() || ping.term != group.replica().term() {
            return;
        }
        let me = sight.config.instance;
        let led = Some(Leader { instance: from, term: ping.term });
        if ping.leader == Some(from) {
            self.says_that_it_leads(sight, turn, Leader { instance: from, term: ping.term });
        } else if ping.leader.is_none() && sight.leadership.leader() == led {
            self.plan(sight, turn, from, Grounds::ForGood);
        } else if ping.leader == Some(me) && sight.leadership.leader().is_none() {
            self.plan(sight, turn, me, Grounds::ForGood);
        }
    }

    /// Who leads says so itself. In a start that was taken for the end of that, it was elected since: this node heard of it from another
    /// before it met the start.
    fn says_that_it_leads(&mut self, sight: &Sight<'_>, turn: &mut Turn, leader: Leader) {
        let Some(session) = sight.peers.session(leader.instance) else { return };
        if sight.leadership.leader() != Some(leader) {
            return;
        }
        self.spoke = Some((leader, session.generation));
        let Some((lost, Grounds::Restarted(start))) = self.lost else { return };
        if lost == leader.instance && session.generation >= start {
            turn.timers.disarm(Timer::Campaign);
            self.leader_found();
        }
    }

    /// A peer was started again. What it led before is over. What it leads now is not: a start that is committed already was
    /// committed in this term at the latest, and whoever leads the term leads it since then; nor is what it said in that start.
    pub(crate) fn restarted(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        instance: Instance,
        start: Generation,
    ) {
        let Some(group) = sight.group else { return };
        if sight.health.member(instance).is_some_and(|member| member.generation >= start) {
            return;
        }
        let led = Leader { instance, term: group.replica().term() };
        let said = self.spoke.is_some_and(|(it, spoke_in)| it == led && spoke_in >= start);
        if sight.leadership.leader() == Some(led) && !said {
            self.plan(sight, turn, instance, Grounds::Restarted(start));
        }
    }

    /// The own replica begins. The only voter has nobody to wait for.
    pub(crate) fn begin_if_alone(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let Some(group) = sight.group else { return };
        let conf = group.replica().status().conf;
        if conf.voters == [group.me().get()] && conf.voters_outgoing.is_empty() {
            self.plan(sight, turn, sight.config.instance, Grounds::ForGood);
        }
    }

    /// How long this node lets the live voters before it, in the order of Raft ids, go first; none when it may not
    /// campaign.
    fn stagger(&self, sight: &Sight<'_>) -> Option<Duration> {
        let group = sight.group?;
        let status = group.replica().status();
        let (lost, _) = self.lost?;
        if !status.promotable
            || sight.detector.doubts_itself()
            || sight.stops
            || sight.disk.is_stalled()
        {
            return None;
        }
        let members = sight.health.view().members.iter();
        let reluctant = sight.is_reluctant();
        let goes = |member: &&Member| reluctant || member.leads_readily();
        let mut live: Vec<RaftId> = members
            .filter(goes)
            .map(|member| member.instance)
            .filter(|one| *one != lost && sight.seems_alive(*one))
            .map(|one| raft_id(group.cluster_id(), one))
            .filter(|id| status.conf.voters.contains(&id.get()))
            .collect();
        live.sort_unstable();
        // Who led before goes last: it lost its voters, or its memory.
        let last = (lost == sight.config.instance).then_some(live.len());
        let place = live.iter().position(|id| *id == group.me()).or(last)?;
        let behind = if sight.yields_to_another() { CAMPAIGN_OF_RELUCTANT } else { Duration::ZERO };
        Some(CAMPAIGN_STAGGER * u32::try_from(place).unwrap_or(u32::MAX) + behind)
    }

    /// The time to campaign has come, unless somebody leads by now.
    pub(crate) fn is_due(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let Some((lost, grounds)) = self.lost else { return };
        let verdict = sight
            .detector
            .verdict(lost)
            .is_some_and(|opinion| matches!(opinion.verdict, Verdict::Down | Verdict::Left));
        let gone = verdict || grounds != Grounds::Verdict;
        // Apart from each other, or two that split the vote would split it again.
        let Some(stagger) = self.stagger(sight).filter(|_| gone) else { return };
        turn.tell(News::LeaderGone(lost));
        let times = 1 << self.campaigns.min(CAMPAIGN_DOUBLINGS);
        self.campaigns += 1;
        turn.timers.arm(Timer::Campaign, turn.now + (CAMPAIGN_REPEAT + stagger) * times);
        if !sight.leads() {
            turn.tell(News::ElectionDue);
        }
    }
}

/// A leader whose pings and heartbeats a majority of the voters has not answered for so long may still be heard by
/// all of them, and would then lead without committing anything: it steps down and says so.
pub(crate) fn resign_if_unheard(sight: &Sight<'_>, turn: &mut Turn) {
    let Some(group) = sight.group.filter(|group| group.leads()) else { return };
    let led_for = sight.now.since(sight.leadership.heard());
    // After a pause the answers of the others are still in the queue.
    if led_for < UNHEARD.max(sight.pace.longest().silence) || sight.detector.stood_still() {
        return;
    }
    let founded = sight.founding.state().founded.as_ref();
    let heard = |id: u64| {
        let instance = RaftId::new(id).and_then(|id| group.instance_of(id, founded));
        instance.is_some_and(|instance| sight.heard_of_late(instance))
    };
    let answers = |voters: &[u64]| {
        let there = voters.iter().filter(|id| **id == group.me().get() || heard(**id));
        voters.is_empty() || there.count() > voters.len() / 2
    };
    let conf = group.replica().status().conf;
    if !answers(&conf.voters) || !answers(&conf.voters_outgoing) {
        tracing::warn!("a majority of the voters has not answered this leader; it steps down");
        turn.tell(News::Resigned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, life};
    use quorate_proto::{Moment, Session};

    /// A voter that led in the present term, and hears from another voter that still takes it for the leader.
    fn told_of_own_end(campaign: &mut Campaign, turn: &mut Turn, trial: &Trial) {
        let (sight, me) = (trial.node.sight(), Some(life(1)));
        let ping = Ping { term: sight.own_term(), leader: me, ..Ping::default() };
        campaign.pinged(&sight, turn, life(2), &ping);
    }

    #[test]
    fn who_led_says_so_in_its_term_until_somebody_leads() {
        let (trial, mut campaign) = (Trial::voter(), Campaign::default());
        let sight = trial.node.sight();
        assert_eq!(campaign.resigned_in(&sight), None);
        let term = sight.own_term();
        campaign.led(Leader { instance: life(2), term }, life(1));
        assert_eq!(campaign.resigned_in(&sight), None, "another led");
        campaign.led(Leader { instance: life(1), term: term + 1 }, life(1));
        assert_eq!(campaign.resigned_in(&sight), None, "in another term");
        campaign.led(Leader { instance: life(1), term }, life(1));
        assert_eq!(campaign.resigned_in(&sight), Some(term));
        campaign.leader_found();
        assert_eq!(campaign.resigned_in(&sight), None);
    }

    #[test]
    fn who_led_before_lets_the_other_voters_go_first_also_when_it_is_told_again() {
        let (trial, mut campaign) = (Trial::voter(), Campaign::default());
        let mut turn = Turn::new(trial.now, 0);
        told_of_own_end(&mut campaign, &mut turn, &trial);
        assert!(campaign.gave_up(life(1)));
        assert!(matches!(turn.news.pop_front(), Some(News::LeaderGone(gone)) if gone == life(1)));
        let due = turn.timers.next();
        assert!(due > Some(trial.now), "the others go first, but it is due {due:?}");
        turn.now = turn.now + CAMPAIGN_STAGGER;
        told_of_own_end(&mut campaign, &mut turn, &trial);
        assert_eq!(turn.timers.next(), due);
    }

    /// The voter under trial follows 2, which it knows from another, and meets a later start of 2.
    fn meets_a_later_start() -> (Trial, Campaign, Turn) {
        let (mut trial, mut campaign) = (Trial::voter(), Campaign::default());
        let term = trial.node.sight().own_term();
        let leader = Some(Leader { instance: life(2), term });
        trial.node.leader_changed(leader);
        let session = Session { number: 12, generation: Generation::new(2), ..trial.session(2) };
        trial.node.peers.up(trial.now, session);
        let mut turn = Turn::new(trial.now, 0);
        campaign.restarted(&trial.node.sight(), &mut turn, life(2), Generation::new(2));
        assert!(campaign.gave_up(life(2)) && turn.timers.is_armed(Timer::Campaign));
        (trial, campaign, turn)
    }

    #[test]
    fn a_later_start_that_says_that_it_leads_was_elected_since_and_is_no_reason_for_a_campaign() {
        let (trial, mut campaign, mut turn) = meets_a_later_start();
        let sight = trial.node.sight();
        let ping = Ping { term: sight.own_term(), leader: Some(life(2)), ..Ping::default() };
        campaign.pinged(&sight, &mut turn, life(2), &ping);
        assert!(!campaign.gave_up(life(2)) && !turn.timers.is_armed(Timer::Campaign));
        // Met again by another connection.
        campaign.restarted(&sight, &mut turn, life(2), Generation::new(2));
        assert!(!campaign.gave_up(life(2)));
        campaign.restarted(&sight, &mut turn, life(2), Generation::new(3));
        assert!(campaign.gave_up(life(2)), "and what it led in that start ends with the next");
    }

    #[test]
    fn what_others_say_of_a_leader_that_was_started_again_does_not_end_the_campaign() {
        let (trial, mut campaign, mut turn) = meets_a_later_start();
        let sight = trial.node.sight();
        let ping = Ping { term: sight.own_term(), leader: Some(life(2)), ..Ping::default() };
        campaign.pinged(&sight, &mut turn, life(3), &ping);
        assert!(campaign.gave_up(life(2)) && turn.timers.is_armed(Timer::Campaign));
    }

    #[test]
    fn each_campaign_is_repeated_after_twice_as_long() {
        let (trial, mut campaign) = (Trial::voter(), Campaign::default());
        let mut turn = Turn::new(Moment::ZERO, 0);
        told_of_own_end(&mut campaign, &mut turn, &trial);
        let mut pauses = Vec::new();
        for _ in 0..CAMPAIGN_DOUBLINGS + 2 {
            turn.news.clear();
            turn.now = turn.timers.next().expect("it goes on");
            campaign.is_due(&trial.node.sight(), &mut turn);
            assert!(turn.news.iter().any(|news| matches!(news, News::ElectionDue)));
            pauses.extend(turn.timers.next().map(|next| next.since(turn.now)));
        }
        let times = (0..).map(|campaigns| 1 << CAMPAIGN_DOUBLINGS.min(campaigns));
        let expected: Vec<Duration> =
            times.map(|times: u32| pauses[0] * times).take(pauses.len()).collect();
        assert_eq!(pauses, expected);
    }
}
