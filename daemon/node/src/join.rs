//! Coming in: as a founder, or as a joiner that asks the leader to let it in, until it is in and each time that it has news about itself.
//!
//! Whoever has no view asks founders and seeds first, and others when these do not help. A node that leads asks itself. Knows nothing of
//! what the asked one makes of it (`duties/admission.rs`).

use crate::event::{About, Output};
use crate::node::Node;
use crate::requests::{Origin, Work};
use crate::timers::Timer;
use quorate_membership::FoundingInput;
use quorate_proto::{
    Admit, Admitted, ForwardRequest, FoundingCertificate, GenesisId, HealthEpoch, Instance, Moment,
    RefusalCode, Session, forward_request, limits,
};
use std::time::Duration;

/// How often a joiner asks again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How soon, when there was no leader to ask.
const ASK_SOON: Duration = Duration::from_millis(100);
/// How long a joiner without a view asks nobody but founders and seeds, since one of them helped it last.
const FOUNDERS_FIRST: Duration = Duration::from_secs(2);
/// How long a node that was told by one replica that its life was replaced waits for another to ask: right behind a start there
/// may be a connection with one only.
const SECOND_WORD: Duration = Duration::from_secs(10);

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Join {
    /// The request under way, of whom it asks, and since when.
    asking: Option<(u64, Instance, Moment)>,
    /// Whom the last answer named as leader.
    hint: Option<Instance>,
    next_via: usize,
    /// Since when nobody has named a leader to it.
    unhelped: Option<Moment>,
    /// Why the last request was refused.
    refused: Option<String>,
    /// The replica that was first to say that this disk life was replaced by another, and when.
    superseded_by: Option<(Instance, Moment)>,
    /// The epoch at which it was let in.
    let_in: Option<HealthEpoch>,
}

impl Join {
    /// Why the last request was refused.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl Node {
    /// Founding is over for this life: the record is durable.
    pub(crate) fn founded(&mut self, founded: FoundingCertificate) {
        self.peers.learn_record(&founded.record);
        let genesis = founded.record.genesis_id();
        self.turn.out.push(Output::KnowsGenesis(genesis));
        self.turn.out.push(Output::Founded(Box::new(founded.clone())));
        self.health.learn_again();
        if self.is_founding_voter() == Some(true) {
            if self.group.is_none() {
                let count = founded.record.voters.len();
                let hosts = if count == 1 { "host" } else { "hosts" };
                let text = format!("cluster {genesis} founded by {count} {hosts}");
                self.turn.event("founded", text, false);
                self.found_group(&founded);
                self.turn
                    .timers
                    .arm(Timer::FounderPatience, self.turn.now + Duration::from_secs(3));
            }
        } else {
            self.ask_to_join();
        }
    }

    /// A cluster exists, durably known: this life never founds.
    pub(crate) fn exists(&mut self, genesis: GenesisId) {
        self.turn.out.push(Output::KnowsGenesis(genesis));
        self.turn.event("joining", format!("cluster {genesis} exists; asking to be let in"), false);
        self.ask_to_join();
    }

    /// The founder with the lowest Raft id campaigns once all founders have accepted, or after 3 s.
    pub(crate) fn campaign_as_founder(&mut self) {
        let waiting = self.turn.timers.is_armed(Timer::FounderPatience);
        if waiting && !self.all_founders_know() {
            return;
        }
        let founder = self.is_founding_voter() == Some(true);
        let Some(group) = &mut self.group else { return };
        let status = group.replica().status();
        self.turn.timers.disarm(Timer::FounderPatience);
        let lowest = status.conf.voters.iter().min() == Some(&group.me().get());
        if founder && lowest && status.term == 1 && status.last == 1 && status.leader.is_none() {
            group.campaign();
        }
    }

    /// Whether every voter of the founding record is known to hold it.
    fn all_founders_know(&self) -> bool {
        let voters =
            self.founding.state().founded.as_ref().map_or(0, |founded| founded.record.voters.len());
        self.founding.margin().is_some_and(|margin| margin.known as usize >= voters)
    }

    /// Whether this node still has to be let in, or has news about itself.
    fn wants_in(&self) -> bool {
        if self.genesis.is_none() || self.stopping.is_some() {
            return false;
        }
        if self.doubted().is_some() {
            return true;
        }
        match self.health.member(self.config.instance) {
            None => self.is_founding_voter() != Some(true),
            Some(member) => {
                let labels = member.labels != self.config.labels;
                labels && self.leadership.leader().is_some()
            }
        }
    }

    /// Asks somebody of the cluster to let this node in, unless it is in or a request is under way.
    pub(crate) fn ask_to_join(&mut self) {
        if !self.wants_in() {
            self.turn.timers.disarm(Timer::Join);
            return;
        }
        self.turn.timers.arm(Timer::Join, self.turn.now + ASK_AGAIN);
        // One that waits for a connection may wait for a life that is over, such as the asker's own on its lost disk.
        let me = self.config.instance;
        let waits = self.join.asking.is_some_and(|(_, of, since)| {
            of == me || self.peers.session(of).is_some() || self.turn.now.since(since) < ASK_AGAIN
        });
        if waits {
            return;
        }
        let Some(genesis) = self.genesis else { return };
        let deadline = self.turn.now + limits::REQUEST_DEADLINE;
        // A leader has news about itself too, such as the labels in its file, and nobody dials itself.
        if self.leads() {
            let ticket = self.requests.new_ticket();
            self.join.asking = Some((ticket, me, self.turn.now));
            let work = Work::Admit(Box::new(self.own_admit()));
            return self.accept(Origin::Own(ticket), work, deadline);
        }
        let Some((to, address)) = self.whom_to_ask(genesis) else { return };
        let ticket = self.requests.new_ticket();
        self.join.asking = Some((ticket, to, self.turn.now));
        let remaining_ms = u64::try_from(limits::REQUEST_DEADLINE.as_millis()).unwrap_or(u64::MAX);
        let body = Some(forward_request::Body::Admit(self.own_admit()));
        let request = ForwardRequest { genesis, remaining_ms, body, relay: false };
        self.turn.out.push(Output::Forward { ticket, to, address, deadline, request });
    }

    /// What this node says of itself.
    fn own_admit(&self) -> Admit {
        Admit {
            name: self.config.name.to_string(),
            instance: self.config.instance,
            generation: self.config.generation,
            key: self.config.key,
            address: self.config.advertise.map(Into::into),
            supersede: None,
            labels: self.config.labels.clone(),
            at_unix_ms: 0,
        }
    }

    fn whom_to_ask(&mut self, genesis: GenesisId) -> Option<(Instance, std::net::SocketAddr)> {
        let hint = self.join.hint.take();
        let doubted = self.doubted();
        self.join.next_via = self.join.next_via.wrapping_add(1);
        let next = self.join.next_via;
        let unhelped = *self.join.unhelped.get_or_insert(self.turn.now);
        if let Some((first, _)) = self.join.superseded_by {
            let others: Vec<_> = self.other_replicas(first).collect();
            if let Some(session) = others.get(next % others.len().max(1)) {
                return Some((session.instance, session.address));
            }
        }
        if doubted.is_none()
            && let Some(instance) = hint.or(self.leadership.leader().map(|leader| leader.instance))
            && instance != self.config.instance
            && let Some(address) = self.peers.address(instance)
        {
            return Some((instance, address));
        }
        // All but those of another cluster, in turn. A session from before the birth says nothing of the cluster, and one
        // that names it may be that of another joiner: two of them would ask each other for ever.
        let may_know = |session: &&Session| session.genesis.is_none_or(|theirs| theirs == genesis);
        // Who has a view asks its members, about a leader only the replicas among them, and nobody about itself.
        let has_view = self.health.view().epoch > HealthEpoch::ZERO;
        let may_vouch = |session: &&Session| {
            let life = session.instance;
            let known = self.health.member(life).is_some()
                && (doubted.is_none() || self.is_known_replica(life));
            doubted != Some(life) && (!has_view || known)
        };
        let mut some: Vec<&Session> =
            self.peers.sessions().filter(may_know).filter(may_vouch).collect();
        // Who has none believes what it is told: it asks those that its own file or the founding record names, and others
        // only when these do not help.
        let first = |session: &&Session| {
            self.is_known_replica(session.instance)
                || session.dialled.is_some_and(|address| self.founding.is_a_seeds(address))
        };
        if !has_view && self.turn.now.since(unhelped) < FOUNDERS_FIRST {
            some.retain(first);
        }
        let session = some.get(next % some.len().max(1))?;
        Some((session.instance, session.address))
    }

    /// The answer to this node's own request, if `ticket` is it.
    pub(crate) fn admission_answered(
        &mut self,
        ticket: u64,
        answer: &Result<quorate_proto::ForwardAnswer, crate::ForwardFailure>,
    ) -> bool {
        use quorate_proto::forward_answer::Outcome;
        let asking = &mut self.join.asking;
        let Some((_, asked, _)) = asking.take_if(|(waited, ..)| *waited == ticket) else {
            return false;
        };
        match answer.as_ref().ok().and_then(|answer| answer.outcome.as_ref()) {
            Some(Outcome::Admitted(admitted)) => {
                self.join.unhelped = None;
                self.vouched_for(Some(admitted.leader.unwrap_or(asked)));
                self.let_in(admitted);
            }
            Some(Outcome::NotLeader(hint)) => {
                if self.is_known_replica(asked) && self.peers.session(asked).is_some() {
                    // It would say if this life was replaced.
                    self.join.superseded_by = None;
                }
                self.vouched_for(hint.leader);
                if let Some(leader) = hint.leader.filter(|leader| *leader != self.config.instance) {
                    self.join.unhelped = None;
                    if let Some(address) =
                        hint.address.as_ref().and_then(|address| address.socket())
                    {
                        self.peers.learn_hint(leader, address);
                    }
                    self.join.hint = Some(leader);
                    self.ask_to_join();
                } else {
                    // No leader yet: at a birth there is one within milliseconds.
                    self.turn.timers.arm(Timer::Join, self.turn.now + ASK_SOON);
                }
            }
            Some(Outcome::Refused(refusal)) => self.join_refused(asked, refusal),
            _ => {}
        }
        true
    }

    fn let_in(&mut self, admitted: &Admitted) {
        self.join.refused = None;
        self.join.superseded_by = None;
        if let Some(founded) = &admitted.founded {
            self.step_founding(FoundingInput::Admitted(founded.clone()));
        }
        // It may have asked twice before the view came that shows it.
        if self.join.let_in.replace(admitted.epoch) != Some(admitted.epoch) {
            let text = format!("let in at epoch {}", admitted.epoch);
            let about = About { epoch: Some(admitted.epoch), ..About::default() };
            self.turn.event_about("joined", text, false, about);
        }
    }

    fn join_refused(&mut self, asked: Instance, refusal: &quorate_proto::Refusal) {
        // From anybody else it is a refusal like others: the next one is asked.
        if refusal.code() == RefusalCode::Superseded && self.is_known_replica(asked) {
            return self.superseded(asked, &refusal.text);
        }
        if refusal.code() == RefusalCode::OtherCluster {
            // Not in the cluster itself: the next one is asked.
            return;
        }
        let news = self.join.refused.as_ref() != Some(&refusal.text);
        self.join.refused = Some(refusal.text.clone());
        if news && refusal.code() == RefusalCode::NameTaken {
            self.turn.event("alarm", refusal.text.clone(), true);
        }
    }

    /// A replica says that this life was replaced. A node does not end on one word where there is another to ask.
    fn superseded(&mut self, by: Instance, text: &str) {
        let (first, since) = *self.join.superseded_by.get_or_insert((by, self.turn.now));
        let alone = self.other_replicas(by).next().is_none();
        if first != by || (alone && self.turn.now.since(since) >= SECOND_WORD) {
            self.turn.out.push(Output::Halt { reason: text.to_owned(), again: false });
        } else if !alone {
            self.turn.timers.arm(Timer::Join, self.turn.now + ASK_SOON);
        }
    }

    /// Replicas that this node can ask, but for this one.
    fn other_replicas(&self, but: Instance) -> impl Iterator<Item = &Session> {
        self.peers.sessions().filter(move |session| {
            session.instance != but && self.is_known_replica(session.instance)
        })
    }

    /// The view changed: this node may have been let in, or may be a replica now.
    pub(crate) fn own_role_may_have_changed(&mut self) {
        self.ask_to_join();
    }
}
