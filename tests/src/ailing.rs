//! What is wrong with a host's disk while it runs: full, slow or silent; and what becomes of its writes, its snapshots and its starts then.
//!
//! It says to the node what the daemon's two threads say, in the same words: the writer, which waits for room for a small file, and the
//! maker of segments, which looks each second while there is none. What came of it is counted ([`Tally`]).

use crate::disk::{Cut, Decay, Life, Room, Waits};
use crate::world::{SimEvent, World};
use quorate_meta::Meta;
use quorate_node::{Event, Input, RecoveredLog, State};
use quorate_proto::{ClusterName, GroupId, Moment, SnapshotMetadata};
use std::collections::BTreeMap;
use std::time::Duration;

/// A full disk is looked at again after this.
const RETRY: Duration = Duration::from_secs(1);
/// One with room is looked at this often, in milliseconds.
const LOOK: u64 = 10_000;
/// `RestartSec` of the unit.
const AGAIN: Duration = Duration::from_millis(500);
/// A stop waits for the last writes so long.
const LAST_WRITES: Duration = Duration::from_secs(1);
/// Turns may be late by so much.
const JUST_NOW: Duration = Duration::from_secs(1);
/// Quickest sync, in microseconds.
const QUICKEST: u64 = 60;

/// What can come of a disk that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is named by what happens")]
pub enum Rare {
    FullBeforeBirth,
    FullWhileJoining,
    FullLeader,
    FullFollower,
    WriteWaitsForASegment,
    WriteWaitsForAFile,
    SnapshotNotWritten,
    SnapshotNotTakenIn,
    NoRoomToStart,
    RoomAgain,
    SilentLeader,
    SilentFollower,
    SilentAndBack,
    SilentUntilTheDaemonEnds,
    PowerCutWhileSilent,
    StoppedWithWritesLeft,
    SlowLeader,
    SlowFollower,
    UnsyncedLost,
    UnsyncedTorn,
    UnsyncedKept,
    SnapshotCutOff,
    LogDecayed,
    SnapshotPassedOver,
    SnapshotMissed,
    BegunAnew,
}

impl Rare {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::FullBeforeBirth,
        Self::FullWhileJoining,
        Self::FullLeader,
        Self::FullFollower,
        Self::WriteWaitsForASegment,
        Self::WriteWaitsForAFile,
        Self::SnapshotNotWritten,
        Self::SnapshotNotTakenIn,
        Self::NoRoomToStart,
        Self::RoomAgain,
        Self::SilentLeader,
        Self::SilentFollower,
        Self::SilentAndBack,
        Self::SilentUntilTheDaemonEnds,
        Self::PowerCutWhileSilent,
        Self::StoppedWithWritesLeft,
        Self::SlowLeader,
        Self::SlowFollower,
        Self::UnsyncedLost,
        Self::UnsyncedTorn,
        Self::UnsyncedKept,
        Self::SnapshotCutOff,
        Self::LogDecayed,
        Self::SnapshotPassedOver,
        Self::SnapshotMissed,
        Self::BegunAnew,
    ];

    /// What of its data a host refuses that does not start for this reason; none where it is for another.
    pub(crate) fn of_refusal(reason: &str) -> Option<Self> {
        match reason {
            _ if reason.starts_with("log-") => Some(Self::LogDecayed),
            _ if reason.starts_with("a snapshot") => Some(Self::SnapshotMissed),
            _ => None,
        }
    }
}

/// How often which of it came.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally(BTreeMap<Rare, u64>);

impl Tally {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn add(&mut self, rare: Rare) {
        *self.0.entry(rare).or_default() += 1;
    }

    /// Adds what another run came to.
    pub fn take(&mut self, other: &Self) {
        for (rare, count) in &other.0 {
            *self.0.entry(*rare).or_default() += count;
        }
    }

    /// What never came.
    pub fn never(&self) -> impl Iterator<Item = Rare> {
        Rare::ALL.into_iter().filter(|rare| !self.0.contains_key(rare))
    }
}

/// A disk without room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    /// What still fits.
    pub(crate) room: Room,
    /// When somebody makes room.
    pub(crate) until: Moment,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Ailing {
    full: Option<Full>,
    /// No sync ends before then.
    pub(crate) silent_until: Moment,
    /// How long a sync takes, in microseconds, and until when.
    pace: Option<((u64, u64), Moment)>,
    /// The next snapshot of its own that gets there cannot be read, and the power goes with it.
    spoils_a_snapshot: bool,
    /// Whether the writer, and the maker of segments, of this start found no room.
    said: [bool; 2],
}

impl Ailing {
    /// The disk is well from now on; what was said of it is taken back by whoever looks next.
    fn ends(&mut self, now: Moment) {
        let silent_until = self.silent_until.min(now);
        *self = Self { silent_until, said: self.said, ..Self::default() };
    }
}

/// Which thread says it.
const WRITER: usize = 0;
/// See above.
const MAKER: usize = 1;

/// A node's own snapshot on its way to the disk.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) group: GroupId,
    pub(crate) metadata: SnapshotMetadata,
    pub(crate) image: Box<Meta>,
}

impl World {
    /// What came of faults of disks so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A host's disk has no more room than this, for a while.
    pub fn fill(&mut self, host: usize, room: Room, span: Duration) {
        self.note(|| format!("the disk of n{} is full for {span:?}: {room:?}", host + 1));
        self.hosts[host].ailing.full = Some(Full { room, until: self.now + span });
        let wait = Duration::from_millis(self.random.below(LOOK));
        let run = self.hosts[host].run;
        self.schedule(self.now + wait, SimEvent::Room { host, run });
    }

    /// The next snapshot of a host's own cannot be read, and the power goes before anything else is written: the log reaches back to the
    /// one before.
    pub fn spoil_a_snapshot(&mut self, host: usize) {
        self.note(|| format!("the next snapshot of n{} is spoilt", host + 1));
        self.hosts[host].ailing.spoils_a_snapshot = true;
    }

    /// A sync of a host's disk takes from so long to so long, in microseconds, for a while.
    pub fn slow_disk(&mut self, host: usize, micros: (u64, u64), span: Duration) {
        self.note(|| format!("the disk of n{} is slow for {span:?}: {micros:?}", host + 1));
        self.hosts[host].ailing.pace = Some((micros, self.now + span));
    }

    /// Nothing is wrong any more with a host's disk.
    pub(crate) fn disk_is_well(&mut self, host: usize) {
        let silent = self.silent_until(host).is_some();
        self.hosts[host].ailing.ends(self.now);
        if silent {
            let (run, number) = (self.hosts[host].run, u64::MAX);
            self.schedule(self.now, SimEvent::Durable { host, run, number });
        }
    }

    /// Whether anything is wrong with a host's disk.
    pub(crate) fn ails(&self, host: usize) -> bool {
        self.full(host).is_some() || self.silent_until(host).is_some()
    }

    fn full(&self, host: usize) -> Option<Full> {
        self.hosts[host].ailing.full.filter(|full| full.until > self.now)
    }

    /// Until when a host's disk does not answer.
    pub(crate) fn silent_until(&self, host: usize) -> Option<Moment> {
        let until = self.hosts[host].ailing.silent_until;
        (until > self.now).then_some(until)
    }

    /// When what is asked of a host's disk now is done.
    pub(crate) fn disk_is_done(&mut self, host: usize) -> Moment {
        let pace = self.hosts[host].ailing.pace.filter(|(_, until)| *until > self.now);
        let usual = (QUICKEST, self.setup.fsync_micros.max(QUICKEST + 1));
        let (least, most) = pace.map_or(usual, |(micros, _)| micros);
        let micros = self.random.between(least, most);
        (self.now + Duration::from_micros(micros)).max(self.hosts[host].ailing.silent_until)
    }

    fn runs(&self, host: usize, run: u64) -> bool {
        self.hosts[host].run == run && self.hosts[host].process.is_some()
    }

    /// Writes up to a number are due on a host's disk.
    pub(crate) fn durable(&mut self, host: usize, run: u64, number: u64) {
        if !self.runs(host, run) {
            return;
        }
        if let Some(at) = self.silent_until(host) {
            self.schedule(at, SimEvent::Durable { host, run, number });
            return;
        }
        let (told, waits) = self.walk(host, number);
        if !told.is_empty() {
            self.say(host, WRITER, false);
        }
        for number in told {
            self.give(host, Input::Persisted { number });
        }
        let Some(waits) = waits else { return };
        self.schedule(self.now + RETRY, SimEvent::Durable { host, run, number });
        let (who, rare) = match waits {
            Waits::ForASegment => (MAKER, Rare::WriteWaitsForASegment),
            Waits::ForAFile => (WRITER, Rare::WriteWaitsForAFile),
        };
        self.tally.add(rare);
        self.say(host, who, true);
    }

    fn walk(&mut self, host: usize, number: u64) -> (Vec<u64>, Option<Waits>) {
        let full = self.full(host);
        let mut room = full.map_or(Room::ENOUGH, |full| full.room);
        let done = self.hosts[host].disk.complete(number, &mut room);
        self.hosts[host].ailing.full = full.map(|full| Full { room, ..full });
        done
    }

    /// One of the daemon's threads found no room, or room again. The node hears it when it is news of both together.
    fn say(&mut self, host: usize, who: usize, full: bool) {
        let said = &mut self.hosts[host].ailing.said;
        let before = said.contains(&true);
        said[who] = full;
        let now = said.contains(&true);
        let Some(process) = self.hosts[host].process.as_ref().filter(|_| now != before) else {
            return;
        };
        let rare = match (now, process.node.status(self.now).state) {
            (false, _) => Rare::RoomAgain,
            (true, State::Waiting) => Rare::FullBeforeBirth,
            (true, State::Joining) => Rare::FullWhileJoining,
            (true, _) if process.node.vitals().leads_in.is_some() => Rare::FullLeader,
            (true, _) => Rare::FullFollower,
        };
        self.tally.add(rare);
        self.give(host, Input::DiskFull(now));
    }

    /// The maker of segments looks whether there is room.
    pub(crate) fn look_for_room(&mut self, host: usize, run: u64) {
        if !self.runs(host, run) {
            return;
        }
        let full = self.full(host).is_some();
        self.say(host, MAKER, full);
        if full {
            self.schedule(self.now + RETRY, SimEvent::Room { host, run });
        }
    }

    /// A node's own snapshot is due on its disk.
    pub(crate) fn snapshot_taken(&mut self, host: usize, run: u64, taken: Taken) {
        if !self.runs(host, run) {
            self.tally.add(Rare::SnapshotCutOff);
            return;
        }
        if let Some(at) = self.silent_until(host) {
            self.schedule(at, SimEvent::Taken { host, run, taken: Box::new(taken) });
            return;
        }
        let Taken { group, metadata, image } = taken;
        if self.full(host).is_some() {
            self.tally.add(Rare::SnapshotNotWritten);
            self.give(host, Input::SnapshotNotTaken { group });
            return;
        }
        self.hosts[host].disk.keep_snapshot(metadata.clone(), *image);
        if std::mem::take(&mut self.hosts[host].ailing.spoils_a_snapshot) {
            let Self { hosts, random, .. } = self;
            hosts[host].disk.decays(Decay::Snapshot, random);
            self.is_disturbed();
            self.crash(host);
            self.schedule(self.now + AGAIN, SimEvent::Again { host, run });
            return;
        }
        self.give(host, Input::SnapshotTaken { group, metadata });
    }

    /// Whether a host takes in no snapshot, because it has no room for it.
    pub(crate) fn refuses_for_want_of_room(&mut self, host: usize) -> bool {
        let full = self.full(host).is_some();
        if full {
            self.tally.add(Rare::SnapshotNotTakenIn);
        }
        full
    }

    /// What a start finds on its disk; none when it gets no further.
    pub(crate) fn open_disk(
        &mut self,
        host: usize,
        cluster: &ClusterName,
    ) -> Option<(Life, Option<RecoveredLog>)> {
        if self.has_no_room_to_start(host) {
            return None;
        }
        let Self { hosts, random, .. } = self;
        let disk = &mut hosts[host].disk;
        let opened = disk.open(random, cluster);
        match opened.and_then(|life| Ok((life, disk.recover()?))) {
            Ok(opened) => {
                if disk.passes_over_a_snapshot() {
                    self.tally.add(Rare::SnapshotPassedOver);
                }
                Some(opened)
            }
            Err(reason) => {
                self.refuse_to_start(host, reason);
                None
            }
        }
    }

    /// A start needs room for a small file, and is tried again when it finds none.
    fn has_no_room_to_start(&mut self, host: usize) -> bool {
        let none = self.full(host).is_some_and(|full| !full.room.files);
        if none {
            self.tally.add(Rare::NoRoomToStart);
            let run = self.hosts[host].run;
            self.schedule(self.now + AGAIN, SimEvent::Again { host, run });
        }
        none
    }

    /// The first look of the daemon's threads.
    pub(crate) fn look_at_the_disk_of_a_start(&mut self, host: usize) {
        self.hosts[host].ailing.said = [false; 2];
        if self.full(host).is_some() {
            let run = self.hosts[host].run;
            self.schedule(self.now + Duration::from_millis(1), SimEvent::Room { host, run });
        }
    }

    /// A host refuses its data.
    fn refuse_to_start(&mut self, host: usize, reason: String) {
        self.note(|| format!("n{} does not start: {reason}", host + 1));
        Rare::of_refusal(&reason).into_iter().for_each(|rare| self.tally.add(rare));
        self.hosts[host].halted = Some(reason);
    }

    /// A node ends by itself; with `again` its service manager starts it again.
    pub(crate) fn halt(&mut self, host: usize, reason: String, again: bool) {
        self.note(|| format!("n{} halts: {reason}", host + 1));
        self.hosts[host].halted = Some(reason);
        self.hosts[host].process = None;
        self.cut_off_writes(host);
        if again {
            self.answers_slowly_or_not(host, "ends");
            self.tally.add(Rare::SilentUntilTheDaemonEnds);
            let run = self.hosts[host].run;
            self.schedule(self.now + AGAIN, SimEvent::Again { host, run });
        }
    }

    /// Only a disk that is silent, or was so just now, is blamed for silence.
    fn answers_slowly_or_not(&self, host: usize, what: &str) {
        let silent = self.hosts[host].ailing.silent_until + JUST_NOW > self.now;
        assert!(silent, "n{} {what} because of a disk that answers", host + 1);
    }

    /// The service manager starts a daemon again, which gets no further than to the first file of a disk that is silent.
    pub(crate) fn start_again(&mut self, host: usize, run: u64) {
        if self.hosts[host].run != run || self.hosts[host].process.is_some() {
            return;
        }
        if let Some(at) = self.silent_until(host) {
            self.schedule(at + AGAIN, SimEvent::Again { host, run });
            return;
        }
        self.is_disturbed();
        self.hosts[host].halted = None;
        self.start(host);
    }

    /// The process is gone, and with it what it had not synced.
    pub(crate) fn cut_off_writes(&mut self, host: usize) {
        if self.silent_until(host).is_some() {
            self.tally.add(Rare::PowerCutWhileSilent);
        }
        match self.hosts[host].disk.crash(&mut self.random) {
            Cut::Nothing => {}
            Cut::Lost => self.tally.add(Rare::UnsyncedLost),
            Cut::Torn => self.tally.add(Rare::UnsyncedTorn),
            Cut::Kept => self.tally.add(Rare::UnsyncedKept),
        }
    }

    /// A stop in order syncs what is queued, unless the disk has no room or does not answer.
    pub(crate) fn last_writes(&mut self, host: usize) {
        let answers = self.silent_until(host).is_none_or(|at| at.since(self.now) < LAST_WRITES);
        if !answers || self.walk(host, u64::MAX).1.is_some() {
            self.tally.add(Rare::StoppedWithWritesLeft);
            self.hosts[host].disk.crash(&mut self.random);
        }
    }

    /// What a node says of its disk.
    pub(crate) fn count_what_is_said(&mut self, host: usize, event: &Event) {
        if matches!(event, Event::DiskSilent(true)) {
            self.answers_slowly_or_not(host, "warns");
        }
        let process = self.hosts[host].process.as_ref();
        let leads = process.is_some_and(|process| process.node.vitals().leads_in.is_some());
        let rare = match (event, leads) {
            (Event::DiskSilent(true), true) => Rare::SilentLeader,
            (Event::DiskSilent(true), false) => Rare::SilentFollower,
            (Event::DiskSilent(false), _) => Rare::SilentAndBack,
            (Event::DiskSlow(true), true) => Rare::SlowLeader,
            (Event::DiskSlow(true), false) => Rare::SlowFollower,
            _ => return,
        };
        self.tally.add(rare);
    }
}
