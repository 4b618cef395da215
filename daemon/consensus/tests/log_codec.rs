//! The log's bytes under cuts, flips and lost writes, at every byte.

use quorate_consensus::LogRecord;
use quorate_consensus::log_codec::fold::{FoldError, LogFold};
use quorate_consensus::log_codec::{
    Chain, Contents, Corruption, HEAD, SegmentHead, encode_batch, read_last, read_sealed,
};
use quorate_proto::{Entry, GroupId, HardState};

const SIZE: usize = 4096;

fn head(number: u64) -> SegmentHead {
    SegmentHead {
        number,
        instance: [7; 16],
        cluster_id: [9; 16],
        size: SIZE as u64,
        previous_end: 0,
        previous_checksum: 0,
    }
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, data: format!("entry {index}").into(), ..Entry::default() }
}

fn entries(first: u64, last: u64, term: u64) -> LogRecord {
    LogRecord::Entries((first..=last).map(|index| entry(index, term)).collect())
}

fn hard_state(term: u64, vote: u64, commit: u64) -> LogRecord {
    LogRecord::HardState(HardState { term, vote, commit })
}

/// A segment with three batches, each synced before the next was written.
struct Segment {
    bytes: Vec<u8>,
    records: Vec<(GroupId, LogRecord)>,
    /// Where each batch begins, and where the last one ends.
    places: Vec<usize>,
    end: Chain,
}

fn segment() -> Segment {
    let batches = [
        vec![
            (GroupId::META, LogRecord::Reset { index: 1, term: 1 }),
            (GroupId::META, hard_state(1, 0, 1)),
        ],
        vec![
            (GroupId::META, entries(2, 4, 2)),
            (GroupId::META, hard_state(2, 5, 3)),
            (GroupId::new(3), entries(8, 8, 1)),
        ],
        vec![
            (GroupId::META, entries(5, 5, 2)),
            (GroupId::META, LogRecord::Compacted { index: 2, term: 2 }),
        ],
    ];
    let head = head(1);
    let mut chain = head.chain();
    let mut bytes = head.encode().to_vec();
    let mut places = Vec::new();
    for batch in &batches {
        places.push(bytes.len());
        let synced = chain.offset();
        encode_batch(&mut chain, synced, batch, &mut bytes);
        assert_eq!(bytes.len() as u64, chain.offset());
    }
    places.push(bytes.len());
    bytes.resize(SIZE, 0);
    Segment { bytes, records: batches.concat(), places, end: chain }
}

#[test]
fn a_segment_gives_back_what_was_written() {
    let Segment { bytes, records, places, end } = segment();
    let head = SegmentHead::decode(&bytes).expect("whole");
    let (last, torn) = (places[2] as u64, places[3] as u64..places[3] as u64);
    assert_eq!(read_last(&head, &bytes), Ok(Contents { records, last, end, torn }));
}

#[test]
fn a_segment_head_with_one_bit_flipped_or_cut_is_refused() {
    let bytes = head(3).encode();
    assert_eq!(SegmentHead::decode(&bytes), Some(head(3)));
    for place in 0..HEAD {
        assert_eq!(SegmentHead::decode(&bytes[..place]), None);
        for bit in 0..8 {
            let mut flipped = bytes;
            flipped[place] ^= 1 << bit;
            assert_eq!(SegmentHead::decode(&flipped), None, "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn a_last_batch_torn_at_any_byte_is_cut_and_what_was_synced_stays() {
    let whole = segment();
    let (start, end) = (whole.places[2], whole.places[3]);
    let kept = &whole.records[..5];
    for torn_at in start..end {
        // The rest of the write never arrived.
        let mut bytes = whole.bytes.clone();
        bytes[torn_at..end].fill(0);
        check_torn(&bytes, kept, start, &whole.bytes[start..end]);
        // The beginning never arrived, but the rest did.
        let mut bytes = whole.bytes.clone();
        bytes[start..=torn_at].fill(0);
        check_torn(&bytes, kept, start, &whole.bytes[start..end]);
        // One byte arrived wrong.
        let mut bytes = whole.bytes.clone();
        bytes[torn_at] ^= 0x55;
        check_torn(&bytes, kept, start, &whole.bytes[start..end]);
    }
}

fn check_torn(bytes: &[u8], kept: &[(GroupId, LogRecord)], start: usize, batch: &[u8]) {
    let contents = read_last(&head(1), bytes).expect("a torn tail is no corruption");
    if &bytes[start..start + batch.len()] == batch {
        return; // only padding was "lost"
    }
    assert_eq!(contents.records, kept);
    assert_eq!(contents.end.offset(), start as u64);
    let mut cut = bytes.to_vec();
    cut[contents.torn.start as usize..contents.torn.end as usize].fill(0);
    assert!(cut[start..].iter().all(|byte| *byte == 0), "the cut leaves nothing behind");
}

#[test]
fn damage_at_any_byte_before_the_synced_mark_is_corruption_and_names_the_place() {
    let whole = segment();
    for batch in 0..2 {
        for place in whole.places[batch]..whole.places[batch + 1] {
            let mut bytes = whole.bytes.clone();
            bytes[place] ^= 0x10;
            let Err(Corruption { offset, .. }) = read_last(&head(1), &bytes) else {
                panic!("byte {place} changed unseen");
            };
            assert_eq!(offset, whole.places[batch] as u64);
        }
    }
}

#[test]
fn a_batch_that_was_lost_whole_before_a_synced_one_is_corruption() {
    let whole = segment();
    let mut bytes = whole.bytes.clone();
    bytes[whole.places[1]..whole.places[2]].fill(0);
    let error = read_last(&head(1), &bytes).expect_err("the later batch names it as synced");
    assert_eq!(error.offset, whole.places[1] as u64);
}

#[test]
fn writes_in_flight_that_arrive_in_any_order_are_a_torn_tail() {
    let head = head(1);
    let mut chain = head.chain();
    let mut bytes = head.encode().to_vec();
    encode_batch(&mut chain, HEAD as u64, &[(GroupId::META, hard_state(1, 0, 1))], &mut bytes);
    let synced = chain.offset();
    for index in 2..5 {
        encode_batch(&mut chain, synced, &[(GroupId::META, entries(index, index, 1))], &mut bytes);
    }
    bytes.resize(SIZE, 0);
    bytes[synced as usize + 40] ^= 1;
    let contents = read_last(&head, &bytes).expect("none of the three was synced");
    assert_eq!(contents.end.offset(), synced);
    assert_eq!(contents.records, [(GroupId::META, hard_state(1, 0, 1))]);
}

#[test]
fn batches_of_another_segment_are_not_taken_for_this_one() {
    let whole = segment();
    let mut bytes = head(2).encode().to_vec();
    bytes.extend_from_slice(&whole.bytes[HEAD..]);
    let contents = read_last(&head(2), &bytes).expect("leftovers, never synced here");
    assert_eq!(contents.records, []);
}

#[test]
fn a_sealed_segment_must_be_whole_to_the_end_that_its_successor_names() {
    let whole = segment();
    let next = SegmentHead {
        previous_end: whole.end.offset(),
        previous_checksum: whole.end.checksum(),
        ..head(2)
    };
    assert!(read_sealed(&head(1), &whole.bytes, &next).is_ok());
    for place in HEAD..whole.places[3] {
        let mut bytes = whole.bytes.clone();
        bytes[place] ^= 1;
        assert!(read_sealed(&head(1), &bytes, &next).is_err(), "byte {place}");
    }
}

#[test]
fn a_file_that_became_shorter_is_corruption() {
    let whole = segment();
    for length in HEAD..SIZE {
        let error = read_last(&head(1), &whole.bytes[..length]).expect_err("too short");
        assert_eq!(error.offset, length as u64);
    }
}

fn fold(records: impl IntoIterator<Item = LogRecord>) -> LogFold {
    let mut fold = LogFold::default();
    records.into_iter().for_each(|record| fold.add(record));
    fold
}

fn indexes(fold: LogFold, snapshot: Option<(u64, u64)>) -> Result<Vec<(u64, u64)>, FoldError> {
    let state = fold.behind(snapshot)?;
    Ok(state.entries.iter().map(|entry| (entry.index, entry.term)).collect())
}

const BIRTH: LogRecord = LogRecord::Reset { index: 1, term: 1 };

#[test]
fn later_entries_replace_everything_at_and_behind_their_first_index() {
    let fold = fold([BIRTH, entries(2, 6, 1), entries(4, 5, 2)]);
    assert_eq!(indexes(fold, None), Ok(vec![(2, 1), (3, 1), (4, 2), (5, 2)]));
}

#[test]
fn commit_never_points_outside_the_log() {
    let state = fold([BIRTH, entries(2, 3, 1), hard_state(1, 0, 9)]).behind(None).expect("whole");
    assert_eq!(state.hard_state.commit, 3);
    let state = fold([BIRTH, entries(2, 6, 1), hard_state(1, 0, 2)]).behind(Some((5, 1)));
    assert_eq!(state.expect("whole").hard_state.commit, 5);
}

#[test]
fn entries_behind_a_snapshot_are_kept_only_when_the_log_agrees_at_its_position() {
    let log = || fold([BIRTH, entries(2, 6, 2), hard_state(2, 7, 2)]);
    assert_eq!(indexes(log(), Some((4, 2))), Ok(vec![(5, 2), (6, 2)]));
    assert_eq!(indexes(log(), Some((4, 3))), Ok(vec![]), "overruled by the leader of term 3");
    assert_eq!(indexes(log(), Some((9, 2))), Ok(vec![]), "received, the log not yet reset");
    let state = log().behind(Some((9, 3))).expect("a snapshot stands for itself");
    assert_eq!(state.hard_state, HardState { term: 3, vote: 0, commit: 9 });
    assert_eq!(state.base, (9, 3));
}

#[test]
fn a_snapshot_that_the_log_no_longer_reaches_is_refused() {
    let log = || fold([BIRTH, entries(2, 6, 2), LogRecord::Compacted { index: 5, term: 2 }]);
    assert_eq!(indexes(log(), Some((5, 2))), Ok(vec![(6, 2)]));
    assert_eq!(
        indexes(log(), Some((4, 2))),
        Err(FoldError::SnapshotTooOld { base: 5, snapshot: 4 })
    );
    assert_eq!(indexes(log(), None), Err(FoldError::SnapshotTooOld { base: 5, snapshot: 0 }));
    assert!(matches!(indexes(log(), Some((5, 1))), Err(FoldError::TermMismatch { .. })));
}

#[test]
fn records_freed_with_a_whole_segment_are_missed_only_while_they_are_needed() {
    let rest = [LogRecord::Compacted { index: 3, term: 1 }, entries(8, 9, 1)];
    assert_eq!(
        indexes(fold(rest.clone()), Some((3, 1))),
        Err(FoldError::Gap { missing: 4, base: 3 })
    );
    let compacted = LogRecord::Compacted { index: 7, term: 1 };
    let fold = fold(rest.into_iter().chain([compacted]));
    assert_eq!(indexes(fold, Some((7, 1))), Ok(vec![(8, 1), (9, 1)]));
}
