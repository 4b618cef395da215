//! In which steps the writes that wait for a disk are carried out, and when which of them is told durable.
//!
//! Invariant: steps keep the order of the writes, whatever their kind; a write is told only behind its own last step;
//! the marker comes behind the founding state that goes with it. Log writes with nothing between them are one step, so
//! that one sync serves all (group commit).
//!
//! The log writer of the daemon and the disk of the simulator both walk these steps. Knows neither files nor syncs.

use crate::event::Write;
use quorate_consensus::LogRecord;
use quorate_proto::{ClusterId, FoundingState, GroupId, SnapshotMetadata};

/// One thing to do; the next one begins only when it is done, durably.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum DiskStep {
    /// Append these records to the log, each of its group: all of them, or after a crash perhaps none.
    Append(Vec<(GroupId, LogRecord)>),
    /// Replace the founding state.
    Founding(Box<FoundingState>),
    /// Give the snapshot that was received into this file its name, under which it counts.
    Snapshot { group: GroupId, file: u64, metadata: SnapshotMetadata },
    /// Write the marker outside of the data directory.
    Marker(ClusterId),
    /// The write with this number and all before it are durable: the node may hear it (`Input::Persisted`).
    Tell(u64),
}

/// The steps for all writes that wait, with their numbers, in order. Nothing waits: no steps.
#[must_use]
pub fn disk_steps(waiting: impl IntoIterator<Item = (u64, Write)>) -> Vec<DiskStep> {
    let mut steps = Vec::new();
    let mut log: Option<(Vec<(GroupId, LogRecord)>, u64)> = None;
    for (number, write) in waiting {
        match write {
            Write::Log { group, records: new } => {
                let (records, last) = log.get_or_insert_with(|| (Vec::new(), number));
                records.extend(new.into_iter().map(|record| (group, record)));
                *last = number;
            }
            Write::Founding { state, marker } => {
                append(log.take(), &mut steps);
                steps.push(DiskStep::Founding(state));
                steps.extend(marker.map(DiskStep::Marker));
                steps.push(DiskStep::Tell(number));
            }
            Write::Snapshot { group, file, metadata } => {
                append(log.take(), &mut steps);
                steps.push(DiskStep::Snapshot { group, file, metadata: *metadata });
                steps.push(DiskStep::Tell(number));
            }
        }
    }
    append(log, &mut steps);
    steps
}

fn append(log: Option<(Vec<(GroupId, LogRecord)>, u64)>, steps: &mut Vec<DiskStep>) {
    let Some((records, last)) = log else { return };
    if !records.is_empty() {
        steps.push(DiskStep::Append(records));
    }
    steps.push(DiskStep::Tell(last));
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::{ClusterName, Instance};

    fn reset(index: u64) -> LogRecord {
        LogRecord::Reset { index, term: 1 }
    }

    fn appended(indexes: &[u64]) -> DiskStep {
        DiskStep::Append(indexes.iter().map(|index| (GroupId::META, reset(*index))).collect())
    }

    fn log(number: u64, indexes: &[u64]) -> (u64, Write) {
        (
            number,
            Write::Log {
                group: GroupId::META,
                records: indexes.iter().copied().map(reset).collect(),
            },
        )
    }

    fn founding(number: u64, marker: Option<ClusterId>) -> (u64, Write) {
        let state = Box::new(state());
        (number, Write::Founding { state, marker })
    }

    fn state() -> FoundingState {
        let cluster = ClusterName::new("prod").expect("a name");
        FoundingState::fresh(Instance::from_bytes([1; 16]), &cluster)
    }

    #[test]
    fn neighbouring_log_writes_are_one_step_and_told_behind_it() {
        let steps = disk_steps([log(1, &[1, 2]), log(2, &[]), log(3, &[3])]);
        assert_eq!(steps, [appended(&[1, 2, 3]), DiskStep::Tell(3)]);
        assert_eq!(disk_steps([log(4, &[])]), [DiskStep::Tell(4)]);
        assert_eq!(disk_steps([]), []);
    }

    #[test]
    fn a_received_snapshot_counts_behind_what_was_written_before_it_and_ahead_of_what_comes() {
        let metadata = SnapshotMetadata { index: 9, term: 2, ..SnapshotMetadata::default() };
        let group = GroupId::new(3);
        let snapshot = Write::Snapshot { group, file: 5, metadata: Box::new(metadata.clone()) };
        assert_eq!(
            disk_steps([log(1, &[1]), (2, snapshot), log(3, &[9])]),
            [
                appended(&[1]),
                DiskStep::Tell(1),
                DiskStep::Snapshot { group, file: 5, metadata },
                DiskStep::Tell(2),
                appended(&[9]),
                DiskStep::Tell(3),
            ]
        );
    }

    #[test]
    fn a_founding_write_overtakes_no_log_write_and_is_told_behind_its_marker() {
        let cluster_id = ClusterId::from_bytes([7; 16]);
        let steps = disk_steps([
            log(1, &[1]),
            founding(2, Some(cluster_id)),
            log(3, &[2]),
            founding(4, None),
            founding(5, None),
        ]);
        let state = Box::new(state());
        assert_eq!(
            steps,
            [
                appended(&[1]),
                DiskStep::Tell(1),
                DiskStep::Founding(state.clone()),
                DiskStep::Marker(cluster_id),
                DiskStep::Tell(2),
                appended(&[2]),
                DiskStep::Tell(3),
                DiskStep::Founding(state.clone()),
                DiskStep::Tell(4),
                DiskStep::Founding(state),
                DiskStep::Tell(5),
            ]
        );
    }
}
