//! Health as this node sees it: the newest committed view, and how the local feed hears of it.
//!
//! The view comes from the node's own replica or from the leader's pings, whichever is newer; it never goes
//! back. Knows nothing of who leads.

use crate::event::Output;
use crate::told::Event;
use crate::turn::Turn;
use quorate_meta::Meta;
use quorate_proto::{
    HealthDelta, HealthEpoch, HealthUpdate, HealthView, Instance, Member, MemberState, limits,
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
    /// The members but this node, as the detector knows them.
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

    /// One that shows this view.
    #[cfg(test)]
    pub(crate) fn showing(view: HealthView) -> Self {
        Self { view: Arc::new(view), ..Self::new() }
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
        let Some(next) = self.view.apply(&delta).filter(HealthView::is_in_bounds) else {
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

    /// An epoch was committed on the own replica, of which this is the state.
    pub(crate) fn committed(&mut self, turn: &mut Turn, meta: &Meta, delta: Arc<HealthDelta>) {
        let before = self.view.epoch;
        self.take_delta(delta);
        if self.view.epoch < meta.epoch() {
            self.replaced(meta);
        }
        self.note_epoch(turn, before);
    }

    /// The replica's state was replaced as a whole.
    pub(crate) fn replaced(&mut self, meta: &Meta) {
        self.take_view(meta.view());
        self.learn_again();
    }

    /// Somebody whom this node believes (`trust.rs`) brought news.
    pub(crate) fn pushed(&mut self, turn: &mut Turn, update: HealthUpdate) {
        // The whole view is for who cannot get there step by step, or has nothing yet and need not see what was.
        let have = self.view.epoch;
        let follows = |delta: &HealthDelta| delta.epoch.get() <= have.get().saturating_add(1);
        let steps = have > HealthEpoch::ZERO && update.deltas.first().is_some_and(follows);
        if !steps
            && let Some(full) = update.full
            && full.is_in_bounds()
            && is_near(have.get(), full.epoch.get())
        {
            self.take_view(Arc::new(full));
        }
        for delta in update.deltas {
            self.take_delta(Arc::new(delta));
        }
        self.note_epoch(turn, have);
    }

    fn note_epoch(&mut self, turn: &mut Turn, before: HealthEpoch) {
        if self.view.epoch > before {
            turn.counters.epochs += self.view.epoch.get() - before.get();
            self.learn_again();
        }
    }

    /// Whether what hangs on the view, the leader or the group is to be brought up to date now; asked once.
    pub(crate) fn is_to_be_learned(&mut self, own: Option<&Meta>) -> bool {
        let to_learn = std::mem::take(&mut self.to_learn);
        if let Some(meta) = own.filter(|_| to_learn) {
            self.take_view(meta.view());
        }
        to_learn
    }

    /// The epoch whose members are to be learned; none when they are.
    pub(crate) fn is_new(&mut self) -> bool {
        std::mem::replace(&mut self.learned, self.view.epoch) != self.view.epoch
    }

    /// The members but this node, in place of those before: who is no longer among them.
    pub(crate) fn gone_members(&mut self, me: Instance) -> Vec<Instance> {
        let members = self.view.members.iter().map(|member| member.instance);
        let known: BTreeSet<Instance> = members.filter(|instance| *instance != me).collect();
        let before = std::mem::replace(&mut self.known, known);
        before.difference(&self.known).copied().collect()
    }

    /// Each card that this node gives of itself replaces the one before.
    pub(crate) fn next_card_version(&mut self) -> u64 {
        self.card_version += 1;
        self.card_version
    }

    /// Whether the local feed has to hear something. `quorum`: whether there is one now, and whether the feed was told so.
    pub(crate) fn has_news(&self, quorum: (bool, bool)) -> bool {
        self.changed || quorum.0 != quorum.1
    }

    /// Hands the news to the local feed. True when there is a view to be told of.
    pub(crate) fn publish(&mut self, turn: &mut Turn, quorate: bool) {
        let steps: Vec<_> = self.pending.drain(..).collect();
        if std::mem::take(&mut self.jumped) || steps.is_empty() {
            let view = Arc::clone(&self.view);
            self.tell_jump(turn, &view);
            turn.out.push(Output::Health { view, delta: None, quorate });
            return;
        }
        for (view, delta) in steps {
            self.told = delta.epoch;
            turn.event(Event::Epoch(Arc::clone(&delta)));
            turn.out.push(Output::Health { view, delta: Some(delta), quorate });
        }
    }

    /// What the feed was to hear is about to be told. Whether there is any view yet.
    pub(crate) fn begins_to_publish(&mut self) -> bool {
        self.changed = false;
        self.view.epoch > HealthEpoch::ZERO
    }

    /// One line for epochs that were skipped: this node was away, or has just come.
    fn tell_jump(&mut self, turn: &mut Turn, view: &HealthView) {
        if self.told == view.epoch {
            return;
        }
        self.told = view.epoch;
        let (alive, members) = (self.alive().count(), view.members.len());
        turn.event(Event::Epochs { newest: view.epoch, alive, members });
    }
}

/// Whether a number that somebody names is not below ours and no more than a step above: numbers move in bounded steps, so that nobody
/// drives them to their end.
pub(crate) fn is_near(ours: u64, named: u64) -> bool {
    named >= ours && named - ours <= limits::NUMBER_STEP
}
