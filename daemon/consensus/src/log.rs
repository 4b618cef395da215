//! The log as raft-rs reads it: in memory, complete from the last snapshot on.
//!
//! Invariant: the entries are contiguous behind `base`. It holds what was handed out to be made durable as well as what
//! is; raft-rs itself keeps count of which is which. Knows nothing of the disk.

use crate::config::Recovered;
use crate::convert;
use crate::convert::ConvertError;
use quorate_proto::{ConfState, HardState, SnapshotMetadata};
use raft::eraftpb as rs;
use raft::{GetEntriesContext, RaftState, Storage, StorageError};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct MemoryLog {
    base: (u64, u64),
    entries: VecDeque<rs::Entry>,
    /// Bytes of memory that the entries take, about.
    bytes: u64,
    hard_state: HardState,
    conf: ConfState,
    offered: Option<SnapshotMetadata>,
    /// raft-rs asked for a snapshot that is not there. Atomic only because it asks through a shared reference.
    wanted: AtomicBool,
}

impl MemoryLog {
    pub(crate) fn new(recovered: Recovered) -> Result<Self, ConvertError> {
        let entries: Result<VecDeque<_>, _> =
            recovered.entries.into_iter().map(convert::entry_to_raft).collect();
        let entries = entries?;
        Ok(Self {
            base: (recovered.snapshot.index, recovered.snapshot.term),
            bytes: entries.iter().map(memory).sum(),
            entries,
            hard_state: recovered.hard_state,
            conf: recovered.snapshot.conf_state,
            offered: None,
            wanted: AtomicBool::new(false),
        })
    }

    /// Index and term of the entry before the first.
    pub(crate) fn base(&self) -> (u64, u64) {
        self.base
    }

    pub(crate) fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn offered(&self) -> Option<&SnapshotMetadata> {
        self.offered.as_ref()
    }

    pub(crate) fn offer(&mut self, metadata: SnapshotMetadata) {
        self.offered = Some(metadata);
        self.wanted = AtomicBool::new(false);
    }

    /// What was offered is gone.
    pub(crate) fn withdraw(&mut self) {
        self.offered = None;
    }

    /// Whether raft-rs asked in vain for a snapshot since the last offer.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Puts entries behind, replacing whatever was at or after the first.
    pub(crate) fn append(&mut self, entries: &[rs::Entry]) {
        let Some(first) = entries.first() else { return };
        assert!(
            first.index > self.base.0 && first.index <= self.last() + 1,
            "raft appends at {} to a log of {}..={}",
            first.index,
            self.base.0,
            self.last()
        );
        let replaced = self.entries.drain(self.offset(first.index)..);
        self.bytes -= replaced.map(|entry| memory(&entry)).sum::<u64>();
        self.bytes += entries.iter().map(memory).sum::<u64>();
        self.entries.extend(entries.iter().cloned());
    }

    /// Drops everything for a snapshot that was received.
    pub(crate) fn reset(&mut self, metadata: &SnapshotMetadata) {
        self.base = (metadata.index, metadata.term);
        self.entries.clear();
        self.bytes = 0;
    }

    /// Drops the entries up to `index`, which must be there.
    pub(crate) fn compact(&mut self, index: u64) -> Option<(u64, u64)> {
        let term = self.term_at(index)?;
        let dropped = self.entries.drain(..self.offset(index + 1));
        self.bytes -= dropped.map(|entry| memory(&entry)).sum::<u64>();
        self.base = (index, term);
        Some(self.base)
    }

    pub(crate) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        if index < self.base.0 {
            return None;
        }
        self.entries.get(self.offset(index)).map(|entry| entry.term)
    }

    /// The entries behind an index that is not before the first.
    pub(crate) fn behind(&self, index: u64) -> impl Iterator<Item = &rs::Entry> {
        self.entries.iter().filter(move |entry| entry.index > index)
    }

    fn offset(&self, index: u64) -> usize {
        usize::try_from(index - self.base.0 - 1).expect("a log in memory is counted by usize")
    }
}

impl Storage for MemoryLog {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let hard_state = convert::hard_state_to_raft(self.hard_state);
        Ok(RaftState::new(hard_state, convert::conf_to_raft(self.conf.clone())))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<rs::Entry>> {
        if low <= self.base.0 {
            return Err(StorageError::Compacted.into());
        }
        if high > self.last() + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let mut room = max_size.into().unwrap_or(u64::MAX);
        let mut found = Vec::new();
        for entry in self.entries.range(self.offset(low)..self.offset(high)) {
            // At least one entry, however large: raft-rs would wait for ever otherwise.
            let size = (entry.data.len() + entry.context.len()) as u64 + ENTRY_HEAD;
            if size > room && !found.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_at(index).ok_or_else(|| {
            let compacted = index < self.base.0;
            if compacted { StorageError::Compacted } else { StorageError::Unavailable }.into()
        })
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// The newest that the caller can stream. It must name the receiver, which drops it otherwise and is never sent
    /// another. raft-rs asks again with the next heartbeat answer if there is none.
    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<rs::Snapshot> {
        let floor = request_index.max(self.base.0);
        let fits = |offered: &&SnapshotMetadata| {
            let conf = &offered.conf_state;
            let named = [&conf.voters, &conf.learners, &conf.voters_outgoing];
            offered.index >= floor && named.iter().any(|list| list.contains(&to))
        };
        match self.offered.as_ref().filter(fits) {
            Some(offered) => Ok(convert::snapshot_to_raft(offered.clone())),
            None => {
                self.wanted.store(true, Ordering::Relaxed);
                Err(StorageError::SnapshotTemporarilyUnavailable.into())
            }
        }
    }
}

fn memory(entry: &rs::Entry) -> u64 {
    (entry.data.len() + entry.context.len() + size_of::<rs::Entry>()) as u64
}

/// Bytes that an entry takes in a message beside its data: kind, term, index and lengths, rounded up.
const ENTRY_HEAD: u64 = 32;
