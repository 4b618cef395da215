//! Coming in: a joiner asks the leader to let it in, until it is in and each time that it has news about itself.
//!
//! Whoever has no view asks founders and seeds first, and others when these do not help. A node that leads asks itself. Knows nothing of
//! what the asked one makes of it (`duties/admission.rs`).

use crate::boot::NodeConfig;
use crate::client::ForwardFailure;
use crate::event::Output;
use crate::news::News;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::told::Event;
use crate::turn::Turn;
use quorate_membership::FoundingInput;
use quorate_proto::forward_answer::Outcome;
use quorate_proto::{
    Admit, Admitted, ClusterId, ForwardAnswer, ForwardRequest, HealthEpoch, Instance, Moment,
    NotLeader, Refusal, RefusalCode, Session, forward_request, limits,
};
use std::net::SocketAddr;
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

/// How long a node with a view has no leader before it asks hosts at the founders' places that it does not know: behind a start, and in an
/// election, there is one sooner.
const AMONG_STRANGERS: Duration = Duration::from_secs(5);

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
    /// Since when this node has no leader, and hosts of its cluster that its view does not have are at the founders' places: every disk
    /// that it knew may have been replaced.
    among_strangers: Option<Moment>,
    /// Whom one of those named as leader meanwhile.
    named: Option<Instance>,
    /// The epoch at which it was let in.
    let_in: Option<HealthEpoch>,
}

impl Join {
    /// Why the last request was refused.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether this node still has to be let in, or has news about itself. `doubted`: who claims to lead, about whom somebody must be asked.
    fn wants_in(sight: &Sight<'_>, doubted: Option<Instance>) -> bool {
        if sight.cluster_id.is_none() || sight.stops {
            return false;
        }
        if doubted.is_some() {
            return true;
        }
        match sight.health.member(sight.config.instance) {
            // A founder that has no view yet is in; one whose view lacks it was taken out, and is told so.
            None => {
                let has_view = sight.health.view().epoch > HealthEpoch::ZERO;
                has_view || sight.is_founding_voter() != Some(true)
            }
            Some(member) => {
                let labels = member.labels != sight.config.settings.labels;
                labels && sight.leadership.leader().is_some()
            }
        }
    }

    /// Asks somebody of the cluster to let this node in, unless it is in or a request is under way.
    pub(crate) fn ask(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        doubted: Option<Instance>,
        new_ticket: impl FnOnce() -> u64,
    ) {
        let strangers = self.watch_for_strangers(sight);
        if !Self::wants_in(sight, doubted) && !strangers {
            match self.among_strangers {
                Some(since) => turn.timers.arm(Timer::Join, since + AMONG_STRANGERS),
                None => turn.timers.disarm(Timer::Join),
            }
            return;
        }
        turn.timers.arm(Timer::Join, turn.now + ASK_AGAIN);
        // One that waits for a connection may wait for a life that is over, such as the asker's own on its lost disk.
        let me = sight.config.instance;
        let waits = self.asking.is_some_and(|(_, of, since)| {
            of == me || sight.peers.session(of).is_some() || turn.now.since(since) < ASK_AGAIN
        });
        if waits {
            return;
        }
        let Some(cluster_id) = sight.cluster_id else { return };
        let deadline = turn.now + limits::REQUEST_DEADLINE;
        let admit = own_admit(sight.config);
        // A leader has news about itself too, such as the labels in its file, and nobody dials itself.
        if sight.leads() {
            let ticket = new_ticket();
            self.asking = Some((ticket, me, turn.now));
            turn.tell(News::AsksItself { ticket, admit: Box::new(admit), deadline });
            return;
        }
        let Some((to, address)) = self.whom_to_ask(sight, cluster_id, doubted) else { return };
        let ticket = new_ticket();
        self.asking = Some((ticket, to, turn.now));
        let remaining_ms = u64::try_from(limits::REQUEST_DEADLINE.as_millis()).unwrap_or(u64::MAX);
        let body = Some(forward_request::Body::Admit(admit));
        let request =
            ForwardRequest { cluster_id, remaining_ms, body, ..ForwardRequest::default() };
        turn.out.push(Output::Forward { ticket, to, address, deadline, request });
    }

    /// Whether this node has had no leader for a while, though others of its cluster are there whom it does not know.
    fn watch_for_strangers(&mut self, sight: &Sight<'_>) -> bool {
        let has_view = sight.health.view().epoch > HealthEpoch::ZERO;
        let lost = has_view && !sight.stops && sight.leadership.leader().is_none();
        if lost && at_founders_places(sight).next().is_some() {
            self.among_strangers.get_or_insert(sight.now);
            return self.knows_nobody(sight.now);
        }
        self.among_strangers = None;
        self.named = None;
        false
    }

    fn knows_nobody(&self, now: Moment) -> bool {
        self.among_strangers.is_some_and(|since| now.since(since) >= AMONG_STRANGERS)
    }

    /// Whether a host may say that this life is over: a replica that is known here; where none of those is there, who is at a founder's
    /// place, and whom that one names as leader. Both hold the secret, and the own file or the founding record names the place.
    fn may_tell_of_the_end(&self, sight: &Sight<'_>, asked: Instance) -> bool {
        sight.is_known_replica(asked)
            || self.knows_nobody(sight.now)
                && (self.named == Some(asked)
                    || at_founders_places(sight).any(|session| session.instance == asked))
    }

    fn whom_to_ask(
        &mut self,
        sight: &Sight<'_>,
        cluster_id: ClusterId,
        doubted: Option<Instance>,
    ) -> Option<(Instance, SocketAddr)> {
        let hint = self.hint.take();
        self.next_via = self.next_via.wrapping_add(1);
        let next = self.next_via;
        let unhelped = *self.unhelped.get_or_insert(sight.now);
        if let Some((first, _)) = self.superseded_by.filter(|_| !self.knows_nobody(sight.now)) {
            let others: Vec<_> = sight.other_replicas(first).collect();
            if let Some(session) = others.get(next % others.len().max(1)) {
                return Some((session.instance, session.address));
            }
        }
        if doubted.is_none()
            && let Some(instance) = hint.or(sight.leadership.leader().map(|leader| leader.instance))
            && instance != sight.config.instance
            && let Some(address) = sight.peers.address(instance)
        {
            return Some((instance, address));
        }
        // All but those of another cluster, in turn. A session from before the birth says nothing of the cluster, and one
        // that names it may be that of another joiner: two of them would ask each other for ever.
        let may_know =
            |session: &&Session| session.cluster_id.is_none_or(|theirs| theirs == cluster_id);
        // Who has a view asks its members, about a leader only the replicas among them, and nobody about itself.
        let has_view = sight.health.view().epoch > HealthEpoch::ZERO;
        let may_vouch = |session: &&Session| {
            let life = session.instance;
            let known = sight.health.member(life).is_some()
                && (doubted.is_none() || sight.is_known_replica(life));
            doubted != Some(life) && (!has_view || known)
        };
        let mut some: Vec<&Session> =
            sight.peers.sessions().filter(may_know).filter(may_vouch).collect();
        // Who has none believes what it is told: it asks those that its own file or the founding record names, and others
        // only when these do not help.
        let first = |session: &&Session| {
            sight.is_known_replica(session.instance) || is_at_a_seed(sight, session)
        };
        if !has_view && sight.now.since(unhelped) < FOUNDERS_FIRST {
            some.retain(first);
        }
        if self.knows_nobody(sight.now) {
            some.extend(at_founders_places(sight));
        }
        let session = some.get(next % some.len().max(1))?;
        Some((session.instance, session.address))
    }

    /// The answer to this node's own request; false when `ticket` is not that of one.
    pub(crate) fn answered(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        ticket: u64,
        answer: &Result<ForwardAnswer, ForwardFailure>,
    ) -> bool {
        let Some((_, asked, _)) = self.asking.take_if(|(waited, ..)| *waited == ticket) else {
            return false;
        };
        match answer.as_ref().ok().and_then(|answer| answer.outcome.as_ref()) {
            Some(Outcome::Admitted(admitted)) => {
                self.unhelped = None;
                let leader = admitted.leader.unwrap_or(asked);
                turn.tell(News::LeaderByAnswer(self.believed(sight, asked, Some(leader))));
                self.let_in(turn, admitted);
            }
            Some(Outcome::NotLeader(hint)) => self.hinted(sight, turn, asked, hint),
            Some(Outcome::Refused(refusal)) => self.was_refused(sight, turn, asked, refusal),
            _ => {}
        }
        true
    }

    fn hinted(&mut self, sight: &Sight<'_>, turn: &mut Turn, asked: Instance, hint: &NotLeader) {
        if sight.is_known_replica(asked) && sight.peers.session(asked).is_some() {
            // It would say if this life was replaced.
            self.superseded_by = None;
        }
        turn.tell(News::LeaderByAnswer(self.believed(sight, asked, hint.leader)));
        if self.may_tell_of_the_end(sight, asked) {
            self.named = hint.leader;
        }
        if let Some(leader) = hint.leader.filter(|leader| *leader != sight.config.instance) {
            self.unhelped = None;
            if let Some(address) = hint.address.as_ref().and_then(|address| address.socket()) {
                turn.tell(News::AddressNamed { instance: leader, address });
            }
            self.hint = Some(leader);
            turn.tell(News::AskToJoin);
        } else {
            // No leader yet: at a birth there is one within milliseconds.
            turn.timers.arm(Timer::Join, turn.now + ASK_SOON);
        }
    }

    /// Whom an answer names as leader. For who has a view a stranger that names itself is asked about elsewhere.
    fn believed(
        &self,
        sight: &Sight<'_>,
        asked: Instance,
        leader: Option<Instance>,
    ) -> Option<Instance> {
        let has_view = sight.health.view().epoch > HealthEpoch::ZERO;
        let stranger = has_view && self.knows_nobody(sight.now);
        leader.filter(|leader| !stranger || *leader != asked)
    }

    fn let_in(&mut self, turn: &mut Turn, admitted: &Admitted) {
        self.refused = None;
        self.superseded_by = None;
        if let Some(founded) = &admitted.founded {
            turn.tell(News::Founding(FoundingInput::Admitted(founded.clone())));
        }
        // It may have asked twice before the view came that shows it.
        if self.let_in.replace(admitted.epoch) != Some(admitted.epoch) {
            turn.tell(News::LetIn(admitted.epoch));
        }
    }

    fn was_refused(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        asked: Instance,
        refusal: &Refusal,
    ) {
        // From anybody else it is a refusal like others: the next one is asked.
        if refusal.code() == RefusalCode::Superseded && self.may_tell_of_the_end(sight, asked) {
            return self.superseded(sight, turn, asked, &refusal.text);
        }
        if refusal.code() == RefusalCode::Level && Self::may_judge(sight, asked) {
            return turn.out.push(Output::Unfit { reason: refusal.text.clone() });
        }
        if refusal.code() == RefusalCode::OtherCluster {
            // Not in the cluster itself: the next one is asked.
            return;
        }
        let news = self.refused.as_ref() != Some(&refusal.text);
        self.refused = Some(refusal.text.clone());
        if news && refusal.code() == RefusalCode::NameTaken {
            turn.event(Event::NotLetIn(refusal.text.clone()));
        }
    }

    /// Whether a host's word ends this program: a replica's, or before there is a view that of whom the own file names as a seed.
    fn may_judge(sight: &Sight<'_>, asked: Instance) -> bool {
        let session = sight.peers.session(asked);
        sight.is_known_replica(asked) || session.is_some_and(|it| is_at_a_seed(sight, it))
    }

    /// A replica says that this life was replaced. A node does not end on one word where there is another to ask.
    fn superseded(&mut self, sight: &Sight<'_>, turn: &mut Turn, by: Instance, text: &str) {
        let (first, since) = *self.superseded_by.get_or_insert((by, turn.now));
        // Who knows nobody that is there may hear it twice from one: not each of the others has a copy to look into.
        let alone = self.knows_nobody(turn.now) || sight.other_replicas(by).next().is_none();
        if first != by || (alone && turn.now.since(since) >= SECOND_WORD) {
            turn.out.push(Output::Halt { reason: text.to_owned(), again: false });
        } else if !alone {
            turn.timers.arm(Timer::Join, turn.now + ASK_SOON);
        }
    }
}

/// Hosts of this cluster, none of the view here, that were met where the own file has a seed, or the founding record a founder.
fn at_founders_places<'a>(sight: &Sight<'a>) -> impl Iterator<Item = &'a Session> {
    let sight = *sight;
    let founded = sight.founding.state().founded.as_ref();
    let founders = founded.into_iter().flat_map(|founded| &founded.record.voters);
    let places: Vec<SocketAddr> =
        founders.filter_map(|voter| voter.address.as_ref()?.socket()).collect();
    sight.peers.sessions().filter(move |session| {
        let ours = session.cluster_id.is_none_or(|theirs| Some(theirs) == sight.cluster_id);
        // Whichever side dialled: its packets come from there, whatever it says of itself.
        let source = session.source.unwrap_or(session.address);
        let met = session.dialled.into_iter().chain([source]);
        let mut met = met.filter(|at| places.contains(at) || sight.founding.is_a_seeds(*at));
        ours && sight.health.member(session.instance).is_none() && met.next().is_some()
    })
}

/// Whether a host was met where the own file has a seed.
fn is_at_a_seed(sight: &Sight<'_>, session: &Session) -> bool {
    session.dialled.is_some_and(|address| sight.founding.is_a_seeds(address))
}

/// What this node says of itself.
fn own_admit(config: &NodeConfig) -> Admit {
    Admit {
        name: config.name.to_string(),
        instance: config.instance,
        generation: config.generation,
        key: config.key,
        address: config.settings.advertise.map(Into::into),
        supersede: None,
        labels: config.settings.labels.clone(),
        at_unix_ms: 0,
    }
}
