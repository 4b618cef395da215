//! The network between hosts: which links pass, how long a frame takes, what is lost.
//!
//! A connection delivers each lane in order; loss shows as delay on streams and as loss on datagrams. A link
//! that is cut holds what was sent; after the idle time both ends find their connection dead.

use crate::random::Random;
use crate::shell::LOG;
use quorate_proto::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How a network behaves.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Shortest one-way delay.
    pub delay: Duration,
    /// Drawn on top of it, evenly.
    pub jitter: Duration,
    /// Packets lost, of a hundred, each way.
    pub loss: u64,
    /// Datagrams delivered twice, of a hundred.
    pub duplicates: u64,
    /// Connections that break under a frame, of a thousand.
    pub breaks: u64,
}

impl Weather {
    /// A quiet local network.
    pub const CALM: Self = Self {
        delay: Duration::from_micros(150),
        jitter: Duration::from_micros(200),
        loss: 0,
        duplicates: 0,
        breaks: 0,
    };
}

/// Time after which a connection without a sign of life is dead; the transport's own setting.
pub const IDLE: Duration = Duration::from_secs(3);
/// How long a dial tries.
pub const DIAL: Duration = Duration::from_secs(1);
/// The copy of a heartbeat follows it so much later.
const COPY_AFTER: Duration = Duration::from_millis(10);
/// QUIC sends a lost packet again after about this long.
const RETRANSMIT: Duration = Duration::from_millis(25);

/// One address of a host: which host's, and whether it is the second one, from which its packets leave.
pub type Door = (usize, bool);

/// The state of all links between `hosts` hosts.
#[derive(Debug)]
pub struct Network {
    /// How it behaves now.
    pub weather: Weather,
    cut: BTreeMap<(usize, usize), bool>,
    /// Addresses of hosts that have two, from and to which nothing passes.
    shut: BTreeSet<Door>,
    last: BTreeMap<(usize, usize, u8), Moment>,
    /// Frames of the log lane under which the connection will break, by way.
    drops: BTreeMap<(usize, usize), u64>,
    /// Shortest time between two frames of the log lane, as over a slow link; heartbeats pass by.
    pub log_spacing: Duration,
}

impl Network {
    /// A calm network in which everybody reaches everybody.
    #[must_use]
    pub fn new() -> Self {
        Self {
            weather: Weather::CALM,
            cut: BTreeMap::new(),
            shut: BTreeSet::new(),
            last: BTreeMap::new(),
            drops: BTreeMap::new(),
            log_spacing: Duration::ZERO,
        }
    }

    /// Cuts or mends the way from one host to another; the way back is another matter.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        self.cut.insert((from, to), cut);
    }

    /// Cuts both ways between two hosts.
    pub fn cut_both(&mut self, a: usize, b: usize) {
        self.set_cut(a, b, true);
        self.set_cut(b, a, true);
    }

    /// Cuts one of the two addresses of a host; the other is another matter.
    pub fn shut(&mut self, door: Door) {
        self.shut.insert(door);
    }

    /// Mends everything.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.shut.clear();
        self.weather = Weather::CALM;
    }

    /// The next frames on the log lane of a way are lost: their connection dies under each of them.
    pub fn drop_log_frames(&mut self, from: usize, to: usize, count: u64) {
        self.drops.insert((from, to), count);
    }

    /// Whether this frame of the log lane is one of those.
    pub fn drops_log_frame(&mut self, from: usize, to: usize) -> bool {
        let Some(left) = self.drops.get_mut(&(from, to)).filter(|left| **left > 0) else {
            return false;
        };
        *left -= 1;
        true
    }

    /// Whether a connection breaks under the frame that is being written.
    pub fn breaks(&self, random: &mut Random) -> bool {
        self.weather.breaks > 0 && random.below(1000) < self.weather.breaks
    }

    /// Whether packets pass from one host to another.
    #[must_use]
    pub fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut.get(&(from, to)).copied().unwrap_or(false)
    }

    /// The same of a connection that runs between these addresses.
    #[must_use]
    pub fn passes_through(&self, from: usize, to: usize, doors: [Door; 2]) -> bool {
        self.passes(from, to) && doors.iter().all(|door| !self.shut.contains(door))
    }

    /// Whether such a connection can live: packets must pass both ways.
    #[must_use]
    pub fn connects(&self, a: usize, b: usize, doors: [Door; 2]) -> bool {
        self.passes_through(a, b, doors) && self.passes(b, a)
    }

    fn flight(&self, random: &mut Random) -> Duration {
        let jitter = u64::try_from(self.weather.jitter.as_micros()).unwrap_or(0);
        self.weather.delay + Duration::from_micros(random.below(jitter + 1))
    }

    /// When a frame on an ordered stream arrives. Each loss costs a retransmission.
    pub fn stream_arrival(
        &mut self,
        now: Moment,
        random: &mut Random,
        from: usize,
        to: usize,
        lane: u8,
    ) -> Moment {
        let mut at = now + self.flight(random);
        while random.percent(self.weather.loss) {
            at = at + RETRANSMIT;
        }
        let last = self.last.entry((from, to, lane)).or_insert(Moment::ZERO);
        let spacing = if lane == LOG { self.log_spacing } else { Duration::ZERO };
        let at = at.max(*last + spacing.max(Duration::from_micros(1)));
        *last = at;
        at
    }

    /// When the copy of a heartbeat arrives that is sent along on a way that loses: at once, not behind what waits.
    pub fn copy_arrival(&mut self, now: Moment, random: &mut Random) -> Option<Moment> {
        let comes = self.weather.loss > 0 && !random.percent(self.weather.loss);
        comes.then(|| now + COPY_AFTER + self.flight(random))
    }

    /// When a datagram arrives: never, once, or twice, in any order.
    pub fn datagram_arrivals(&mut self, now: Moment, random: &mut Random) -> Vec<Moment> {
        let mut arrivals = Vec::new();
        if !random.percent(self.weather.loss) {
            arrivals.push(now + self.flight(random));
        }
        if random.percent(self.weather.duplicates) {
            arrivals.push(now + self.flight(random));
        }
        arrivals
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}
