//! Snapshots of `__meta` on this node: when one is taken, which one raft may send, what becomes of one that arrives, and
//! how much of the log stays for those that are being sent.
//!
//! Invariants: raft is offered only what is durable here, so that it is streamed from the disk; a snapshot's metadata is
//! exactly the applied position; what a live peer that follows the log still needs of it stays (up to a bound), and what
//! lies behind a snapshot that is on its way to one, or a slow peer would need another one as soon as it has this one, for
//! ever; raft hears how each sending ended.

use crate::disk::Owner;
use crate::event::{Output, Write};
use crate::groups::Group;
use crate::node::Node;
use quorate_meta::Meta;
use quorate_proto::{
    Instance, Moment, NodeKey, RaftId, RaftMessage, Role, SnapshotMetadata, raft_id,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Most entries that stay in the log behind a snapshot, so that a follower that was away for a moment is caught
/// up without a snapshot.
const KEPT_ENTRIES: u64 = 2_000;
/// So many bytes of commands make a snapshot due even when they are few entries: the log is held in memory.
const SNAPSHOT_BYTES: u64 = 64 * 1024 * 1024;
/// So many bytes of log are held at most for peers that are slow: a snapshot of a GiB takes minutes on a slow link, and the
/// writes of those minutes must be here when it is done. The peer furthest behind, which this is not enough for, gets
/// another snapshot: it could not keep up with the writes anyway.
const HELD_BYTES: u64 = 512 * 1024 * 1024;
/// How often it is seen whether the log may be let go that is held. Each time may cost a record on the disk.
const RELEASE_EVERY: Duration = Duration::from_secs(1);
/// Pause after a snapshot that there was no room for, when a peer waits for one.
const PAUSE: Duration = Duration::from_secs(5);

/// A snapshot that a peer sent, whole, understood and durable, that does not count yet.
pub(crate) struct Arrived {
    pub(crate) image: Meta,
    /// The shell's number for it.
    pub(crate) file: u64,
}

/// The snapshots of one group.
#[derive(Default)]
pub(crate) struct Snapshots {
    /// The newest that is durable here, or received and named by the writer before it does anything else: what raft may send.
    durable: Option<SnapshotMetadata>,
    /// A received snapshot that raft has been told of, within one turn.
    arriving: Option<(SnapshotMetadata, Arrived)>,
    taking: bool,
    /// The durable one turned out unreadable.
    remake: bool,
    not_before: Moment,
    /// Index of the last one.
    last: u64,
    /// Bytes of commands applied since, which the log in memory holds.
    bytes: u64,
    /// Entries that stay in the log behind the durable one.
    keep: u64,
    /// Index of each snapshot that is on its way to a peer or was taken by it, until it answers from there; at most one for
    /// each member.
    under_way: BTreeMap<RaftId, u64>,
    /// The log holds more than it would for this node alone: when to see whether it still must.
    held: Option<Moment>,
}

impl Snapshots {
    pub(crate) fn new(durable: Option<SnapshotMetadata>, last: u64) -> Self {
        Self { durable, last, ..Self::default() }
    }

    /// A command of so many bytes was applied.
    pub(crate) fn applied(&mut self, length: usize) {
        self.bytes += length as u64;
    }
}

impl Group {
    /// The newest durable snapshot.
    pub(crate) fn durable_snapshot(&self) -> Option<SnapshotMetadata> {
        self.snapshots.durable.clone()
    }

    /// The position and configuration that the state stands at now.
    fn position(&self) -> SnapshotMetadata {
        SnapshotMetadata {
            conf_state: self.replica.status().conf,
            index: self.meta.applied(),
            term: self.applied_term,
        }
    }

    /// Up to where the log may be forgotten: the durable snapshot, and a little less.
    fn compactable(&self) -> u64 {
        let durable = self.snapshots.durable.as_ref();
        durable.map_or(0, |durable| durable.index.saturating_sub(self.snapshots.keep))
    }

    /// The lowest position from which one of these live peers, or one that is being sent a snapshot, still needs the log;
    /// without the lowest when that is more than may be held.
    fn needed(&mut self, live: impl Iterator<Item = RaftId>) -> Option<u64> {
        let Self { replica, snapshots: Snapshots { under_way, .. }, .. } = self;
        let matched = |id: RaftId| Some(replica.progress(id)?.matched);
        under_way.retain(|id, index| matched(*id).is_some_and(|place| place < *index));
        let being_sent = |id: RaftId| replica.progress(id).is_some_and(|it| it.snapshotting);
        let sent = under_way.iter().filter(|(id, _)| being_sent(**id)).map(|(_, index)| *index);
        let live = live.filter_map(|id| under_way.get(&id).copied().or_else(|| matched(id)));
        // One that is behind the log cannot be served from it: it needs a snapshot first.
        let first = replica.status().first;
        let mut places: Vec<u64> = sent.chain(live).filter(|place| place + 1 >= first).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().nth(usize::from(replica.log_bytes() > HELD_BYTES))
    }
}

impl Node {
    /// Whether a snapshot that a host begins to send may be written to this disk: from the leader that the replica here
    /// follows; while it follows none, from any replica in the view.
    ///
    /// It comes on a connection of its own: with the key that the host is known by.
    #[must_use]
    pub fn takes_snapshot_of(&self, from: Instance, key: NodeKey) -> bool {
        let leader = self.sight().followed().map(|leader| leader.instance);
        self.peers.is_pinned(from, key)
            && self.is_replica(from)
            && leader.is_none_or(|leader| leader == from)
    }

    /// A snapshot that arrived whole and is durable: raft decides whether it takes it.
    pub(crate) fn snapshot_received(
        &mut self,
        from: Instance,
        message: RaftMessage,
        arrived: Arrived,
    ) {
        let file = arrived.file;
        match self.offer_arrived(from, &message, arrived) {
            true => self.receive_raft(from, message),
            false => self.turn.out.push(Output::DropSnapshot { file }),
        }
    }

    /// Whether raft is to hear of it.
    fn offer_arrived(&mut self, from: Instance, message: &RaftMessage, arrived: Arrived) -> bool {
        let Some(metadata) = message.snapshot.clone() else { return false };
        if !self.is_replica(from) {
            self.turn.counters.frames_fenced += 1;
            return false;
        }
        if self.group.is_none() {
            if self.founding.state().founded.is_none()
                || self.sight().is_founding_voter() != Some(false)
            {
                return false;
            }
            self.join_group();
        }
        // In the same turn came another: raft decides on that one first.
        if self.group.as_ref().is_some_and(|group| group.snapshots.arriving.is_some()) {
            self.settle_group();
        }
        let Some(group) = &mut self.group else { return false };
        if arrived.image.applied() != metadata.index {
            self.turn.counters.frames_guarded += 1;
            return false;
        }
        group.snapshots.arriving = Some((metadata, arrived));
        true
    }

    /// Raft is quiet: what it has not taken by now it never will.
    pub(crate) fn drop_arrived(&mut self) {
        let arriving = self.group.as_mut().and_then(|group| group.snapshots.arriving.take());
        self.turn
            .out
            .extend(arriving.map(|(_, arrived)| Output::DropSnapshot { file: arrived.file }));
    }

    /// Raft took the snapshot that arrived: its state is ours. Its file counts before the log says that it begins there.
    pub(crate) fn install(&mut self, metadata: &SnapshotMetadata) {
        let Some(group) = &mut self.group else { return };
        match group.snapshots.arriving.take() {
            Some((there, Arrived { image, file })) if there.index == metadata.index => {
                group.meta = image;
                group.applied_term = metadata.term;
                let taking = group.snapshots.taking;
                group.snapshots = Snapshots::new(Some(metadata.clone()), metadata.index);
                group.snapshots.taking = taking;
                group.replica.offer_snapshot(metadata.clone());
                group.replica.applied(metadata.index);
                let write = Write::Snapshot { file, metadata: Box::new(metadata.clone()) };
                self.disk.write(&mut self.turn, Owner::Nobody, write);
                self.health_replaced();
                self.proposals_jumped();
            }
            _ => {
                let reason =
                    "raft took a snapshot whose content is not here; this is a defect".to_owned();
                self.turn.out.push(Output::Halt { reason, again: true });
            }
        }
    }

    /// Asks for a snapshot when the log has grown, when a peer needs one that names it, or when the last one is spoilt.
    pub(crate) fn take_snapshot_when_due(&mut self) {
        self.release_log();
        let (now, every) = (self.turn.now, self.config.snapshot_every);
        let Some(group) = &mut self.group else { return };
        // Replicas apply the same entries at the same time; their snapshots need not fall together as well.
        let every = every + group.me.get() % (every / 4 + 1);
        let applied = group.meta.applied();
        let entries = applied.saturating_sub(group.snapshots.last);
        let grown = entries >= every || group.snapshots.bytes >= SNAPSHOT_BYTES;
        let due = grown && !group.replica.status().joint;
        let newer = group.snapshots.durable.as_ref().is_none_or(|durable| applied > durable.index);
        let wanted = group.snapshots.remake || (newer && group.replica.wants_snapshot());
        if group.snapshots.taking || applied == 0 || now < group.snapshots.not_before {
            return;
        }
        if !due && !wanted {
            return;
        }
        let metadata = group.position();
        group.snapshots.taking = true;
        group.snapshots.remake = false;
        // A quarter at most: few entries are large ones.
        group.snapshots.keep = KEPT_ENTRIES.min(entries / 4);
        group.snapshots.bytes = 0;
        self.turn.out.push(Output::TakeSnapshot { metadata, image: Box::new(group.meta.clone()) });
    }

    /// The shell wrote a snapshot: raft may send it, and the log may forget what it covers.
    pub(crate) fn snapshot_taken(&mut self, metadata: SnapshotMetadata) {
        let Some(group) = &mut self.group else { return };
        let snapshots = &mut group.snapshots;
        snapshots.taking = false;
        if snapshots.durable.as_ref().is_some_and(|durable| durable.index > metadata.index) {
            return;
        }
        snapshots.last = snapshots.last.max(metadata.index);
        snapshots.durable = Some(metadata.clone());
        group.replica.offer_snapshot(metadata);
        self.compact_log();
    }

    /// The shell had no room for a snapshot: the next one is asked for after as many entries again, or a while later.
    pub(crate) fn snapshot_not_taken(&mut self) {
        let not_before = self.turn.now + PAUSE;
        if let Some(group) = &mut self.group {
            group.snapshots.taking = false;
            group.snapshots.last = group.meta.applied();
            group.snapshots.not_before = not_before;
        }
    }

    /// The file of a snapshot is damaged or gone: if raft could still send it, another must take its place.
    pub(crate) fn snapshot_unreadable(&mut self, index: u64, term: u64) {
        let Some(group) = &mut self.group else { return };
        let at = |durable: &SnapshotMetadata| (durable.index, durable.term) == (index, term);
        if group.snapshots.durable.as_ref().is_some_and(at) {
            group.snapshots.durable = None;
            group.snapshots.remake = true;
            group.replica.withdraw_snapshot();
        }
    }

    /// Has a snapshot sent to a peer that needs one.
    pub(crate) fn send_snapshot(
        &mut self,
        to: RaftId,
        instance: Instance,
        address: SocketAddr,
        message: RaftMessage,
    ) {
        let Some(group) = &mut self.group else { return };
        let Some(metadata) = &message.snapshot else {
            group.replica.snapshot_sent(to, false);
            return;
        };
        group.snapshots.under_way.insert(to, metadata.index);
        self.turn.out.push(Output::SendSnapshot { to: instance, address, message });
    }

    /// How the sending of a snapshot ended.
    pub(crate) fn snapshot_sent(&mut self, to: Instance, ok: bool) {
        let Some(group) = &mut self.group else { return };
        let id = raft_id(group.genesis, to);
        if !ok {
            group.snapshots.under_way.remove(&id);
        }
        group.replica.snapshot_sent(id, ok);
    }

    /// Forgets what the durable snapshot covers and no live peer needs.
    fn compact_log(&mut self) {
        let Self { group: Some(group), peers, health, turn, .. } = self else { return };
        let genesis = group.genesis;
        let live = health.alive().filter(|member| member.role() != Role::Member);
        let live = live.map(|member| peers.raft_id(genesis, member.instance));
        let (needed, target) = (group.needed(live), group.compactable());
        let held = needed.filter(|needed| *needed < target);
        group.snapshots.held = held.map(|_| turn.now + RELEASE_EVERY);
        if let Some(record) = group.replica.compact(held.unwrap_or(target)) {
            self.disk.write(&mut self.turn, Owner::Nobody, Write::Log(vec![record]));
        }
    }

    /// Compacts when a peer may have come far enough since it was seen last.
    fn release_log(&mut self) {
        let held = self.group.as_ref().and_then(|group| group.snapshots.held);
        if held.is_some_and(|at| at <= self.turn.now) {
            self.compact_log();
        }
    }
}
