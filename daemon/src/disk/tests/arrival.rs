//! Snapshots from disk to disk: read while they are sent, written while they come, cut, continued, refused.

use super::super::files::Machine;
use super::super::snapshots::arrivals::{Announced, Arrivals, Incoming, Received, Refused};
use super::super::snapshots::{keeper, names};
use super::snapshot::store;
use super::*;
use bytes::Bytes;
use quorate_proto::{GroupId, Instance};
use quorate_transport::{SnapshotPart, SnapshotPosition};
use std::collections::VecDeque;

const CHUNKS: [&[u8]; 4] = [b"one ", b"two ", b"three ", b"four"];

/// Two hosts: the first has a snapshot, the second gets it.
struct Pair {
    sender: Host,
    receiver: Host,
    from: SnapshotKeeper,
    to: SnapshotKeeper,
}

impl Pair {
    fn new() -> Self {
        let (sender, receiver) = (Host::new(), Host::new());
        let (theirs, ours) = (sender.open().expect("created"), receiver.open().expect("created"));
        let from = SnapshotKeeper::spawn(&theirs.dir).expect("spawned");
        let to = SnapshotKeeper::spawn(&ours.dir).expect("spawned");
        drop((theirs, ours));
        store(&sender, at(7, 2), &CHUNKS).expect("kept");
        Self { sender, receiver, from, to }
    }

    /// All parts that go to a receiver which has this.
    fn parts(&self, had: SnapshotPosition) -> Result<VecDeque<SnapshotPart>, String> {
        let source = self.from.open(ClusterId::default(), GroupId::META, &at(7, 2))?;
        let mut parts = VecDeque::new();
        source.read(had, |part| {
            parts.push_back(part);
            true
        })?;
        Ok(parts)
    }

    fn receive(&self, incoming: &mut impl Incoming) -> Result<Received<Vec<u8>>, Refused> {
        self.to.arrivals.receive(&announced(7), incoming, |pieces| {
            let state: Vec<u8> = pieces.flatten().collect();
            if state.starts_with(b"?") { Err("not understood".into()) } else { Ok(state) }
        })
    }

    /// Raft took it.
    fn counts(&self, file: u64) {
        let directory = names::directory(&self.receiver.life());
        keeper::count_received(&Machine, &directory, GroupId::META, file, &at(7, 2))
            .expect("it is there");
    }

    fn files(&self) -> Vec<String> {
        let directory = names::directory(&self.receiver.life());
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .expect("listed")
            .map(|entry| entry.expect("listed").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }
}

fn announced(index: u64) -> Announced {
    Announced {
        from: Instance::from_bytes([5; 16]),
        cluster_id: ClusterId::default(),
        group: GroupId::META,
        metadata: at(index, 2),
        bytes: CHUNKS.concat().len() as u64,
    }
}

const NAME: &str = "snapshot-00000000000000000007-00000000000000000002";

/// A connection: the parts come from the pair's sender, and it is lost after some of them.
struct Wire<'a> {
    pair: &'a Pair,
    lost_after: usize,
    had: Option<SnapshotPosition>,
    parts: VecDeque<SnapshotPart>,
}

impl<'a> Wire<'a> {
    fn lost_after(pair: &'a Pair, parts: usize) -> Self {
        Self { pair, lost_after: parts, had: None, parts: VecDeque::new() }
    }
}

impl Incoming for Wire<'_> {
    fn have(&mut self, position: SnapshotPosition) -> bool {
        self.had = Some(position);
        self.parts = self.pair.parts(position).expect("readable");
        self.parts.truncate(self.lost_after);
        true
    }

    fn next(&mut self) -> Option<SnapshotPart> {
        self.parts.pop_front()
    }
}

/// Parts as a liar would send them.
struct Script(VecDeque<SnapshotPart>);

impl Incoming for Script {
    fn have(&mut self, _position: SnapshotPosition) -> bool {
        true
    }

    fn next(&mut self) -> Option<SnapshotPart> {
        self.0.pop_front()
    }
}

#[test]
fn a_snapshot_that_arrives_counts_once_it_is_taken_and_is_what_a_start_uses() {
    let pair = Pair::new();
    let received = pair.receive(&mut Wire::lost_after(&pair, 99)).expect("received");
    assert_eq!(received.state, CHUNKS.concat());
    assert_eq!(pair.files(), ["received-0.new"]);
    pair.counts(received.file);
    assert_eq!(pair.files(), [NAME]);
    let Pair { receiver, from, to, sender: _ } = pair;
    drop((from, to));
    let log = receiver.recover().expect("whole").group.expect("a replica");
    assert_eq!(log.snapshot.expect("a snapshot").1, CHUNKS.concat());
}

#[test]
fn a_snapshot_that_arrives_and_is_not_taken_does_not_count_at_the_next_start() {
    for discarded in [false, true] {
        let pair = Pair::new();
        let received = pair.receive(&mut Wire::lost_after(&pair, 99)).expect("received");
        if discarded {
            pair.to.arrivals.discard(received.file);
            assert_eq!(pair.files(), [""; 0]);
        }
        let Pair { receiver, from, to, sender: _ } = pair;
        drop((from, to));
        assert!(receiver.recover().expect("whole").group.is_none());
    }
}

#[test]
fn a_snapshot_cut_behind_every_part_goes_on_there_and_ends_as_the_same_file() {
    let whole = Pair::new();
    whole.receive(&mut Wire::lost_after(&whole, 99)).expect("received");
    for cut in 0..=CHUNKS.len() + 1 {
        let pair = Pair::new();
        let mut first = Wire::lost_after(&pair, cut);
        assert!(matches!(pair.receive(&mut first), Err(Refused::Lost(_))), "cut behind {cut}");
        let mut second = Wire::lost_after(&pair, 99);
        let received = pair.receive(&mut second).expect("received");
        assert_eq!(received.state, CHUNKS.concat());
        pair.counts(received.file);
        let had = second.had.expect("asked").pieces;
        assert_eq!(had, cut.saturating_sub(1) as u64, "pieces are not sent twice");
        assert_eq!(pair.files(), [NAME]);
    }
}

#[test]
fn a_sender_that_did_not_hear_of_the_end_sends_nothing_again() {
    let pair = Pair::new();
    let first = pair.receive(&mut Wire::lost_after(&pair, 99)).expect("received");
    let number = first.number;
    // The log writer names the first one sooner or later; the second is the same under a name of its own.
    let mut again = Wire::lost_after(&pair, 99);
    let second = pair.receive(&mut again).expect("received");
    assert_eq!((second.state, again.had.expect("asked").pieces), (CHUNKS.concat(), 4));
    pair.counts(first.file);
    let third = pair.receive(&mut Wire::lost_after(&pair, 99)).expect("received");
    for file in [second.file, third.file] {
        pair.to.arrivals.discard(file);
    }
    assert_eq!(pair.files(), [NAME]);
    let later = third.number;
    // An expiry of the time before does nothing.
    pair.to.arrivals.expire(GroupId::META, announced(7).from, number);
    let mut again = Wire::lost_after(&pair, 0);
    assert!(matches!(pair.receive(&mut again), Err(Refused::Lost(_))));
    assert_eq!(again.had.expect("asked").pieces, 4);
    assert!(later > number);
}

#[test]
fn a_snapshot_that_was_not_taken_is_sent_from_its_beginning() {
    let pair = Pair::new();
    let first = pair.receive(&mut Wire::lost_after(&pair, 99)).expect("received");
    pair.to.arrivals.discard(first.file);
    let mut again = Wire::lost_after(&pair, 99);
    assert!(matches!(pair.receive(&mut again), Err(Refused::Lost(_))));
    let mut again = Wire::lost_after(&pair, 99);
    let second = pair.receive(&mut again).expect("received");
    assert_eq!((second.state, again.had.expect("asked").pieces), (CHUNKS.concat(), 0));
}

#[test]
fn what_is_kept_of_a_cut_snapshot_goes_when_it_expires_or_another_comes() {
    let pair = Pair::new();
    let cut = |pair: &Pair| match pair.receive(&mut Wire::lost_after(pair, 3)) {
        Err(Refused::Lost(number)) => number,
        other => panic!("{other:?}"),
    };
    let number = cut(&pair);
    assert_eq!(pair.files().len(), 1);
    assert!(pair.files()[0].ends_with(".new"));
    pair.to.arrivals.expire(GroupId::META, announced(7).from, number);
    assert_eq!(pair.files(), [""; 0]);
    cut(&pair);
    let mut script = Script([SnapshotPart::Begin { pieces: 0 }].into());
    let other = announced(8);
    let lost = pair.to.arrivals.receive(&other, &mut script, |_| Ok::<_, String>(()));
    assert!(matches!(lost, Err(Refused::Lost(_))));
    assert_eq!(pair.files().len(), 1, "one file for each sender");
    let Pair { receiver, from, to, sender: _ } = pair;
    drop((from, to));
    receiver.recover().expect("whole");
    let left = std::fs::read_dir(names::directory(&receiver.life())).expect("listed");
    assert_eq!(left.count(), 0, "a start clears what did not count");
}

#[test]
fn a_snapshot_with_damage_anywhere_is_refused_and_leaves_nothing() {
    let pair = Pair::new();
    let whole = pair.parts(SnapshotPosition::default()).expect("readable");
    for (place, part) in whole.iter().enumerate() {
        let SnapshotPart::Piece(piece) = part else { continue };
        for byte in 0..piece.len() {
            let mut damaged = piece.to_vec();
            damaged[byte] ^= 4;
            let mut parts = whole.clone();
            parts[place] = SnapshotPart::Piece(Bytes::from(damaged));
            let refused = pair.receive(&mut Script(parts)).expect_err("damaged");
            assert!(matches!(refused, Refused::Because(_)), "{refused:?}");
            assert_eq!(pair.files(), [""; 0]);
        }
        let mut parts = whole.clone();
        parts.remove(place);
        let refused = pair.receive(&mut Script(parts));
        // Without its last piece it is whole as far as checksums tell: what it means is for `restore` to say.
        assert_eq!(refused.is_ok(), place == CHUNKS.len());
        refused.into_iter().for_each(|received| pair.to.arrivals.discard(received.file));
        pair.to.arrivals.expire(GroupId::META, announced(7).from, u64::MAX);
    }
}

#[test]
fn a_snapshot_out_of_bounds_or_out_of_order_is_refused_and_leaves_nothing() {
    let pair = Pair::new();
    let begin = || SnapshotPart::Begin { pieces: 0 };
    let long = Bytes::from(vec![0; quorate_proto::limits::BULK_CHUNK + 5]);
    let scripts = [
        vec![SnapshotPart::Begin { pieces: 3 }],
        vec![SnapshotPart::End],
        vec![begin(), begin()],
        vec![begin(), SnapshotPart::Piece(Bytes::new())],
        vec![begin(), SnapshotPart::Piece(long)],
    ];
    for script in scripts {
        let text = format!("{script:?}").chars().take(60).collect::<String>();
        let refused = pair.receive(&mut Script(script.into())).expect_err("refused");
        assert!(matches!(refused, Refused::Because(_)), "{text}: {refused:?}");
        assert_eq!(pair.files(), [""; 0], "{text}");
    }
}

#[test]
fn a_snapshot_without_end_stops_at_what_was_announced_and_leaves_nothing() {
    let pair = Pair::new();
    let mut parts = pair.parts(SnapshotPosition::default()).expect("readable");
    let mut short = announced(7);
    short.bytes -= 1;
    let refused =
        pair.to.arrivals.receive(&short, &mut Script(parts.clone()), |_| Ok::<_, String>(()));
    assert!(matches!(refused, Err(Refused::Because(why)) if why.contains("longer than")));
    assert_eq!(pair.files(), [""; 0]);
    // What came before the connection was lost counts too.
    parts.truncate(3);
    let cut = pair.to.arrivals.receive(&short, &mut Script(parts), |_| Ok::<_, String>(()));
    assert!(matches!(cut, Err(Refused::Lost(_))));
    let mut rest = Wire::lost_after(&pair, 99);
    let refused = pair.to.arrivals.receive(&short, &mut rest, |_| Ok::<_, String>(()));
    assert_eq!(rest.had.expect("asked").pieces, 2);
    assert!(matches!(refused, Err(Refused::Because(why)) if why.contains("longer than")));
    assert_eq!(pair.files(), [""; 0]);
}

#[test]
fn a_sender_that_goes_on_cannot_announce_more_than_at_first() {
    let pair = Pair::new();
    let mut short = announced(7);
    short.bytes -= 1;
    let mut parts = pair.parts(SnapshotPosition::default()).expect("readable");
    parts.truncate(3);
    let cut = pair.to.arrivals.receive(&short, &mut Script(parts), |_| Ok::<_, String>(()));
    assert!(matches!(cut, Err(Refused::Lost(_))));
    short.bytes = u64::MAX;
    let mut rest = Wire::lost_after(&pair, 99);
    let refused = pair.to.arrivals.receive(&short, &mut rest, |_| Ok::<_, String>(()));
    assert_eq!(rest.had.expect("asked").pieces, 2, "it went on");
    assert!(matches!(refused, Err(Refused::Because(why)) if why.contains("longer than")));
    assert_eq!(pair.files(), [""; 0]);
}

#[test]
fn what_others_have_announced_and_not_sent_yet_is_no_room_for_another() {
    let pair = Pair::new();
    let directory = names::directory(&pair.receiver.life());
    let room = rustix::fs::statvfs(&directory).expect("asked");
    let room = room.f_bavail * room.f_frsize;
    let begin = |sender: u8| {
        let mut large = announced(7);
        (large.from, large.bytes) = (Instance::from_bytes([sender; 16]), room / 2);
        let mut script = Script([SnapshotPart::Begin { pieces: 0 }].into());
        pair.to.arrivals.receive(&large, &mut script, |_| Ok::<_, String>(()))
    };
    let Err(Refused::Lost(number)) = begin(1) else { panic!("half of the room is there") };
    let refused = begin(2);
    assert!(
        matches!(&refused, Err(Refused::Because(why)) if why.contains("on their way")),
        "{refused:?}"
    );
    assert_eq!(pair.files().len(), 1);
    pair.to.arrivals.expire(GroupId::META, Instance::from_bytes([1; 16]), number);
    assert!(matches!(begin(2), Err(Refused::Lost(_))), "the first gave its room back");
}

#[test]
fn a_snapshot_that_is_larger_than_the_disk_is_refused_before_a_byte_of_it_is_written() {
    let pair = Pair::new();
    let parts = pair.parts(SnapshotPosition::default()).expect("readable");
    let mut large = announced(7);
    large.bytes = u64::MAX;
    let refused = pair.to.arrivals.receive(&large, &mut Script(parts), |_| Ok::<_, String>(()));
    assert!(matches!(refused, Err(Refused::Because(why)) if why.contains("left")));
    assert_eq!(pair.files(), [""; 0]);
}

#[test]
fn a_snapshot_whose_content_makes_no_sense_is_refused_and_leaves_nothing() {
    let pair = Pair::new();
    store(&pair.sender, at(7, 2), &[b"? what"]).expect("kept");
    let refused = pair.receive(&mut Wire::lost_after(&pair, 99)).expect_err("refused");
    assert_eq!(refused, Refused::Because("not understood".into()));
    assert_eq!(pair.files(), [""; 0]);
}

#[test]
fn a_damaged_file_never_sends_an_end() {
    let pair = Pair::new();
    let file = names::directory(&pair.sender.life()).join(NAME);
    let whole = std::fs::read(&file).expect("read");
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 2;
        std::fs::write(&file, &changed).expect("written");
        pair.parts(SnapshotPosition::default()).expect_err("changed");
        std::fs::write(&file, &whole[..place]).expect("written");
        pair.parts(SnapshotPosition::default()).expect_err("cut");
    }
    std::fs::remove_file(&file).expect("removed");
    let refusal = pair.parts(SnapshotPosition::default()).expect_err("gone");
    assert!(refusal.contains(NAME), "{refusal}");
}

#[test]
fn an_open_snapshot_is_read_to_its_end_after_newer_ones_took_its_place() {
    let pair = Pair::new();
    let source = pair.from.open(ClusterId::default(), GroupId::META, &at(7, 2)).expect("open");
    for index in [8, 9, 10] {
        store(&pair.sender, at(index, 2), &[b"newer"]).expect("kept");
    }
    assert!(!names::directory(&pair.sender.life()).join(NAME).exists());
    for _ in 0..2 {
        let mut parts = Vec::new();
        source
            .read(SnapshotPosition::default(), |part| {
                parts.push(part);
                true
            })
            .expect("readable");
        assert_eq!(parts.len(), CHUNKS.len() + 2);
    }
}

#[test]
fn files_of_more_senders_than_can_be_kept_make_room() {
    let host = Host::new();
    let opened = host.open().expect("created");
    let directory = names::directory(&host.life());
    let arrivals = Arrivals::new(directory.clone(), opened.dir.identity().instance);
    for sender in 0..40 {
        let mut announced = announced(7);
        announced.from = Instance::from_bytes([sender; 16]);
        let mut script = Script([SnapshotPart::Begin { pieces: 0 }].into());
        let lost = arrivals.receive(&announced, &mut script, |_| Ok::<_, String>(()));
        assert!(matches!(lost, Err(Refused::Lost(_))));
        assert!(std::fs::read_dir(&directory).expect("listed").count() <= 8);
    }
}
