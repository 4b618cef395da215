//! Health as this node sees it: the newest committed view, and how the local feed hears of it.
//!
//! The view comes from the node's own replica or from the leader's pings, whichever is newer; it never goes
//! back. Knows nothing of who leads.

use crate::event::{About, Output};
use crate::node::Node;
use crate::timers::Timer;
use crate::trust::is_near;
use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{
    Card, HealthChange, HealthDelta, HealthEpoch, HealthUpdate, HealthView, Instance, Member,
    MemberState, Role, limits,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Deltas that wait for the end of the turn; more than this in one turn are shown as one jump.
const MAX_PENDING: usize = 64;

/// See the module.
pub(crate) struct Health {
    view: Arc<HealthView>,
    /// What led here since the last turn: each view, and the difference from the one before.
    pending: VecDeque<(Arc<HealthView>, Arc<HealthDelta>)>,
    /// The view was replaced without deltas.
    jumped: bool,
    changed: bool,
    /// The view or the group was replaced: what hangs on it is brought up to date in the settle.
    to_learn: bool,
    learned: HealthEpoch,
    /// The newest epoch that was told as an event.
    told: HealthEpoch,
    known: BTreeSet<Instance>,
    card_version: u64,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            view: Arc::default(),
            pending: VecDeque::new(),
            jumped: false,
            changed: true,
            to_learn: true,
            learned: HealthEpoch::ZERO,
            told: HealthEpoch::ZERO,
            known: BTreeSet::new(),
            card_version: 0,
        }
    }

    /// The newest view.
    pub(crate) fn view(&self) -> &Arc<HealthView> {
        &self.view
    }

    /// What hangs on the view, the leader or the group is to be brought up to date at the end of the turn.
    pub(crate) fn learn_again(&mut self) {
        self.to_learn = true;
    }

    /// The local feed is to be looked at in this turn, though the view may be the same.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// The member with this instance in the view.
    pub(crate) fn member(&self, instance: Instance) -> Option<&Member> {
        self.view.members.iter().find(|member| member.instance == instance)
    }

    /// The name of an instance, or the beginning of its number.
    pub(crate) fn name(&self, instance: Instance) -> String {
        self.member(instance).map_or_else(|| instance.short(), |member| member.name.clone())
    }

    /// Committed members that are alive.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Member> {
        self.view.members.iter().filter(|member| member.state() == MemberState::Alive)
    }

    fn take_delta(&mut self, delta: Arc<HealthDelta>) {
        let Some(next) = self.view.apply(&delta).filter(|it| it.members.len() <= limits::MEMBERS)
        else {
            return;
        };
        self.view = Arc::new(next);
        if self.pending.len() >= MAX_PENDING {
            self.pending.clear();
            self.jumped = true;
        } else {
            self.pending.push_back((Arc::clone(&self.view), delta));
        }
        self.changed = true;
    }

    fn take_view(&mut self, view: Arc<HealthView>) {
        if view.epoch <= self.view.epoch {
            return;
        }
        self.view = view;
        self.pending.clear();
        self.jumped = true;
        self.changed = true;
    }
}

impl Node {
    /// An epoch was committed on the own replica.
    pub(crate) fn health_committed(&mut self, delta: Arc<HealthDelta>) {
        let before = self.health.view.epoch;
        self.health.take_delta(delta);
        if self.health.view.epoch < self.group.as_ref().map_or(before, |group| group.meta().epoch())
        {
            self.health_replaced();
        }
        self.note_epoch(before);
    }

    /// The replica's state was replaced as a whole.
    pub(crate) fn health_replaced(&mut self) {
        if let Some(group) = &self.group {
            self.health.take_view(group.meta().view());
        }
        self.health.learn_again();
    }

    /// Somebody whom this node believes (`trust.rs`) brought news.
    pub(crate) fn health_pushed(&mut self, update: HealthUpdate) {
        let before = self.health.view.epoch;
        // The whole view is for who cannot get there step by step, or has nothing yet and need not see what was.
        let have = self.health.view.epoch;
        let follows = |delta: &HealthDelta| delta.epoch.get() <= have.get().saturating_add(1);
        let steps = have > HealthEpoch::ZERO && update.deltas.first().is_some_and(follows);
        if !steps
            && let Some(full) = update.full
            && full.members.len() <= limits::MEMBERS
            && is_near(before.get(), full.epoch.get())
        {
            self.health.take_view(Arc::new(full));
        }
        for delta in update.deltas {
            self.health.take_delta(Arc::new(delta));
        }
        self.note_epoch(before);
    }

    fn note_epoch(&mut self, before: HealthEpoch) {
        if self.health.view.epoch > before {
            self.turn.counters.epochs += self.health.view.epoch.get() - before.get();
            self.health.learn_again();
        }
    }

    /// The epoch that this node acknowledges: everything at or below it has been seen here.
    pub(crate) fn acknowledged_epoch(&self) -> HealthEpoch {
        self.health.view.epoch
    }

    /// The voters of the view but this node.
    pub(crate) fn other_voters(&self) -> impl Iterator<Item = Instance> {
        let me = self.config.instance;
        let voters = self.health.view.members.iter().filter(|it| it.role() == Role::Voter);
        voters.map(|it| it.instance).filter(move |life| *life != me)
    }

    /// Tells the parts that hang on the view about a new one.
    pub(crate) fn catch_up_with_view(&mut self) {
        if !std::mem::take(&mut self.health.to_learn) {
            return;
        }
        if let Some(group) = &self.group {
            let view = group.meta().view();
            self.health.take_view(view);
        }
        if self.health.learned != self.health.view.epoch {
            self.health.learned = self.health.view.epoch;
            self.note_states();
            self.learn_members();
        }
        self.tell_detector();
        self.turn.timers.arm_if_idle(Timer::Ping, self.turn.now);
        self.turn.timers.arm_if_idle(Timer::Relay, self.turn.now);
        self.turn.timers.arm(Timer::Dissent, self.turn.now);
        self.turn.duties_due = true;
        self.own_role_may_have_changed();
    }

    fn learn_members(&mut self) {
        let view = Arc::clone(&self.health.view);
        let own = self.group.as_ref().map(|group| group.meta().epoch());
        self.peers.learn_view(&view, own == Some(view.epoch));
        let mut known = BTreeSet::new();
        let me = self.config.instance;
        for member in view.members.iter().filter(|member| member.instance != me) {
            known.insert(member.instance);
            let Some(address) = self.peers.address(member.instance) else { continue };
            let (instance, generation) = (member.instance, member.generation);
            self.step_detector(DetectorInput::Known { instance, generation, address });
        }
        let before = std::mem::replace(&mut self.health.known, known);
        for instance in before.difference(&self.health.known.clone()) {
            self.step_detector(DetectorInput::Forget(*instance));
        }
        let live = self
            .health
            .alive()
            .filter_map(|member| Some((member.instance, self.peers.address(member.instance)?)))
            .collect();
        let replica = self.role().is_some_and(|role| role != Role::Member);
        self.step_founding(FoundingInput::Cluster { live, replica });
        let card = self.card();
        self.step_detector(DetectorInput::Card(card));
        self.note_who_is_gone();
        self.forget_warnings_of_the_replaced();
        self.tell_of_two_addresses();
    }

    fn card(&mut self) -> Card {
        self.health.card_version += 1;
        Card {
            instance: self.config.instance,
            generation: self.config.generation,
            version: self.health.card_version,
            name: self.config.name.to_string(),
            address: self.config.advertise.map(Into::into),
        }
    }

    fn tell_detector(&mut self) {
        let me = self.config.instance;
        let leader = self.leadership.leader().map(|leader| leader.instance);
        let expected: Vec<Instance> = if leader == Some(me) {
            self.health.alive().map(|member| member.instance).filter(|one| *one != me).collect()
        } else {
            leader.into_iter().collect()
        };
        let mut confirmers: Vec<Instance> = leader.into_iter().filter(|one| *one != me).collect();
        confirmers.extend(
            self.health
                .alive()
                .map(|member| member.instance)
                .filter(|one| *one != me && Some(*one) != leader),
        );
        // Without a leader the last one is still expected: the watch on it, with the silence so far, lives on
        // into what the next leader expects.
        if leader.is_some() {
            self.step_detector(DetectorInput::Expect(expected));
        }
        self.step_detector(DetectorInput::Confirmers(confirmers));
    }

    /// This node's role in the view.
    pub(crate) fn role(&self) -> Option<Role> {
        self.health.member(self.config.instance).map(Member::role)
    }

    /// Hands news to the local feed.
    pub(crate) fn publish_health(&mut self) {
        let quorate = self.is_quorate();
        if !self.health.changed && quorate == self.is_told_quorate() {
            return;
        }
        self.note_quorum(quorate);
        self.health.changed = false;
        if self.health.view.epoch == HealthEpoch::ZERO {
            return;
        }
        self.epoch_reached();
        let steps: Vec<_> = self.health.pending.drain(..).collect();
        if std::mem::take(&mut self.health.jumped) || steps.is_empty() {
            let view = Arc::clone(&self.health.view);
            self.tell_jump(&view);
            self.turn.out.push(Output::Health { view, delta: None, quorate });
            return;
        }
        for (view, delta) in steps {
            self.tell_epoch(&delta);
            self.turn.out.push(Output::Health { view, delta: Some(delta), quorate });
        }
    }

    /// One line for an epoch, with everything that it changed.
    fn tell_epoch(&mut self, delta: &HealthDelta) {
        let words = |change: &HealthChange| match (change.from.as_str(), change.to.as_str()) {
            (_, "") => format!("{} is no longer a member ({})", change.name, change.reason),
            (from, to) if from == to => format!("{}: {}", change.name, change.reason),
            (_, "left") => format!("{} left ({})", change.name, change.reason),
            (_, to) => format!("{} is {to} ({})", change.name, change.reason),
        };
        let changes: Vec<String> = delta.changed.iter().map(words).collect();
        let bad = delta.changed.iter().any(|change| change.to == MemberState::Down.word());
        self.health.told = delta.epoch;
        let text = format!("epoch {}: {}", delta.epoch, changes.join("; "));
        let (epoch, changes) = (Some(delta.epoch), delta.changed.clone());
        self.turn.event_about("epoch", text, bad, About { epoch, changes, ..About::default() });
    }

    /// One line for epochs that were skipped: this node was away, or has just come.
    fn tell_jump(&mut self, view: &HealthView) {
        if self.health.told == view.epoch {
            return;
        }
        self.health.told = view.epoch;
        let alive = self.health.alive().count();
        let text =
            format!("epoch {}: {alive} of {} members are alive", view.epoch, view.members.len());
        let about = About { epoch: Some(view.epoch), ..About::default() };
        self.turn.event_about("epoch", text, false, about);
    }
}
