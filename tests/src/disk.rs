//! One host's disk: what is durable, and what has been asked for and may be lost by a power cut.
//!
//! It walks the steps that the daemon's log writer walks (`quorate_node::disk_steps`), and a crash falls between any two of
//! them. What a torn write, a lost rename or a failed sync leaves within a step is the matter of the writer's own tests.
//! Snapshots become visible at once and whole, as after write-aside, fsync and rename.

use crate::random::Random;
use quorate_consensus::LogRecord;
use quorate_consensus::log_codec::fold::LogFold;
use quorate_meta::Meta;
use quorate_node::{DiskStep, RecoveredLog, Write, disk_steps};
use quorate_proto::{
    ClusterId, ClusterName, FoundingState, Generation, Instance, NodeKey, SnapshotMetadata,
};
use std::collections::{BTreeMap, VecDeque};

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
}

impl Disk {
    /// A copy of what is durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let Self { life, marker, reached, .. } = self;
        Self { life: life.clone(), marker: *marker, reached: *reached, pending: VecDeque::new() }
    }

    /// Opens the data directory as a start does: makes a life when there is none, raises the generation.
    ///
    /// # Errors
    /// When the data are those of an earlier start than this host has noted.
    pub fn open(&mut self, random: &mut Random, cluster: &ClusterName) -> Result<Life, String> {
        assert!(self.pending.is_empty(), "a stopped or crashed host has no write under way");
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
            }
        });
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
    #[must_use]
    pub fn recover(&mut self) -> Option<RecoveredLog> {
        let life = self.life.as_mut()?;
        life.received.clear();
        if !life.logged {
            return None;
        }
        let newest = life.snapshots.iter().max_by_key(|(metadata, _)| metadata.index).cloned();
        let position = newest.as_ref().map(|(metadata, _)| (metadata.index, metadata.term));
        let state = life.log.clone().behind(position).expect("a simulated log is never damaged");
        if state.overruled {
            // The power went between a received snapshot and the log's word that it begins there.
            let (index, term) = state.base;
            life.log.add(LogRecord::Reset { index, term });
            life.log.add(LogRecord::HardState(state.hard_state));
        }
        Some(RecoveredLog {
            hard_state: state.hard_state,
            snapshot: newest,
            entries: state.entries,
            reset: state.base,
        })
    }

    /// A write is under way.
    pub fn begin(&mut self, number: u64, write: Write) {
        self.pending.push_back((number, write));
    }

    /// The write with this number, and all before it, reach the disk. Which numbers the node is told, in order.
    pub fn complete(&mut self, number: u64) -> Vec<u64> {
        let behind = self.pending.partition_point(|(first, _)| *first <= number);
        let steps = disk_steps(self.pending.drain(..behind));
        steps.into_iter().filter_map(|step| self.walk(step)).collect()
    }

    /// A snapshot file is whole and durable.
    pub fn keep_snapshot(&mut self, metadata: SnapshotMetadata, image: Meta) {
        let Some(life) = &mut self.life else { return };
        life.snapshots
            .retain(|(other, _)| (other.index, other.term) != (metadata.index, metadata.term));
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

    /// The state in a snapshot file, while it is there.
    #[must_use]
    pub fn snapshot(&self, metadata: &SnapshotMetadata) -> Option<&Meta> {
        let snapshots = &self.life.as_ref()?.snapshots;
        snapshots.iter().find(|(kept, _)| kept == metadata).map(|(_, image)| image)
    }

    /// Power loss: of what was under way a random number of steps was done.
    pub fn crash(&mut self, random: &mut Random) {
        // Each write by itself: how many of them the writer had taken at once is not known.
        let steps: Vec<_> =
            self.pending.drain(..).flat_map(|waiting| disk_steps([waiting])).collect();
        let kept = random.below(steps.len() as u64 + 1);
        for step in steps.into_iter().take(usize::try_from(kept).expect("a place in a list")) {
            self.walk(step);
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
