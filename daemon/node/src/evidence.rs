//! A node's dissent: its own verdicts minus the committed health. It is sent whole to the leader on every
//! change and each second while it is not empty; the leader keeps the newest of each reporter.
//!
//! Evidence has an age, and is never taken for younger than it is: a report names the leader's ping that its sender had,
//! and counts from when that ping was sent. What is committed rests on evidence of a moment too.
//! Knows nothing of what a verdict against the leader leads to: that is in `campaign.rs`.

use crate::duties::weighing::{Standing, Voice, Word};
use crate::news::News;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_membership::{DetectorInput, Opinion};
use quorate_proto::{
    Dissent, EnvelopeBody, FrameKind, HealthEpoch, HealthView, Instance, Member, MemberState,
    Moment, StateChange, Verdict, VerdictReport, limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a dissent is repeated.
const REPEAT: Duration = Duration::from_secs(1);
/// A report older than this no longer counts: its reporter would have repeated it.
pub(crate) const FRESH: Duration = Duration::from_secs(3);

/// A sign of life older than this is none: a report that said no more than this would be repeated for ever.
const LIFE: Duration = Duration::from_secs(3);

/// One reporter's newest dissent.
#[derive(Debug)]
struct Heard {
    came: Moment,
    /// Not after it was sent, by this node's clock.
    said: Moment,
    verdicts: Vec<VerdictReport>,
}

/// What others reported to this node while it leads, and on what the committed health rests.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    reports: BTreeMap<Instance, Heard>,
    sent_to: Option<(Instance, HealthEpoch)>,
    verdict_changed: bool,
    /// The newest ping of the leader: whose, its number, and when it came.
    pinged: Option<(Instance, u64, Moment)>,
    /// The view whose states were noted last.
    noted: Arc<HealthView>,
    /// The moment of the evidence on which each member's committed state rests.
    rests: BTreeMap<Instance, Moment>,
    /// The same for what was proposed last.
    proposed: Vec<(StateChange, Moment)>,
}

impl Evidence {
    /// A new leader, or this node's term as leader begins: old reports are void.
    pub(crate) fn clear(&mut self) {
        self.reports.clear();
        self.sent_to = None;
        self.pinged = None;
        self.proposed.clear();
    }

    /// These changes are proposed, each with the moment of its evidence.
    pub(crate) fn proposes(&mut self, changes: Vec<(StateChange, Moment)>) {
        self.proposed = changes;
    }

    /// What is committed of a member, as evidence.
    pub(crate) fn standing(&self, member: &Member) -> Standing {
        let at = self.rests.get(&member.instance).copied().unwrap_or_default();
        Standing { generation: member.generation, state: member.state(), at }
    }

    /// What fresh reports say, by the member that they are about.
    pub(crate) fn voices(&self, now: Moment) -> BTreeMap<Instance, Vec<Voice>> {
        let mut voices: BTreeMap<Instance, Vec<Voice>> = BTreeMap::new();
        for (by, heard) in self.reports.iter().filter(|(_, one)| now.since(one.came) < FRESH) {
            for report in &heard.verdicts {
                let word = match report.verdict() {
                    Verdict::Alive => Word::Heard,
                    Verdict::Down if report.confirmed => Word::Down,
                    Verdict::Left => Word::Left,
                    Verdict::Down | Verdict::Suspect => continue,
                };
                voices.entry(report.instance).or_default().push(Voice {
                    by: *by,
                    generation: report.generation,
                    word,
                    at: before(heard.said, report.age_ms),
                    reason: report.reason.chars().take(limits::REASON).collect(),
                    goodbye: report.goodbye(),
                });
            }
        }
        voices
    }

    /// The moment on which a member's newly committed state rests: that of the evidence, if this node proposed it.
    fn rests_on(&self, now: Moment, member: &Member) -> Moment {
        let same = |change: &StateChange| {
            (change.instance, change.generation, change.state)
                == (member.instance, member.generation, member.state)
        };
        self.proposed.iter().find(|(change, _)| same(change)).map_or(now, |(_, at)| *at)
    }
}

/// So many milliseconds before a moment.
fn before(moment: Moment, millis: u64) -> Moment {
    Moment::from_micros(moment.as_micros().saturating_sub(millis.saturating_mul(1_000)))
}

/// What is to be reported of an opinion, if it differs from what is committed of its member.
///
/// It says nothing about a start that has been followed by another, nor what this node did not hear itself or have
/// confirmed. A sign of life counts while it is young; the leader weighs its age against that of other evidence.
fn report(now: Moment, opinion: Opinion, member: &Member) -> Option<VerdictReport> {
    if opinion.generation < member.generation {
        return None;
    }
    let newer = opinion.generation > member.generation;
    let since = match (member.state(), opinion.verdict) {
        (MemberState::Alive, Verdict::Alive) if !newer => return None,
        (_, Verdict::Alive) => opinion.heard.filter(|at| now.since(*at) < LIFE)?,
        (MemberState::Alive, Verdict::Down) if opinion.confirmed => opinion.since,
        (MemberState::Alive | MemberState::Down, Verdict::Left) => opinion.since,
        _ => return None,
    };
    let age = now.since(since).as_micros().div_ceil(1_000);
    Some(VerdictReport {
        instance: opinion.instance,
        generation: opinion.generation,
        verdict: opinion.verdict.into(),
        reason: opinion.reason,
        age_ms: u64::try_from(age).unwrap_or(u64::MAX),
        confirmed: opinion.confirmed,
        goodbye: opinion.goodbye.into(),
    })
}

impl Evidence {
    /// The detector changed its mind about somebody.
    pub(crate) fn judged(&mut self, sight: &Sight<'_>, turn: &mut Turn, opinion: &Opinion) {
        self.verdict_changed = true;
        turn.timers.arm(Timer::Dissent, turn.now);
        turn.duties_due = true;
        let name = sight.health.name(opinion.instance);
        tracing::debug!(%name, verdict = ?opinion.verdict, reason = %opinion.reason, "verdict");
        let instance = opinion.instance;
        // Gossip comes later than a leader's own ears, unless these, or others', heard something.
        if opinion.verdict == Verdict::Down && sight.leads() {
            turn.tell(News::Condemned { instance, was_heard: !opinion.direct });
        }
        let over = match opinion.verdict {
            Verdict::Down => true,
            // One that leaves in good order answers first; when its session ends, the rest is known to be lost.
            Verdict::Left => sight.peers.session(instance).is_none(),
            Verdict::Alive | Verdict::Suspect => false,
        };
        if over {
            turn.tell(News::Silenced(instance));
        }
    }

    /// A ping of the leader came in. What was to be reported before its first one waited for it.
    pub(crate) fn leaders_ping(&mut self, turn: &mut Turn, leader: Instance, number: u64) {
        if self.pinged.is_none_or(|(before, ..)| before != leader) {
            turn.timers.arm(Timer::Dissent, turn.now);
        }
        self.pinged = Some((leader, number, turn.now));
    }

    /// Sends the dissent to the leader; keeps repeating while it is not empty.
    pub(crate) fn send(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let Some(leader) = sight.leadership.leader() else { return };
        if leader.instance == sight.config.instance {
            return;
        }
        let pinged = self.pinged.filter(|(from, ..)| *from == leader.instance);
        let Some((_, ping, pinged)) = pinged else { return };
        let verdicts = dissent(sight);
        let here = Some((leader.instance, sight.health.view().epoch));
        let said_before = self.sent_to == here && !self.verdict_changed;
        if verdicts.is_empty() && said_before {
            return;
        }
        self.verdict_changed = false;
        self.sent_to = here;
        if !verdicts.is_empty() {
            turn.timers.arm(Timer::Dissent, turn.now + REPEAT);
        }
        let since_ping_ms = u64::try_from(turn.now.since(pinged).as_millis()).unwrap_or(u64::MAX);
        let epoch = sight.health.view().epoch;
        let body = EnvelopeBody::Dissent(Dissent { epoch, verdicts, ping, since_ping_ms });
        turn.send_control(sight.peers, leader.instance, FrameKind::Dissent, 0, body);
    }

    /// Another node's dissent, and when the ping was sent that it names; only members are listened to, and only while this
    /// node leads.
    pub(crate) fn received(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        dissent: Dissent,
        sent: Option<Moment>,
    ) {
        if !sight.leads() || sight.health.member(from).is_none() {
            return;
        }
        if dissent.verdicts.len() > limits::MEMBERS {
            turn.counters.frames_guarded += 1;
            return;
        }
        // Without a ping of this term, or with one of long ago, nobody knows how old it is. It is repeated.
        let Some(sent) = sent else { return };
        let said = (sent + Duration::from_millis(dissent.since_ping_ms)).min(turn.now);
        if self.reports.get(&from).is_some_and(|newer| newer.said > said) {
            return;
        }
        for report in dissent.verdicts.iter().filter(|one| one.verdict() == Verdict::Alive) {
            let (subject, heard) = (report.instance, before(said, report.age_ms));
            // Who heard it before this node found it gone is no witness that it is there.
            let own = sight.detector.verdict(subject);
            if own.is_none_or(|own| own.verdict != Verdict::Down || own.since < heard) {
                turn.tell(News::Detector(DetectorInput::Vouched { subject, by: from }));
            }
        }
        self.reports.insert(from, Heard { came: turn.now, said, verdicts: dissent.verdicts });
        turn.duties_due = true;
    }

    /// Notes on what the states of a new view rest, and who has gone.
    pub(crate) fn note_states(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let view = sight.health.view();
        let before = std::mem::replace(&mut self.noted, Arc::clone(view));
        for member in &view.members {
            let old = before.members.binary_search_by(|old| old.name.cmp(&member.name)).ok();
            let old = old.map(|place| &before.members[place]);
            let old = old.filter(|old| old.instance == member.instance);
            let state = |one: &Member| (one.state, one.generation);
            if old.is_some_and(|old| state(old) == state(member)) {
                continue;
            }
            let at = self.rests_on(turn.now, member);
            self.rests.insert(member.instance, at);
            if old.is_some_and(|old| old.state() == MemberState::Alive) {
                turn.tell(News::HostGone(member.instance));
            }
        }
        let is_member = |instance| view.members.iter().any(|member| member.instance == instance);
        self.reports.retain(|instance, _| is_member(*instance));
        if self.rests.len() > view.members.len() {
            self.rests.retain(|instance, _| is_member(*instance));
        }
    }
}

/// The verdicts that differ from the committed health.
fn dissent(sight: &Sight<'_>) -> Vec<VerdictReport> {
    let of = |opinion: Opinion| {
        report(sight.now, opinion.clone(), sight.health.member(opinion.instance)?)
    };
    sight.detector.verdicts().filter_map(of).take(limits::MEMBERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::{Generation, Goodbye};

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    /// What a node that holds this of the third start of a member reports at 10 s, and how old.
    fn reported(state: MemberState, verdict: Verdict, generation: u64) -> Option<(Verdict, u64)> {
        let instance = Instance::from_bytes([1; 16]);
        let opinion = Opinion {
            instance,
            generation: Generation::new(generation),
            verdict,
            reason: String::new(),
            since: at(2_000),
            confirmed: true,
            direct: true,
            heard: Some(at(9_500)),
            vouched: None,
            goodbye: Goodbye::None,
        };
        let generation = Generation::new(3);
        let member = Member { instance, generation, state: state.into(), ..Member::default() };
        report(at(10_000), opinion, &member).map(|report| (report.verdict(), report.age_ms))
    }

    #[test]
    fn dissent_is_what_differs_with_the_age_of_its_evidence() {
        use MemberState as State;
        assert_eq!(reported(State::Alive, Verdict::Alive, 3), None);
        assert_eq!(reported(State::Alive, Verdict::Suspect, 3), None);
        assert_eq!(reported(State::Down, Verdict::Down, 3), None);
        assert_eq!(reported(State::Left, Verdict::Down, 3), None);
        assert_eq!(reported(State::Alive, Verdict::Alive, 4), Some((Verdict::Alive, 500)));
        assert_eq!(reported(State::Down, Verdict::Alive, 3), Some((Verdict::Alive, 500)));
        assert_eq!(reported(State::Alive, Verdict::Down, 3), Some((Verdict::Down, 8_000)));
        assert_eq!(reported(State::Down, Verdict::Left, 3), Some((Verdict::Left, 8_000)));
    }

    #[test]
    fn an_opinion_of_an_earlier_start_is_no_dissent() {
        for state in [MemberState::Alive, MemberState::Down, MemberState::Left] {
            for verdict in [Verdict::Alive, Verdict::Down, Verdict::Left] {
                assert_eq!(reported(state, verdict, 2), None, "{state:?} {verdict:?}");
            }
        }
    }

    #[test]
    fn a_sign_of_life_that_is_no_longer_young_is_no_dissent() {
        let instance = Instance::from_bytes([1; 16]);
        let member = Member { instance, state: MemberState::Down.into(), ..Member::default() };
        let heard = |heard| Opinion {
            instance,
            generation: Generation::default(),
            verdict: Verdict::Alive,
            reason: String::new(),
            since: at(0),
            confirmed: false,
            direct: true,
            heard,
            vouched: None,
            goodbye: Goodbye::None,
        };
        assert!(report(at(10_000), heard(Some(at(7_001))), &member).is_some());
        assert!(report(at(10_000), heard(Some(at(7_000))), &member).is_none());
        assert!(report(at(10_000), heard(None), &member).is_none());
    }

    #[test]
    fn a_report_counts_from_when_the_ping_that_it_names_was_sent() {
        let mut evidence = Evidence::default();
        let report = VerdictReport { age_ms: 700, confirmed: true, ..VerdictReport::default() };
        let heard = Heard { came: at(5_000), said: at(4_000), verdicts: vec![report] };
        evidence.reports.insert(Instance::from_bytes([2; 16]), heard);
        let voices = evidence.voices(at(5_100));
        assert_eq!(voices[&Instance::default()][0].at, at(3_300));
        assert!(evidence.voices(at(8_000)).is_empty());
    }
}
