//! What a node knows of itself, for `quorate status`, `/v1/status`, `/metrics` and `quorate why`.

use crate::pace::Ground;
use crate::pings::times::PingTimes;
use crate::shares::AloneFence;
pub use quorate_membership::Margin;
pub use quorate_proto::Reason;
use quorate_proto::{
    AutopilotReport, ClusterId, FeatureLevel, Fingerprint, Generation, HealthView, Instance,
    Levels, MemberState, Moment, NodeName, Role, SecretChange, SecretLackKind, SnapshotMetadata,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The state of a node in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No cluster yet: waiting for seeds.
    Waiting,
    /// A cluster is known; this node is not yet let in.
    Joining,
    /// In the cluster, and a leader with a majority is known.
    Quorate,
    /// In the cluster, without a leader that has a majority.
    NoQuorum,
}

impl State {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Joining => "joining",
            Self::Quorate => "quorate",
            Self::NoQuorum => "no-quorum",
        }
    }
}

/// A node's own verdict on another, where it differs from the committed health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Whom.
    pub name: String,
    /// `alive`, `suspect`, `down` or `left`.
    pub verdict: &'static str,
    /// Why.
    pub reason: String,
}

/// Which secrets a host has, by their fingerprints, and how far a change of the cluster's has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretStatus {
    /// Those that this host accepts.
    pub accepts: Vec<Fingerprint>,
    /// The one that it uses on all of its links; none while they are being replaced.
    pub uses: Option<Fingerprint>,
    /// The newest change; none when there was none.
    pub change: Option<Arc<SecretChange>>,
    /// Who is not ready for its next step, or for its return: its name, its committed state, and what it lacks.
    pub lacking: Vec<(String, MemberState, SecretLackKind)>,
    /// Live hosts whose secret file has a secret that was dropped.
    pub leftover: Vec<String>,
    /// The file of this host has, as it says itself.
    pub has_dropped: bool,
}

/// How full a bounded thing is, for `/metrics` and `quorate why`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// What, in one stable word.
    pub word: &'static str,
    /// How much is taken now, in the unit of the bound.
    pub used: u64,
    /// The most that there may be.
    pub limit: u64,
    /// How often somebody was refused for want of room, since the start.
    pub refused: u64,
}

/// How fast this node judges others, and why not faster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceStatus {
    /// The longest silence before a suspicion, of all that are in force here.
    pub silence: Duration,
    /// Of whom that is borne with; none when of all.
    pub of: Option<String>,
    /// Why it is so long.
    pub ground: Ground,
    /// The same silence as it is borne with now: longer while others hear whom this node did not.
    pub strained: Duration,
    /// How often the leader of so many members pings each.
    pub interval: Duration,
}

/// What a member runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Version of the software; empty when it does not say.
    pub software: String,
    /// The feature levels that it can run.
    pub levels: Levels,
}

/// The feature level of the cluster, as it is known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feature {
    /// The committed level; none before it is known.
    pub level: Option<FeatureLevel>,
    /// Since when, in milliseconds since 1970; 0 for the first, and where it is not known.
    pub since_unix_ms: u64,
    /// The highest that every member can run, as far as this node knows; none before it has a view.
    pub reach: Option<FeatureLevel>,
    /// Who keeps it from rising to what this program can run, and what helps; none when nobody does.
    pub behind: Option<String>,
    /// When it rises by itself, and to which level: on the node that leads, and only while it may rise.
    pub planned: Option<(FeatureLevel, Moment)>,
}

/// Everything at once; cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// As of when: the shell may show it a little later.
    pub at: Moment,
    /// Cluster name.
    pub cluster: String,
    /// The cluster id, once known.
    pub cluster_id: Option<ClusterId>,
    /// In one word.
    pub state: State,
    /// Why it is not quorate, and what else an operator should act on.
    pub reasons: Vec<Reason>,
    /// None before birth and on nodes that cannot know.
    pub margin: Option<Margin>,
    /// This node's name.
    pub name: NodeName,
    /// Its disk life.
    pub instance: Instance,
    /// Its boot counter.
    pub generation: Generation,
    /// Its role; none before it is let in.
    pub role: Option<Role>,
    /// There are as many voters as so many live nodes have, and all are alive: then one of three may be missed.
    pub all_voters: bool,
    /// It is counted as alive, and its copy of the log, if it has one, is as far as the leader's.
    pub caught_up: bool,
    /// What the autopilot does and why; none on a node that does not lead.
    pub autopilot: Option<AutopilotReport>,
    /// The leader, by name where the view knows it.
    pub leader: Option<(Instance, String)>,
    /// Raft term; of the leader's pings on a node that is no replica.
    pub term: u64,
    /// Commit index here; 0 on a node that is no replica.
    pub commit: u64,
    /// Applied index here; 0 on a node that is no replica.
    pub applied: u64,
    /// Revision of the users' keyspace here; 0 on a node that is no replica.
    pub revision: u64,
    /// Hash of the applied state here; 0 on a node that is no replica.
    pub state_hash: u64,
    /// Leaders that this node has seen elected since its start.
    pub elections: u64,
    /// The newest committed view here.
    pub view: Arc<HealthView>,
    /// Own verdicts that differ from it.
    pub opinions: Vec<Opinion>,
    /// Instances with a session that is up, and where.
    pub sessions: Vec<(Instance, String, SocketAddr)>,
    /// What the members run, of all of whom it is known.
    pub programs: Vec<(Instance, Program)>,
    /// The feature level, and how far it can rise.
    pub feature: Feature,
    /// How long the pings of this node took: to everybody while it leads, to the leader while it votes.
    pub pings: Vec<(Instance, PingTimes)>,
    /// How fast this node judges others.
    pub pace: PaceStatus,
    /// Which secrets this host has, and how far a change of the cluster's has come.
    pub secrets: SecretStatus,
    /// Newest durable snapshot.
    pub snapshot: Option<SnapshotMetadata>,
    /// What is to be fenced, or was, before this host uses a budget alone without a quorum.
    pub alone: Vec<AloneFence>,
    /// Counters for `/metrics`: name, help, value. Names follow Prometheus.
    pub counters: Vec<(&'static str, &'static str, u64)>,
    /// How full the node's tables are.
    pub bounds: Vec<Bound>,
}
