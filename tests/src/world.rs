//! Virtual time: one heap of events, ordered by time and then by when they were made, and the hosts they happen to.
//!
//! A run is a function of its seed and of what its story asks for. Each event and each output goes into the
//! trace hash, so two runs that differ anywhere differ there.

use crate::ailing::{Ailing, Taken, Tally};
use crate::budgets::Apps;
use crate::checks::Checks;
use crate::disk::Disk;
use crate::errands::Errand;
use crate::fences::Fences;
use crate::host::{Host, Process};
use crate::items::Holders;
use crate::lanes::Shipment;
use crate::lies::Overheard;
use crate::network::Network;
use crate::random::Random;
use crate::transfers::Transfer;
use quorate_membership::Mode;
use quorate_node::{
    Boot, ClientReply, ClientRequest, FoundingSettings, Input, ItemRelease, MadeOn, Node,
    NodeConfig, Output, OwnSlot, Settings,
};
use quorate_proto::{
    ClusterName, Instance, Label, Levels, Moment, NodeName, SessionEnd, witness_label,
};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum SimEvent {
    /// A host's node wants a turn.
    Wake { host: usize, run: u64 },
    /// An input arrives at a host.
    Arrive { host: usize, run: u64, input: Box<Input> },
    /// The same, if the connection it travels on still stands and the way is open.
    Deliver(Shipment),
    /// What a cut way held up may go on.
    Release { from: usize, host: usize, connection: u64 },
    /// A datagram arrives, if the way is open.
    Datagram { from: usize, host: usize, connection: u64, instance: Instance, bytes: bytes::Bytes },
    /// A host is no longer frozen.
    Thaw { host: usize, run: u64 },
    /// Writes up to a number reach a host's disk.
    Durable { host: usize, run: u64, number: u64 },
    /// A host's own snapshot reaches its disk.
    Taken { host: usize, run: u64, taken: Box<Taken> },
    /// The daemon looks whether there is room for the next segment.
    Room { host: usize, run: u64 },
    /// The service manager of a host starts a daemon again that ended by itself.
    Again { host: usize, run: u64 },
    /// A connection with a snapshot on it ends.
    Transfer(Box<Transfer>),
    /// A request that waits for a connection looks for it again.
    Errand(Box<Errand>),
    /// A dial ends.
    Dialled { host: usize, run: u64, peer: usize },
    /// What waits for a peer without a connection is looked at: given up, or dialled for again.
    Redial { host: usize, run: u64, peer: usize, instance: Instance, failures: u32 },
    /// A host hears that the other end of a connection has closed it, and why.
    Closed { host: usize, from: usize, connection: u64, end: SessionEnd },
    /// A host owes a peer an acknowledgement.
    Acknowledge { host: usize, connection: u64 },
    /// The application of a host follows what it was told of its share.
    Application { host: usize, number: u64 },
    /// The application of a host lets an item go.
    LetGo { host: usize, release: ItemRelease },
    /// Both ends of a connection are looked at: has it been silent for too long?
    Idle { host: usize, run: u64, connection: u64 },
}

/// What happens at a moment; of two at one moment, what was made first. The heap has the first on top.
struct Due {
    place: (Moment, u64),
    happening: Box<SimEvent>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.place.cmp(&self.place)
    }
}

/// Virtual time begins here, in microseconds.
pub(crate) const START: u64 = 1_000_000;
/// How exactly [`World::run_until_true`] finds the moment at which a condition comes true.
pub const CONDITION_STEP: Duration = Duration::from_millis(1);

/// How a cluster is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Hosts in all.
    pub hosts: usize,
    /// The first so many are seeds.
    pub seeds: usize,
    /// Founding mode.
    pub mode: Mode,
    /// Quiet time of founders.
    pub quiet: Duration,
    /// Entries between snapshots; small, so that snapshots happen.
    pub snapshot_every: u64,
    /// Slowest fsync in microseconds.
    pub fsync_micros: u64,
    /// A host whose packets leave from another address than the one at which it is reached.
    pub two_addresses: Option<usize>,
    /// The zone of each host, as far as the list goes.
    pub zones: Vec<String>,
    /// A host that votes and does nothing else.
    pub witness: Option<usize>,
    /// What an operator has set beside that.
    pub settings: Settings,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            hosts: 3,
            seeds: 3,
            mode: Mode::Majority,
            quiet: Duration::from_secs(1),
            snapshot_every: 200,
            fsync_micros: 800,
            two_addresses: None,
            zones: Vec::new(),
            witness: None,
            settings: Settings::default(),
        }
    }
}

impl Setup {
    /// Zone and role of a host, as its `host.toml` would say them.
    fn labels(&self, host: usize) -> Vec<Label> {
        let label = |zone: &String| Label { name: "zone".to_owned(), value: zone.clone() };
        let witness = (self.witness == Some(host)).then(witness_label);
        self.zones.get(host).map(label).into_iter().chain(witness).collect()
    }

    /// What this host's files would say.
    fn settings_of(&self, number: usize, host: &Host) -> Settings {
        Settings {
            advertise: host.leaves_from.is_none().then_some(host.address),
            snapshot_every: self.snapshot_every,
            labels: self.labels(number),
            ..self.settings.clone()
        }
    }
}

/// A whole cluster in virtual time.
pub struct World {
    pub(crate) setup: Setup,
    pub(crate) now: Moment,
    pub(crate) random: Random,
    pub(crate) network: Network,
    pub(crate) hosts: Vec<Host>,
    pub(crate) checks: Checks,
    pub(crate) connections: u64,
    /// Frames of the log that hosts gave to their transport.
    pub(crate) log_frames: u64,
    /// Forwarded requests: (host that answers, its ticket) -> (origin host, its run, its ticket).
    pub(crate) forwards: BTreeMap<(usize, u64), (usize, u64, u64)>,
    /// Snapshots on their way, by sender, its run, and receiver.
    pub(crate) transfers: BTreeSet<(usize, u64, Instance)>,
    /// How long each takes, when that is not drawn.
    pub(crate) transfer_time: Option<Duration>,
    /// How long a host's own takes, beside a sync of its disk.
    pub(crate) snapshot_time: Duration,
    /// Snapshots that arrived.
    pub(crate) transferred: u64,
    pub(crate) next_forward: u64,
    /// What liars may repeat.
    pub(crate) overheard: Overheard,
    /// Hosts that lied under their own name. What gossip makes of them afterwards, they said themselves.
    pub(crate) liars: BTreeSet<usize>,
    /// Replies to clients that the story waits for.
    pub(crate) replies: BTreeMap<u64, (Moment, ClientReply)>,
    next_client: u64,
    /// What was broken so far.
    pub(crate) disturbances: u64,
    /// A disk was lost before the birth.
    pub(crate) lost_early: bool,
    heap: BinaryHeap<Due>,
    sequence: u64,
    trace: u64,
    /// What happened, in words, when the story wants to read it.
    pub log: Vec<String>,
    /// Whether `log` is written.
    pub verbose: bool,
    pub(crate) told: BTreeSet<String>,
    /// The applications that share a budget.
    pub(crate) apps: Apps,
    /// Those that hold items.
    pub(crate) holders: Holders,
    /// What was ended from outside.
    pub(crate) fences: Fences,
    /// What came of faults of disks.
    pub(crate) tally: Tally,
}

pub(crate) fn address(host: usize) -> SocketAddr {
    let last = u8::try_from(host + 1).expect("at most 250 hosts");
    SocketAddr::from(([10, 0, 0, last], 4747))
}

impl World {
    /// A world in which no host is on yet.
    #[must_use]
    pub fn new(seed: u64, setup: Setup) -> Self {
        let seeds: Vec<String> = (0..setup.seeds).map(|host| address(host).to_string()).collect();
        let hosts = (0..setup.hosts)
            .map(|host| Host {
                name: format!("n{}", host + 1),
                address: address(host),
                leaves_from: None,
                software: "0.1.0".to_owned(),
                levels: Levels::HERE,
                disk: Disk::default(),
                process: None,
                run: 0,
                paused_until: None,
                inbox: Vec::new(),
                ailing: Ailing::default(),
                slow: Duration::ZERO,
                seeds: seeds.clone(),
                slot: (host < setup.seeds).then_some(host),
                secrets: Vec::new(),
                halted: None,
                clock_ppm: 0,
            })
            .collect();
        let two_addresses = setup.two_addresses;
        let mut world = Self {
            setup,
            now: Moment::from_micros(START),
            random: Random::new(seed),
            network: Network::new(),
            hosts,
            checks: Checks::default(),
            connections: 0,
            log_frames: 0,
            forwards: BTreeMap::new(),
            transfers: BTreeSet::new(),
            transfer_time: None,
            snapshot_time: Duration::from_millis(5),
            transferred: 0,
            next_forward: 0,
            overheard: Overheard::default(),
            liars: BTreeSet::new(),
            replies: BTreeMap::new(),
            next_client: 0,
            disturbances: 0,
            lost_early: false,
            heap: BinaryHeap::new(),
            sequence: 0,
            trace: seed,
            log: Vec::new(),
            verbose: false,
            told: BTreeSet::new(),
            apps: Apps::default(),
            holders: Holders::default(),
            fences: Fences::default(),
            tally: Tally::default(),
        };
        two_addresses.into_iter().for_each(|host| world.leave_from_elsewhere(host));
        world
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(Moment::from_micros(START))
    }

    /// A hash over everything that happened.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.verbose {
            let line = format!("{:>10.3} {}", self.elapsed().as_secs_f64(), text());
            self.log.push(line);
        }
    }

    pub(crate) fn mix(&mut self, parts: &[&[u8]]) {
        let words = parts.iter().flat_map(|part| part.chunks(8));
        self.trace = words.fold(self.trace, |trace, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            // Multiplied as in FNV-1a, a word at a time: it has to tell runs apart, not to resist anybody.
            (trace.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    }

    pub(crate) fn schedule(&mut self, at: Moment, happening: SimEvent) {
        self.sequence += 1;
        let place = (at.max(self.now), self.sequence);
        self.heap.push(Due { place, happening: Box::new(happening) });
    }

    /// Switches a host on.
    pub fn start(&mut self, host: usize) {
        if self.hosts[host].process.is_some() {
            return;
        }
        self.note(|| format!("n{} starts", host + 1));
        let cluster = ClusterName::new("sim").expect("a valid name");
        let clock = self.clock(host);
        let place = &mut self.hosts[host];
        place.run += 1;
        place.inbox.clear();
        let Some((life, log)) = self.open_disk(host, &cluster) else { return };
        let place = &mut self.hosts[host];
        let boot_nonce = self.random.draw();
        let config = NodeConfig {
            cluster,
            name: NodeName::new(&place.name).expect("a valid name"),
            instance: life.instance,
            made_on: MadeOn::default(),
            generation: life.generation,
            boot_nonce,
            key: life.key,
            software: place.software.clone(),
            levels: place.levels,
            seed: self.random.draw(),
            founding: FoundingSettings {
                seeds: place.seeds.clone(),
                mode: self.setup.mode,
                quiet: self.setup.quiet,
                grace: Duration::from_secs(3),
            },
            settings: self.setup.settings_of(host, place),
        };
        let founding = life.founding.clone();
        let boot = Boot { config, founding, marker: place.disk.marker, log };
        let cluster_id = life.founding.known_cluster();
        let (node, out) = Node::start(clock, 0, boot);
        place.process = Some(Process {
            node,
            instance: life.instance,
            generation: life.generation,
            boot_nonce,
            key: life.key,
            cluster_id,
            outboxes: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            links: BTreeMap::new(),
            sessions: BTreeMap::new(),
            dialling: BTreeMap::new(),
            banned: Vec::new(),
            revoked: Vec::new(),
            copies: BTreeSet::new(),
            change: Arc::default(),
            secrets: Vec::new(),
            last_session: 0,
            wake: None,
            asked_to_stop: false,
            stopped: false,
        });
        self.take_up_secrets(host);
        self.carry(host, out);
        self.after_turn(host);
        self.look_at_the_disk_of_a_start(host);
    }

    /// A client of a host asks; the reply turns up under the returned number.
    pub fn ask(&mut self, host: usize, request: ClientRequest, patience: Duration) -> Option<u64> {
        self.hosts[host].process.as_ref()?;
        self.next_client += 1;
        let ticket = self.next_client;
        let deadline = self.clock(host) + patience;
        self.give(host, Input::Client { ticket, deadline, request });
        Some(ticket)
    }

    /// The reply to a client, once it is there.
    pub fn take_reply(&mut self, ticket: u64) -> Option<ClientReply> {
        self.take_timed_reply(ticket).map(|(_, reply)| reply)
    }

    /// The same, with when it was given.
    pub(crate) fn take_timed_reply(&mut self, ticket: u64) -> Option<(Moment, ClientReply)> {
        self.replies.remove(&ticket)
    }

    /// Gives a host's node one input, now or when it thaws.
    pub(crate) fn give(&mut self, host: usize, input: Input) {
        let place = &mut self.hosts[host];
        if place.process.is_none() {
            return;
        }
        let frozen = place.paused_until.filter(|until| *until > self.now);
        if frozen.is_some() || !place.inbox.is_empty() {
            place.inbox.push(input);
            if let ([_], Some(until)) = (&place.inbox[..], frozen) {
                let run = place.run;
                self.schedule(until, SimEvent::Thaw { host, run });
            }
            return;
        }
        self.turn(host, vec![input]);
    }

    /// A frozen host goes on, unless it was frozen anew.
    fn thaw(&mut self, host: usize) {
        match self.hosts[host].paused_until.filter(|until| *until > self.now) {
            Some(until) => {
                let run = self.hosts[host].run;
                self.schedule(until, SimEvent::Thaw { host, run });
            }
            None => {
                let inputs = std::mem::take(&mut self.hosts[host].inbox);
                self.turn(host, inputs);
            }
        }
    }

    fn turn(&mut self, host: usize, inputs: Vec<Input>) {
        let clock = self.clock(host);
        let Some(process) = &mut self.hosts[host].process else { return };
        if process.stopped {
            return;
        }
        let mut out = Vec::new();
        process.node.turn(clock, self.now.as_micros() / 1000, inputs, &mut out);
        if self.hosts[host].slow > Duration::ZERO {
            let most = u64::try_from(self.hosts[host].slow.as_micros()).unwrap_or(0);
            let took = Duration::from_micros(self.random.below(most + 1));
            self.hosts[host].paused_until = Some(self.now + took);
        }
        self.carry(host, out);
        self.after_turn(host);
    }

    fn after_turn(&mut self, host: usize) {
        let run = self.hosts[host].run;
        let Some(process) = &mut self.hosts[host].process else { return };
        let vitals = process.node.vitals();
        let wake = process.node.next_wake();
        let wake = wake.map(|at| self.true_time(host, at));
        let Some(process) = &mut self.hosts[host].process else { return };
        if let Some(at) = wake
            && process.wake.is_none_or(|scheduled| at < scheduled || scheduled <= self.now)
        {
            process.wake = Some(at);
            self.schedule(at, SimEvent::Wake { host, run });
        }
        let instance = self.hosts[host].process.as_ref().map(|process| process.instance);
        self.checks.turned(host, run, instance.unwrap_or_default(), &vitals);
        let hash = [
            vitals.applied,
            vitals.state_hash,
            vitals.epoch.get(),
            self.now.as_micros(),
            host as u64,
        ];
        let bytes: Vec<u8> = hash.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.mix(&[&bytes]);
    }

    /// Lets virtual time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_until(end, |_| false);
    }

    /// Lets time pass until the condition holds. False when `limit` passed first.
    pub fn run_until_true(
        &mut self,
        limit: Duration,
        holds: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let end = self.now + limit;
        self.run_until(end, holds)
    }

    fn run_until(&mut self, end: Moment, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        // A condition may look at everything: it is asked once in a while, the same in every run.
        let mut ask_at = self.now;
        loop {
            if self.now >= ask_at {
                if holds(self) {
                    return true;
                }
                ask_at = self.now + CONDITION_STEP;
            }
            if self.heap.peek().is_none_or(|next| next.place.0 > end) {
                break;
            }
            let Some(Due { place, happening }) = self.heap.pop() else { break };
            self.now = place.0;
            self.happen(*happening);
        }
        self.now = end;
        holds(self)
    }

    fn happen(&mut self, happening: SimEvent) {
        match happening {
            SimEvent::Wake { host, run } => {
                let place = &mut self.hosts[host];
                if place.run == run
                    && let Some(process) = &mut place.process
                {
                    process.wake = None;
                    self.give(host, Input::Wake);
                }
            }
            SimEvent::Thaw { host, run } => {
                if self.hosts[host].run == run {
                    self.thaw(host);
                }
            }
            SimEvent::Arrive { host, run, input } => {
                if self.hosts[host].run == run {
                    self.give(host, *input);
                }
            }
            SimEvent::Deliver(shipment) => self.deliver(shipment),
            SimEvent::Release { from, host, connection } => self.release(from, host, connection),
            SimEvent::Redial { host, run, peer, instance, failures } => {
                self.redial(host, run, peer, instance, failures);
            }
            SimEvent::Acknowledge { host, connection } => {
                if self.writes_on(host, connection) {
                    self.acknowledge(host, connection);
                }
            }
            SimEvent::Datagram { from, host, connection, instance, bytes } => {
                if self.passes(from, host, connection) {
                    self.heard(host, connection);
                    self.give(host, Input::Datagram { from: instance, bytes });
                }
            }
            SimEvent::Durable { host, run, number } => self.durable(host, run, number),
            SimEvent::Taken { host, run, taken } => self.snapshot_taken(host, run, *taken),
            SimEvent::Room { host, run } => self.look_for_room(host, run),
            SimEvent::Again { host, run } => self.start_again(host, run),
            SimEvent::Closed { host, from, connection, end } => {
                if self.passes(from, host, connection) {
                    self.end_link(host, connection, end);
                }
            }
            SimEvent::Transfer(transfer) => self.transfer(transfer),
            SimEvent::Errand(errand) => self.hand_over(*errand),
            SimEvent::Application { host, number } => self.application_acts(host, number),
            SimEvent::LetGo { host, release } => self.lets_go(host, release),
            SimEvent::Dialled { host, run, peer } => self.dialled(host, run, peer),
            SimEvent::Idle { host, run, connection } => self.idle(host, run, connection),
        }
    }

    /// Which seed a host is, as its shell would find out.
    pub(crate) fn own_slot(&self, host: usize) -> OwnSlot {
        self.hosts[host].slot.map_or(OwnSlot::NotASeed, OwnSlot::Slot)
    }

    pub(crate) fn carry(&mut self, host: usize, outputs: Vec<Output>) {
        for output in outputs {
            // A node that halts in the middle of a turn is not obeyed any more.
            if self.hosts[host].process.is_none() {
                break;
            }
            self.carry_one(host, output);
        }
    }
}
