//! What a node says of itself: its status, and the reasons why it is not quorate. Reads; changes nothing.

use crate::node::Node;
use crate::relay::no_link;
use crate::status::{Reason, State, Status};
use quorate_proto::{MemberState, Moment, RaftId};
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
    pub genesis: Option<quorate_proto::GenesisId>,
}

impl Node {
    /// The numbers that checkers compare.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let replica = self.group.as_ref();
        Vitals {
            leads_in: replica.filter(|group| group.leads()).map(|group| group.replica.term()),
            applied: replica.map_or(0, |group| group.meta.applied()),
            state_hash: replica.map_or(0, |group| group.meta.state_hash()),
            epoch: self.health.view.epoch,
            genesis: self.genesis,
        }
    }

    /// The voters by this node's own log; none when it is no replica, and while they change.
    #[must_use]
    pub fn voters(&self) -> Option<Vec<u64>> {
        let status = self.group.as_ref()?.replica.status();
        (!status.joint).then_some(status.conf.voters)
    }

    /// Everything at once.
    #[must_use]
    pub fn status(&self, now: Moment) -> Status {
        let replica = self.group.as_ref().map(|group| (group.replica.status(), &group.meta));
        let term = replica.as_ref().map_or(0, |(status, _)| status.term);
        let leader = self.health.leader;
        Status {
            at: now,
            cluster: self.config.cluster.to_string(),
            genesis: self.genesis,
            state: self.state(),
            reasons: self.reasons(now),
            margin: self.founding.margin(),
            name: self.config.name.clone(),
            instance: self.config.instance,
            generation: self.config.generation,
            role: self.role(),
            all_voters: self.has_all_voters(),
            leader: leader
                .filter(|_| self.is_quorate())
                .map(|leader| (leader.instance, self.health.name(leader.instance))),
            term: term.max(leader.map_or(0, |leader| leader.term)),
            commit: replica.as_ref().map_or(0, |(status, _)| status.commit),
            applied: replica.as_ref().map_or(0, |(_, meta)| meta.applied()),
            revision: replica.as_ref().map_or(0, |(_, meta)| meta.revision().get()),
            state_hash: replica.as_ref().map_or(0, |(_, meta)| meta.state_hash()),
            elections: self.counters.elections,
            view: Arc::clone(&self.health.view),
            opinions: self.own_opinions(),
            sessions: self
                .peers
                .sessions()
                .map(|session| (session.instance, session.name.to_string(), session.address))
                .collect(),
            pings: self.push.clock.all(),
            snapshot: self.durable_snapshot(),
            counters: self.counter_rows(),
            bounds: self.requests.bounds().collect(),
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.is_quorate() && self.health.member(self.config.instance).is_some() {
            return State::Quorate;
        }
        if self.genesis.is_none() {
            return State::Waiting;
        }
        let inside = self.health.member(self.config.instance).is_some();
        if inside || self.is_founding_voter() == Some(true) {
            State::NoQuorum
        } else {
            State::Joining
        }
    }

    fn reasons(&self, now: Moment) -> Vec<Reason> {
        let mut reasons = match self.state() {
            State::Quorate => Vec::new(),
            State::Waiting => self.founding.reasons(now),
            State::Joining => {
                let mut reasons = self.founding.reasons(now);
                reasons.push(self.joining_reason(now));
                reasons
            }
            State::NoQuorum => self.no_quorum_reasons(now),
        };
        if let Some(reason) = self.turned_away_reason(now) {
            // What else is missing is missing because of that.
            if self.state() != State::Quorate {
                reasons.clear();
            }
            reasons.insert(0, reason);
        }
        reasons.extend(self.warning_reasons());
        reasons.extend(self.two_address_reasons());
        reasons.extend(self.counted_out_reason(now));
        reasons.extend(self.link_reason());
        reasons.extend(self.cut_link_reasons(now));
        reasons.extend(self.disk_full.map(|since| Reason {
            code: "disk-full",
            subject: None,
            text: "the disk under `data_dir` is full: this node refuses new writes while it leads, and may stop \
                   acknowledging those of others; votes and reads go on"
                .to_owned(),
            remedy: "make room on the file system of `data_dir` (df -h); the node goes on by itself".to_owned(),
            since,
        }));
        reasons.extend(self.disk_stalled.map(|since| Reason {
            code: "disk-stalled",
            subject: None,
            text: "the disk under `data_dir` does not answer: this node can acknowledge nothing and does not lead"
                .to_owned(),
            remedy: "look at the disk (dmesg, iostat -x); the node goes on by itself, or ends after 30 s".to_owned(),
            since,
        }));
        reasons.extend(self.copy_reasons(now));
        reasons
    }

    /// Committed as gone although it is here: damped, or not heard by the leader.
    fn counted_out_reason(&self, now: Moment) -> Option<Reason> {
        let member = self.health.member(self.config.instance)?;
        if !self.is_quorate() || self.leads() || member.state() == MemberState::Alive {
            return None;
        }
        let since = self.names.gone_since(member.instance).unwrap_or(now);
        Some(Reason {
            code: "counted-out",
            subject: Some(member.name.clone()),
            text: format!(
                "{} is here, but the cluster counts it as {} since epoch {}: {}",
                member.name,
                member.state().word(),
                member.since_epoch,
                member.reason
            ),
            remedy: if member.state() == MemberState::Left
                && member.generation == self.config.generation
            {
                "on this host: systemctl restart quorate; a start that has said goodbye does not count again".to_owned()
            } else {
                let leader = self.health.name(self.health.leader?.instance);
                format!(
                    "none needed after a start: the leader counts it in once it has heard it for a while, longer after each time \
                     that it was gone; if this lasts for more than a minute: quorate ping {leader}"
                )
            },
            since,
        })
    }

    /// Its only link to the leader is through another voter.
    fn link_reason(&self) -> Option<Reason> {
        let via = self.health.name(self.relay()?);
        let leader = self.health.name(self.health.leader?.instance);
        let me = &self.config.name;
        // Who is counted out is pinged seldom: that is no sign of a bad link.
        self.health.member(self.config.instance).filter(|own| own.state() == MemberState::Alive)?;
        Some(no_link(me.as_str(), leader, false, &via, self.health.leader_heard))
    }

    fn joining_reason(&self, now: Moment) -> Reason {
        let text = match &self.admission.refused {
            Some(refusal) => format!("the cluster refuses this node: {refusal}"),
            None => "a cluster of this name exists; waiting to be let in by its leader".to_owned(),
        };
        Reason {
            code: "joining",
            subject: None,
            text,
            remedy: format!(
                "the cluster needs a leader to let anybody in: run `quorate why` on a host that is in it. If that cluster is dead \
                 for good, `quorate reset --cluster {}` begins anew on this host",
                self.config.cluster
            ),
            since: now,
        }
    }

    fn no_quorum_reasons(&self, now: Moment) -> Vec<Reason> {
        let since = self.health.quorum_lost.unwrap_or(now);
        let mut reasons = vec![Reason {
            code: "no-leader",
            subject: None,
            text: "no leader with a majority of the voters is known".to_owned(),
            remedy: "start the voters that are missing, or mend the network between them"
                .to_owned(),
            since,
        }];
        for opinion in self.detector.verdicts() {
            let gone = matches!(
                opinion.verdict,
                quorate_proto::Verdict::Down | quorate_proto::Verdict::Left
            );
            let Some(member) = self.health.member(opinion.instance).filter(|_| gone) else {
                continue;
            };
            reasons.push(Reason {
                code: "missing",
                subject: Some(member.name.clone()),
                text: format!(
                    "{} ({}) does not answer: {}",
                    member.name,
                    member.role().word(),
                    opinion.reason
                ),
                remedy: format!(
                    "on {}: systemctl status quorate; from here: quorate ping {}",
                    member.name, member.name
                ),
                since: opinion.since,
            });
        }
        reasons.extend(self.replaced_voters_reason(since));
        reasons
    }

    /// A replaced disk counts as a voter until a leader takes it out, which only a majority with it in the count can do.
    fn replaced_voters_reason(&self, since: Moment) -> Option<Reason> {
        let voters = self.voters()?;
        let meta = &self.group.as_ref()?.meta;
        let is_member =
            |voter: &u64| RaftId::new(*voter).is_some_and(|id| meta.member_by_raft(id).is_some());
        let replaced = voters.iter().filter(|voter| !is_member(voter)).count();
        (replaced > 0).then(|| Reason {
            code: "missing",
            subject: None,
            text: format!(
                "{} voters count and {} must answer; replaced by a new disk, and counted until a leader takes them out: {replaced}",
                voters.len(),
                voters.len() / 2 + 1
            ),
            remedy: "start the other voters with the disks that they had; if these are lost, so is the majority".to_owned(),
            since,
        })
    }

    fn counter_rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let c = &self.counters;
        vec![
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
                "quorate_frames_undelivered_total",
                "Times that frames to a peer were given up.",
                c.undelivered,
            ),
        ]
    }
}
