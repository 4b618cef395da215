//! The `__meta` group on this node: the replica and the state it applies to.
//!
//! Order kept here: what raft wants durable is put out before anything that depends on it; commits are
//! applied in the turn in which they appear.

mod early;
mod snapshots;
mod telling;

pub(crate) use early::EarlyFrames;
pub(crate) use snapshots::Arrived;

use crate::boot::NodeConfig;
use crate::event::Output;
use crate::groups::snapshots::Snapshots;
use crate::groups::telling::{PATIENCE, Telling};
use crate::peers::Peers;
use crate::timers::Timer;
use crate::turn::Turn;
use bytes::Bytes;
use quorate_consensus::{
    Committed, GuardError, ProposeError, Recovered, Replica, ReplicaConfig, ReplicaOutput,
};
use quorate_meta::{AppliedResult, Meta, UnknownCommand};
use quorate_proto::{
    ClusterId, ConfChangeSet, Envelope, EnvelopeBody, FoundingCertificate, Frame, FrameKind,
    GroupId, HealthDelta, Instance, Lane, MessageKind, Moment, RaftFrame, RaftId, RaftMessage,
    SnapshotMetadata, Supersede, raft_id,
};
use std::sync::Arc;
use std::time::Duration;

/// A vote or a TimeoutNow that waited this long unsent is worthless: its term is over by then.
const ELECTION_FRAME_LIFE: Duration = Duration::from_secs(1);
/// Entries that a replica may lag behind and still count as caught up. A learner must have the one that made it a learner, too: an empty
/// log is close to a short one, and whoever has a vote with it cannot help to elect anybody.
const CAUGHT_UP: u64 = 64;

/// Whether who has the log up to `index` counts as caught up with one whose log ends at `last`.
pub(crate) fn is_close(index: u64, last: u64) -> bool {
    index.saturating_add(CAUGHT_UP) >= last
}

/// Replica and state of `__meta`.
pub(crate) struct Group {
    id: GroupId,
    replica: Replica,
    meta: Meta,
    me: RaftId,
    cluster_id: ClusterId,
    applied_term: u64,
    snapshots: Snapshots,
    telling: Telling,
    /// It takes no part in any majority: nothing is taken from other replicas, nor said to them.
    withdrawn: bool,
}

impl Group {
    /// Whether this replica leads.
    pub(crate) fn leads(&self) -> bool {
        self.replica.leads()
    }

    /// The replica, to look at.
    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The state that it applies to, to look at.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Which group it is.
    pub(crate) fn id(&self) -> GroupId {
        self.id
    }

    /// This node's id in it.
    pub(crate) fn me(&self) -> RaftId {
        self.me
    }

    /// The cluster.
    pub(crate) fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    /// From now on it takes no part in any majority, or does again. To Raft that is a link that loses everything.
    pub(crate) fn withdraw(&mut self, withdrawn: bool) {
        self.withdrawn = withdrawn;
    }

    /// Looks at the state as it is applied, and at each that it becomes with what stands behind it in the log: one of them is what a majority
    /// has committed, as long as none of it is without this replica. False where that is not to be known.
    pub(crate) fn whatever_is_committed(&self, most: usize, mut look: impl FnMut(&Meta)) -> bool {
        let applied = self.replica.status().applied == self.meta.applied();
        let entries = self.replica.uncertain(most).filter(|_| applied);
        let Some(entries) = entries else { return false };
        look(&self.meta);
        if entries.is_empty() {
            return true;
        }
        let mut meta = self.meta.clone();
        entries.into_iter().all(|entry| {
            let known = apply_to(&mut meta, entry).is_ok();
            look(&meta);
            known
        })
    }

    /// One tick of Raft's clock has passed.
    pub(crate) fn tick(&mut self) {
        if !self.withdrawn {
            self.replica.tick();
        }
    }

    /// What the replica wanted durable up to this number is.
    pub(crate) fn persisted(&mut self, number: u64) {
        self.replica.persisted(number);
    }

    /// Something for this peer was lost on the way.
    pub(crate) fn unreachable(&mut self, peer: RaftId) {
        self.replica.unreachable(peer);
    }

    /// Begins an election.
    pub(crate) fn campaign(&mut self) {
        if !self.withdrawn {
            self.replica.campaign();
        }
    }

    /// There is evidence that this leader is gone: its lease ends.
    pub(crate) fn evidence_against(&mut self, leader: RaftId) {
        self.replica.evidence_against(leader);
    }

    /// Whether it lets the other voters go first when nobody leads.
    pub(crate) fn set_reluctant(&mut self, reluctant: bool) {
        self.replica.set_reluctant(reluctant);
    }

    /// Leads no more.
    pub(crate) fn step_down(&mut self) {
        self.replica.step_down();
    }

    /// Asks this voter to campaign at once.
    pub(crate) fn transfer_to(&mut self, successor: RaftId) {
        self.replica.transfer_to(successor);
    }

    /// Proposes these entries as one.
    pub(crate) fn propose(&mut self, entries: Vec<Bytes>) -> Result<(), ProposeError> {
        self.replica.propose(entries)
    }

    /// What was proposed is of clients, who may have more to write as soon as they are answered.
    pub(crate) fn clients_write(&mut self, now: Moment) {
        self.telling.clients_write(now);
    }

    /// The followers are told how far the log is committed, unless an append is to be expected that tells it.
    pub(crate) fn tell_commit_unless_it_rides(&mut self, turn: &mut Turn) {
        if !self.replica.has_untold_commit() {
            turn.timers.disarm(Timer::Commit);
        } else if self.telling.expects_an_append(turn.now) {
            turn.timers.arm_if_idle(Timer::Commit, turn.now + PATIENCE);
        } else {
            turn.timers.disarm(Timer::Commit);
            self.replica.tell_commit();
        }
    }

    /// No append came that would have told the commit index.
    pub(crate) fn tell_commit(&mut self) {
        self.replica.tell_commit();
    }

    /// Begins a round that confirms the leadership for reads.
    pub(crate) fn read_index(&mut self, ticket: u64) -> Result<(), ProposeError> {
        self.replica.read_index(ticket)
    }

    /// Proposes a change of the voters.
    pub(crate) fn change(&mut self, set: ConfChangeSet) -> Result<(), ProposeError> {
        self.replica.change(set)
    }

    /// The voters by the log here; none while they change.
    pub(crate) fn voters(&self) -> Option<Vec<u64>> {
        let status = self.replica.status();
        (!status.joint).then_some(status.conf.voters)
    }

    /// Whether a disk life has a vote by the log here, also in what is being left.
    pub(crate) fn votes(&self, instance: Instance) -> bool {
        let (conf, id) = (self.replica.status().conf, raft_id(self.cluster_id, instance).get());
        conf.voters.contains(&id) || conf.voters_outgoing.contains(&id)
    }

    /// Voters that the view no longer has: a replaced disk counts as a voter until a leader takes it out, which only a majority with it
    /// in the count can do.
    pub(crate) fn replaced_voters(&self) -> usize {
        let is_member = |voter: &u64| {
            RaftId::new(*voter).is_some_and(|id| self.meta.member_by_raft(id).is_some())
        };
        self.voters().map_or(0, |voters| voters.iter().filter(|it| !is_member(it)).count())
    }

    /// The instance behind a Raft id.
    pub(crate) fn instance_of(
        &self,
        id: RaftId,
        founded: Option<&FoundingCertificate>,
    ) -> Option<Instance> {
        self.meta.member_by_raft(id).map(|member| member.instance).or_else(|| {
            let record = &founded?.record;
            let voter = record
                .voters
                .iter()
                .find(|voter| raft_id(self.cluster_id, voter.instance) == id)?;
            Some(voter.instance)
        })
    }
}

/// What a change of the voters says beside the change: applying reads no clock, and every node tells why in the same words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The leader's time, in milliseconds since 1970; 0 where the entry carries none.
    pub(crate) at_unix_ms: u64,
    /// Why the voters change; empty where the entry does not say.
    pub(crate) why: String,
}

impl Said {
    /// As the entry carries it: the time in eight bytes, then the words.
    pub(crate) fn to_context(&self) -> Bytes {
        [&self.at_unix_ms.to_be_bytes(), self.why.as_bytes()].concat().into()
    }

    /// Entries of Raft's own carry nothing, and those of earlier versions the time alone.
    fn read(context: &[u8]) -> Self {
        let Some((time, why)) = context.split_first_chunk::<8>() else {
            return Self { at_unix_ms: 0, why: String::new() };
        };
        let why = String::from_utf8_lossy(why).into_owned();
        Self { at_unix_ms: u64::from_be_bytes(*time), why }
    }
}

/// The term of an applied entry, the epoch that it made, and its ticket and result where it was a command.
type Outcome = (u64, Option<Arc<HealthDelta>>, Option<(u64, AppliedResult)>);

/// Applies an entry to a state.
pub(crate) fn apply_to(meta: &mut Meta, entry: Committed) -> Result<Outcome, UnknownCommand> {
    Ok(match entry {
        Committed::Command { index, term, data } => {
            let applied = meta.apply(index, &data)?;
            (term, applied.health, Some((applied.ticket, applied.result)))
        }
        Committed::Nothing { index, term } => {
            meta.apply_nothing(index);
            (term, None, None)
        }
        Committed::Voters { index, term, conf, context } => {
            let Said { at_unix_ms, why } = Said::read(&context);
            (term, meta.apply_voters(index, &conf, at_unix_ms, &why), None)
        }
    })
}

/// What an applied entry means to others.
#[derive(Debug)]
pub(crate) struct Applied {
    /// It is the first of a later term: what was proposed in an earlier one, and is not there, never will be.
    pub(crate) new_term: Option<u64>,
    /// It made a new epoch.
    pub(crate) epoch: Option<Arc<HealthDelta>>,
    /// It was a command with this ticket.
    pub(crate) outcome: Option<(u64, AppliedResult)>,
}

impl Group {
    /// Starts the replica from what the disk holds, or from what a founder or a joiner begins with.
    ///
    /// # Errors
    /// Why the log cannot be continued.
    pub(crate) fn start(
        id: GroupId,
        cluster_id: ClusterId,
        config: &NodeConfig,
        recovered: Recovered,
        meta: Meta,
        durable: Option<SnapshotMetadata>,
    ) -> Result<Self, String> {
        let me = raft_id(cluster_id, config.instance);
        let (last, applied_term) = (recovered.snapshot.index, recovered.snapshot.term);
        let config = ReplicaConfig { group: id, me, seed: config.seed };
        let mut replica = Replica::start(config, recovered)
            .map_err(|error| format!("the log cannot be continued: {error}"))?;
        if let Some(metadata) = &durable {
            replica.offer_snapshot(metadata.clone());
        }
        let snapshots = Snapshots::new(durable, last);
        let telling = Telling::default();
        let withdrawn = false;
        Ok(Self { id, replica, meta, me, cluster_id, applied_term, snapshots, telling, withdrawn })
    }

    /// A message of a peer, which may speak in this group.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(crate) fn receive(&mut self, message: RaftMessage) -> Result<(), GuardError> {
        match self.withdrawn {
            true => Ok(()),
            false => self.replica.receive(message),
        }
    }

    /// What raft has to say now; empty when it is quiet.
    pub(crate) fn ready(&mut self) -> Vec<ReplicaOutput> {
        let mut said = Vec::new();
        self.replica.ready(&mut said);
        said
    }

    /// Applies a committed entry.
    ///
    /// # Errors
    /// When it is a command that this version does not know: then this replica must not go on.
    pub(crate) fn apply(
        &mut self,
        entry: Committed,
        turn: &mut Turn,
    ) -> Result<Applied, UnknownCommand> {
        match &entry {
            Committed::Command { data, .. } => self.snapshots.applied(data.len()),
            Committed::Voters { .. } => turn.duties_due = true,
            Committed::Nothing { .. } => {}
        }
        let (term, epoch, outcome) = apply_to(&mut self.meta, entry)?;
        let new_term = (term != self.applied_term).then_some(term);
        self.applied_term = term;
        Ok(Applied { new_term, epoch, outcome })
    }

    /// All that raft said to be committed is applied.
    pub(crate) fn has_applied(&mut self) {
        self.replica.applied(self.meta.applied());
    }

    /// Sends what raft has to say to a peer, if it can be reached.
    pub(crate) fn send(&mut self, message: RaftMessage, turn: &mut Turn, ways: Ways<'_>) {
        let Some(to) = RaftId::new(message.to).filter(|_| !self.withdrawn) else { return };
        // A replica that is still empty knows nobody but those whose frames it got.
        let target = self.instance_of(to, ways.founded).or_else(|| ways.peers.instance_of(to));
        let reached = target.and_then(|instance| Some((instance, ways.peers.address(instance)?)));
        let kind = MessageKind::try_from(message.kind).unwrap_or(MessageKind::Unknown);
        let Some((instance, address)) = reached else {
            self.replica.unreachable(to);
            if kind == MessageKind::Snapshot {
                // Raft sends nothing else to a peer until it hears how its snapshot ended.
                self.replica.snapshot_sent(to, false);
            }
            return;
        };
        if kind == MessageKind::Snapshot {
            self.send_snapshot(turn, to, instance, address, message);
            return;
        }
        let frame = raft_frame(self.id, self.cluster_id, kind, message);
        turn.out.push(Output::Send { to: instance, address, frame });
    }
}

/// How others are reached.
#[derive(Clone, Copy)]
pub(crate) struct Ways<'a> {
    pub(crate) peers: &'a Peers,
    /// The founding record, if this node has it: it says where the first voters are.
    pub(crate) founded: Option<&'a FoundingCertificate>,
}

/// Packs a Raft message for its lane: heartbeats are superseded, everything else keeps its order.
fn raft_frame(
    group: GroupId,
    cluster_id: ClusterId,
    kind: MessageKind,
    message: RaftMessage,
) -> Frame {
    let heartbeat = matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse);
    // A heartbeat that carries a read's context must not be replaced by one that carries another's.
    let context =
        message.context.iter().rev().take(8).fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
    let subject = context.wrapping_mul(4).wrapping_add(u64::from(kind == MessageKind::Heartbeat));
    let election = matches!(
        kind,
        MessageKind::RequestVote | MessageKind::RequestPreVote | MessageKind::TimeoutNow
    );
    let bytes =
        Envelope::encode_body(EnvelopeBody::Raft(RaftFrame::new(group, cluster_id, message)));
    Frame {
        lane: if heartbeat { Lane::Control } else { Lane::Log },
        supersede: heartbeat.then_some(Supersede { kind: FrameKind::Heartbeat, group, subject }),
        expires: election.then_some(ELECTION_FRAME_LIFE),
        bytes,
    }
}
