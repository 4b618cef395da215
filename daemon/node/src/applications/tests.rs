//! Who reports what, when a leader proposes it, and what no report may say.

use crate::event::{Input, Output};
use crate::trial::{Trial, life};
use quorate_proto::{
    ApplicationReport, ApplicationState, Envelope, EnvelopeBody, Generation, HealthView,
    HostApplications, Lane, Ping, Pong, ReasonCode,
};
use std::time::Duration;

fn told(name: &str, state: ApplicationState) -> ApplicationReport {
    let (name, reason) = (name.to_owned(), "connection refused".to_owned());
    ApplicationReport { name, state: state.into(), reason, ..ApplicationReport::default() }
}

fn says(trial: &mut Trial, all: &[ApplicationReport]) {
    trial.turn([Input::Applications(all.to_vec())]);
    for _ in 0..3 {
        trial.durable();
        trial.pass(Duration::from_millis(200));
    }
}

/// The applications that the view of the node under trial has, with their states.
fn shown(view: &HealthView) -> Vec<(String, &'static str)> {
    view.applications.iter().map(|one| (one.told.name.clone(), one.state().word())).collect()
}

/// What a member's answer to a ping of the leader reports.
fn reported(trial: &mut Trial, leader: u8, term: u64) -> Option<HostApplications> {
    let ping = Ping {
        number: 9,
        cluster_id: trial.cluster_id(),
        term,
        leader: Some(life(leader)),
        ..Ping::default()
    };
    let out = trial.hears(leader, Lane::Control, EnvelopeBody::Ping(ping));
    out.iter().find_map(|output| match output {
        Output::Send { frame, .. } => match Envelope::open(frame.lane, frame.bytes.clone()) {
            Ok(EnvelopeBody::Pong(pong)) => pong.applications,
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_leader_commits_its_own_applications_and_each_change_of_them_is_an_epoch() {
    let mut trial = Trial::leading_alone();
    let epoch = |trial: &Trial| trial.node.health.view().epoch.get();
    let before = epoch(&trial);
    says(&mut trial, &[told("web", ApplicationState::Up), told("db", ApplicationState::Down)]);
    let view = trial.node.health.view().clone();
    assert_eq!(shown(&view), [("db".to_owned(), "down"), ("web".to_owned(), "up")]);
    assert_eq!(epoch(&trial), before + 1, "one epoch for both");
    let reasons = trial.node.status(trial.now).reasons;
    let down = reasons.iter().find(|reason| reason.code == ReasonCode::ApplicationDown);
    let down = down.expect("it is named");
    assert_eq!(down.subject.as_deref(), Some("db"));
    assert!(down.text.contains("connection refused"), "{}", down.text);
    let other_word =
        ApplicationReport { reason: "200".to_owned(), ..told("web", ApplicationState::Up) };
    says(&mut trial, &[other_word, told("db", ApplicationState::Down)]);
    trial.pass(Duration::from_secs(5));
    assert_eq!(epoch(&trial), before + 1, "another word of a check is no change");
    says(&mut trial, &[told("db", ApplicationState::Up)]);
    assert_eq!(shown(&trial.node.health.view().clone()), [("db".to_owned(), "up")]);
    assert_eq!(epoch(&trial), before + 2);
}

#[test]
fn a_member_reports_all_of_its_applications_until_the_view_says_the_same() {
    let mut trial = Trial::member_under_2(5);
    assert_eq!(reported(&mut trial, 2, 5), None, "nothing was said of what runs here");
    says(&mut trial, &[told("web", ApplicationState::Up)]);
    for _ in 0..2 {
        let report = reported(&mut trial, 2, 5).expect("the view has none");
        assert_eq!((report.instance, report.generation), (life(1), Generation::new(1)));
        assert_eq!(report.applications, [told("web", ApplicationState::Up)]);
    }
    says(&mut trial, &[]);
    assert_eq!(reported(&mut trial, 2, 5), None, "the view has none either");
}

#[test]
fn nobody_reports_for_another_and_no_report_is_out_of_bounds() {
    let mut trial = Trial::leading_alone();
    trial.asks_to_come_in(2);
    for _ in 0..3 {
        trial.pass(Duration::from_secs(1));
        trial.durable();
    }
    assert!(trial.node.health.member(life(2)).is_some(), "it was let in");
    let own = life(1);
    let report = |instance, applications| HostApplications {
        instance,
        generation: Generation::new(1),
        applications,
    };
    let twice = vec![told("a", ApplicationState::Up); 2];
    for (from, wrong) in [
        (life(2), report(own, vec![told("a", ApplicationState::Up)])),
        (life(2), report(life(2), twice)),
    ] {
        let pong = Pong { number: 1, applications: Some(wrong), ..Pong::default() };
        let mut answer = crate::pings::rider::Answer { from, pong, newest: 9, took: None };
        let mut room = super::Applications::default();
        let mut turn = crate::turn::Turn::new(trial.now, 0);
        use crate::pings::rider::Rider as _;
        room.acknowledged(&trial.node.sight(), &mut turn, &mut answer);
        assert!(room.reports.is_empty() && turn.counters.frames_guarded == 1);
    }
    trial.pass(Duration::from_secs(1));
    assert_eq!(shown(&trial.node.health.view().clone()), []);
}
