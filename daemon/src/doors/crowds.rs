//! How much the doors hold for all clients together. Of each thing there are so many places: whoever wants some gets them at
//! once or is refused, and a refusal is counted, and told for a minute.
//!
//! What stays true: places come back when what holds them is dropped, whatever the way there. Who may only look takes no place that a
//! program with a right to the keyspace could need, and who comes over TCP, as everybody on this host may, none of the monitors' socket.
//! Pure: reads no clock, waits for nobody, knows nothing of HTTP.

use super::unread::Unread;
use quorate_node::Refusals;
use quorate_node::status::Bound;
use quorate_proto::{MemberCause, Moment, Reason};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of all bodies that are being received or answered: 32 of the largest, or thousands of ordinary ones.
const BODIES: usize = 64 * MIB;
/// Bytes of all answers that are being sent, but for small ones: two of everything that fits into half a full keyspace.
const ANSWERS: usize = 256 * MIB;
/// The same at each door without the keyspace: 64 of the largest bodies that are read there.
const MONITOR_BODIES: usize = 4 * MIB;
/// A few dozen of the largest pages that a cluster of hundreds of hosts has.
const MONITOR_ANSWERS: usize = 32 * MIB;
const MIB: usize = 1024 * 1024;
/// Large reads of one side. Programs read whole tables seldom; each that waits keeps in memory what it would read.
const LARGE_READS: usize = 128;
/// Snapshots that are being sent to programs: each makes its bytes on a processor of its own, and keeps what is replaced meanwhile.
const SNAPSHOTS: usize = 2;
/// Connections of one door.
const CONNECTIONS: usize = 1024;
/// Streams of lines of one door: fewer than connections, so that watching alone never fills a door.
const WATCHES: usize = 512;
/// Waits (`/v1/wait`) at the unix socket, and at each of the others. Together they are as many as the node takes of those for an epoch,
/// so that none keeps out the others there.
const UNIX_WAITS: usize = 768;
const OTHER_WAITS: usize = 128;
const _: () = assert!(UNIX_WAITS + 2 * OTHER_WAITS <= quorate_node::LOCAL_WAITS);

/// Places that somebody holds, until this is dropped. More of the same kind can be merged into it.
pub(crate) type Held = OwnedSemaphorePermit;

/// Places among all, and as many among those that one of the many may have.
#[derive(Debug)]
pub(crate) struct Shared {
    all: Held,
    own: Option<Held>,
}

impl Shared {
    /// So many of both, or none; a refusal is counted once, whichever has not as many.
    pub(crate) fn take(
        all: &Places,
        own: Option<&Places>,
        count: usize,
        now: Moment,
    ) -> Option<Self> {
        let own = match own.map(|own| own.free(count)) {
            Some(None) => {
                all.refuse(now);
                return None;
            }
            own => own.flatten(),
        };
        Some(Self { all: all.take(count, now)?, own })
    }

    /// Both at once.
    pub(crate) fn merge(&mut self, more: Self) {
        self.all.merge(more.all);
        match (&mut self.own, more.own) {
            (Some(own), Some(more)) => own.merge(more),
            (own, more) => *own = own.take().or(more),
        }
    }
}

/// Which door it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The unix socket with the keyspace.
    Unix,
    /// The unix socket of monitors, for those whom its group lets in.
    Monitor,
    /// The TCP address, for everybody on this host.
    Tcp,
}

impl Door {
    /// For the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Monitor => "monitor",
            Self::Tcp => "tcp",
        }
    }
}

/// Everything of which the doors hold only so much.
#[derive(Debug, Clone)]
pub(crate) struct Crowds {
    /// Large reads of programs on this host that run or wait.
    pub(crate) large_reads: Places,
    /// The same of other nodes, so that neither crowd keeps out the other.
    pub(crate) peer_large_reads: Places,
    /// Snapshots that are being sent to programs on this host.
    pub(crate) snapshots: Places,
    /// At the unix socket. Its room is that of every door that serves the keyspace.
    pub(crate) unix: DoorCrowds,
    /// At the socket of monitors.
    pub(crate) monitor: DoorCrowds,
    /// At the TCP address. Its room is used while it does not serve the keyspace.
    pub(crate) tcp: DoorCrowds,
    /// Who did not take in time what it had asked for, at any door.
    pub(crate) unread: Unread,
}

/// What requests and their answers hold while they are under way.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Bytes of bodies.
    pub(crate) bodies: Places,
    /// Bytes of answers that their clients have not taken.
    pub(crate) answers: Places,
}

/// Of what each door holds only so much.
#[derive(Debug, Clone)]
pub(crate) struct DoorCrowds {
    /// Connections that are served; further ones are told that the door is full.
    pub(crate) connections: Places,
    /// Of these, what each user of this host has.
    pub(crate) users: Users,
    /// Watches of health and events.
    pub(crate) watches: Places,
    /// Waits for a quorum, for voters, or for an epoch.
    pub(crate) waits: Places,
    /// What its requests and their answers hold.
    pub(crate) room: Room,
}

impl Default for Crowds {
    fn default() -> Self {
        Self {
            large_reads: Places::new(
                "large-reads",
                LARGE_READS,
                1,
                "reads of more than 1,000 keys by programs on this host run or wait",
            ),
            peer_large_reads: Places::new(
                "peer-large-reads",
                LARGE_READS,
                1,
                "reads of more than 1,000 keys by other nodes run or wait here",
            ),
            snapshots: Places::new(
                "snapshots",
                SNAPSHOTS,
                1,
                "snapshots are being sent to programs on this host",
            ),
            unix: DoorCrowds::of_unix(),
            monitor: DoorCrowds::of_monitor(),
            tcp: DoorCrowds::of_tcp(),
            unread: Unread::default(),
        }
    }
}

impl Room {
    fn of_keyspace() -> Self {
        let bodies = "MiB of the bodies of requests are held at the doors with the keyspace";
        let answers = "MiB of answers of the doors with the keyspace wait for clients that have not taken them";
        Self {
            bodies: Places::new("body-bytes", BODIES, MIB, bodies),
            answers: Places::new("answer-bytes", ANSWERS, MIB, answers),
        }
    }

    fn of_monitor() -> Self {
        let bodies = "MiB of the bodies of requests are held at the monitors' socket";
        let answers =
            "MiB of answers of the monitors' socket wait for clients that have not taken them";
        Self {
            bodies: Places::new("monitor-body-bytes", MONITOR_BODIES, MIB, bodies),
            answers: Places::new("monitor-answer-bytes", MONITOR_ANSWERS, MIB, answers),
        }
    }

    fn of_tcp() -> Self {
        let bodies = "MiB of the bodies of requests are held at the TCP address";
        let answers = "MiB of answers of the TCP address wait for clients that have not taken them";
        Self {
            bodies: Places::new("tcp-body-bytes", MONITOR_BODIES, MIB, bodies),
            answers: Places::new("tcp-answer-bytes", MONITOR_ANSWERS, MIB, answers),
        }
    }
}

impl DoorCrowds {
    fn of_unix() -> Self {
        let connections = "connections to the unix socket are open";
        let watches = "watches of health or events are open at the unix socket";
        let waits = "programs wait at the unix socket for a quorum, voters or an epoch";
        Self {
            connections: Places::new("unix-connections", CONNECTIONS, 1, connections),
            users: Users::default(),
            watches: Places::new("unix-watches", WATCHES, 1, watches),
            waits: Places::new("unix-waits", UNIX_WAITS, 1, waits),
            room: Room::of_keyspace(),
        }
    }

    fn of_monitor() -> Self {
        let connections = "connections to the monitors' socket are open";
        let watches = "watches of health or events are open at the monitors' socket";
        let waits = "programs wait at the monitors' socket for a quorum, voters or an epoch";
        Self {
            connections: Places::new("monitor-connections", CONNECTIONS, 1, connections),
            users: Users::default(),
            watches: Places::new("monitor-watches", WATCHES, 1, watches),
            waits: Places::new("monitor-waits", OTHER_WAITS, 1, waits),
            room: Room::of_monitor(),
        }
    }

    fn of_tcp() -> Self {
        let connections = "connections to the TCP address are open";
        let watches = "watches of health or events are open at the TCP address";
        let waits = "programs wait at the TCP address for a quorum, voters or an epoch";
        Self {
            connections: Places::new("tcp-connections", CONNECTIONS, 1, connections),
            users: Users::default(),
            watches: Places::new("tcp-watches", WATCHES, 1, watches),
            waits: Places::new("tcp-waits", OTHER_WAITS, 1, waits),
            room: Room::of_tcp(),
        }
    }
}

impl Crowds {
    fn all(&self) -> impl Iterator<Item = &Places> {
        let Self { large_reads, peer_large_reads, snapshots, unix, monitor, tcp, unread: _ } = self;
        let of_doors = [unix, monitor, tcp].into_iter().flat_map(|door| {
            let DoorCrowds { connections, users: _, watches, waits, room } = door;
            [&room.bodies, &room.answers, connections, watches, waits]
        });
        [large_reads, peer_large_reads, snapshots].into_iter().chain(of_doors)
    }

    /// Those of one door.
    pub(crate) fn at(&self, door: Door) -> &DoorCrowds {
        match door {
            Door::Unix => &self.unix,
            Door::Monitor => &self.monitor,
            Door::Tcp => &self.tcp,
        }
    }

    /// Of a door that does, or does not, serve the keyspace. Those that do share one room, so that a body finds the same places at each.
    pub(crate) fn room(&self, door: Door, keyspace: bool) -> &Room {
        &(if keyspace { &self.unix } else { self.at(door) }).room
    }

    /// How full each is.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = Bound> {
        self.all().map(Places::bound)
    }

    /// Of which somebody was refused within the last minute.
    pub(crate) fn reasons(&self, now: Moment) -> impl Iterator<Item = Reason> {
        self.all().filter_map(move |places| places.reason(now))
    }
}

/// What one user may have of the places of a door: half, so that the programs of one leave room for those of all others. Root's have no
/// such limit, for it is root who looks what is wrong. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users(Arc<Mutex<BTreeMap<u32, Places>>>);

impl Users {
    /// A place among all for a program of this user; none when the door is full, or full of that user's.
    pub(crate) fn enter(&self, all: &Places, user: Option<u32>, now: Moment) -> Option<Shared> {
        let own = user.filter(|user| *user != 0).map(|user| {
            let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever has no place needs no entry: there are never more than places.
            users.retain(|other, places| *other == user || places.bound().used > 0);
            users.entry(user).or_insert_with(|| all.half()).clone()
        });
        Shared::take(all, own.as_ref(), 1, now)
    }
}

/// A number of places; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    word: &'static str,
    limit: usize,
    /// So many places are one of what `crowd` counts.
    unit: usize,
    crowd: &'static str,
    free: Arc<Semaphore>,
    refused: Mutex<Refusals>,
}

impl Places {
    /// `limit` places; `word` names them in metrics, `crowd` in a sentence that begins with how many units they are.
    pub(crate) fn new(word: &'static str, limit: usize, unit: usize, crowd: &'static str) -> Self {
        let free = Arc::new(Semaphore::new(limit));
        Self(Arc::new(Inner { word, limit, unit, crowd, free, refused: Mutex::default() }))
    }

    /// So many places, or none where there are not as many; that is counted as a refusal.
    pub(crate) fn take(&self, count: usize, now: Moment) -> Option<Held> {
        let held = self.free(count);
        if held.is_none() {
            self.refuse(now);
        }
        held
    }

    fn free(&self, count: usize) -> Option<Held> {
        let count = u32::try_from(count).ok()?;
        Arc::clone(&self.0.free).try_acquire_many_owned(count).ok()
    }

    fn refuse(&self, now: Moment) {
        let mut refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.note(now);
    }

    /// Half as many places of the same kind, for one of those who share all of them.
    pub(crate) fn half(&self) -> Self {
        let Inner { word, limit, unit, crowd, .. } = *self.0;
        Self::new(word, limit / 2, unit, crowd)
    }

    /// How full it is.
    pub(crate) fn bound(&self) -> Bound {
        let Inner { word, limit, .. } = *self.0;
        let used = limit - self.0.free.available_permits();
        let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).count();
        Bound { word, used: used as u64, limit: limit as u64, refused }
    }

    /// The crowd, for a minute after its last refusal.
    fn reason(&self, now: Moment) -> Option<Reason> {
        let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = MemberCause::Crowd {
            limit: self.0.limit / self.0.unit,
            crowd: self.0.crowd.to_owned(),
            refused: refused.count(),
        };
        Some(Reason::of(&cause, refused.since(now)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Moment = Moment::from_micros(9_000_000);

    #[test]
    fn places_are_taken_whole_and_come_back_when_their_holder_goes() {
        let places = Places::new("places", 10, 5, "handfuls are held");
        let mut held = places.take(4, START).unwrap();
        held.merge(places.take(5, START).unwrap());
        assert!(places.take(2, START).is_none(), "one is left");
        let one = places.take(1, START).unwrap();
        assert_eq!(places.bound(), Bound { word: "places", used: 10, limit: 10, refused: 1 });
        drop(held);
        assert_eq!(places.bound().used, 1);
        drop(one);
        assert!(places.clone().take(10, START).is_some());
        assert!(places.take(usize::MAX, START).is_none(), "no number is too large to be refused");
    }

    #[test]
    fn who_comes_over_tcp_can_take_no_place_of_monitors_nor_of_programs_at_the_unix_socket() {
        let crowds = Crowds::default();
        let DoorCrowds { connections, watches, waits, room, .. } = crowds.at(Door::Tcp);
        let all = [connections, watches, waits, &room.bodies, &room.answers];
        let fill = |places: &&Places| places.take(places.bound().limit as usize, START).unwrap();
        let held: Vec<Held> = all.iter().map(fill).collect();
        for door in [Door::Unix, Door::Monitor] {
            let DoorCrowds { connections, watches, waits, .. } = crowds.at(door);
            let Room { bodies, answers } = crowds.room(door, door == Door::Unix);
            for places in [connections, watches, waits, bodies, answers] {
                assert_eq!(places.bound().used, 0, "{door:?}: {places:?}");
            }
        }
        assert_eq!(crowds.bounds().filter(|bound| bound.used > 0).count(), held.len());
    }

    #[test]
    fn a_refusal_is_told_for_a_minute_since_the_first_of_the_crowd() {
        let places = Places::new("places", 10, 5, "handfuls are held");
        assert_eq!(places.reason(START), None);
        assert!(places.take(11, START).is_none());
        let later = START + Duration::from_secs(50);
        assert!(places.take(11, later).is_none());
        let reason = places.reason(later + Duration::from_secs(59)).unwrap();
        assert_eq!(reason.since, START);
        assert!(
            reason.text.starts_with("2 handfuls are held, which is the most"),
            "{}",
            reason.text
        );
        assert_eq!(places.reason(later + Duration::from_mins(1)), None);
        assert_eq!(places.bound().refused, 2, "the count stays");
    }

    #[test]
    fn the_programs_of_one_user_leave_half_of_a_door_to_the_others_and_root_finds_a_place() {
        let (door, users) = (Places::new("door", 6, 1, "connections are open"), Users::default());
        let enter = |user| users.enter(&door, user, START);
        let mut greedy: Vec<Shared> = std::iter::from_fn(|| enter(Some(1_000))).collect();
        assert_eq!((greedy.len(), door.bound().refused), (3, 1));
        let other = enter(Some(1_001)).expect("there is room for others");
        let root = [(); 2].map(|()| enter(Some(0)).expect("and for root"));
        assert!(enter(Some(0)).is_none(), "all six are taken");
        drop((other, root));
        assert!(enter(Some(1_000)).is_none(), "the others have gone, and it has its half");
        greedy.pop();
        assert!(enter(Some(1_000)).is_some());
        let strangers = [(); 6].map(|()| enter(None));
        assert_eq!(strangers.iter().flatten().count(), 4, "who has no user shares the door alone");
    }
}
