//! The node itself: its parts, one turn, and where each input goes.
//!
//! A turn takes all inputs that are ready, then fires what is due, then settles: proposals are batched, raft is
//! drained, the leader's duties are done. Inputs come before timers, so that a node that wakes late hears what
//! was said before it judges anybody. Knows nothing of what the parts decide.

mod acts;
mod admissions;
mod birth;
mod campaign;
mod cores;
mod disk;
mod duties;
mod evidence;
mod features;
mod group;
mod hand_on;
mod leader;
mod operators;
mod pings;
mod reasons;
mod recovery;
mod relay;
mod report;
mod requests;
mod revoked;
mod secrets;
mod sessions;
mod shares;
mod stop;
mod trust;
mod view;

pub use report::Vitals;

use crate::applications::Applications;
use crate::boot::{Boot, NodeConfig, RecoveredLog};
use crate::campaign::Campaign;
use crate::clones::Clones;
use crate::copies::Copies;
use crate::cores::{detector_config, founding_config};
use crate::disk::{Disk, Owner};
use crate::duties::Duties;
use crate::duties::admission::Admission;
use crate::event::{Input, Output};
use crate::evidence::Evidence;
use crate::features::Features;
use crate::groups::{Arrived, EarlyFrames, Group};
use crate::handover::Handover;
use crate::health::Health;
use crate::join::Join;
use crate::leadership::Leadership;
use crate::malformed::Malformed;
use crate::names::Names;
use crate::pace::{LOOK, Pace};
use crate::peers::Peers;
use crate::pings::Pings;
use crate::pings::health::Push;
use crate::pings::relay::Relay;
use crate::recovery::Recovery;
use crate::requests::{Origin, Requests};
use crate::revoked::Revoked;
use crate::secrets::Secrets;
use crate::shares::Shares;
use crate::sight::{Sight, sight};
use crate::stop::Stopping;
use crate::timers::Timer;
use crate::trust::Trust;
use crate::turn::Turn;
use crate::turned_away::{TurnedAway, tell_of_moved_data};
use crate::warnings::Warnings;
use crate::whereabouts::Whereabouts;
use quorate_membership::{Detector, DetectorInput, Founding, FoundingInput};
use quorate_proto::{
    ClusterId, Envelope, EnvelopeBody, EnvelopeError, Generation, Goodbye, Instance, Moment,
};
use std::time::Duration;

/// One node, whole.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) turn: Turn,
    pub(crate) founding: Founding,
    pub(crate) detector: Detector,
    pub(crate) peers: Peers,
    pub(crate) group: Option<Group>,
    pub(crate) early_frames: EarlyFrames,
    pub(crate) health: Health,
    pub(crate) leadership: Leadership,
    pub(crate) evidence: Evidence,
    pub(crate) campaign: Campaign,
    pub(crate) handover: Handover,
    pub(crate) duties: Duties,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) names: Names,
    pub(crate) pace: Pace,
    pub(crate) pings: Pings,
    pub(crate) push: Push,
    pub(crate) relay: Relay,
    pub(crate) join: Join,
    pub(crate) admission: Admission,
    pub(crate) requests: Requests,
    pub(crate) stopping: Option<Stopping>,
    pub(crate) trust: Trust,
    pub(crate) copies: Copies,
    pub(crate) recovery: Recovery,
    pub(crate) features: Features,
    pub(crate) secrets: Secrets,
    pub(crate) shares: Shares,
    pub(crate) applications: Applications,
    malformed: Malformed,
    pub(crate) disk: Disk,
    /// The cluster id, once known; never another afterwards. Kept here because it is a hash over the record.
    pub(crate) cluster_id: Option<ClusterId>,
    pub(crate) warnings: Warnings,
    pub(crate) clones: Clones,
    pub(crate) turned_away: TurnedAway,
    pub(crate) revoked: Revoked,
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
            turn: Turn::new(now, wall_ms),
            detector,
            peers: Peers::default(),
            group: None,
            early_frames: EarlyFrames::default(),
            health: Health::new(),
            leadership: Leadership::new(now),
            evidence: Evidence::default(),
            campaign: Campaign::default(),
            handover: Handover::default(),
            duties: Duties::default(),
            whereabouts: Whereabouts::default(),
            names: Names::default(),
            pace: Pace::new(now),
            pings: Pings::default(),
            push: Push::default(),
            relay: Relay::default(),
            join: Join::default(),
            admission: Admission::default(),
            requests: Requests::new(config.instance, config.boot_nonce),
            stopping: None,
            trust: Trust::default(),
            copies: Copies::default(),
            recovery: Recovery::default(),
            features: Features::default(),
            secrets: Secrets::default(),
            shares: Shares::started(now, Duration::from_millis(founding.state().alone_ms)),
            applications: Applications::default(),
            malformed: Malformed::default(),
            disk: Disk::default(),
            cluster_id: founding.state().known_cluster(),
            warnings: Warnings::default(),
            clones: Clones::default(),
            turned_away: TurnedAway::default(),
            revoked: Revoked::default(),
            version: 0,
            founding,
            config,
        };
        node.resume(log);
        node.settle();
        let out = std::mem::take(&mut node.turn.out);
        (node, out)
    }

    fn resume(&mut self, log: Option<RecoveredLog>) {
        let founded = self.founding.state().founded.clone();
        if let Some(founded) = &founded {
            self.peers.learn_record(&founded.record);
        }
        match (log, founded) {
            (Some(log), Some(_)) => self.continue_group(log),
            (None, Some(founded)) if self.sight().is_founding_voter() == Some(true) => {
                self.found_group(&founded);
            }
            _ => {}
        }
        tell_of_moved_data(&self.config, &mut self.turn);
        self.turn.out.push(Output::ResolveSeeds);
        self.step_founding(FoundingInput::Wake);
        self.step_detector(DetectorInput::Wake);
        self.turn.timers.arm(Timer::Pace, self.turn.now + LOOK);
    }

    /// One turn: every input that is ready, what is due, then everything that follows from it.
    pub fn turn(
        &mut self,
        now: Moment,
        wall_ms: u64,
        inputs: impl IntoIterator<Item = Input>,
        out: &mut Vec<Output>,
    ) {
        std::mem::swap(out, &mut self.turn.out);
        let late = self.next_wake().map_or(Duration::ZERO, |wanted| now.since(wanted));
        self.pace.turn_is_late(now, late);
        self.disk.forgive(now.since(self.turn.now));
        self.turn.now = self.turn.now.max(now);
        self.turn.wall_ms = wall_ms;
        self.turn.counters.turns += 1;
        for input in inputs {
            self.take(input);
        }
        self.fire_due();
        self.settle();
        self.version += 1;
        debug_assert!(self.turn.news.is_empty(), "not handed on: {:?}", self.turn.news);
        std::mem::swap(out, &mut self.turn.out);
    }

    /// When the node wants a turn although nothing happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        // What became due behind the settle's look at the requests is looked at in a turn of its own.
        let due = self.requests.is_due().then_some(self.turn.now);
        let requests = due.or_else(|| self.requests.next_deadline());
        [self.turn.timers.next(), self.founding.next_wake(), self.detector.next_wake(), requests]
            .into_iter()
            .flatten()
            .min()
    }

    /// Changes whenever [`Node::status`] may have changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What the rooms may look at.
    pub(crate) fn sight(&self) -> Sight<'_> {
        sight!(self)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Wake => {}
            Input::SessionUp(session) => self.session_up(session),
            Input::Twice(session) => self.runs_twice(session),
            Input::SessionDown { instance, number, end } => {
                self.session_down(instance, number, end)
            }
            Input::DialFailed { address, failure } => self.dial_failed(address, failure),
            Input::Frame { from, lane, bytes } => match Envelope::open(lane, bytes) {
                Ok(body) => self.frame(from, body),
                // Of a later version, which says it beside what this one knows.
                Err(EnvelopeError::UnknownKind) => self.turn.counters.frames_unknown += 1,
                Err(error) => {
                    self.turn.counters.frames_malformed += 1;
                    if let Some(count) = self.malformed.note(self.turn.now, from) {
                        tracing::warn!(%from, %error, count, "frames refused");
                    }
                }
            },
            Input::Datagram { from, bytes } => {
                if self.peers.session(from).is_some() {
                    self.step_detector(DetectorInput::Datagram { from, bytes });
                }
            }
            Input::Undelivered { to } => {
                self.turn.counters.undelivered += 1;
                self.undelivered(to);
            }
            Input::Farewell { instance, generation, boot_nonce, key } => {
                self.said_goodbye(instance, generation, boot_nonce, key);
            }
            Input::Resolved { slot, addresses, problem } => {
                self.step_founding(FoundingInput::Resolved { slot, addresses, problem });
            }
            Input::OwnSlot(slot) => self.step_founding(FoundingInput::OwnSlot(slot)),
            Input::Persisted { number } => self.persisted(number),
            Input::SnapshotTaken { group, metadata } => self.snapshot_taken(group, metadata),
            Input::SnapshotNotTaken { group } => {
                let now = self.turn.now;
                self.group_of(group).into_iter().for_each(|group| group.snapshot_not_taken(now));
            }
            Input::SnapshotReceived { group, from, message, image, file } => {
                let arrived = Arrived { image: *image, file };
                self.snapshot_received(group, from, message, arrived);
            }
            Input::SnapshotUnreadable { group, index, term } => {
                let group = self.group_of(group).into_iter();
                group.for_each(|group| group.snapshot_unreadable(index, term));
            }
            Input::SnapshotSent { group, to, ok } => {
                self.group_of(group).into_iter().for_each(|group| group.snapshot_sent(to, ok));
            }
            Input::Client { ticket, deadline, request } => self.client(ticket, deadline, request),
            Input::ClientGone { ticket } => self.requests.asker_gone(Origin::Client(ticket)),
            Input::AskerGone { ticket } => {
                self.requests.asker_gone(Origin::Forwarded(ticket));
                self.requests.asker_gone(Origin::Relayed(ticket));
            }
            Input::Forwarded { from, ticket, request } => self.forwarded(from, ticket, request),
            Input::ForwardAnswered { ticket, answer } => self.forward_answered(ticket, answer),
            Input::DiskFull(full) => self.disk_filled(full),
            Input::SecretsHeld(held) => self.secrets.hold(&mut self.turn, held),
            Input::Applications(all) => self.applications.take(&mut self.turn, all),
            Input::Stop => self.begin_stop(),
            Input::StopInTurn => self.stop_in_turn(),
        }
    }

    fn frame(&mut self, from: Instance, body: EnvelopeBody) {
        let Some(session) = self.peers.session(from) else {
            self.turn.counters.frames_fenced += 1;
            return;
        };
        let speaking = session.generation;
        self.step_detector(DetectorInput::Heard { instance: from });
        match body {
            EnvelopeBody::Ping(ping) => self.pinged(from, ping),
            EnvelopeBody::Pong(pong) => self.ponged(from, pong),
            EnvelopeBody::Founding(message) => {
                self.step_founding(FoundingInput::Message { from, message });
            }
            EnvelopeBody::Dissent(dissent) => self.dissent_received(from, dissent),
            EnvelopeBody::Detector(message) => {
                self.step_detector(DetectorInput::Message { from, message });
            }
            EnvelopeBody::Warnings(told) => {
                self.warnings.told(&sight!(self), &mut self.turn, from, told);
                self.hand_on();
            }
            EnvelopeBody::Raft(frame) => self.raft_frame(from, frame),
            EnvelopeBody::Farewell(generation) => {
                let generation = Generation::new(generation).min(speaking);
                self.step_detector(DetectorInput::Farewell {
                    instance: from,
                    generation,
                    by: Goodbye::Stopped,
                });
            }
        }
    }

    fn persisted(&mut self, number: u64) {
        for owner in self.disk.written(&self.turn, number) {
            match owner {
                Owner::Founding(number) => self.step_founding(FoundingInput::Persisted { number }),
                Owner::Log(group, number) => {
                    self.group_of(group).into_iter().for_each(|group| group.persisted(number));
                }
                Owner::Nobody => {}
            }
        }
    }

    fn fire_due(&mut self) {
        if self.founding.next_wake().is_some_and(|at| at <= self.turn.now) {
            self.step_founding(FoundingInput::Wake);
        }
        if self.detector.next_wake().is_some_and(|at| at <= self.turn.now) {
            self.step_detector(DetectorInput::Wake);
        }
        while let Some(timer) = self.turn.timers.take_due(self.turn.now) {
            self.fire(timer);
        }
        self.expire_requests();
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Tick => self.tick(),
            Timer::Commit => self.tell_commit(),
            Timer::Disk => self.watch_disk(),
            Timer::Ping => self.ping_round(),
            Timer::Pace => self.look_at_pace(),
            Timer::Relay => self.ask_around(),
            Timer::Dissent => self.send_dissent(),
            Timer::Warnings => self.warnings.tell_others(&sight!(self), &mut self.turn),
            Timer::Reads => self.requests.repeat_reads(),
            Timer::LeaderSilence => self.health.touch(),
            Timer::Duties => self.turn.duties_due = true,
            Timer::Campaign => self.campaign_on_evidence(),
            Timer::Retry => self.requests.retry(),
            Timer::Join => self.ask_to_join(),
            Timer::FounderPatience => self.campaign_as_founder(),
            Timer::LeftBehind => self.look_for_a_majority(),
            // What is due is looked at in the settle.
            Timer::Budgets | Timer::Shares => {}
            Timer::Stop => self.stop_is_due(),
        }
    }

    fn tick(&mut self) {
        self.resign_if_unheard();
        self.turn.timers.arm(Timer::Tick, self.turn.now + quorate_consensus::TICK);
        let doubts = self.detector.doubts_itself();
        let patient = self.turn.timers.is_armed(Timer::FounderPatience);
        let Some(group) = &mut self.group else { return };
        // A node that was paused, or that waits for its fellow founders, must not start an election.
        if group.leads() || !(doubts || patient) {
            group.tick();
        }
    }

    fn settle(&mut self) {
        self.settle_group();
        self.notice_leader();
        self.stop_serving_if_deposed();
        self.settle_requests();
        self.catch_up_with_view();
        self.catch_up_with_secrets();
        self.do_duties();
        self.renew_shares();
        self.settle_group();
        self.notice_leader();
        self.stop_serving_if_deposed();
        self.catch_up_with_view();
        self.refuse_the_revoked();
        self.publish_health();
        self.requests.quota_mut().watch(&sight!(self), &mut self.turn);
        self.continue_stop();
        self.turn.out.extend(self.requests.left_asks().map(|ticket| Output::Withdraw { ticket }));
    }
}
