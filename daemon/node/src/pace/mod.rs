//! How fast this node judges others: the silence that it bears with, from what it measures of them and of itself.
//!
//! What stays true: nothing here changes what is committed, or who may vote: too little patience makes a suspicion, and the others are
//! asked; too much makes a death known later. Where nothing was slow for minutes the leader pings more often, and all bear with less.
//! Who must agree with whom is told: the leader says in each ping how often it pings and how long it bears with the receiver, and the
//! receiver bears with the leader for as long at least. Until something is measured, and from a leader that says nothing, all is as at
//! the start. Knows nothing of what a suspicion leads to.

mod ground;
mod spans;
mod window;

pub use ground::Ground;

use crate::pings::rhythm::{least_interval, ping_interval};
use quorate_membership::{DetectorInput, SILENCE_MOST, SILENCE_START};
use quorate_proto::{Instance, Moment, Reason, SlowPart, SlowlyJudged, limits};
use spans::{Followed, Measured, wanted};
use std::collections::BTreeMap;
use std::time::Duration;
use window::Window;

/// How often what was measured is looked at: what grows grows within this.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// What is measured of one peer, and what follows.
#[derive(Debug)]
struct Peer {
    trips: Window,
    silences: Window,
    /// The latest of its turns, as it said last.
    late: Duration,
    followed: Followed,
}

impl Peer {
    fn new(now: Moment) -> Self {
        let (trips, silences) = (Window::default(), Window::default());
        Self { trips, silences, late: Duration::ZERO, followed: Followed::new(now) }
    }
}

/// What the leader said in its last ping.
#[derive(Debug, Clone, Copy)]
struct Told {
    leader: Instance,
    interval: Duration,
    patience: Duration,
}

/// The silence that lasts longest before it is a suspicion, of all that are in force here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Longest {
    pub(crate) silence: Duration,
    /// Whose; none when it is that for all.
    pub(crate) of: Option<Instance>,
    pub(crate) ground: Ground,
    /// Since when it is so long.
    pub(crate) since: Moment,
}

impl Longest {
    /// What there is to do about it, where it is the most that there may be. `name`: of another host.
    pub(crate) fn reason(&self, me: &str, name: impl Fn(Instance) -> String) -> Option<Reason> {
        if self.silence < SILENCE_MOST {
            return None;
        }
        let part = match self.ground {
            Ground::Trip(_) | Ground::Silence(_) => SlowPart::Way,
            Ground::OwnTurn(_) => SlowPart::Here,
            Ground::ItsTurn(_) => SlowPart::There,
            Ground::Told => SlowPart::Leader,
            Ground::Start | Ground::Quiet | Ground::Least | Ground::Interval(_) => {
                SlowPart::Nothing
            }
        };
        let cause = SlowlyJudged {
            me: me.to_owned(),
            // Where the turns here are late, that is so for all.
            of: self.of.filter(|_| part != SlowPart::Here).map(name),
            millis: u64::try_from(self.silence.as_millis()).unwrap_or(u64::MAX),
            part,
            because: self.ground.to_string(),
        };
        Some(Reason::of(&cause, self.since))
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Whom this node expects to hear, or expected. At most `limits::MEMBERS`.
    peers: BTreeMap<Instance, Peer>,
    turns: Window,
    own: Followed,
    told: Option<Told>,
    /// Who is expected to be heard, as the detector had it at the last look.
    expected: Vec<Instance>,
    /// How often the leader pings the members: this node, or as it said.
    interval: Duration,
    handed: (Duration, BTreeMap<Instance, Duration>),
}

impl Pace {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            peers: BTreeMap::new(),
            turns: Window::default(),
            own: Followed::new(now),
            told: None,
            expected: Vec::new(),
            interval: ping_interval(0),
            handed: (SILENCE_START, BTreeMap::new()),
        }
    }

    /// A turn begins that was to begin so much earlier.
    pub(crate) fn turn_is_late(&mut self, now: Moment, by: Duration) {
        self.turns.note(now, by);
    }

    /// A member answered a ping after so long, and said how late its own turns are.
    pub(crate) fn answered(&mut self, now: Moment, from: Instance, took: Duration, late_ms: u32) {
        let Some(peer) = self.peer(now, from) else { return };
        peer.trips.note(now, took);
        peer.late = Duration::from_millis(late_ms.into());
    }

    /// The leader said in a ping how often it pings, and how long it bears with this node; zeros of one that does not say. Whether that is
    /// another leader, or more than it said before: then it is to be looked at now.
    pub(crate) fn told(&mut self, leader: Instance, interval_ms: u32, patience_ms: u32) -> bool {
        let [interval, patience] =
            [interval_ms, patience_ms].map(|ms| Duration::from_millis(ms.into()));
        let interval = interval.min(ping_interval(limits::MEMBERS));
        let before = self.told.replace(Told { leader, interval, patience });
        before.is_none_or(|before| {
            before.leader != leader || before.interval < interval || before.patience < patience
        })
    }

    /// Another start of a host, or one that is no member any more: what the one before was like says nothing.
    pub(crate) fn forget(&mut self, instance: Instance) {
        self.peers.remove(&instance);
        self.handed.1.remove(&instance);
    }

    /// Forgets who is no member.
    pub(crate) fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.peers.retain(|instance, _| is_member(*instance));
    }

    /// Looks at what was measured: among others at the longest silence of each peer that is expected to be heard. What the detector is
    /// to go by from now on, if that is something else than before.
    pub(crate) fn look(
        &mut self,
        now: Moment,
        members: usize,
        leads: bool,
        silences: Vec<(Instance, Duration)>,
    ) -> Option<DetectorInput> {
        let own_turn = self.turns.worst(now);
        let least = least_interval(members);
        self.own
            .follow(now, wanted(&Measured { interval: least, own_turn, ..Measured::default() }));
        let told = self.told.filter(|_| !leads);
        let slow = ping_interval(members);
        let quiet = self.own.silence < SILENCE_START;
        self.interval = match told.map(|told| told.interval).filter(|told| !told.is_zero()) {
            Some(told) => told,
            None if leads && quiet => least,
            None => slow,
        };
        self.expected = silences.iter().map(|(peer, _)| *peer).collect();
        let mut of = BTreeMap::new();
        let interval = self.interval;
        for (instance, silence) in silences {
            let told = told.filter(|told| told.leader == instance);
            let Some(peer) = self.peer(now, instance) else { continue };
            peer.silences.note(now, silence);
            let measured = Measured {
                interval: if leads || told.is_some() { interval } else { slow },
                trip: peer.trips.worst(now),
                own_turn,
                its_turn: peer.late,
                silence: peer.silences.worst(now),
                told: told.map_or(Duration::ZERO, |told| told.patience),
            };
            peer.followed.follow(now, wanted(&measured));
            of.insert(instance, peer.followed.silence);
        }
        let handed = (self.own.silence, of);
        (handed != self.handed).then(|| {
            self.handed = handed;
            let (others, of) = self.handed.clone();
            DetectorInput::Patience { others, of }
        })
    }

    /// How long this node bears with the silence of another.
    pub(crate) fn silence_of(&self, instance: Instance) -> Duration {
        self.handed.1.get(&instance).copied().unwrap_or(self.handed.0)
    }

    /// The longest of those silences.
    pub(crate) fn longest(&self) -> Longest {
        let longest = |of, followed: &Followed| {
            let Followed { silence, ground, since, .. } = *followed;
            Longest { silence, of, ground, since }
        };
        let all = longest(None, &self.own);
        let each = self.expected.iter().filter_map(|instance| {
            let peer = self.peers.get(instance)?;
            Some(longest(Some(*instance), &peer.followed))
        });
        each.fold(all, |most, one| if one.silence > most.silence { one } else { most })
    }

    /// How often this node pings the members when it leads, and what the leader said of that when it does not.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// How late the turns of this node were, in milliseconds.
    pub(crate) fn late_ms(&self, now: Moment) -> u32 {
        u32::try_from(self.turns.worst(now).as_millis()).unwrap_or(u32::MAX)
    }

    fn peer(&mut self, now: Moment, instance: Instance) -> Option<&mut Peer> {
        if self.peers.len() >= limits::MEMBERS && !self.peers.contains_key(&instance) {
            return None;
        }
        Some(self.peers.entry(instance).or_insert_with(|| Peer::new(now)))
    }
}

#[cfg(test)]
mod tests;
