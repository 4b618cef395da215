//! The node itself: its parts, one turn, and where each input goes.
//!
//! A turn takes all inputs that are ready, then fires what is due, then settles: proposals are batched, raft is
//! drained, the leader's duties are done. Inputs come before timers, so that a node that wakes late hears what
//! was said before it judges anybody. Knows nothing of what the parts decide.

use crate::admission::Admission;
use crate::autopilot::Autopilot;
use crate::boot::{Boot, NodeConfig, RecoveredLog};
use crate::campaign::Campaign;
use crate::clones::Clones;
use crate::copies::Copies;
use crate::copy_notices::CopyNotices;
use crate::damping::Damping;
use crate::disk_watch;
use crate::event::{Input, Output, Write};
use crate::evidence::Evidence;
use crate::group::Group;
use crate::handover::Handover;
use crate::local_health::LocalHealth;
use crate::malformed::Malformed;
use crate::names::Names;
use crate::organs::{detector_config, founding_config};
use crate::peers::Peers;
use crate::push::Push;
use crate::reconcile::Reconciler;
use crate::relay::Relay;
use crate::requests::{Origin, Requests};
use crate::snapshots::Arrived;
use crate::state_watch::StateWatch;
use crate::stop::Stopping;
use crate::timers::{Timer, Timers};
use crate::trust::Trust;
use crate::turned_away::TurnedAway;
use crate::warnings::Warnings;
use crate::whereabouts::Whereabouts;
use quorate_membership::{Detector, DetectorInput, Founding, FoundingInput};
use quorate_proto::{
    DialFailure, Envelope, EnvelopeBody, Generation, GenesisId, Goodbye, HealthEpoch, Instance,
    Moment, RaftMessage,
};
use std::collections::VecDeque;

/// Who waits for a write to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PersistOwner {
    /// Nobody; the order alone matters.
    Nobody,
    /// Founding, by its own number.
    Founding(u64),
    /// The replica, by its own number.
    Log(u64),
}

/// What is counted, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) turns: u64,
    pub(crate) frames_fenced: u64,
    pub(crate) frames_guarded: u64,
    pub(crate) frames_malformed: u64,
    pub(crate) requests: u64,
    pub(crate) proposals: u64,
    pub(crate) refusals: u64,
    pub(crate) elections: u64,
    pub(crate) epochs: u64,
    pub(crate) undelivered: u64,
}

/// One node, whole.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) now: Moment,
    pub(crate) wall_ms: u64,
    pub(crate) founding: Founding,
    pub(crate) detector: Detector,
    pub(crate) peers: Peers,
    pub(crate) group: Option<Group>,
    /// Raft frames for a group that is not started yet.
    pub(crate) held: Vec<(Instance, RaftMessage)>,
    pub(crate) health: LocalHealth,
    pub(crate) evidence: Evidence,
    pub(crate) campaign: Campaign,
    pub(crate) handover: Handover,
    pub(crate) reconciler: Reconciler,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) names: Names,
    pub(crate) damping: Damping,
    pub(crate) state_watch: StateWatch,
    pub(crate) push: Push,
    pub(crate) relay: Relay,
    pub(crate) autopilot: Autopilot,
    pub(crate) admission: Admission,
    pub(crate) requests: Requests,
    pub(crate) stopping: Option<Stopping>,
    pub(crate) trust: Trust,
    pub(crate) copies: Copies,
    pub(crate) copy_notices: CopyNotices,
    pub(crate) timers: Timers,
    pub(crate) counters: Counters,
    malformed: Malformed,
    /// Since when the disk has no room for the log to grow.
    pub(crate) disk_full: Option<Moment>,
    /// Since when the disk has not answered, once that was told.
    pub(crate) disk_stalled: Option<Moment>,
    /// How long the writes take.
    pub(crate) disk_pace: disk_watch::DiskPace,
    /// When leadership is handed over (again) because of it.
    pub(crate) hand_over_at: Moment,
    /// Up to where this node has asked to forget history, and when; a leader's note.
    pub(crate) history_asked: Option<(u64, Moment)>,
    pub(crate) quota: crate::quota::Quota,
    /// The newest epoch that was told as an event.
    pub(crate) told: HealthEpoch,
    /// The cluster id, once known; never another afterwards. Kept here because it is a hash over the record.
    pub(crate) genesis: Option<GenesisId>,
    pub(crate) warnings: Warnings,
    pub(crate) clones: Clones,
    pub(crate) turned_away: TurnedAway,
    /// Something that a leader's duties depend on has changed since they were last done.
    pub(crate) duties_due: bool,
    /// The view or the group was replaced; what hangs on it is brought up to date in the settle.
    pub(crate) meta_changed: bool,
    /// Writes under way, with when they were asked for.
    pub(crate) persists: VecDeque<(u64, PersistOwner, Moment)>,
    last_persist: u64,
    version: u64,
}

impl Node {
    /// Starts a node from what its disk holds. The outputs are carried out like those of a turn.
    #[must_use]
    pub fn start(now: Moment, wall_ms: u64, boot: Boot) -> (Self, Vec<Output>) {
        let Boot { config, founding, marker, log } = boot;
        let founding = Founding::new(now, founding_config(&config, marker), founding);
        let detector = Detector::new(now, detector_config(&config));
        let mut node = Self {
            now,
            wall_ms,
            detector,
            peers: Peers::default(),
            group: None,
            held: Vec::new(),
            health: LocalHealth::new(now),
            evidence: Evidence::default(),
            campaign: Campaign::default(),
            handover: Handover::default(),
            reconciler: Reconciler::default(),
            whereabouts: Whereabouts::default(),
            names: Names::default(),
            damping: Damping::default(),
            state_watch: StateWatch::default(),
            push: Push::default(),
            relay: Relay::default(),
            autopilot: Autopilot::default(),
            admission: Admission::default(),
            requests: Requests::new(config.boot_nonce),
            stopping: None,
            trust: Trust::default(),
            copies: Copies::default(),
            copy_notices: CopyNotices::default(),
            timers: Timers::default(),
            counters: Counters::default(),
            malformed: Malformed::default(),
            disk_full: None,
            disk_stalled: None,
            disk_pace: disk_watch::DiskPace::default(),
            hand_over_at: now,
            history_asked: None,
            quota: crate::quota::Quota::default(),
            told: HealthEpoch::ZERO,
            genesis: founding.state().known_genesis(),
            duties_due: true,
            warnings: Warnings::default(),
            clones: Clones::default(),
            turned_away: TurnedAway::default(),
            meta_changed: true,
            persists: VecDeque::new(),
            last_persist: 0,
            version: 0,
            founding,
            config,
        };
        let mut out = Vec::new();
        node.resume(log, &mut out);
        node.settle(&mut out);
        (node, out)
    }

    fn resume(&mut self, log: Option<RecoveredLog>, out: &mut Vec<Output>) {
        let founded = self.founding.state().founded.clone();
        if let Some(founded) = &founded {
            self.peers.learn_record(&founded.record);
        }
        match (log, founded) {
            (Some(log), Some(_)) => self.continue_group(log, out),
            (None, Some(founded)) if self.is_founding_voter() == Some(true) => {
                self.found_group(&founded, out);
            }
            _ => {}
        }
        self.tell_of_moved_data(out);
        out.push(Output::ResolveSeeds);
        self.step_founding(FoundingInput::Wake, out);
        self.step_detector(DetectorInput::Wake, out);
    }

    /// One turn: every input that is ready, what is due, then everything that follows from it.
    pub fn turn(
        &mut self,
        now: Moment,
        wall_ms: u64,
        inputs: impl IntoIterator<Item = Input>,
        out: &mut Vec<Output>,
    ) {
        let pause = now.since(self.now);
        if pause >= disk_watch::STALL {
            self.forgive_disk(pause);
        }
        self.now = self.now.max(now);
        self.wall_ms = wall_ms;
        self.counters.turns += 1;
        for input in inputs {
            self.take(input, out);
        }
        self.fire_due(out);
        self.settle(out);
        self.version += 1;
    }

    /// When the node wants a turn although nothing happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        // What became due behind the settle's look at the requests is looked at in a turn of its own.
        let due = self.requests.due.then_some(self.now);
        let requests = due.or_else(|| self.requests.next_deadline());
        [self.timers.next(), self.founding.next_wake(), self.detector.next_wake(), requests]
            .into_iter()
            .flatten()
            .min()
    }

    /// Changes whenever [`Node::status`] may have changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    fn take(&mut self, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Wake => {}
            Input::SessionUp(session) => self.session_up(session, out),
            Input::Twice(session) => self.runs_twice(session, out),
            Input::SessionDown { instance, number, end } => {
                self.session_down(instance, number, end, out);
            }
            Input::DialFailed { address, failure } => {
                if failure == DialFailure::Twice {
                    self.taken_for_a_copy_at(address, out);
                }
                if failure == DialFailure::OneWay {
                    self.not_heard_at(address, out);
                }
                self.duties_due |= self.whereabouts.silent(address);
                self.step_founding(FoundingInput::DialFailed { address, failure }, out);
            }
            Input::Frame { from, lane, bytes } => match Envelope::open(lane, bytes) {
                Ok(body) => self.frame(from, body, out),
                Err(error) => {
                    self.counters.frames_malformed += 1;
                    if let Some(count) = self.malformed.note(self.now, from) {
                        tracing::warn!(%from, %error, count, "frames refused");
                    }
                }
            },
            Input::Datagram { from, bytes } => {
                if self.peers.session(from).is_some() {
                    self.step_detector(DetectorInput::Datagram { from, bytes }, out);
                }
            }
            Input::Undelivered { to } => {
                self.counters.undelivered += 1;
                self.undelivered(to);
            }
            Input::Farewell { instance, generation, boot_nonce, key } => {
                self.said_goodbye(instance, generation, boot_nonce, key, out);
            }
            Input::Resolved { slot, addresses, problem } => {
                self.step_founding(FoundingInput::Resolved { slot, addresses, problem }, out);
            }
            Input::OwnSlot(slot) => self.step_founding(FoundingInput::OwnSlot(slot), out),
            Input::Persisted { number } => self.persisted(number, out),
            Input::SnapshotTaken { metadata } => self.snapshot_taken(metadata, out),
            Input::SnapshotNotTaken => self.snapshot_not_taken(),
            Input::SnapshotReceived { from, message, image, file } => {
                self.snapshot_received(from, message, Arrived { image: *image, file }, out);
            }
            Input::SnapshotUnreadable { index, term } => self.snapshot_unreadable(index, term),
            Input::SnapshotSent { to, ok } => self.snapshot_sent(to, ok),
            Input::Client { ticket, deadline, request } => {
                self.client(ticket, deadline, request, out);
            }
            Input::ClientGone { ticket } => self.requests.asker_gone(Origin::Client(ticket)),
            Input::AskerGone { ticket } => {
                self.requests.asker_gone(Origin::Forwarded(ticket));
                self.requests.asker_gone(Origin::Relayed(ticket));
            }
            Input::Forwarded { from, ticket, request } => {
                self.forwarded(from, ticket, request, out)
            }
            Input::ForwardAnswered { ticket, answer } => self.forward_answered(ticket, answer, out),
            Input::DiskFull(full) => self.disk_filled(full, out),
            Input::Stop => self.begin_stop(),
        }
    }

    fn frame(&mut self, from: Instance, body: EnvelopeBody, out: &mut Vec<Output>) {
        let Some(session) = self.peers.session(from) else {
            self.counters.frames_fenced += 1;
            return;
        };
        let speaking = session.generation;
        self.step_detector(DetectorInput::Heard { instance: from }, out);
        match body {
            EnvelopeBody::Ping(ping) => self.pinged(from, ping, out),
            EnvelopeBody::Pong(pong) => self.ponged(from, pong, out),
            EnvelopeBody::Founding(message) => {
                self.step_founding(FoundingInput::Message { from, message }, out);
            }
            EnvelopeBody::Dissent(dissent) => self.dissent_received(from, dissent, out),
            EnvelopeBody::Detector(message) => {
                self.step_detector(DetectorInput::Message { from, message }, out);
            }
            EnvelopeBody::Warnings(told) => self.warnings_told(from, told, out),
            EnvelopeBody::Raft(frame) => self.raft_frame(from, frame, out),
            EnvelopeBody::Farewell(generation) => {
                let generation = Generation::new(generation).min(speaking);
                self.step_detector(
                    DetectorInput::Farewell { instance: from, generation, by: Goodbye::Stopped },
                    out,
                );
            }
        }
    }

    /// Something that Raft said to a peer has not reached it, or not for good.
    pub(crate) fn undelivered(&mut self, to: Instance) {
        if let Some(group) = &mut self.group {
            group.replica.unreachable(self.peers.raft_id(group.genesis, to));
        }
    }

    fn persisted(&mut self, number: u64, out: &mut Vec<Output>) {
        while let Some((first, _, since)) = self.persists.front()
            && *first <= number
        {
            self.disk_pace.note(self.now, self.now.since(*since));
            match self.persists.pop_front() {
                Some((_, PersistOwner::Founding(number), _)) => {
                    self.step_founding(FoundingInput::Persisted { number }, out);
                }
                Some((_, PersistOwner::Log(number), _)) => {
                    if let Some(group) = &mut self.group {
                        group.replica.persisted(number);
                    }
                }
                Some((_, PersistOwner::Nobody, _)) | None => {}
            }
        }
    }

    /// Asks the shell to make something durable.
    pub(crate) fn persist(&mut self, owner: PersistOwner, write: Write, out: &mut Vec<Output>) {
        self.last_persist += 1;
        self.persists.push_back((self.last_persist, owner, self.now));
        self.timers.arm_if_idle(Timer::Disk, self.now + disk_watch::STALL);
        out.push(Output::Persist { number: self.last_persist, write });
    }

    fn fire_due(&mut self, out: &mut Vec<Output>) {
        if self.founding.next_wake().is_some_and(|at| at <= self.now) {
            self.step_founding(FoundingInput::Wake, out);
        }
        if self.detector.next_wake().is_some_and(|at| at <= self.now) {
            self.step_detector(DetectorInput::Wake, out);
        }
        while let Some(timer) = self.timers.take_due(self.now) {
            self.fire(timer, out);
        }
        self.expire_requests(out);
    }

    fn fire(&mut self, timer: Timer, out: &mut Vec<Output>) {
        match timer {
            Timer::Tick => self.tick(),
            Timer::Disk => self.watch_disk(out),
            Timer::Ping => self.ping_round(out),
            Timer::Relay => self.ask_around(out),
            Timer::Dissent => self.send_dissent(out),
            Timer::Warnings => self.tell_warnings(out),
            Timer::Reads => self.repeat_reads(),
            Timer::LeaderSilence => self.health.changed = true,
            Timer::Duties => self.duties_due = true,
            Timer::Campaign => self.campaign_on_evidence(),
            Timer::Retry => self.retry_requests(),
            Timer::Join => self.ask_to_join(out),
            Timer::FounderPatience => self.campaign_as_founder(),
            Timer::Stop => self.finish_stop(out),
        }
    }

    fn tick(&mut self) {
        self.resign_if_unheard();
        self.timers.arm(Timer::Tick, self.now + quorate_consensus::TICK);
        let doubts = self.detector.doubts_itself();
        let patient = self.timers.is_armed(Timer::FounderPatience);
        let Some(group) = &mut self.group else { return };
        // A node that was paused, or that waits for its fellow founders, must not start an election.
        if group.leads() || !(doubts || patient) {
            group.replica.tick();
        }
    }

    fn settle(&mut self, out: &mut Vec<Output>) {
        self.settle_group(out);
        self.notice_leader(out);
        self.stop_serving_if_deposed();
        self.settle_requests(out);
        self.catch_up_with_view(out);
        self.do_duties(out);
        self.settle_group(out);
        self.notice_leader(out);
        self.stop_serving_if_deposed();
        self.catch_up_with_view(out);
        self.publish_health(out);
        self.watch_quota(out);
        self.continue_stop(out);
        out.extend(self.requests.left_asks().map(|ticket| Output::Withdraw { ticket }));
    }
}
