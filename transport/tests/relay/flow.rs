//! Numbered log frames between nodes, and the check at each receiver: from each sender in order, once, none missing.

use crate::stage::Node;
use crate::stage::relay::{Dice, Relay};
use bytes::{BufMut, Bytes, BytesMut};
use quorate_proto::{Frame, Lane};
use quorate_transport::outbox::{CONTROL_FRAMES, GivenUp, LOG_BYTES};
use quorate_transport::{LinkReport, TransportEvent};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Frames that a sender has in its outbox at a time; it waits for acknowledgements beyond.
const WINDOW: usize = 4096;
/// How often a sender looks whether it may send more.
const LOOK: Duration = Duration::from_millis(5);

/// What flows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// From each node to each other.
    pub(crate) frames: u64,
    /// The frames are spread over this time, or take longer when the network is slower.
    pub(crate) over: Duration,
    /// Only for a run that would hang otherwise.
    pub(crate) patience: Duration,
}

/// How far a flow is: (from, to) → frames received.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    received: Mutex<BTreeMap<(u8, u8), u64>>,
    done: AtomicUsize,
}

/// A node that sends to all others and checks what it gets.
pub(crate) struct Party {
    pub(crate) node: Node,
    relay: Relay,
    others: Vec<u8>,
    /// What sessions told, for a party that is told nothing else.
    learned: Option<BTreeMap<u8, SocketAddr>>,
    sent: BTreeMap<u8, u64>,
    received: BTreeMap<u8, u64>,
    dice: Dice,
}

/// A frame that says whence it comes and which it is; most are small, some fill packets.
pub(crate) fn numbered(from: u8, generation: u64, number: u64, dice: &mut Dice) -> Frame {
    let padding = match dice.below(1000) {
        0 => 2_000 + dice.below(4_000),
        1..=10 => dice.below(500),
        _ => dice.below(24),
    };
    let mut bytes = BytesMut::with_capacity(17 + padding as usize);
    bytes.put_u8(from);
    bytes.put_u64(generation);
    bytes.put_u64(number);
    bytes.put_bytes(number as u8, padding as usize);
    Frame { lane: Lane::Log, supersede: None, expires: None, bytes: bytes.freeze() }
}

/// Sender, generation of the sender, number.
pub(crate) fn read(bytes: &Bytes) -> (u8, u64, u64) {
    let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let number = word(9);
    assert!(bytes[17..].iter().all(|byte| *byte == number as u8), "frame {number} came damaged");
    (bytes[0], word(1), number)
}

impl Party {
    pub(crate) fn new(node: Node, relay: &Relay, others: &[u8]) -> Self {
        let zero: BTreeMap<u8, u64> = others.iter().map(|other| (*other, 0)).collect();
        let dice = Dice(u64::from(node.actor.number));
        let (sent, received) = (zero.clone(), zero);
        let (relay, others) = (relay.clone(), others.to_vec());
        Self { node, relay, others, learned: None, sent, received, dice }
    }

    /// From now on it learns of its peers' addresses by their hellos only.
    pub(crate) fn learning(mut self) -> Self {
        let now = |other: &u8| (*other, self.relay.address(*other));
        self.learned = Some(self.others.iter().map(now).collect());
        self
    }

    fn address(&self, other: u8) -> SocketAddr {
        match &self.learned {
            Some(learned) => learned[&other],
            None => self.relay.address(other),
        }
    }

    /// Sends and receives until all parties have everything, acknowledged.
    async fn run(mut self, plan: Plan, progress: Arc<Progress>, parties: usize) -> Self {
        let began = Instant::now();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut done = false;
        loop {
            tokio::select! {
                event = self.node.events.recv() => {
                    self.take(event.expect("the transport lives"), &progress);
                }
                _ = looks.tick() => {
                    self.send_more(plan, began.elapsed());
                    if !done && self.is_done(plan) {
                        done = true;
                        progress.done.fetch_add(1, Ordering::AcqRel);
                    }
                    if progress.done.load(Ordering::Acquire) == parties {
                        return self;
                    }
                }
            }
        }
    }

    fn take(&mut self, event: TransportEvent, progress: &Progress) {
        let me = self.node.actor.number;
        match event {
            TransportEvent::Frame { from, lane: Lane::Log, bytes } => {
                let (sender, _, number) = read(&bytes);
                assert_eq!(
                    from.to_bytes()[0],
                    sender,
                    "a frame of {sender} is said to be of {from}"
                );
                let last = self.received.get_mut(&sender).unwrap();
                assert_eq!(number, *last + 1, "frames from {sender} to {me} behind {last}");
                *last = number;
                progress.received.lock().unwrap().insert((sender, me), number);
            }
            TransportEvent::Undelivered { to } => {
                let given_up = self.link(to.to_bytes()[0]).map(|link| link.given_up);
                panic!("{me} gave frames to {to} up: {given_up:?}");
            }
            TransportEvent::SessionUp(session) => {
                if let Some(learned) = &mut self.learned {
                    learned.insert(session.instance.to_bytes()[0], session.address);
                }
            }
            _ => {}
        }
    }

    fn send_more(&mut self, plan: Plan, elapsed: Duration) {
        let part = (elapsed.as_secs_f64() / plan.over.as_secs_f64().max(1e-9)).min(1.0);
        let allowed = (plan.frames as f64 * part) as u64;
        for other in self.others.clone() {
            let held = self.link(other).map_or(0, |link| link.waiting_log + link.unacknowledged);
            let room = WINDOW.saturating_sub(held) as u64;
            let sent = self.sent[&other];
            let next = allowed.min(sent + room);
            for number in sent + 1..=next {
                let frame = numbered(self.node.actor.number, 1, number, &mut self.dice);
                let to = crate::stage::actor(other).instance();
                self.node.transport.send(to, self.address(other), frame);
            }
            self.sent.insert(other, next.max(sent));
        }
        self.stays_bounded();
    }

    fn stays_bounded(&self) {
        let links = self.node.transport.links();
        assert!(links.len() <= self.others.len(), "more peers than there are: {links:?}");
        for link in links {
            assert!(link.log_bytes <= LOG_BYTES && link.waiting_control <= CONTROL_FRAMES);
            assert!(link.waiting_log + link.unacknowledged <= WINDOW, "{link:?}");
            assert_eq!(link.given_up, GivenUp::default());
        }
    }

    pub(crate) fn link(&self, other: u8) -> Option<LinkReport> {
        let other = crate::stage::actor(other).instance();
        self.node.transport.links().into_iter().find(|link| link.instance == other)
    }

    fn is_done(&self, plan: Plan) -> bool {
        let all = |counts: &BTreeMap<u8, u64>| counts.values().all(|count| *count == plan.frames);
        let acknowledged = || self.node.transport.links().iter().all(|link| link.log_bytes == 0);
        all(&self.received) && all(&self.sent) && acknowledged()
    }
}

/// Runs all parties to the end, while `faults` are done to them; returns them for a look at what they counted.
pub(crate) async fn run(
    parties: Vec<Party>,
    plan: Plan,
    faults: impl Future<Output = ()>,
) -> Vec<Party> {
    let progress = Arc::new(Progress::default());
    let count = parties.len();
    let mut running = tokio::task::JoinSet::new();
    for party in parties {
        running.spawn(party.run(plan, progress.clone(), count));
    }
    let finish = async {
        let mut over = vec![];
        while let Some(party) = running.join_next().await {
            over.push(party.unwrap());
        }
        over
    };
    let both = async { tokio::join!(finish, faults).0 };
    match tokio::time::timeout(plan.patience, both).await {
        Ok(parties) => parties,
        Err(_) => panic!("not all has arrived of {plan:?}: {progress:?}"),
    }
}
