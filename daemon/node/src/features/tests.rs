//! Which level the members can run, and who is said to be in its way.

use super::*;
use crate::event::{Input, Output};
use crate::told::Event;
use crate::trial::{Trial, life};
use quorate_proto::{
    Command, CommandBody, Entry, EnvelopeBody, Lane, MessageKind, NodeName, Ping, RaftMessage,
    RaiseLevel,
};

fn view(members: u8) -> HealthView {
    let member = |number: u8| Member {
        name: format!("n{number}"),
        instance: life(number),
        generation: Generation::new(1),
        ..Member::default()
    };
    HealthView { members: (1..=members).map(member).collect(), ..HealthView::default() }
}

fn levels(highest: u32) -> Levels {
    Levels::new(FeatureLevel::BASE, FeatureLevel::new(highest))
}

/// A node of a program that can run the levels 1 to 3, beside members 2 and 3.
struct Known {
    trial: Trial,
    features: Features,
}

impl Known {
    fn new() -> Self {
        let mut trial = Trial::voter();
        trial.node.config.levels = levels(3);
        Self { trial, features: Features::default() }
    }

    fn met(&mut self, number: u8, generation: u64, highest: u32) {
        let session = Session {
            generation: Generation::new(generation),
            name: NodeName::new(&format!("n{number}")).expect("valid"),
            software: format!("0.{highest}.0"),
            levels: levels(highest),
            ..self.trial.session(number)
        };
        self.features.note(&session);
    }

    fn reach(&self) -> Reach {
        self.features.reach(&self.trial.node.config, &view(3))
    }
}

#[test]
fn the_level_reaches_as_high_as_the_member_that_can_run_least() {
    let mut known = Known::new();
    known.met(2, 1, 3);
    known.met(3, 1, 2);
    assert_eq!(known.reach().level.get(), 2);
    known.met(3, 2, 3);
    assert_eq!(known.reach(), Reach { level: FeatureLevel::new(3), behind: Vec::new() });
}

#[test]
fn a_member_that_has_not_said_what_it_runs_counts_as_one_of_the_first_level() {
    let mut known = Known::new();
    known.met(2, 1, 3);
    let reach = known.reach();
    assert_eq!(reach.level, FeatureLevel::BASE);
    let why = reach.why_not(FeatureLevel::new(3));
    assert!(
        why.starts_with("host n3 is alive and has not said what it runs; bring it back"),
        "{why}"
    );
}

#[test]
fn what_an_earlier_start_ran_says_nothing_of_a_later_one() {
    let mut known = Known::new();
    known.met(2, 1, 3);
    known.met(3, 4, 3);
    known.met(3, 2, 1);
    assert_eq!(known.reach().level.get(), 3, "late news of an earlier start");
    let mut later = view(3);
    later.members[2].generation = Generation::new(5);
    let reach = known.features.reach(&known.trial.node.config, &later);
    assert_eq!(reach.level, FeatureLevel::BASE, "the committed start has not been met");
}

#[test]
fn who_is_behind_is_named_with_what_it_runs() {
    let mut known = Known::new();
    known.met(2, 1, 2);
    known.met(3, 1, 1);
    let reach = known.reach();
    let to = |level: u32| reach.why_not(FeatureLevel::new(level));
    assert_eq!(to(1), "every member can: run `quorate feature raise`");
    assert_eq!(
        to(2),
        "host n3 runs 0.1.0 (feature level 1); upgrade it, then run `quorate feature raise`"
    );
    let both =
        "host n2 runs 0.2.0 (feature levels 1 to 2), host n3 runs 0.1.0 (feature level 1); upgrade";
    assert!(to(3).starts_with(both), "{}", to(3));
}

#[test]
fn a_told_level_never_falls() {
    let mut features = Features::default();
    for (told, stands) in [(0, None), (2, Some(2)), (1, Some(2)), (3, Some(3)), (0, Some(3))] {
        features.tell(told);
        assert_eq!(features.told().map(FeatureLevel::get), stands);
    }
}

#[test]
fn a_frame_of_a_kind_that_is_not_known_is_passed_over_and_not_called_malformed() {
    let mut trial = Trial::voter();
    let count = |trial: &Trial, name: &str| {
        let counters = trial.node.status(trial.now).counters;
        counters.iter().find(|(known, ..)| *known == name).expect("it is counted").2
    };
    // Field 99, two bytes.
    let bytes = bytes::Bytes::from_static(&[0x9a, 0x06, 0x02, 1, 2]);
    trial.turn([Input::Frame { from: life(2), lane: Lane::Control, bytes }]);
    assert_eq!(count(&trial, "quorate_frames_unknown_total"), 1);
    assert_eq!(count(&trial, "quorate_frames_malformed_total"), 0);
}

/// What node 1 tells of the level: voter of three, whose second leads and names these levels in turn before it appends a raise.
fn told_of_a_raise(words: &[u32]) -> usize {
    let mut trial = Trial::voter_at_the_first_level();
    let (cluster_id, leader, term) = (trial.cluster_id(), Some(life(2)), 2);
    let mut out = Vec::new();
    for level in words {
        let ping = Ping { cluster_id, term, leader, level: *level, ..Ping::default() };
        out.extend(trial.hears(2, Lane::Control, EnvelopeBody::Ping(ping)));
    }
    let raise = RaiseLevel { level: 2, at_unix_ms: 0 };
    let data = Command::to_entry(0, CommandBody::RaiseLevel(raise));
    let append = RaftMessage {
        kind: MessageKind::Append.into(),
        term,
        log_term: 1,
        index: 1,
        commit: 3,
        entries: vec![
            Entry { term, index: 2, ..Entry::default() },
            Entry { term, index: 3, data, ..Entry::default() },
        ],
        ..RaftMessage::default()
    };
    out.extend(trial.hears_raft(2, append));
    out.extend(trial.durable());
    assert_eq!(trial.node.sight().level(), Some(FeatureLevel::new(2)));
    out.iter().filter(|one| matches!(one, Output::Event(Event::Level { .. }))).count()
}

#[test]
fn a_replica_that_reads_old_entries_behind_the_leaders_word_tells_of_no_raise() {
    assert_eq!(told_of_a_raise(&[]), 0, "it has not heard who leads");
    assert_eq!(told_of_a_raise(&[2]), 0, "the cluster rose while it was away");
    assert_eq!(told_of_a_raise(&[1]), 1);
    assert_eq!(told_of_a_raise(&[1, 2]), 1, "the word came before the entry");
}
