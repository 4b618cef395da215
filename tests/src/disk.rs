//! One host's disk: what is durable, and what has been asked for and may be lost by a power cut.
//!
//! It walks the steps that the daemon's log writer walks (`quorate_node::disk_steps`), and a crash falls between any two of
//! them. What a torn write, a lost rename or a failed sync leaves within a step is the matter of the writer's own tests: a batch of
//! the log is there whole or not at all, and none behind one that is not there.
//! Snapshots become visible whole, as after write-aside, fsync and rename. What had been written safely may decay ([`Decay`]): a start
//! refuses it, or passes over a snapshot where the log reaches back to one before.

use crate::random::Random;
use quorate_consensus::LogRecord;
use quorate_consensus::log_codec::fold::LogFold;
use quorate_meta::Meta;
use quorate_node::{DiskStep, RecoveredLog, Write, disk_steps};
use quorate_proto::{
    ClusterId, ClusterName, FoundingState, Generation, Instance, NodeKey, SnapshotMetadata,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Everything that a disk life keeps.
#[derive(Debug, Clone)]
pub struct Life {
    /// The disk life.
    pub instance: Instance,
    /// Its node key.
    pub key: NodeKey,
    /// Starts so far.
    pub generation: Generation,
    /// The founding state.
    pub founding: FoundingState,
    log: LogFold,
    logged: bool,
    snapshots: Vec<(SnapshotMetadata, Meta)>,
    /// Received snapshots that do not count yet.
    received: BTreeMap<u64, (SnapshotMetadata, Meta)>,
    files: u64,
    /// What a start refuses.
    damaged: Option<String>,
    /// Index and term of snapshots that can no longer be read.
    unreadable: BTreeSet<(u64, u64)>,
}

/// What decays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// A batch of the log that had been synced.
    Log,
    /// The newest snapshot.
    Snapshot,
}

/// What a disk has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// So many batches still fit into the segment of the log.
    pub batches: u64,
    /// A small file can be written.
    pub files: bool,
}

impl Room {
    /// Of a disk that is not full.
    pub const ENOUGH: Self = Self { batches: u64::MAX, files: true };

    /// Whether a step can be done now.
    fn takes(&mut self, step: &DiskStep) -> bool {
        match step {
            DiskStep::Tell(_) => true,
            DiskStep::Append(_) if self.batches == 0 => false,
            DiskStep::Append(_) => {
                self.batches -= 1;
                true
            }
            DiskStep::Founding(_) | DiskStep::Marker(_) | DiskStep::Snapshot { .. } => self.files,
        }
    }
}

/// Which part of the daemon's log found no room, and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// The maker of segments, for the next one.
    ForASegment,
    /// The writer, for a small file.
    ForAFile,
}

/// What a power cut did to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing was under way.
    Nothing,
    /// All of it is lost.
    Lost,
    /// The first of it is there, and the rest is not.
    Torn,
    /// All of it is there.
    Kept,
}

/// One host's disk.
#[derive(Debug, Default)]
pub struct Disk {
    life: Option<Life>,
    /// The marker outside the data directory; survives the loss of the data, not of the whole disk.
    pub marker: Option<ClusterId>,
    /// Which start of which life this host knows to have begun, noted beside the marker.
    pub reached: Option<(Instance, Generation)>,
    pending: VecDeque<(u64, Write)>,
    /// What the writer has taken and not done.
    taken: VecDeque<DiskStep>,
}

impl Disk {
    /// A copy of what is durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let Self { life, marker, reached, .. } = self;
        Self { life: life.clone(), marker: *marker, reached: *reached, ..Self::default() }
    }

    /// Opens the data directory as a start does: makes a life when there is none, raises the generation.
    ///
    /// # Errors
    /// When the data are those of an earlier start than this host has noted, or damaged.
    pub fn open(&mut self, random: &mut Random, cluster: &ClusterName) -> Result<Life, String> {
        let idle = self.pending.is_empty() && self.taken.is_empty();
        assert!(idle, "a stopped or crashed host has no write under way");
        let life = self.life.get_or_insert_with(|| {
            let instance = Instance::from_bytes(random.bytes16());
            let mut key = [0; 32];
            key[..16].copy_from_slice(&random.bytes16());
            Life {
                instance,
                key: NodeKey::from_bytes(key),
                generation: Generation::new(0),
                founding: FoundingState::fresh(instance, cluster),
                log: LogFold::default(),
                logged: false,
                snapshots: Vec::new(),
                received: BTreeMap::new(),
                files: 0,
                damaged: None,
                unreadable: BTreeSet::new(),
            }
        });
        if let Some(damaged) = &life.damaged {
            return Err(damaged.clone());
        }
        if let Some((instance, noted)) = self.reached
            && instance == life.instance
            && life.generation < noted
        {
            let (found, noted) = (life.generation.get(), noted.get());
            return Err(format!(
                "an older copy: started {found} times, and this host {noted} times"
            ));
        }
        life.generation = Generation::new(life.generation.get() + 1);
        self.reached = Some((life.instance, life.generation));
        // As the daemon does: a crash fell between the founding state and its marker.
        self.marker = self.marker.or(life.founding.known_cluster());
        Ok(life.clone())
    }

    /// What the log directory holds, which is put right as the daemon does.
    ///
    /// # Errors
    /// When no snapshot that can be read goes with the log.
    pub fn recover(&mut self) -> Result<Option<RecoveredLog>, String> {
        let Some(life) = &mut self.life else { return Ok(None) };
        life.received.clear();
        if !life.logged {
            return Ok(None);
        }
        let newest = life.readable().max_by_key(|(metadata, _)| metadata.index).cloned();
        let position = newest.as_ref().map(|(metadata, _)| (metadata.index, metadata.term));
        let state = match life.log.clone().behind(position) {
            Ok(state) => state,
            Err(error) if !life.unreadable.is_empty() => {
                return Err(format!("a snapshot cannot be read, and without it {error}"));
            }
            Err(error) => panic!("nothing was damaged: {error}"),
        };
        if state.overruled {
            // The power went between a received snapshot and the log's word that it begins there.
            let (index, term) = state.base;
            life.log.add(LogRecord::Reset { index, term });
            life.log.add(LogRecord::HardState(state.hard_state));
        }
        Ok(Some(RecoveredLog {
            hard_state: state.hard_state,
            snapshot: newest,
            entries: state.entries,
            reset: state.base,
        }))
    }

    /// A write is under way.
    pub fn begin(&mut self, number: u64, write: Write) {
        self.pending.push_back((number, write));
    }

    /// The write with this number, and all before it, reach the disk, as far as there is room. Which numbers the node is told, in
    /// order, and for what the first step that is left waits.
    pub fn complete(&mut self, number: u64, room: &mut Room) -> (Vec<u64>, Option<Waits>) {
        let mut told = Vec::new();
        loop {
            while let Some(step) = self.taken.front() {
                if !room.takes(step) {
                    let append = matches!(step, DiskStep::Append(_));
                    let waits = if append { Waits::ForASegment } else { Waits::ForAFile };
                    return (told, Some(waits));
                }
                let step = self.taken.pop_front();
                told.extend(step.and_then(|step| self.walk(step)));
            }
            let behind = self.pending.partition_point(|(first, _)| *first <= number);
            if behind == 0 {
                return (told, None);
            }
            self.taken.extend(disk_steps(self.pending.drain(..behind)));
        }
    }

    /// Something that had been written safely is no longer what it was. Whether it was there.
    pub fn decays(&mut self, decay: Decay, random: &mut Random) -> bool {
        let Some(life) = self.life.as_mut().filter(|life| life.logged) else { return false };
        match decay {
            Decay::Log => {
                let byte = random.below(1 << 20);
                life.damaged = Some(format!("log-1: not as it was written (byte {byte})"));
                true
            }
            Decay::Snapshot => {
                let newest = life.readable().map(|(metadata, _)| (metadata.index, metadata.term));
                let newest = newest.max();
                life.unreadable.extend(newest);
                newest.is_some()
            }
        }
    }

    /// A snapshot file is whole and durable.
    pub fn keep_snapshot(&mut self, metadata: SnapshotMetadata, image: Meta) {
        let Some(life) = &mut self.life else { return };
        life.snapshots
            .retain(|(other, _)| (other.index, other.term) != (metadata.index, metadata.term));
        life.unreadable.remove(&(metadata.index, metadata.term));
        life.snapshots.push((metadata, image));
        life.snapshots.sort_by_key(|(metadata, _)| metadata.index);
        let surplus = life.snapshots.len().saturating_sub(2);
        life.snapshots.drain(..surplus);
    }

    /// A snapshot has come from a peer, whole and durable. It does not count yet.
    pub fn receive_snapshot(&mut self, metadata: SnapshotMetadata, image: Meta) -> u64 {
        let Some(life) = &mut self.life else { return 0 };
        life.files += 1;
        life.received.insert(life.files, (metadata, image));
        life.files
    }

    /// A received snapshot is not taken.
    pub fn drop_snapshot(&mut self, file: u64) {
        self.life.as_mut().map(|life| life.received.remove(&file));
    }

    /// Whether the newest snapshot cannot be read.
    #[must_use]
    pub fn passes_over_a_snapshot(&self) -> bool {
        let Some(life) = &self.life else { return false };
        let newest = life.snapshots.iter().map(|(metadata, _)| (metadata.index, metadata.term));
        newest.max().is_some_and(|newest| life.unreadable.contains(&newest))
    }

    /// The state in a snapshot file, while it is there.
    #[must_use]
    pub fn snapshot(&self, metadata: &SnapshotMetadata) -> Option<&Meta> {
        let life = self.life.as_ref()?;
        life.readable().find(|(kept, _)| kept == metadata).map(|(_, image)| image)
    }

    /// Power loss: of what was under way a random number of steps was done.
    pub fn crash(&mut self, random: &mut Random) -> Cut {
        // Each write by itself: how many of them the writer had taken at once is not known.
        let queued = self.pending.drain(..).flat_map(|waiting| disk_steps([waiting]));
        let steps: Vec<_> = self.taken.drain(..).chain(queued).collect();
        let count = steps.len() as u64;
        let kept = random.below(count + 1);
        for step in steps.into_iter().take(usize::try_from(kept).expect("a place in a list")) {
            self.walk(step);
        }
        match kept {
            _ if count == 0 => Cut::Nothing,
            0 => Cut::Lost,
            _ if kept == count => Cut::Kept,
            _ => Cut::Torn,
        }
    }

    /// The disk is replaced: a new host at the old address.
    pub fn wipe(&mut self) {
        *self = Self::default();
    }

    /// `rm -rf` of the data directory: the marker stays.
    pub fn remove_data(&mut self) {
        self.life = None;
        self.pending.clear();
        self.taken.clear();
    }

    /// Does one step; the number that is told.
    fn walk(&mut self, step: DiskStep) -> Option<u64> {
        let life = self.life.as_mut()?;
        match step {
            DiskStep::Founding(state) => life.founding = *state,
            DiskStep::Marker(cluster_id) => self.marker = Some(cluster_id),
            DiskStep::Append(records) => {
                life.logged = true;
                records.into_iter().for_each(|(_, record)| life.log.add(record));
            }
            DiskStep::Snapshot { file, metadata, .. } => {
                let (there, image) = life.received.remove(&file).expect("it was received");
                assert_eq!(there, metadata, "another snapshot counts than was taken");
                self.keep_snapshot(metadata, image);
            }
            DiskStep::Tell(number) => return Some(number),
        }
        None
    }
}

impl Life {
    /// The snapshots that can be read.
    fn readable(&self) -> impl Iterator<Item = &(SnapshotMetadata, Meta)> {
        let readable = |metadata: &SnapshotMetadata| {
            !self.unreadable.contains(&(metadata.index, metadata.term))
        };
        self.snapshots.iter().filter(move |(metadata, _)| readable(metadata))
    }
}
