//! Whether to found the cluster: the quorum detector and the founding round of GENESIS, as a pure state machine.
//!
//! The caller's duties, in order: hand in what happens; start the `Persist`s of a step in order; carry out the rest;
//! hand in `Persisted` when a write is durable. A ballot, promise or acceptance leaves only after its write. Always
//! true: a life that knows a cluster never founds another; a restart keeps every promise and forgets every ballot.
//!
//! Knows nothing of sockets, files, Raft, or members beyond their addresses. GENESIS rules 19 and 21 (restored disks,
//! leaving) have no code here yet, and of rule 23 the waiver only.

mod acceptor;
mod config;
mod event;
mod hearing;
mod learning;
mod margin;
mod proof;
mod proposer;
mod reasons;
mod waiver;

pub use config::{
    DURABLE_WORD, FounderSelf, FoundingConfig, MAJORITY_WORD, Mode, ModeError, quorum,
};
pub use event::{FoundingInput, FoundingOutput, Margin, Outcome, OwnSlot};
pub use proof::{ProofError, check_founded};
pub use waiver::{Waived, WaiverRefused};

use crate::seeds::{Seed, SeedBook};
use acceptor::Tally;
use hearing::{Hearing, Peer};
use proposer::Proposal;
use quorate_proto::{
    Ballot, ClusterId, FoundingMessage, FoundingState, Instance, Moment, ReasonCode, Waiver,
    founding_message::Body,
    limits::{MEMBERS, NUMBER_STEP},
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How often seeds are dialled, and questions and ballots repeated (GENESIS rules 7 and 20).
const PROBE: Duration = Duration::from_millis(500);
/// How often a node that is no replica dials founders that are not live members (rule 20).
const PROBE_SLOWLY: Duration = Duration::from_secs(5);
/// How much longer each further slot waits before it proposes (rule 8): several round trips and fsyncs.
const STAGGER: Duration = Duration::from_millis(300);
/// Without progress for so long, a ballot is given up (rules 11 and 14).
const PATIENCE: Duration = Duration::from_secs(3);
/// How often seeds are resolved anew while some are missing.
const RESOLVE: Duration = Duration::from_secs(5);
/// How soon seeds are resolved anew when the session with one was lost: its name may say already where it went.
const RESOLVE_SOON: Duration = Duration::from_secs(1);
/// How often seeds are resolved anew by a node that has a cluster and misses no seed.
const RESOLVE_SLOWLY: Duration = Duration::from_secs(30);
/// Most peers that are remembered: all members, and as many that are not in yet. Others are not founded with.
const MAX_PEERS: usize = 2 * MEMBERS;

/// Higher rounds are refused: a thousand ballots a second for a million years stay below, and one more always fits.
const MAX_ROUND: u64 = 1 << 62;

const _: () = assert!(STAGGER.as_millis() * 2 < PATIENCE.as_millis());

/// What follows a write.
#[derive(Debug)]
enum After {
    /// An answer that depends on it.
    Say(Instance, Box<Body>),
    /// The own promise stands: the ballot is open.
    Opened(Ballot),
    /// The own acceptance stands.
    Accepted(Ballot, ClusterId),
    /// It is known for good that a cluster exists.
    Exists(ClusterId),
    /// The record is known for good.
    Founded,
    /// The mark stands, or is gone.
    Marked,
}

/// Writes under way. At most a few: each needs a message that changes the state, and each state is cumulative.
#[derive(Debug, Default)]
struct Saved {
    /// The number given last.
    last: u64,
    /// Durable up to here.
    durable: u64,
    after: BTreeMap<u64, After>,
    /// The write that holds the present promise; 0 = it was there at the start. Alike the next two.
    promise: u64,
    accept: u64,
    founded: u64,
    alone: u64,
}

impl Saved {
    fn is_durable(&self, number: u64) -> bool {
        number <= self.durable
    }
}

/// The founding of one node. See the module's head.
#[derive(Debug)]
pub struct Founding {
    config: FoundingConfig,
    slots: usize,
    quorum: usize,
    /// As of the newest write, durable or not.
    state: FoundingState,
    saved: Saved,
    exists_durably: bool,
    /// The state on disk is of another cluster or life: take no part.
    unfit: bool,
    /// The marker names a cluster that this life has no data of (rule 2).
    lost_data: Option<ClusterId>,
    started: Moment,
    own_slot: OwnSlot,
    /// Which seed this host is was looked up once, with whatever result.
    looked_up: bool,
    seeds: SeedBook,
    peers: BTreeMap<Instance, Peer>,
    hearing: Hearing,
    round_seen: u64,
    proposal: Option<Proposal>,
    tally: Tally,
    /// The operator's word, from when it was given, while it stands.
    waiver: Option<(Moment, Waiver)>,
    /// That of ballots whose record is out.
    waivers: BTreeMap<Ballot, Waiver>,
    /// No ballot of our own before this.
    not_before: Moment,
    attempts: u32,
    jitter: u64,
    /// Since when a cluster is known.
    known_since: Option<Moment>,
    /// Other clusters of this name.
    rivals: BTreeSet<ClusterId>,
    /// Committed members that are live.
    live: Vec<(Instance, SocketAddr)>,
    replica: bool,
    /// By founder slot: the present life, and whether it knows the cluster.
    holders: BTreeMap<usize, (Instance, bool)>,
    low_since: Option<Moment>,
    alarms: BTreeSet<(ReasonCode, String)>,
    /// Records that did not hold together.
    refused_records: u64,
    probe_at: Moment,
    resolve_at: Moment,
}

impl Founding {
    /// Starts from what is durable. The first step (`Wake`) asks for the seeds to be resolved.
    #[must_use]
    pub fn new(now: Moment, config: FoundingConfig, state: FoundingState) -> Self {
        let slots = config.seeds.len();
        let life = config.me.instance.to_bytes();
        let jitter = quorate_proto::short_hash(&[b"founding", &config.seed.to_be_bytes(), &life]);
        let known = state.known_cluster();
        let accepted = state.accepted.as_ref().map_or(0, |accepted| accepted.ballot.round);
        Self {
            slots,
            quorum: quorum(config.mode, slots),
            unfit: state.cluster != config.cluster.as_str() || state.instance != config.me.instance,
            lost_data: config.marker.filter(|_| known.is_none()),
            saved: Saved::default(),
            exists_durably: state.exists.is_some(),
            started: now,
            own_slot: OwnSlot::Undecided,
            looked_up: false,
            seeds: SeedBook::new(now, &config.seeds),
            peers: BTreeMap::new(),
            hearing: Hearing::default(),
            round_seen: accepted.max(state.promised.map_or(0, |promised| promised.round)),
            proposal: None,
            tally: Tally::new(),
            waiver: None,
            waivers: BTreeMap::new(),
            not_before: now,
            attempts: 0,
            jitter,
            known_since: known.map(|_| now),
            rivals: BTreeSet::new(),
            live: Vec::new(),
            replica: false,
            holders: BTreeMap::new(),
            low_since: None,
            alarms: BTreeSet::new(),
            refused_records: 0,
            probe_at: now,
            resolve_at: now,
            state,
            config,
        }
    }

    /// Takes one input and appends what must be done. Reads no clock, performs no IO, never waits.
    pub fn step(&mut self, now: Moment, input: FoundingInput, out: &mut Vec<FoundingOutput>) {
        self.rejoin_by_marker(now, out);
        self.take(now, input, out);
        self.recount(now);
        self.end_stuck_ballot(now, out);
        self.open_ballot_when_due(now, out);
        self.fire_probes(now, out);
        self.watch_margin(now);
        self.raise_alarms(now, out);
    }

    fn take(&mut self, now: Moment, input: FoundingInput, out: &mut Vec<FoundingOutput>) {
        match input {
            FoundingInput::Wake => {}
            FoundingInput::Resolved { slot, addresses, problem } => {
                let new = self.seeds.resolved(now, slot, addresses, problem);
                let seed = self.seeds.get(slot).into_iter();
                let due = seed.flat_map(Seed::to_dial).filter(|address| new.contains(address));
                due.for_each(|address| self.dial(address, out));
                if self.is_founded_durably() {
                    self.note_own_holding();
                    self.note_members();
                }
            }
            FoundingInput::OwnSlot(slot) => {
                self.own_slot(slot, out);
                if self.is_founded_durably() {
                    self.note_own_holding();
                }
            }
            FoundingInput::SessionUp(session) => self.session_up(now, session, out),
            FoundingInput::Twice(session) => self.runs_twice(now, &session),
            FoundingInput::SessionDown { instance, number } => {
                self.session_down(now, instance, number);
            }
            FoundingInput::DialFailed { address, failure } => {
                self.seeds.dial_failed(now, address, &failure);
            }
            FoundingInput::Message { from, message } => self.receive(now, from, message, out),
            FoundingInput::Persisted { number } => self.persisted(now, number, out),
            FoundingInput::Cluster { live, replica } => {
                self.live = live;
                self.replica = replica;
                if self.is_founded_durably() {
                    self.note_members();
                }
            }
            FoundingInput::Alone { ms } => {
                if self.state.alone_ms != ms {
                    self.state.alone_ms = ms;
                    self.saved.alone = self.persist(None, After::Marked, out);
                }
            }
            FoundingInput::Admitted(founded) => {
                self.learn_record(now, self.config.me.instance, founded, out);
            }
        }
    }

    /// A marker without data: this life is not fresh, and never will be (rule 2).
    fn rejoin_by_marker(&mut self, now: Moment, out: &mut Vec<FoundingOutput>) {
        if let Some(lost) = self.lost_data.filter(|_| !self.state.knows_cluster()) {
            self.hears_of(now, self.config.me.instance, lost, out);
        }
    }

    fn receive(
        &mut self,
        now: Moment,
        from: Instance,
        message: FoundingMessage,
        out: &mut Vec<FoundingOutput>,
    ) {
        let Some(body) = message.body.filter(|_| self.peers.contains_key(&from)) else { return };
        // What a cluster says of itself, and who asks for it, is heard whatever the list (rule 6).
        match &body {
            Body::Ask(ask) => return self.asked(now, from, ask, out),
            Body::Exists(exists) => return self.hears_of(now, from, exists.cluster_id, out),
            Body::Founded(founded) => {
                return self.learn_record(now, from, founded.clone(), out);
            }
            _ => {}
        }
        // Everything else needs the same list (rule 3); the other list is shown by `reasons`.
        if message.digest != self.config.digest {
            return;
        }
        match body {
            Body::Answer(answer) => self.answered(from, &answer),
            Body::Prepare(prepare) => self.prepare(now, from, &prepare, out),
            Body::Promise(promise) => self.promised(now, from, promise, out),
            Body::Nack(nack) => self.refused(now, &nack),
            Body::Confirm(confirm) => self.confirm(now, from, &confirm, out),
            Body::Confirmed(confirmed) => self.confirmed(now, from, confirmed.ballot, out),
            Body::Accept(accept) => self.accept(now, from, &accept, out),
            Body::Accepted(accepted) => self.accepted(now, from, &accepted, out),
            Body::Ask(_) | Body::Exists(_) | Body::Founded(_) => {}
        }
    }

    /// Writes the state; `after` happens when it is durable.
    fn persist(
        &mut self,
        marker: Option<ClusterId>,
        after: After,
        out: &mut Vec<FoundingOutput>,
    ) -> u64 {
        self.saved.last += 1;
        let number = self.saved.last;
        self.saved.after.insert(number, after);
        out.push(FoundingOutput::Persist { number, state: self.state.clone(), marker });
        number
    }

    /// Everything that is done at intervals.
    fn fire_probes(&mut self, now: Moment, out: &mut Vec<FoundingOutput>) {
        if now >= self.resolve_at {
            let settled = self.state.founded.is_some() && self.misses_no_seed(now);
            self.resolve_at = now + if settled { RESOLVE_SLOWLY } else { RESOLVE };
            out.push(FoundingOutput::Resolve);
        }
        if now < self.probe_at {
            return;
        }
        let founded = self.is_founded_durably();
        let told = self.peers.values().all(|peer| peer.knows.is_some());
        let slowly = founded && told && !self.replica;
        self.probe_at = now + if slowly { PROBE_SLOWLY } else { PROBE };
        self.repeat_questions(now, out);
        self.repeat_ballot(out);
        self.dial_founders(now, out);
    }

    /// Founders that are no live members are looked for, for ever (rule 20); before a birth all are.
    fn dial_founders(&mut self, now: Moment, out: &mut Vec<FoundingOutput>) {
        let mut addresses = BTreeSet::new();
        for slot in 0..self.slots {
            let Some(seed) = self.seeds.get(slot) else { continue };
            // One address of a host is enough: on the others it would only be met again.
            let missing = !self.stands_with(now, seed);
            addresses.extend(seed.to_dial().filter(|_| missing));
            self.seeds.tried(slot, missing);
        }
        if let Some(founded) = &self.state.founded {
            let voters = founded.record.voters.iter();
            addresses.extend(
                voters
                    .filter(|voter| voter.instance != self.config.me.instance)
                    .filter_map(|voter| voter.address.as_ref()?.socket()),
            );
        }
        for (_, live) in &self.live {
            addresses.remove(live);
        }
        addresses.retain(|address| !self.is_held(now, *address));
        addresses.into_iter().for_each(|address| self.dial(address, out));
    }

    fn misses_no_seed(&self, now: Moment) -> bool {
        let mut others = self.seeds.iter().filter(|(slot, _)| Some(*slot) != self.slot());
        others.all(|(_, seed)| self.stands_with(now, seed))
    }

    fn stands_with(&self, now: Moment, seed: &Seed) -> bool {
        let mut addresses = seed.addresses.iter();
        addresses.any(|address| self.stands_at(*address) || self.is_held(now, *address))
    }

    /// Whether this address led to a host that is there, though it is met at another one.
    fn is_held(&self, now: Moment, address: SocketAddr) -> bool {
        self.seeds.whom(now, address).is_some_and(|life| {
            self.peers.contains_key(&life) || self.live.iter().any(|(live, _)| *live == life)
        })
    }

    fn dial(&self, address: SocketAddr, out: &mut Vec<FoundingOutput>) {
        let mine =
            self.config.me.address == Some(address) || self.own_addresses().contains(&address);
        if !mine && !self.stands_at(address) {
            out.push(FoundingOutput::Dial { address });
        }
    }

    /// When this machine wants time to pass; always later than the last step.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        let ballot = self.proposal.as_ref().map(|proposal| proposal.deadline);
        let margin = self
            .margin_alarm_time()
            .filter(|_| !self.alarms.iter().any(|(code, _)| *code == ReasonCode::Margin));
        [
            Some(self.probe_at),
            Some(self.resolve_at),
            ballot,
            self.ballot_time(),
            margin,
            self.clones_end(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// How it stands, counting only what is durable.
    #[must_use]
    pub fn outcome(&self) -> Outcome<'_> {
        match (&self.state.founded, self.state.exists) {
            (Some(founded), _) if self.is_founded_durably() => Outcome::Founded(founded),
            (_, Some(cluster_id)) if self.exists_durably && self.rivals.is_empty() => {
                Outcome::Join(cluster_id)
            }
            _ => Outcome::Waiting,
        }
    }

    /// The state as of the newest `Persist`.
    #[must_use]
    pub fn state(&self) -> &FoundingState {
        &self.state
    }

    /// Whether the next start is sure to know that this one told a share that no majority granted.
    #[must_use]
    pub fn is_marked_alone(&self, ms: u64) -> bool {
        self.state.alone_ms == ms && self.saved.is_durable(self.saved.alone)
    }

    /// Founded records that peers handed over and that did not hold together.
    #[must_use]
    pub fn refused_records(&self) -> u64 {
        self.refused_records
    }

    fn is_founded_durably(&self) -> bool {
        self.state.founded.is_some() && self.saved.is_durable(self.saved.founded)
    }

    /// Remembers a round that somebody named, so that the own next ballot is above it. Whoever names one comes no further
    /// with it than a step: or one frame would carry all founders to the last round there is, and no ballot could follow.
    /// Two that are further apart meet, since what they say is repeated. Too low a round costs a ballot, never safety:
    /// the promise decides what is refused (rule 10), not this number.
    fn note_round(&mut self, round: u64) {
        if round <= MAX_ROUND {
            let step = self.round_seen.saturating_add(NUMBER_STEP);
            self.round_seen = self.round_seen.max(round.min(step));
        }
    }

    /// What the seed that this host is resolves to.
    #[must_use]
    pub fn own_addresses(&self) -> &[SocketAddr] {
        let own = self.slot().and_then(|slot| self.seeds.get(slot));
        own.map_or(&[], |seed| &seed.addresses)
    }

    /// Whether the list of seeds leads to this address.
    #[must_use]
    pub fn is_a_seeds(&self, address: SocketAddr) -> bool {
        self.seeds.iter().any(|(_, seed)| seed.addresses.contains(&address))
    }

    /// The places in the list of seeds whose names lead to this address.
    pub fn slots_at(&self, address: SocketAddr) -> impl Iterator<Item = usize> {
        let seeds = self.seeds.iter().filter(move |(_, seed)| seed.addresses.contains(&address));
        seeds.map(|(slot, _)| slot)
    }

    /// Whether one name in the list of seeds leads to both addresses: a host with an address of each family, for one.
    #[must_use]
    pub fn share_a_name(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let both =
            |addresses: &[SocketAddr]| addresses.contains(&one) && addresses.contains(&other);
        self.seeds.iter().any(|(_, seed)| both(&seed.addresses))
    }

    fn is_fresh(&self) -> bool {
        !self.unfit && !self.state.knows_cluster() && self.lost_data.is_none()
    }

    fn slot(&self) -> Option<usize> {
        match self.own_slot {
            OwnSlot::Slot(slot) => Some(slot),
            OwnSlot::Undecided
            | OwnSlot::NotASeed
            | OwnSlot::OtherPort { .. }
            | OwnSlot::Several(..) => None,
        }
    }

    /// A number below `bound` (at least 1), drawn by splitmix64.
    fn draw(&mut self, bound: u64) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.jitter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
