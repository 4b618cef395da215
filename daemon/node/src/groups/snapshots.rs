//! Snapshots of `__meta` on this node: when one is taken, which one raft may send, what becomes of one that arrives, and
//! how much of the log stays for those that are being sent.
//!
//! Invariants: raft is offered only what is durable here, so that it is streamed from the disk; a snapshot's metadata is
//! exactly the applied position; what a live peer that follows the log still needs of it stays (up to a bound), and what
//! lies behind a snapshot that is on its way to one, or a slow peer would need another one as soon as it has this one, for
//! ever; raft hears how each sending ended.

use crate::event::{Output, Write};
use crate::groups::Group;
use crate::turn::Turn;
use quorate_meta::Meta;
use quorate_proto::{Instance, Moment, RaftId, RaftMessage, SnapshotMetadata, raft_id};
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
    retained_until: Option<Moment>,
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

    /// A snapshot arrived whole and is durable, and raft is to hear of it. False when it is not what its message says.
    pub(crate) fn offer_arrived(&mut self, metadata: SnapshotMetadata, arrived: Arrived) -> bool {
        if arrived.image.applied() != metadata.index {
            return false;
        }
        self.snapshots.arriving = Some((metadata, arrived));
        true
    }

    /// Whether one waits for raft to take it.
    pub(crate) fn has_arrived(&self) -> bool {
        self.snapshots.arriving.is_some()
    }

    /// Raft is quiet: what it has not taken by now it never will.
    pub(crate) fn drop_arrived(&mut self, turn: &mut Turn) {
        let arriving = self.snapshots.arriving.take();
        turn.out.extend(arriving.map(|(_, it)| Output::DropSnapshot { file: it.file }));
    }

    /// Raft took the snapshot that arrived: its state is ours. Its file counts before the log says that it begins there.
    /// What is to be written; none when there is no such snapshot here, which is a defect.
    pub(crate) fn install(&mut self, metadata: &SnapshotMetadata) -> Option<Write> {
        let arrived = self.snapshots.arriving.take();
        let (_, Arrived { image, file }) =
            arrived.filter(|(there, _)| there.index == metadata.index)?;
        self.meta = image;
        self.applied_term = metadata.term;
        let taking = self.snapshots.taking;
        self.snapshots = Snapshots::new(Some(metadata.clone()), metadata.index);
        self.snapshots.taking = taking;
        self.replica.offer_snapshot(metadata.clone());
        self.replica.applied(metadata.index);
        Some(Write::Snapshot { group: self.id, file, metadata: Box::new(metadata.clone()) })
    }

    /// Asks for a snapshot when the log has grown, when a peer needs one that names it, or when the last one is spoilt. `every`: so many
    /// entries are between two.
    pub(crate) fn take_snapshot_when_due(&mut self, turn: &mut Turn, every: u64) {
        // Replicas apply the same entries at the same time; their snapshots need not fall together as well.
        let every = every + self.me.get() % (every / 4 + 1);
        let applied = self.meta.applied();
        let entries = applied.saturating_sub(self.snapshots.last);
        let grown = entries >= every || self.snapshots.bytes >= SNAPSHOT_BYTES;
        let due = grown && !self.replica.status().joint;
        let newer = self.snapshots.durable.as_ref().is_none_or(|durable| applied > durable.index);
        let wanted = self.snapshots.remake || (newer && self.replica.wants_snapshot());
        if self.snapshots.taking || applied == 0 || turn.now < self.snapshots.not_before {
            return;
        }
        if !due && !wanted {
            return;
        }
        let metadata = self.position();
        self.snapshots.taking = true;
        self.snapshots.remake = false;
        // A quarter at most: few entries are large ones.
        self.snapshots.keep = KEPT_ENTRIES.min(entries / 4);
        self.snapshots.bytes = 0;
        let (group, image) = (self.id, Box::new(self.meta.clone()));
        turn.out.push(Output::TakeSnapshot { group, metadata, image });
    }

    /// The shell wrote a snapshot: raft may send it, and the log may forget what it covers. False when a newer one is there already.
    pub(crate) fn snapshot_taken(&mut self, metadata: SnapshotMetadata) -> bool {
        let snapshots = &mut self.snapshots;
        snapshots.taking = false;
        if snapshots.durable.as_ref().is_some_and(|durable| durable.index > metadata.index) {
            return false;
        }
        snapshots.last = snapshots.last.max(metadata.index);
        snapshots.durable = Some(metadata.clone());
        self.replica.offer_snapshot(metadata);
        true
    }

    /// The shell had no room for a snapshot: the next one is asked for after as many entries again, or a while later.
    pub(crate) fn snapshot_not_taken(&mut self, now: Moment) {
        self.snapshots.taking = false;
        self.snapshots.last = self.meta.applied();
        self.snapshots.not_before = now + PAUSE;
    }

    /// The file of a snapshot is damaged or gone: if raft could still send it, another must take its place.
    pub(crate) fn snapshot_unreadable(&mut self, index: u64, term: u64) {
        let at = |durable: &SnapshotMetadata| (durable.index, durable.term) == (index, term);
        if self.snapshots.durable.as_ref().is_some_and(at) {
            self.snapshots.durable = None;
            self.snapshots.remake = true;
            self.replica.withdraw_snapshot();
        }
    }

    /// Has a snapshot sent to a peer that needs one.
    pub(super) fn send_snapshot(
        &mut self,
        turn: &mut Turn,
        to: RaftId,
        instance: Instance,
        address: SocketAddr,
        message: RaftMessage,
    ) {
        let Some(metadata) = &message.snapshot else {
            self.replica.snapshot_sent(to, false);
            return;
        };
        self.snapshots.under_way.insert(to, metadata.index);
        turn.out.push(Output::SendSnapshot { group: self.id, to: instance, address, message });
    }

    /// How the sending of a snapshot ended.
    pub(crate) fn snapshot_sent(&mut self, to: Instance, ok: bool) {
        let id = raft_id(self.cluster_id, to);
        if !ok {
            self.snapshots.under_way.remove(&id);
        }
        self.replica.snapshot_sent(id, ok);
    }

    /// Forgets what the durable snapshot covers and no live peer needs: the record that says so, if there is anything to forget.
    pub(crate) fn compact_log(
        &mut self,
        now: Moment,
        live: impl Iterator<Item = RaftId>,
    ) -> Option<Write> {
        let (needed, target) = (self.needed(live), self.compactable());
        let held = needed.filter(|needed| *needed < target);
        self.snapshots.retained_until = held.map(|_| now + RELEASE_EVERY);
        let record = self.replica.compact(held.unwrap_or(target))?;
        Some(Write::Log { group: self.id, records: vec![record] })
    }

    /// Whether more of the log is held than this node needs, and a peer may have come far enough since that was seen last.
    pub(crate) fn may_release(&self, now: Moment) -> bool {
        self.snapshots.retained_until.is_some_and(|at| at <= now)
    }
}
