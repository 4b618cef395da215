//! Two nodes and the connections between them, with a task for each end of each connection, as the shell has them: what happens
//! next is drawn from a seed. Judges from outside what the owners hear and which links carry frames.
//!
//! Knows of `sessions` what its callers know: what it is told, what it answers.

use super::ear::Ear;
use super::stage::relay::Dice;
use quorate_proto::{
    ClusterName, Generation, Instance, Moment, NodeKey, NodeName, Session, SessionEnd,
    founders_digest,
};
use quorate_transport::sessions::{Action, Admitted, Greeting, LinkId, Met, Refused, Sessions};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const SETTLED: Duration = Duration::from_secs(3);
/// Hellos that are not in after so long came to nothing: both ends see two connections that cross as that.
const HELLO: Duration = Duration::from_secs(1);
/// The keys of both nodes; the first one is smaller.
pub(crate) const KEYS: [u8; 2] = [1, 2];

pub(crate) fn key(byte: u8) -> NodeKey {
    NodeKey::from_bytes([byte; 32])
}

pub(crate) fn address(end: usize, door: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, u8::try_from(end).unwrap(), door], 4747))
}

/// What the hello of a start of a node says, on a connection that found the node at this address.
pub(crate) fn session(node: usize, number: u64, start: (u64, u64), address: SocketAddr) -> Session {
    let cluster = ClusterName::new("test").unwrap();
    Session {
        number,
        instance: Instance::from_bytes([KEYS[node]; 16]),
        generation: Generation::new(start.0),
        boot_nonce: start.1,
        name: NodeName::new("n1").unwrap(),
        digest: founders_digest(&cluster, &[], "majority"),
        cluster,
        key: key(KEYS[node]),
        address,
        advertised: true,
        dialled: None,
        cluster_id: None,
        seeds: Vec::new(),
        moved: false,
        voters: 0,
        software: String::new(),
        levels: quorate_proto::Levels::HERE,
        source: None,
    }
}

/// The end of a connection at one node, and its task.
#[derive(Debug, Default)]
struct Half {
    /// Both hellos are in here, or will never be.
    arrived: bool,
    /// Its name and its session while it is let in, and its end was not given in.
    link: Option<(LinkId, u64)>,
    readable: bool,
    /// Its end, as far as the node has noticed it.
    ended: Option<SessionEnd>,
    /// Frames that the other end wrote.
    frames: u32,
}

#[derive(Debug)]
struct Connection {
    since: Moment,
    dialler: usize,
    /// The starts of both nodes between which it runs.
    starts: [(u64, u64); 2],
    addresses: [SocketAddr; 2],
    /// Packets pass.
    alive: bool,
    /// The other node is a copy of this one: its disk runs at another place, which has no end here.
    copy_of: Option<usize>,
    halves: [Half; 2],
}

/// One node.
#[derive(Debug)]
struct End {
    start: (u64, u64),
    door: u8,
    sessions: Sessions,
    numbers: u64,
    ear: Ear,
    /// The link that the outbox was given.
    writes_on: Option<LinkId>,
    /// For each session the link that was given its frames last.
    carriers: BTreeMap<u64, LinkId>,
    /// Sessions whose carrier has ended.
    over: BTreeSet<u64>,
}

impl End {
    fn new(index: usize, start: (u64, u64), door: u8) -> Self {
        Self {
            start,
            door,
            sessions: Sessions::new(key(KEYS[index]), SETTLED),
            numbers: 0,
            ear: Ear::default(),
            writes_on: None,
            carriers: BTreeMap::new(),
            over: BTreeSet::new(),
        }
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Pair {
    dice: Dice,
    now: Moment,
    ends: [End; 2],
    connections: Vec<Connection>,
    /// A copy of a node's disk was about.
    copies: bool,
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            now: Moment::ZERO,
            ends: [End::new(0, (1, 11), 1), End::new(1, (1, 12), 1)],
            connections: Vec::new(),
            copies: false,
        }
    }

    /// Something happens.
    pub(crate) fn step(&mut self) {
        self.now = self.now + Duration::from_millis(self.dice.below(40));
        let end = usize::from(self.dice.below(2) == 1);
        match self.dice.below(100) {
            0..10 => self.dial(end),
            10..40 => self.somewhere(end, Self::arrive),
            40..55 => self.speak(end),
            55..75 => self.somewhere(end, |pair, end, connection| {
                pair.run_task(end, connection);
            }),
            75..85 => self.write(end),
            85..90 => self.somewhere(end, |pair, _, connection| {
                pair.connections[connection].alive = false;
            }),
            90..93 => self.tell_again(end),
            93..95 => self.restart(end),
            95..97 => self.move_away(end),
            97..99 => self.copy(end),
            _ => self.now = self.now + SETTLED,
        }
        self.late_hellos();
        self.judge();
    }

    /// Does something with any of the connections of a node.
    fn somewhere(&mut self, end: usize, act: impl Fn(&mut Self, usize, usize)) {
        if !self.connections.is_empty() {
            let count = self.connections.len() as u64;
            let connection = usize::try_from(self.dice.below(count)).unwrap();
            act(self, end, connection);
        }
    }

    /// A node without a session dials the other one, one dial at a time.
    fn dial(&mut self, end: usize) {
        let own = |connection: &Connection| {
            connection.dialler == end && !connection.halves[end].arrived && connection.alive
        };
        let standing = self.ends[end].sessions.standing();
        if standing.is_none() && !self.connections.iter().any(own) {
            self.connect(end, None);
        }
    }

    fn connect(&mut self, dialler: usize, copy_of: Option<usize>) {
        let ends = &self.ends;
        let mut halves = [Half::default(), Half::default()];
        let mut starts = [ends[0].start, ends[1].start];
        if let Some(copied) = copy_of {
            halves[copied].arrived = true;
            starts[copied].0 += self.dice.below(2);
            starts[copied].1 = self.dice.roll();
        }
        let addresses = [address(0, ends[0].door), address(1, ends[1].door)];
        let (since, alive) = (self.now, true);
        let connection = Connection { since, dialler, starts, addresses, alive, copy_of, halves };
        self.connections.push(connection);
    }

    /// A copy of a node's disk starts elsewhere and dials the other node.
    fn copy(&mut self, copied: usize) {
        self.copies = true;
        self.connect(copied, Some(copied));
    }

    /// Both hellos are in at one end.
    fn arrive(&mut self, end: usize, index: usize) {
        let connection = &mut self.connections[index];
        if connection.halves[end].arrived {
            return;
        }
        connection.halves[end].arrived = true;
        if connection.starts[end] != self.ends[end].start {
            // For a process that is gone.
            connection.alive = false;
            return;
        }
        if !connection.alive && self.dice.below(2) == 0 {
            connection.halves[end].ended = Some(SessionEnd::TimedOut);
        }
        let peer = 1 - end;
        let me = &mut self.ends[end];
        me.numbers += 1;
        let start = connection.starts[peer];
        let mut greeted = session(peer, me.numbers, start, connection.addresses[peer]);
        greeted.dialled = (connection.dialler == end).then_some(greeted.address);
        let lost = connection.halves[end].ended.is_some();
        let before = self.standing(end);
        let still_runs = before.filter(|before| self.runs(end, *before)).map(|before| before.1);
        let standing_ended = before.and_then(|(old, _)| self.connections[old].halves[end].ended);
        let greeting = Greeting { session: greeted, lost, standing_ended, still_runs };
        let mut out = Vec::new();
        let admitted = self.ends[end].sessions.greeted(self.now, greeting, &mut out);
        let beside = before.filter(|_| standing_ended.is_none());
        self.judge_greeting(peer, start, beside, still_runs.is_some(), &admitted);
        match admitted {
            Ok(Admitted { link, session, .. }) => {
                assert_eq!((session.generation.get(), session.boot_nonce), start);
                self.connections[index].halves[end].link = Some((link, session.number));
            }
            Err(_) => self.connections[index].alive = false,
        }
        self.carry_out(end, out);
    }

    /// The connection that stands at an end, and its session.
    fn standing(&self, end: usize) -> Option<(usize, u64)> {
        let standing = self.ends[end].sessions.standing()?;
        let stands = |(index, connection): (usize, &Connection)| {
            let (link, session) = connection.halves[end].link?;
            (link == standing).then_some((index, session))
        };
        self.connections.iter().enumerate().find_map(stands)
    }

    /// Whether the host at the other end of a connection still answers on it.
    fn runs(&self, end: usize, (index, _): (usize, u64)) -> bool {
        let (connection, peer) = (&self.connections[index], 1 - end);
        let there = connection.copy_of.is_some();
        connection.alive && (there || connection.starts[peer] == self.ends[peer].start)
    }

    /// A connection that is open gives way to a newer start only, and to none while its host runs.
    fn judge_greeting(
        &self,
        peer: usize,
        new: (u64, u64),
        beside: Option<(usize, u64)>,
        runs: bool,
        admitted: &Result<Admitted, Refused>,
    ) {
        let Some((old, number)) = beside else {
            assert!(admitted.is_ok(), "nothing stands in its way, and yet: {admitted:?}");
            return;
        };
        let old = self.connections[old].starts[peer];
        match admitted {
            Ok(Admitted { continued: true, session, .. }) => {
                assert_eq!(session.number, number, "another session is carried on");
                assert_eq!(old, new, "another start carries a session on");
            }
            Ok(Admitted { session, .. }) => {
                assert!(!runs, "{session:?} takes the place of one that runs");
                assert!(old.0 <= new.0, "an older start takes the place of a newer one");
                assert!(session.number > number && old != new, "a session that stands begins anew");
            }
            Err(refused) => assert_ne!(old, new, "{refused:?}, of the start that stands"),
        }
    }

    fn carry_out(&mut self, end: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Lost => self.ends[end].writes_on = None,
                Action::Stands { link, .. } => {
                    self.ends[end].writes_on = Some(link);
                    let (_, session) = self.half(end, link).link.unwrap();
                    self.ends[end].carriers.insert(session, link);
                }
                Action::Yields(link) => assert_ne!(self.ends[end].writes_on, Some(link)),
                Action::Read(link) => self.half(end, link).readable = true,
                Action::Close(link, _) => {
                    let index = self.index(end, link);
                    self.connections[index].alive = false;
                }
            }
        }
    }

    fn index(&self, end: usize, link: LinkId) -> usize {
        let is = |connection: &Connection| {
            connection.halves[end].link.is_some_and(|(name, _)| name == link)
        };
        self.connections.iter().position(is).expect("actions name links that are there")
    }

    fn half(&mut self, end: usize, link: LinkId) -> &mut Half {
        let index = self.index(end, link);
        &mut self.connections[index].halves[end]
    }

    /// The owner takes one word.
    fn speak(&mut self, end: usize) {
        let mut out = Vec::new();
        let had_word = self.ends[end].sessions.has_word();
        let word = self.ends[end].sessions.next_word(&mut out);
        assert_eq!(had_word, word.is_some());
        if let Some(word) = word {
            self.ends[end].ear.hear(&word);
        }
        self.carry_out(end, out);
    }

    /// The link that takes the frames writes one.
    fn write(&mut self, end: usize) {
        if let Some((index, _)) = self.standing(end) {
            self.connections[index].halves[1 - end].frames += 1;
        }
    }

    /// The task of one end of a connection goes on by one step: it reads, or notices the end, or gives it in. False when it waits.
    fn run_task(&mut self, end: usize, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let alive = connection.alive;
        let half = &mut connection.halves[end];
        let Some((link, session)) = half.link.filter(|_| half.readable) else { return false };
        if half.frames > 0 {
            half.frames -= 1;
            let me = &self.ends[end];
            let stands = me.ear.hears == Some(session) && !me.over.contains(&session);
            assert_eq!(me.sessions.hands_over(session), stands, "a frame of session {session}");
        } else if let Some(ended) = half.ended {
            half.link = None;
            let mut out = Vec::new();
            let me = &mut self.ends[end];
            if me.carriers.get(&session) == Some(&link) {
                me.over.insert(session);
            }
            me.sessions.closed(self.now, link, ended, &mut out);
            self.carry_out(end, out);
        } else if !alive {
            half.ended = Some(SessionEnd::TimedOut);
        } else if self.given_up(index) {
            // Both sides have ended their streams on it.
            self.connections[index].alive = false;
        } else {
            return false;
        }
        true
    }

    /// Whether neither end of a connection writes on it.
    fn given_up(&self, index: usize) -> bool {
        let connection = &self.connections[index];
        (0..2).all(|end| {
            let gone = connection.copy_of == Some(end);
            let link = connection.halves[end].link.map(|(link, _)| link);
            connection.halves[end].arrived && !gone && link != self.ends[end].sessions.standing()
        })
    }

    fn tell_again(&mut self, end: usize) {
        if let Some((index, number)) = self.standing(end) {
            let connection = &self.connections[index];
            let address = connection.addresses[1 - end];
            let dialled = (connection.dialler == end).then_some(address);
            let met = Met { address, dialled };
            self.ends[end].sessions.tell_again(number, met);
        }
    }

    fn restart(&mut self, end: usize) {
        let start = (self.ends[end].start.0 + 1, self.dice.roll());
        self.ends[end] = End::new(end, start, self.ends[end].door);
        for connection in &mut self.connections {
            let half = &mut connection.halves[end];
            connection.alive &= !half.arrived;
            *half = Half { arrived: half.arrived, ..Half::default() };
        }
    }

    /// A node is at another address: what stood before carries nothing more.
    fn move_away(&mut self, end: usize) {
        self.ends[end].door += 1;
        self.connections.iter_mut().for_each(|connection| connection.alive = false);
    }

    /// Hellos come in time or not at all.
    fn late_hellos(&mut self) {
        for connection in &mut self.connections {
            let late = self.now.since(connection.since) > HELLO;
            for half in connection.halves.iter_mut().filter(|half| late && !half.arrived) {
                half.arrived = true;
                connection.alive = false;
            }
        }
    }

    /// What holds at any time.
    fn judge(&self) {
        for (index, end) in self.ends.iter().enumerate() {
            let standing = end.sessions.standing();
            assert_eq!(
                standing, end.writes_on,
                "frames go to another link than the one that stands"
            );
            let carried = self.standing(index).map(|(_, session)| session);
            assert_eq!(carried.is_some(), standing.is_some(), "a link stands that is over");
            assert!(carried.is_none_or(|session| !end.over.contains(&session)));
            let newest = end.carriers.last_key_value().map(|(session, _)| *session);
            assert!(carried.is_none() || carried == newest, "an earlier session stands");
        }
    }

    /// Nothing breaks any more, and everything that is under way comes to its end.
    pub(crate) fn calm(&mut self) {
        for index in 0..self.connections.len() {
            [0, 1].into_iter().for_each(|end| self.arrive(end, index));
        }
        let mut busy = true;
        while std::mem::take(&mut busy) {
            for end in [0, 1] {
                while self.ends[end].sessions.has_word() {
                    self.speak(end);
                    busy = true;
                }
                for index in 0..self.connections.len() {
                    busy |= self.run_task(end, index);
                }
            }
            self.judge();
        }
        self.judge_calm();
    }

    fn judge_calm(&self) {
        for (index, end) in self.ends.iter().enumerate() {
            let stands = self.standing(index).map(|(_, session)| session);
            assert_eq!(end.ear.hears, stands, "what the owner knows is what stands");
            assert_eq!(end.sessions.is_quiet(), stands.is_none(), "an end is not told");
            for connection in &self.connections {
                let link = connection.halves[index].link;
                assert!(link.is_none_or(|(_, session)| Some(session) == stands), "a link stays");
            }
        }
        let connection = |end| self.standing(end).map(|(index, _)| index);
        assert!(self.copies || connection(0) == connection(1), "each end keeps another link");
    }

    /// Every connection breaks: all sessions end, and all ends are told.
    pub(crate) fn break_all(&mut self) {
        self.connections.iter_mut().for_each(|connection| connection.alive = false);
        self.calm();
        assert!(self.ends.iter().all(|end| end.sessions.is_quiet()), "a session without a link");
    }

    /// Both dial at one moment, and the hellos come in in this order: end and dialler. The dialler whose connection is kept, at
    /// each end.
    pub(crate) fn cross(order: [(usize, usize); 4]) -> [usize; 2] {
        let mut pair = Self::new(0);
        pair.connect(0, None);
        pair.connect(1, None);
        for (end, dialler) in order {
            pair.arrive(end, dialler);
            pair.judge();
        }
        pair.calm();
        [0, 1].map(|end| pair.connections[pair.standing(end).unwrap().0].dialler)
    }
}
