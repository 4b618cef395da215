//! What a room may look at beyond its own: the floor that all rooms stand on, read-only, for one turn.
//!
//! The floor is what is agreed and what is known of others: the replica, the view, who leads, sessions, the two detectors, the disk. A
//! question that is answered from the floor alone is answered here, for all rooms in the same way. Knows nothing of what is made of it.

use crate::boot::NodeConfig;
use crate::disk::Disk;
use crate::features::{Features, Reach};
use crate::groups::Group;
use crate::handover::Handover;
use crate::health::Health;
use crate::leadership::{LEADER_SILENCE, Leader, Leadership};
use crate::pace::Pace;
use crate::peers::Peers;
use crate::told::Host;
use quorate_membership::{Detector, Founding, Profile};
use quorate_meta::{Ended, Meta};
use quorate_proto::{
    ClusterId, FeatureLevel, HealthEpoch, Instance, Member, Moment, NotLeader, Refusal,
    RefusalCode, Role, Session, Verdict, is_witness,
};
use std::net::SocketAddr;
use std::time::Duration;

/// A leader that a majority of the voters has not answered for so long no longer leads, and a voter that gave no sign of life for so long
/// is no successor, unless more silence than that is borne with: as long as a silence that makes a suspicion at the start, which is also
/// the least time after which voters look for another leader.
pub(crate) const UNHEARD: Duration = Profile::DEFAULT.silence;

/// See the head of the file.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// The moment of the turn.
    pub(crate) now: Moment,
    /// Milliseconds since 1970 by this host's clock; for what is shown to people only.
    pub(crate) wall_ms: u64,
    pub(crate) config: &'a NodeConfig,
    /// The cluster id, once known.
    pub(crate) cluster_id: Option<ClusterId>,
    pub(crate) founding: &'a Founding,
    pub(crate) detector: &'a Detector,
    pub(crate) peers: &'a Peers,
    /// The replica of `__meta`, and what it applied; none on a plain member.
    pub(crate) group: Option<&'a Group>,
    /// The newest committed view.
    pub(crate) health: &'a Health,
    pub(crate) leadership: &'a Leadership,
    /// How long the silence of others is borne with.
    pub(crate) pace: &'a Pace,
    pub(crate) handover: &'a Handover,
    pub(crate) features: &'a Features,
    pub(crate) disk: &'a Disk,
    /// The process was asked to stop, and nothing is waited for before that.
    pub(crate) stops: bool,
}

/// The floor of a node, borrowed apart from the room that looks at it.
macro_rules! sight {
    ($node:expr) => {
        crate::sight::Sight {
            now: $node.turn.now,
            wall_ms: $node.turn.wall_ms,
            config: &$node.config,
            cluster_id: $node.cluster_id,
            founding: &$node.founding,
            detector: &$node.detector,
            peers: &$node.peers,
            group: $node.group.as_ref(),
            health: &$node.health,
            leadership: &$node.leadership,
            pace: &$node.pace,
            handover: &$node.handover,
            features: &$node.features,
            disk: &$node.disk,
            stops: $node.stopping.as_ref().is_some_and(|stop| stop.has_begun()),
        }
    };
}

pub(crate) use sight;

impl<'a> Sight<'a> {
    /// Whether this node leads.
    pub(crate) fn leads(&self) -> bool {
        self.group.is_some_and(Group::leads)
    }

    /// The term of the own replica; 0 without one.
    pub(crate) fn own_term(&self) -> u64 {
        self.group.map_or(0, |group| group.replica().term())
    }

    /// The feature level at which the cluster runs, by the own replica, or else as a leader told; none before that is known.
    pub(crate) fn level(&self) -> Option<FeatureLevel> {
        let meta = self.group.map(Group::meta).filter(|meta| meta.applied() > 0);
        meta.map(Meta::level).or(self.features.told())
    }

    /// How far the level can rise, and who is in its way.
    pub(crate) fn reach(&self) -> Reach {
        self.features.reach(self.config, self.health.view())
    }

    /// A host, for people.
    pub(crate) fn host(&self, instance: Instance) -> Host {
        (instance, self.health.name(instance))
    }

    /// This node's role in the view.
    pub(crate) fn role(&self) -> Option<Role> {
        self.health.member(self.config.instance).map(Member::role)
    }

    /// How far the own replica has applied, and the hash of the state there; 0 and 0 without one.
    pub(crate) fn state(&self) -> (u64, u64) {
        self.group.map_or((0, 0), |group| (group.meta().applied(), group.meta().state_hash()))
    }

    /// The epoch that this node acknowledges: everything at or below it has been seen here.
    pub(crate) fn acknowledged_epoch(&self) -> HealthEpoch {
        self.health.view().epoch
    }

    /// The members of the view but this node.
    pub(crate) fn other_members(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        let me = self.config.instance;
        self.health.view().members.iter().filter(move |member| member.instance != me)
    }

    /// Lives that are over and still have a session: they are to hear of it.
    pub(crate) fn ended_here(&self) -> impl Iterator<Item = Instance> + use<'a> {
        let (group, sessions) = (self.group, self.peers.sessions());
        let over = move |life: &Instance| group.is_some_and(|it| it.meta().is_tombstone(*life));
        sessions.map(|session| session.instance).filter(over)
    }

    /// The voters of the view but this node.
    pub(crate) fn other_voters(&self) -> impl Iterator<Item = Instance> + use<'a> {
        let me = self.config.instance;
        let voters = self.health.view().members.iter().filter(|it| it.role() == Role::Voter);
        voters.map(|it| it.instance).filter(move |life| *life != me)
    }

    /// Whether a node gave a sign of life a moment ago. raft-rs' own note of it begins anew every half a second.
    pub(crate) fn heard_of_late(&self, instance: Instance) -> bool {
        let heard = self.detector.last_heard(instance);
        heard.is_some_and(|at| self.now.since(at) < UNHEARD.max(self.pace.silence_of(instance)))
    }

    /// Whether an operator drained this node.
    pub(crate) fn is_drained(&self) -> bool {
        self.health.member(self.config.instance).is_some_and(Member::is_drained)
    }

    /// Whether this node leads only where nobody else can: it is drained, or a witness by its own file, which counts before a leader has heard
    /// of it.
    pub(crate) fn is_reluctant(&self) -> bool {
        self.is_drained() || is_witness(&self.config.settings.labels)
    }

    /// The voters but this node that lead readily: they lead rather than one that does not.
    pub(crate) fn other_ready_voters(&self) -> impl Iterator<Item = Instance> + use<'a> {
        let could = |it: &&Member| it.role() == Role::Voter && it.leads_readily();
        self.other_members().filter(could).map(|it| it.instance)
    }

    /// Whether this node leads only where nobody else can, and another voter seems alive that leads readily.
    pub(crate) fn yields_to_another(&self) -> bool {
        self.is_reluctant() && self.other_ready_voters().any(|it| self.seems_alive(it))
    }

    /// Whether this node itself has no reason to think another is gone.
    pub(crate) fn seems_alive(&self, instance: Instance) -> bool {
        let alive = |verdict| matches!(verdict, Verdict::Alive | Verdict::Suspect);
        instance == self.config.instance
            || self.detector.verdict(instance).is_some_and(|opinion| alive(opinion.verdict))
    }

    /// Whether this life is a voter of the founding record; none before the record is known.
    pub(crate) fn is_founding_voter(&self) -> Option<bool> {
        let founded = self.founding.state().founded.as_ref()?;
        let me = self.config.instance;
        Some(founded.record.voters.iter().any(|voter| voter.instance == me))
    }

    /// Whether an instance is a voter or standby by the view here, and before there is one by the founding record; nobody's word counts.
    pub(crate) fn is_known_replica(&self, instance: Instance) -> bool {
        if self.health.view().epoch > HealthEpoch::ZERO {
            return self.health.member(instance).is_some_and(|it| it.role() != Role::Member);
        }
        let founded = self.founding.state().founded.as_ref();
        founded.is_some_and(|it| it.record.voters.iter().any(|voter| voter.instance == instance))
    }

    /// Replicas with a session, but for this one.
    pub(crate) fn other_replicas(&self, but: Instance) -> impl Iterator<Item = &'a Session> {
        let sight = *self;
        self.peers.sessions().filter(move |session| {
            session.instance != but && sight.is_known_replica(session.instance)
        })
    }

    /// The leader as Raft has it here.
    pub(crate) fn replicas_leader(&self) -> Option<Leader> {
        let group = self.group?;
        let id = group.replica().leader()?;
        let founded = self.founding.state().founded.as_ref();
        let instance = group.instance_of(id, founded).or_else(|| self.peers.instance_of(id))?;
        Some(Leader { instance, term: group.replica().term() })
    }

    /// After so much silence of the leader a node no longer says that there is a quorum.
    pub(crate) fn leader_silence(&self) -> Duration {
        let leader = self.leadership.leader();
        let silence = leader.map_or(Duration::ZERO, |it| self.pace.silence_of(it.instance));
        LEADER_SILENCE.max(silence * 3)
    }

    /// The leader that the own replica follows or is, unless its pings have stopped.
    pub(crate) fn followed(&self) -> Option<Leader> {
        let leader = self.replicas_leader()?;
        let silent = self.leadership.leader() == Some(leader)
            && self.now.since(self.leadership.heard()) >= self.leader_silence();
        // The log here may be behind: a standby never campaigns, and keeps whom it followed.
        let over = self.leadership.leader().is_some_and(|known| known.term > leader.term);
        let me = self.config.instance;
        (leader.instance == me || !(silent || over)).then_some(leader)
    }

    /// Who leads instead, for somebody who took this node for the leader.
    pub(crate) fn leader_hint(&self) -> NotLeader {
        let me = self.config.instance;
        let leader = self.leadership.leader().filter(|leader| leader.instance != me);
        NotLeader {
            leader: leader.map(|leader| leader.instance),
            term: leader.map_or(0, |leader| leader.term),
            address: leader.and_then(|leader| self.peers.address(leader.instance)).map(Into::into),
        }
    }

    /// Whether who was taken out while it runs has a vote yet, as the own replica counts: its word may be needed to take that.
    pub(crate) fn votes_yet(&self, instance: Instance) -> bool {
        let removed = |group: &Group| group.meta().ended(instance).is_some_and(|it| it.removed);
        self.group.is_some_and(|group| removed(group) && group.votes(instance))
    }

    /// Why a life that is over is not let in, as the own replica has it.
    pub(crate) fn tombstone_of(&self, instance: Instance) -> Option<Refusal> {
        let Ended { name, epoch, removed } = self.group?.meta().ended(instance)?;
        let how = match removed {
            true => format!(
                "this host was removed from the cluster, where it was `{name}`, at epoch {epoch}; to use it again,"
            ),
            false => {
                "this instance was superseded by a later one of the same name and is a tombstone;"
                    .to_owned()
            }
        };
        let text = format!(
            "{how} run `quorate reset --cluster {}` on the host and start it again",
            self.config.cluster
        );
        Some(Refusal { code: RefusalCode::Superseded.into(), detail: 0, text })
    }

    /// This node's own address when the committed record shows another. Nobody meets itself, so what it advertises
    /// counts, else what the seed that it is resolves to.
    pub(crate) fn own_move(&self, member: &Member) -> Option<SocketAddr> {
        let committed = member.address.as_ref().and_then(|address| address.socket());
        let advertised = self.config.settings.advertise.as_slice();
        let own = if advertised.is_empty() { self.founding.own_addresses() } else { advertised };
        let stays = committed.is_some_and(|committed| own.contains(&committed));
        own.first().copied().filter(|_| !stays)
    }

    /// The verdicts of this node that differ from the committed health, for people.
    pub(crate) fn own_opinions(&self) -> Vec<crate::status::Opinion> {
        let me: Instance = self.config.instance;
        self.detector
            .verdicts()
            .filter(|opinion| opinion.instance != me)
            .filter_map(|opinion| {
                let member = self.health.member(opinion.instance)?;
                let verdict = match opinion.verdict {
                    Verdict::Alive => "alive",
                    Verdict::Suspect => "suspect",
                    Verdict::Down => "down",
                    Verdict::Left => "left",
                };
                (verdict != member.state().word()).then(|| crate::status::Opinion {
                    name: member.name.clone(),
                    verdict,
                    reason: opinion.reason.clone(),
                })
            })
            .collect()
    }
}
