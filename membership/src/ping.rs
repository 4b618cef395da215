//! Direct evidence: how long each directly pinged peer has been silent, and what others say of a silent one.
//!
//! What stays true: nobody is condemned on silence alone while there is somebody to ask; one "heard" of any
//! confirmer outweighs every "not heard"; when no confirmer says anything, nothing is concluded about the
//! suspect. Knows nothing of gossip, and not what its findings do to the verdicts.

use crate::config::Profile;
use crate::patience::{Patience, Spans};
use quorate_proto::detector_message::Body;
use quorate_proto::{
    ConfirmAnswer, ConfirmAsk, DetectorMessage, Generation, Instance, LifeProbe, Moment,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most confirmers asked about one suspect: one answer decides, two more ride out losses.
const CONFIRMERS: usize = 3;

/// A message to one peer.
pub(crate) type Outgoing = (Instance, DetectorMessage);

/// What direct evidence came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Silent, or its connection ended without a goodbye; others are being asked.
    Suspect { subject: Instance, why: Why },
    /// Silent for `confirmer` too; or, with none, nobody else was there to ask.
    Condemned { subject: Instance, why: Why, confirmer: Option<Instance> },
    /// `by` hears this start of it, and did not before that moment.
    Refuted {
        subject: Instance,
        by: Instance,
        generation: Generation,
        heard: Moment,
        first: bool,
        expected: bool,
    },
    /// Nobody who was asked said anything.
    Mute { subject: Instance },
}

/// Why a peer is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has not answered for so long.
    Silent(Duration),
    /// Its connection ended like this.
    Ended(&'static str),
}

/// What the watch needs to know of the world when it acts.
pub(crate) struct World<'a> {
    pub(crate) now: Moment,
    /// Who may be asked, leader first.
    pub(crate) confirmers: &'a [Instance],
    /// Generation and address of a suspect, for the question.
    pub(crate) subject: &'a dyn Fn(Instance) -> (Generation, Option<quorate_proto::Address>),
    /// Whether we hold a node alive, so that its answer can be hoped for.
    pub(crate) trusted: &'a dyn Fn(Instance) -> bool,
    /// Stretches a span when our own health is in doubt.
    pub(crate) patience: &'a dyn Fn(Duration) -> Duration,
}

#[derive(Debug)]
struct Inquiry {
    number: u64,
    /// Asked; none when there is nobody to ask.
    asked: Vec<Instance>,
    not_heard: BTreeSet<Instance>,
    heard_by: Option<(Instance, Generation)>,
    opened: Moment,
    repeat_at: Moment,
    deadline: Moment,
}

#[derive(Debug)]
struct Watch {
    /// Silence counts from here: last heard, begin of expecting, or our own late turn.
    since: Moment,
    /// The node pings it; else only the hint is followed up.
    expected: bool,
    ended: Option<&'static str>,
    /// The longest silence that a sign of life ended, and that was not asked for yet.
    longest: Duration,
    inquiry: Option<Inquiry>,
    again: Option<Moment>,
    refuted: bool,
    condemned: bool,
    /// Were asked and said nothing: others are asked first the next time.
    mute: BTreeSet<Instance>,
}

impl Watch {
    fn new(since: Moment, expected: bool) -> Self {
        Self {
            since,
            expected,
            ended: None,
            longest: Duration::ZERO,
            inquiry: None,
            again: None,
            refuted: false,
            condemned: false,
            mute: BTreeSet::new(),
        }
    }

    fn why(&self, now: Moment) -> Why {
        self.ended.map_or_else(|| Why::Silent(now.since(self.since)), Why::Ended)
    }
}

/// The watches over all directly pinged peers. One each, and one for each hint: bounded by the contacts.
#[derive(Debug)]
pub(crate) struct Pings {
    me: Instance,
    profile: Profile,
    pub(crate) patience: Patience,
    heard: BTreeMap<Instance, Moment>,
    watches: BTreeMap<Instance, Watch>,
    /// Who said last, by its own will or asked, that it hears this one: asked first when we do not.
    witnesses: BTreeMap<Instance, Instance>,
    numbers: u64,
}

impl Pings {
    pub(crate) fn new(me: Instance, profile: Profile) -> Self {
        Self {
            me,
            profile,
            patience: Patience::new(profile.silence),
            heard: BTreeMap::new(),
            watches: BTreeMap::new(),
            witnesses: BTreeMap::new(),
            numbers: 0,
        }
    }

    pub(crate) fn last_heard(&self, instance: Instance) -> Option<Moment> {
        self.heard.get(&instance).copied()
    }

    /// For how long an expected peer has been silent.
    pub(crate) fn silence(&self, now: Moment, instance: Instance) -> Option<Duration> {
        let watch = self.watches.get(&instance).filter(|watch| watch.expected)?;
        Some(now.since(watch.since))
    }

    /// Replaces the set of peers that are pinged.
    pub(crate) fn expect(&mut self, now: Moment, peers: &[Instance]) {
        let peers: BTreeSet<Instance> =
            peers.iter().copied().filter(|peer| *peer != self.me).collect();
        self.watches.retain(|peer, watch| peers.contains(peer) || !watch.expected);
        for peer in peers {
            let watch = self.watches.entry(peer).or_insert_with(|| Watch::new(now, true));
            watch.expected = true;
        }
    }

    /// A sign of life. Whether it changed more than the clock of its silence.
    pub(crate) fn heard(&mut self, now: Moment, instance: Instance) -> bool {
        self.heard.insert(instance, now);
        let Some(watch) = self.watches.get_mut(&instance) else { return false };
        let troubled = watch.inquiry.is_some() || watch.condemned || watch.again.is_some();
        let expected = watch.expected;
        // Whoever was gone was not slow.
        let silent = if watch.condemned { Duration::ZERO } else { now.since(watch.since) };
        let longest = watch.longest.max(silent);
        *watch = Watch { longest, ..Watch::new(now, expected) };
        if !expected {
            self.watches.remove(&instance);
        }
        troubled || !expected
    }

    /// The longest silence of each expected peer that a sign of life ended since this was asked last.
    pub(crate) fn longest_silences(&mut self) -> Vec<(Instance, Duration)> {
        let expected = self.watches.iter_mut().filter(|(_, watch)| watch.expected);
        expected.map(|(peer, watch)| (*peer, std::mem::take(&mut watch.longest))).collect()
    }

    /// Another start of it speaks: what the one before did not say is no silence of this one.
    pub(crate) fn starts_anew(&mut self, now: Moment, instance: Instance) {
        if let Some(watch) = self.watches.get_mut(&instance) {
            watch.since = now;
        }
    }

    pub(crate) fn forget(&mut self, instance: Instance) {
        self.heard.remove(&instance);
        self.watches.remove(&instance);
        self.witnesses.remove(&instance);
    }

    /// Somebody says that it hears this one.
    pub(crate) fn vouched(&mut self, subject: Instance, by: Instance) {
        self.witnesses.insert(subject, by);
    }

    /// Another start of it is there, or it is back: its silence counts from now.
    pub(crate) fn begin_again(&mut self, now: Moment, instance: Instance) {
        if let Some(watch) = self.watches.get_mut(&instance) {
            *watch = Watch::new(now, watch.expected);
        }
    }

    /// It said goodbye: nothing is to be asked about it.
    pub(crate) fn settled(&mut self, instance: Instance) {
        if let Some(watch) = self.watches.get_mut(&instance) {
            watch.inquiry = None;
            watch.again = None;
            watch.condemned = true;
        }
    }

    /// We stood still: what we did not hear meanwhile is nobody's fault.
    pub(crate) fn restart_clocks(&mut self, now: Moment) {
        self.watches.retain(|_, watch| watch.expected);
        for watch in self.watches.values_mut() {
            watch.since = now;
            watch.ended = None;
            watch.inquiry = None;
            watch.again = None;
        }
    }

    /// The connection with a peer ended without a goodbye: ask at once instead of after the silence.
    pub(crate) fn hint(&mut self, now: Moment, instance: Instance, ended: &'static str) {
        let watch = self.watches.entry(instance).or_insert_with(|| Watch::new(now, false));
        if watch.inquiry.is_none() && !watch.condemned {
            watch.ended = Some(ended);
            watch.again = Some(now);
        }
    }

    /// A confirmer's answer. One that is late or to another question changes nothing.
    pub(crate) fn answer(&mut self, from: Instance, answer: &ConfirmAnswer) {
        let watch = self.watches.get_mut(&answer.subject);
        let Some(inquiry) = watch.and_then(|watch| watch.inquiry.as_mut()) else { return };
        if inquiry.number != answer.number || !inquiry.asked.contains(&from) {
            return;
        }
        if answer.heard {
            inquiry.heard_by = Some((from, answer.generation));
            self.witnesses.insert(answer.subject, from);
        } else {
            inquiry.not_heard.insert(from);
        }
    }

    /// Acts on everything that is due.
    pub(crate) fn fire(&mut self, world: &World<'_>, outgoing: &mut Vec<Outgoing>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subjects: Vec<Instance> = self.watches.keys().copied().collect();
        let mut ranked: Option<Vec<Instance>> = None;
        for subject in subjects {
            if self.due(world, subject) {
                let ranked = ranked.get_or_insert_with(|| self.rank(world));
                let asked = self.choose(ranked, subject);
                self.open(world, subject, asked, &mut findings);
            }
            self.repeat(world, subject, outgoing);
            self.conclude(world, subject, &mut findings);
        }
        findings
    }

    fn due(&self, world: &World<'_>, subject: Instance) -> bool {
        let Some(watch) = self.watches.get(&subject) else { return false };
        if watch.condemned || watch.inquiry.is_some() {
            return false;
        }
        self.opens_at(subject, watch, world.patience).is_some_and(|at| at <= world.now)
    }

    fn opens_at(
        &self,
        subject: Instance,
        watch: &Watch,
        patience: &dyn Fn(Duration) -> Duration,
    ) -> Option<Moment> {
        let silence = || patience(self.patience.with(subject).silence);
        let silent = watch.expected.then(|| watch.since + silence());
        watch.again.or(silent)
    }

    /// Who may be asked, best first: those held alive and heard just now, as the dead do not answer.
    fn rank(&self, world: &World<'_>) -> Vec<Instance> {
        let mut seen = BTreeSet::from([self.me]);
        let mut ranked = world.confirmers.to_vec();
        ranked.retain(|one| seen.insert(*one));
        ranked.sort_by_cached_key(|one| {
            let heard = self.last_heard(*one).map(|at| world.now.since(at));
            let silent = heard.is_none_or(|ago| ago > self.patience.with(*one).fresh);
            (!(world.trusted)(*one), silent)
        });
        ranked
    }

    /// Whom to ask about this suspect: first the one that heard it last, then those who have not kept silent about it.
    fn choose(&self, ranked: &[Instance], subject: Instance) -> Vec<Instance> {
        let mute = self.watches.get(&subject).map(|watch| &watch.mute);
        let is_mute = |one: &Instance| mute.is_some_and(|mute| mute.contains(one));
        let others = || ranked.iter().copied().filter(|one| *one != subject);
        let witness = self.witnesses.get(&subject);
        let is_witness = |one: &Instance| witness == Some(one) && !is_mute(one);
        let fresh = others().filter(|one| !is_mute(one) && !is_witness(one));
        let first = others().filter(is_witness);
        first.chain(fresh).chain(others().filter(is_mute)).take(CONFIRMERS).collect()
    }

    fn open(
        &mut self,
        world: &World<'_>,
        subject: Instance,
        asked: Vec<Instance>,
        findings: &mut Vec<Finding>,
    ) {
        self.numbers += 1;
        let number = self.numbers;
        let alone = asked.is_empty();
        let spans = self.spans_of_questions(subject, &asked);
        let Some(watch) = self.watches.get_mut(&subject) else { return };
        let soonest = world.now + spans.confirm_wait;
        let alone_at = watch.since + (world.patience)(spans.alone);
        let deadline = if alone { alone_at.max(soonest) } else { soonest };
        findings.push(Finding::Suspect { subject, why: watch.why(world.now) });
        watch.again = None;
        watch.inquiry = Some(Inquiry {
            number,
            asked,
            not_heard: BTreeSet::new(),
            heard_by: None,
            opened: world.now,
            repeat_at: world.now,
            deadline,
        });
    }

    /// For how long questions about a suspect are worked on: who is asked over a slow way has one to the suspect that may be as slow.
    fn spans_of_questions(&self, subject: Instance, asked: &[Instance]) -> Spans {
        let all = asked.iter().chain([&subject]).map(|one| self.patience.with(*one).silence);
        Spans::of(all.max().unwrap_or_default())
    }

    /// Sends the questions, again and again until answered: frames get lost.
    fn repeat(&mut self, world: &World<'_>, subject: Instance, outgoing: &mut Vec<Outgoing>) {
        let inquiry = self.watches.get(&subject).and_then(|watch| watch.inquiry.as_ref());
        let Some(asked) = inquiry.map(|inquiry| inquiry.asked.as_slice()) else { return };
        let silence = self.spans_of_questions(subject, asked).silence;
        let repeat = self.patience.with(subject).repeat;
        let Some(inquiry) = self.watches.get_mut(&subject).and_then(|w| w.inquiry.as_mut()) else {
            return;
        };
        if world.now < inquiry.repeat_at {
            return;
        }
        inquiry.repeat_at = world.now + repeat;
        let number = inquiry.number;
        outgoing.push(message_to(subject, Body::Probe(LifeProbe { number })));
        let (generation, address) = (world.subject)(subject);
        let patience_ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
        for one in inquiry.asked.iter().filter(|one| !inquiry.not_heard.contains(one)) {
            let address = address.clone();
            outgoing.push(message_to(
                *one,
                Body::Ask(ConfirmAsk { number, subject, generation, address, patience_ms }),
            ));
        }
    }

    fn conclude(&mut self, world: &World<'_>, subject: Instance, findings: &mut Vec<Finding>) {
        let now = world.now;
        let spans = self.patience.with(subject);
        let Some(watch) = self.watches.get_mut(&subject) else { return };
        let Some(inquiry) = &watch.inquiry else { return };
        let alone = inquiry.asked.is_empty();
        let all = !alone && inquiry.not_heard.len() == inquiry.asked.len();
        let expected = watch.expected;
        if let Some((by, generation)) = inquiry.heard_by {
            let first = !watch.refuted;
            // What was heard a moment before the question answers it too.
            let fresh = spans.fresh.as_micros().try_into().unwrap_or(u64::MAX);
            let heard = Moment::from_micros(inquiry.opened.as_micros().saturating_sub(fresh));
            findings.push(Finding::Refuted { subject, by, generation, heard, first, expected });
            watch.inquiry = None;
            watch.refuted = true;
            watch.ended = None;
            watch.again = Some(now + self.profile.ask_again);
        } else if !all && now < inquiry.deadline {
            return;
        } else if alone || !inquiry.not_heard.is_empty() {
            let confirmer = inquiry.not_heard.first().copied();
            findings.push(Finding::Condemned { subject, why: watch.why(now), confirmer });
            watch.inquiry = None;
            watch.condemned = true;
        } else {
            findings.push(Finding::Mute { subject });
            // The second round soon, with others; then slowly, as we may be the one that is cut off.
            let first = watch.mute.is_empty();
            let pause = if first { spans.confirm_wait } else { self.profile.ask_again };
            if inquiry.asked.iter().all(|one| watch.mute.contains(one)) {
                watch.mute.clear();
            } else {
                watch.mute.extend(&inquiry.asked);
            }
            watch.inquiry = None;
            watch.ended = None;
            watch.again = Some(now + pause);
        }
        if !expected {
            self.watches.remove(&subject);
        }
    }

    pub(crate) fn next_wake(&self, patience: &dyn Fn(Duration) -> Duration) -> Option<Moment> {
        let wake = |(subject, watch): (&Instance, &Watch)| match &watch.inquiry {
            _ if watch.condemned => None,
            Some(inquiry) => Some(inquiry.repeat_at.min(inquiry.deadline)),
            None => self.opens_at(*subject, watch, patience),
        };
        self.watches.iter().filter_map(wake).min()
    }
}

/// Puts a body into its envelope.
pub(crate) fn message_to(to: Instance, body: Body) -> Outgoing {
    (to, DetectorMessage { body: Some(body) })
}
