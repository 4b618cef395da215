//! What a node says of itself: its status. Reads; changes nothing. Why it is not quorate is in `reasons.rs`.

use crate::duties::has_all_voters;
use crate::groups::Group;
use crate::node::Node;
use crate::status::{State, Status};
use quorate_proto::Moment;
use std::sync::Arc;

/// The few numbers that a checker compares from outside after every turn; cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// The term in which this node leads, if it does.
    pub leads_in: Option<u64>,
    /// Applied index and state hash; zeros when it is no replica.
    pub applied: u64,
    /// See `applied`.
    pub state_hash: u64,
    /// The newest epoch seen here.
    pub epoch: quorate_proto::HealthEpoch,
    /// The cluster id known here.
    pub cluster_id: Option<quorate_proto::ClusterId>,
}

impl Node {
    /// The numbers that checkers compare.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let replica = self.group.as_ref();
        Vitals {
            leads_in: replica.filter(|group| group.leads()).map(|group| group.replica().term()),
            applied: replica.map_or(0, |group| group.meta().applied()),
            state_hash: replica.map_or(0, |group| group.meta().state_hash()),
            epoch: self.health.view().epoch,
            cluster_id: self.cluster_id,
        }
    }

    /// The voters by this node's own log; none when it is no replica, and while they change.
    #[must_use]
    pub fn voters(&self) -> Option<Vec<u64>> {
        self.group.as_ref()?.voters()
    }

    /// Everything at once.
    #[must_use]
    pub fn status(&self, now: Moment) -> Status {
        let replica = self.group.as_ref().map(|group| (group.replica().status(), group.meta()));
        let term = replica.as_ref().map_or(0, |(status, _)| status.term);
        let leader = self.leadership.leader();
        Status {
            at: now,
            cluster: self.config.cluster.to_string(),
            cluster_id: self.cluster_id,
            state: self.state(),
            reasons: self.reasons(now),
            margin: self.founding.margin(),
            name: self.config.name.clone(),
            instance: self.config.instance,
            generation: self.config.generation,
            role: self.sight().role(),
            all_voters: has_all_voters(&self.sight(), &self.warnings),
            leader: leader
                .filter(|_| self.is_quorate())
                .map(|leader| (leader.instance, self.health.name(leader.instance))),
            term: term.max(leader.map_or(0, |leader| leader.term)),
            commit: replica.as_ref().map_or(0, |(status, _)| status.commit),
            applied: replica.as_ref().map_or(0, |(_, meta)| meta.applied()),
            revision: replica.as_ref().map_or(0, |(_, meta)| meta.revision().get()),
            state_hash: replica.as_ref().map_or(0, |(_, meta)| meta.state_hash()),
            elections: self.turn.counters.elections,
            view: Arc::clone(self.health.view()),
            opinions: self.sight().own_opinions(),
            sessions: self
                .peers
                .sessions()
                .map(|session| (session.instance, session.name.to_string(), session.address))
                .collect(),
            software: self
                .peers
                .sessions()
                .map(|session| (session.instance, session.software.clone()))
                .collect(),
            pings: self.pings.times(),
            snapshot: self.group.as_ref().and_then(Group::durable_snapshot),
            counters: self.counter_rows(),
            bounds: self
                .requests
                .bounds()
                .chain(self.requests.quota().bounds(self.group.as_ref()))
                .collect(),
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.is_quorate() && self.health.member(self.config.instance).is_some() {
            return State::Quorate;
        }
        if self.cluster_id.is_none() {
            return State::Waiting;
        }
        let inside = self.health.member(self.config.instance).is_some();
        if inside || self.sight().is_founding_voter() == Some(true) {
            State::NoQuorum
        } else {
            State::Joining
        }
    }

    fn counter_rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let c = &self.turn.counters;
        let keys = self.group.as_ref().map_or(0, |group| group.meta().keys());
        let remembered = self.group.as_ref().map_or([0; 3], |group| group.meta().remembered());
        let [remembered, _, forgotten] = remembered;
        vec![
            ("quorate_keys", "Keys in the keyspace here.", keys),
            ("quorate_turns_total", "Turns of the node's loop.", c.turns),
            ("quorate_requests_total", "Requests of local clients.", c.requests),
            ("quorate_refusals_total", "Requests that ended in a refusal.", c.refusals),
            (
                "quorate_writes_asked_again_total",
                "Asks from this node for a write whose earlier answer was lost.",
                c.writes_asked_again,
            ),
            (
                "quorate_first_answers_total",
                "Asks at this node as leader for a write that was done before: it got its first answer.",
                c.first_answers,
            ),
            ("quorate_writes_remembered", "Writes remembered by their names here.", remembered),
            (
                "quorate_writes_forgotten_early_total",
                "Writes that were forgotten before their time, for want of room.",
                forgotten,
            ),
            ("quorate_proposals_total", "Commands proposed by this node as leader.", c.proposals),
            (
                "quorate_leader_changes_total",
                "Leaders seen by this node since its start.",
                c.elections,
            ),
            (
                "quorate_health_epochs_total",
                "Health epochs seen by this node since its start.",
                c.epochs,
            ),
            (
                "quorate_frames_fenced_total",
                "Frames dropped for a wrong cluster, sender or receiver.",
                c.frames_fenced,
            ),
            (
                "quorate_frames_guarded_total",
                "Frames dropped because their content made no sense.",
                c.frames_guarded,
            ),
            (
                "quorate_frames_malformed_total",
                "Frames that could not be decoded.",
                c.frames_malformed,
            ),
            (
                "quorate_frames_undelivered_total",
                "Times that frames to a peer were given up.",
                c.undelivered,
            ),
        ]
    }
}
