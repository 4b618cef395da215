//! What a node says of itself: its status. Reads; changes nothing. Why it is not quorate is in `reasons.rs`.

use crate::duties::{has_all_voters, has_caught_up};
use crate::features::Reach;
use crate::groups::Group;
use crate::node::Node;
use crate::sight::Sight;
use crate::status::{Feature, PaceStatus, Program, State, Status};
use quorate_meta::Meta;
use quorate_proto::{FeatureLevel, Instance, Levels, Moment};
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
    /// The feature level that the replica has committed; 0 when it is none.
    pub level: u32,
    /// Whether the program can run it.
    pub fits: bool,
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
            level: replica.map_or(0, |group| group.meta().level().get()),
            fits: replica.is_none_or(|it| self.config.levels.contains(it.meta().level())),
            epoch: self.health.view().epoch,
            cluster_id: self.cluster_id,
        }
    }

    /// The voters by this node's own log; none when it is no replica, and while they change.
    #[must_use]
    pub fn voters(&self) -> Option<Vec<u64>> {
        self.group.as_ref()?.voters()
    }

    /// The state of `__meta` as it stands here; none on a node that has none. A clone that shares its data with what goes on.
    #[must_use]
    pub fn copy(&self) -> Option<Meta> {
        let meta = self.group.as_ref()?.meta();
        (meta.applied() > 0).then(|| meta.clone())
    }

    /// Everything at once.
    #[must_use]
    pub fn status(&self, now: Moment) -> Status {
        let replica = self.group.as_ref().map(|group| (group.replica().status(), group.meta()));
        let term = replica.as_ref().map_or(0, |(status, _)| status.term);
        let leader = self.leadership.leader();
        let sight = Sight { now, ..self.sight() };
        let reach = sight.reach();
        let (autopilot, in_its_way) = self.duties.autopilot(&sight, &self.warnings).unzip();
        Status {
            at: now,
            cluster: self.config.cluster.to_string(),
            cluster_id: self.cluster_id,
            state: self.state(),
            reasons: self.reasons(now, in_its_way.flatten()),
            margin: self.founding.margin(),
            name: self.config.name.clone(),
            instance: self.config.instance,
            generation: self.config.generation,
            role: self.sight().role(),
            all_voters: has_all_voters(&self.sight(), &self.warnings),
            caught_up: has_caught_up(&self.sight()),
            autopilot,
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
            programs: self.programs(),
            feature: self.feature(&reach),
            pings: self.pings.times(),
            pace: self.pace_status(),
            secrets: self.secrets.status(&self.sight()),
            snapshot: self.group.as_ref().and_then(Group::durable_snapshot),
            alone: self.shares.fences(),
            counters: [
                self.rows_of_levels(&reach).to_vec(),
                self.counter_rows(),
                self.rows_of_named_writes().to_vec(),
            ]
            .concat(),
            bounds: self
                .requests
                .bounds()
                .chain(self.requests.quota().bounds(self.group.as_ref()))
                .collect(),
        }
    }

    fn pace_status(&self) -> PaceStatus {
        let longest = self.pace.longest();
        PaceStatus {
            silence: longest.silence,
            of: longest.of.map(|instance| self.health.name(instance)),
            ground: longest.ground,
            strained: self.detector.strained(longest.silence),
            interval: self.pace.interval(),
        }
    }

    fn programs(&self) -> Vec<(Instance, Program)> {
        let (config, members) = (&self.config, &self.health.view().members);
        let own = Program { software: config.software.clone(), levels: config.levels };
        let known = members.iter().filter_map(|member| {
            if let Some(program) = self.features.program(member) {
                let (software, levels) = (program.software.clone(), program.levels);
                return Some((member.instance, Program { software, levels }));
            }
            // Whom this node has not met says it in gossip. That is enough for people.
            let card = self.detector.card(member.instance)?;
            let shown = card.software.chars().filter(|c| !c.is_control()).take(64);
            let (software, levels) = (shown.collect(), Levels::said(card.levels));
            (card.generation >= member.generation)
                .then_some((member.instance, Program { software, levels }))
        });
        std::iter::once((config.instance, own)).chain(known).collect()
    }

    fn feature(&self, reach: &Reach) -> Feature {
        let sight = self.sight();
        let reach = (!sight.health.view().members.is_empty()).then_some(reach);
        let highest = self.config.levels.highest();
        Feature {
            level: sight.level(),
            since_unix_ms: sight.group.map_or(0, |group| group.meta().level_since_unix_ms()),
            behind: reach.filter(|it| it.level < highest).map(|it| it.why_not(highest)),
            reach: reach.map(|reach| reach.level),
            planned: self.duties.planned_level().filter(|_| sight.leads()),
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

    /// Of feature levels.
    fn rows_of_levels(&self, reach: &Reach) -> [(&'static str, &'static str, u64); 3] {
        let level = self.sight().level().map_or(0, FeatureLevel::get);
        let highest = self.config.levels.highest().get();
        let behind = reach.behind.len() as u64;
        [
            (
                "quorate_feature_level",
                "The feature level at which the cluster runs; 0 before it is known.",
                u64::from(level),
            ),
            (
                "quorate_feature_level_highest",
                "The highest feature level that this program can run.",
                u64::from(highest),
            ),
            (
                "quorate_feature_members_behind",
                "Members that cannot run the highest feature level of this program, or have not said what they can.",
                behind,
            ),
        ]
    }

    /// Of writes that happen once under their names.
    fn rows_of_named_writes(&self) -> [(&'static str, &'static str, u64); 4] {
        let c = &self.turn.counters;
        let remembered = self.group.as_ref().map_or([0; 3], |group| group.meta().remembered());
        let [remembered, _, forgotten] = remembered;
        [
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
        ]
    }

    fn counter_rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let c = &self.turn.counters;
        let keys = self.group.as_ref().map_or(0, |group| group.meta().keys());
        vec![
            ("quorate_keys", "Keys in the keyspace here.", keys),
            ("quorate_turns_total", "Turns of the node's loop.", c.turns),
            ("quorate_requests_total", "Requests of local clients.", c.requests),
            ("quorate_refusals_total", "Requests that ended in a refusal.", c.refusals),
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
                "quorate_frames_unknown_total",
                "Frames of a kind that only a newer version knows, which were passed over.",
                c.frames_unknown,
            ),
            (
                "quorate_frames_undelivered_total",
                "Times that frames to a peer were given up.",
                c.undelivered,
            ),
        ]
    }
}
