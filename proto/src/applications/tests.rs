//! What a host does to its applications, which reports are sound, and what is said of a change.

use super::*;
use crate::{Drained, HealthDelta, HealthView, Member, MemberState};

fn told(name: &str, state: ApplicationState) -> ApplicationReport {
    let endpoints = vec!["10.0.0.5:6432".to_owned()];
    let (name, reason) = (name.to_owned(), "200 OK".to_owned());
    ApplicationReport { name, endpoints, state: state.into(), reason, ..Default::default() }
}

fn member(state: MemberState, start: u64) -> Member {
    let (instance, generation) = (Instance::from_bytes([1; 16]), Generation::new(start));
    Member { name: "a".to_owned(), instance, generation, state: state.into(), ..Member::default() }
}

fn application(name: &str, state: ApplicationState) -> Application {
    Application {
        told: told(name, state),
        host: "a".to_owned(),
        instance: Instance::from_bytes([1; 16]),
        generation: Generation::new(1),
        ..Application::default()
    }
}

#[test]
fn a_host_that_is_gone_or_drained_keeps_its_applications_down_and_one_that_is_back_reports_them_anew()
 {
    let up = application("web", ApplicationState::Up);
    let under = |application: &Application, member: &Member| {
        let after = application.clone().under(member);
        (after.state(), after.told.reason)
    };
    let here = member(MemberState::Alive, 1);
    assert_eq!(up.clone().under(&here), up);
    let down = member(MemberState::Down, 1);
    assert_eq!(under(&up, &down), (ApplicationState::Down, "its host is down".to_owned()));
    let left = member(MemberState::Left, 1);
    assert_eq!(under(&up, &left), (ApplicationState::Down, "its host has left".to_owned()));
    let drained = Member { drained: Some(Drained::default()), ..here.clone() };
    let kept = up.clone().under(&drained);
    assert_eq!((kept.state(), kept.by_host), (ApplicationState::Down, true));
    assert!(kept.says(&up.told, up.generation), "nothing is to be reported while it is drained");
    assert_eq!(
        under(&kept, &here),
        (ApplicationState::Unknown, "its host has not reported it yet".to_owned())
    );
    let again = up.under(&member(MemberState::Alive, 2));
    assert_eq!((again.state(), again.generation), (ApplicationState::Unknown, Generation::new(2)));
}

#[test]
fn a_record_says_what_is_reported_unless_more_than_the_last_word_differs() {
    let record = application("web", ApplicationState::Up);
    let start = record.generation;
    let with = |change: &dyn Fn(&mut ApplicationReport)| {
        let mut other = record.told.clone();
        change(&mut other);
        record.says(&other, start)
    };
    assert!(with(&|_| {}) && with(&|it| it.reason = "204".to_owned()));
    assert!(!with(&|it| it.state = ApplicationState::Down.into()));
    assert!(!with(&|it| it.endpoints.clear()));
    assert!(!with(&|it| it.labels.push(Label::default())));
    assert!(!record.says(&record.told, Generation::new(2)));
}

#[test]
fn an_application_out_of_its_bounds_is_told_which() {
    assert_eq!(told("web", ApplicationState::Up).fault(), None);
    let sound = || told("web", ApplicationState::Up);
    let label = |bytes: usize| Label { name: "x".repeat(bytes), value: "y".repeat(bytes) };
    let wrong = [
        (told("", ApplicationState::Up), "name"),
        (told("a/b", ApplicationState::Up), "name"),
        (ApplicationReport { endpoints: vec![String::new()], ..sound() }, "endpoints"),
        (ApplicationReport { endpoints: vec!["a b:1".to_owned()], ..sound() }, "endpoints"),
        (ApplicationReport { endpoints: vec!["a:1".to_owned(); 9], ..sound() }, "endpoints"),
        (ApplicationReport { labels: vec![label(64)], ..sound() }, "labels"),
        (ApplicationReport { labels: vec![label(50); 4], ..sound() }, "together"),
        (ApplicationReport { state: 7, ..sound() }, "state"),
    ];
    for (report, what) in wrong {
        let fault = report.fault().expect("it is out of its bounds");
        assert!(fault.contains(what), "{fault}");
    }
    let host = |applications| HostApplications { applications, ..HostApplications::default() };
    assert!(!host(vec![sound(), told("b", ApplicationState::Down)]).is_faulty());
    assert!(host(vec![sound(), sound()]).is_faulty(), "a name twice");
    let many = (0..=limits::HOST_APPLICATIONS).map(|n| told(&n.to_string(), ApplicationState::Up));
    assert!(host(many.collect()).is_faulty());
}

#[test]
fn an_epoch_tells_what_changed_for_applications_and_leads_to_the_next_view() {
    let view = |epoch: u64, applications: Vec<Application>| HealthView {
        epoch: HealthEpoch::new(epoch),
        applications,
        ..HealthView::default()
    };
    let words = |before: Vec<Application>, after: Vec<Application>| {
        let (before, after) = (view(4, before), view(5, after));
        let delta: HealthDelta = after.since(&before);
        assert_eq!(before.apply(&delta).as_ref(), Some(&after), "the difference leads there");
        let words = |c: &ApplicationChange| format!("{} {}>{}: {}", c.name, c.from, c.to, c.reason);
        delta.changed_applications.iter().map(words).collect::<Vec<_>>()
    };
    let (up, down) = (ApplicationState::Up, ApplicationState::Down);
    let (a, b) = (application("a", up), application("b", up));
    assert_eq!(words(vec![a.clone()], vec![a.clone(), b.clone()]), ["b >up: 200 OK"]);
    assert_eq!(
        words(vec![a.clone(), b.clone()], vec![b.clone()]),
        ["a up>: no longer registered there"]
    );
    assert_eq!(words(vec![a.clone()], vec![application("a", down)]), ["a up>down: 200 OK"]);
    let mut moved = a.clone();
    moved.told.endpoints = vec!["b:1".to_owned()];
    assert_eq!(words(vec![a.clone()], vec![moved]), ["a up>up: is at b:1 now"]);
    let again = Application { generation: Generation::new(7), ..a.clone() };
    assert_eq!(words(vec![a], vec![again]), [""; 0]);
}

#[test]
fn a_record_takes_no_more_than_its_report_counts_whatever_keeps_it_down() {
    let told = ApplicationReport { name: "a".to_owned(), ..ApplicationReport::default() };
    let largest = Member {
        generation: Generation::new(u64::MAX),
        name: "h".repeat(63),
        state: MemberState::Left.into(),
        ..Member::default()
    };
    let record = Application {
        told: told.clone(),
        host: largest.name.clone(),
        instance: Instance::from_bytes([255; 16]),
        generation: largest.generation,
        by_host: true,
        since_epoch: HealthEpoch::new(u64::MAX),
        since_unix_ms: u64::MAX,
    };
    let again = Member { state: MemberState::Alive.into(), ..largest.clone() };
    let drained = Member { drained: Some(Drained::default()), ..again.clone() };
    for member in [largest, again, drained] {
        let taken = 8 + record.clone().under(&member).encoded_len();
        assert!(taken <= told.cost(), "{taken} with {:?}", record.clone().under(&member).told);
    }
}
