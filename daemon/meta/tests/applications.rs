//! Applications in the state: what a report makes of them, what the state of their host does, and what stands in keys and snapshots.

use quorate_meta::Meta;
use quorate_proto::{
    Admit, ApplicationReport, ApplicationState, Command, CommandBody, Drain, FounderVoter,
    FoundingCertificate, FoundingRecord, Generation, HealthDelta, HealthEpoch, HealthProposal,
    HostApplications, Instance, KvRequest, MemberState, NodeKey, RangeRequest, Remove,
    ReportApplications, StateChange, kv_request, kv_response, limits,
};
use std::sync::Arc;

fn life(number: u8) -> Instance {
    Instance::from_bytes([number; 16])
}

fn founded() -> Meta {
    let voter = |number: u8| FounderVoter {
        instance: life(number),
        name: format!("n{number}"),
        key: NodeKey::from_bytes([number; 32]),
        ..FounderVoter::default()
    };
    let record =
        FoundingRecord { voters: (1..=3).map(voter).collect(), level: 2, ..Default::default() };
    Meta::from_founding(&FoundingCertificate { record, ..FoundingCertificate::default() })
}

fn apply(meta: &mut Meta, body: CommandBody) -> Option<Arc<HealthDelta>> {
    let entry = Command::to_entry(0, body);
    meta.apply(meta.applied() + 1, &entry).expect("it is known").health
}

fn told(name: &str, state: ApplicationState) -> ApplicationReport {
    let endpoints = vec!["10.0.0.2:80".to_owned()];
    let reason = "its check says so".to_owned();
    ApplicationReport {
        name: name.to_owned(),
        endpoints,
        state: state.into(),
        reason,
        ..Default::default()
    }
}

/// The report of a host that started so often.
fn report(host: u8, start: u64, applications: Vec<ApplicationReport>) -> CommandBody {
    let (instance, generation) = (life(host), Generation::new(start));
    let hosts = vec![HostApplications { instance, generation, applications }];
    CommandBody::Applications(ReportApplications { hosts, at_unix_ms: 7 })
}

fn goes(meta: &Meta, host: u8, state: MemberState, start: u64) -> CommandBody {
    let change = StateChange {
        instance: life(host),
        generation: Generation::new(start),
        state: state.into(),
        ..StateChange::default()
    };
    let if_epoch = meta.epoch();
    CommandBody::Health(HealthProposal { if_epoch, changes: vec![change], at_unix_ms: 8 })
}

/// Every application as `name@host state`.
fn shown(meta: &Meta) -> Vec<String> {
    let view = meta.view();
    let one = |it: &quorate_proto::Application| {
        format!("{}@{} {}", it.told.name, it.host, it.state().word())
    };
    view.applications.iter().map(one).collect()
}

/// The keys below a prefix, with their values.
fn keys(meta: &Meta, prefix: &str) -> Vec<(String, String)> {
    let end = format!("{}0", prefix.trim_end_matches('/'));
    let range = RangeRequest {
        key: prefix.to_owned().into(),
        range_end: end.into(),
        ..RangeRequest::default()
    };
    let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
    match meta.read(&request).expect("it is read").response {
        Some(kv_response::Response::Range(found)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.kvs.iter().map(|kv| (text(&kv.key), text(&kv.value))).collect()
        }
        other => panic!("{other:?}"),
    }
}

const UP: ApplicationState = ApplicationState::Up;
const DOWN: ApplicationState = ApplicationState::Down;

#[test]
fn a_report_is_all_that_a_host_has_and_one_that_says_nothing_new_makes_no_epoch() {
    let mut meta = founded();
    let before = meta.epoch();
    let both = || report(2, 1, vec![told("web", UP), told("db", DOWN)]);
    let delta = apply(&mut meta, both()).expect("it is news");
    assert_eq!((delta.applications.len(), delta.changed_applications.len()), (2, 2));
    assert_eq!(shown(&meta), ["db@n2 down", "web@n2 up"]);
    assert_eq!(apply(&mut meta, both()), None);
    let other_word = ApplicationReport { reason: "204".to_owned(), ..told("web", UP) };
    assert_eq!(apply(&mut meta, report(2, 1, vec![told("db", DOWN), other_word])), None);
    apply(&mut meta, report(3, 1, vec![told("web", UP)]));
    apply(&mut meta, report(2, 1, vec![told("web", DOWN)]));
    assert_eq!(shown(&meta), ["web@n2 down", "web@n3 up"]);
    let found: Vec<String> = keys(&meta, "__meta/apps/").into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, ["__meta/apps/web/n2", "__meta/apps/web/n3"], "the key of db is gone");
    assert_eq!(meta.epoch().get(), before.get() + 3);
    let (_, json) = keys(&meta, "__meta/apps/web/n2/")
        .into_iter()
        .chain(keys(&meta, "__meta/apps/web/"))
        .next()
        .expect("a key");
    assert!(
        json.contains("\"state\":\"down\"") && json.contains("\"endpoints\":[\"10.0.0.2:80\"]"),
        "{json}"
    );
}

#[test]
fn a_report_of_another_start_of_a_stranger_or_out_of_bounds_is_void() {
    let mut meta = founded();
    for void in [
        report(2, 2, vec![told("web", UP)]),
        report(2, 0, vec![told("web", UP)]),
        report(9, 1, vec![told("web", UP)]),
        report(2, 1, vec![told("web", UP), told("web", DOWN)]),
        report(2, 1, vec![told("a/b", UP)]),
    ] {
        assert_eq!(apply(&mut meta, void), None);
    }
    assert_eq!(shown(&meta), [""; 0]);
}

#[test]
fn a_host_that_goes_takes_its_applications_down_in_the_same_epoch_and_reports_them_anew() {
    let mut meta = founded();
    apply(&mut meta, report(2, 1, vec![told("web", UP)]));
    let down = goes(&meta, 2, MemberState::Down, 1);
    let delta = apply(&mut meta, down).expect("it is news");
    assert_eq!((delta.changed.len(), delta.changed_applications.len()), (1, 1), "one epoch");
    assert_eq!(shown(&meta), ["web@n2 down"]);
    apply(&mut meta, report(2, 1, vec![told("web", UP)]));
    assert_eq!(shown(&meta), ["web@n2 down"], "whatever it says while it is gone");
    let back = goes(&meta, 2, MemberState::Alive, 2);
    apply(&mut meta, back);
    assert_eq!(shown(&meta), ["web@n2 unknown"]);
    assert_eq!(apply(&mut meta, report(2, 1, vec![told("web", UP)])), None, "the earlier start");
    apply(&mut meta, report(2, 2, vec![told("web", UP)]));
    assert_eq!(shown(&meta), ["web@n2 up"]);
    let left = goes(&meta, 2, MemberState::Left, 2);
    apply(&mut meta, left);
    assert_eq!(shown(&meta), ["web@n2 down"]);
}

#[test]
fn a_host_that_is_drained_keeps_its_applications_down_and_one_that_is_removed_has_none() {
    let mut meta = founded();
    apply(&mut meta, report(2, 1, vec![told("web", UP)]));
    let drain =
        |drained| CommandBody::Drain(Drain { instance: life(2), drained, ..Drain::default() });
    apply(&mut meta, drain(true));
    assert_eq!(shown(&meta), ["web@n2 down"]);
    assert_eq!(apply(&mut meta, report(2, 1, vec![told("web", UP)])), None);
    apply(&mut meta, drain(false));
    assert_eq!(shown(&meta), ["web@n2 unknown"]);
    apply(&mut meta, report(2, 1, vec![told("web", UP)]));
    assert_eq!(shown(&meta), ["web@n2 up"]);
    let admit = Admit {
        name: "n3".to_owned(),
        instance: life(4),
        key: NodeKey::from_bytes([4; 32]),
        supersede: Some(life(3)),
        ..Admit::default()
    };
    apply(&mut meta, report(3, 1, vec![told("web", UP)]));
    apply(&mut meta, CommandBody::Admit(admit));
    assert_eq!(shown(&meta), ["web@n2 up"], "another disk has no applications yet");
    let remove = Remove { instance: life(2), at_unix_ms: 9 };
    let delta = apply(&mut meta, CommandBody::Remove(remove)).expect("it is news");
    assert_eq!(delta.gone_applications.len(), 1);
    assert!(shown(&meta).is_empty() && keys(&meta, "__meta/apps/").is_empty());
}

#[test]
fn applications_are_in_snapshots_and_in_what_is_pushed() {
    let mut meta = founded();
    let first = meta.epoch();
    apply(&mut meta, report(1, 1, vec![told("web", UP)]));
    apply(&mut meta, report(2, 1, vec![told("db", DOWN)]));
    let restored = Meta::restore(meta.chunks()).expect("it is whole");
    assert_eq!(restored.view(), meta.view());
    assert_eq!(restored.state_hash(), meta.state_hash());
    let deltas = meta.deltas_since(first).expect("they are kept");
    assert_eq!(deltas.iter().map(|delta| delta.applications.len()).sum::<usize>(), 2);
    let update = meta.update_since(HealthEpoch::ZERO).expect("it has nothing");
    assert_eq!(update.full.map(|full| full.applications.len()), Some(2));
}

#[test]
fn beyond_the_bound_of_all_applications_new_ones_are_left_out_and_old_ones_go_on_to_change() {
    let mut meta = founded();
    let large = |number: usize, state| ApplicationReport {
        endpoints: (0..limits::ENDPOINTS).map(|at| format!("h:{}", at + 1)).collect(),
        ..told(&format!("app-{number:02}"), state)
    };
    let full = |state| (0..limits::HOST_APPLICATIONS).map(|number| large(number, state)).collect();
    let admit = |number: u8| Admit {
        name: format!("n{number}"),
        instance: life(number),
        generation: Generation::new(1),
        key: NodeKey::from_bytes([number; 32]),
        ..Admit::default()
    };
    for number in 4..=20 {
        apply(&mut meta, CommandBody::Admit(admit(number)));
    }
    for number in 1..=20 {
        apply(&mut meta, report(number, 1, full(UP)));
    }
    let count = shown(&meta).len();
    let cost = large(0, UP).cost();
    assert_eq!(count, limits::APPLICATIONS_COST / cost, "as many as there is room for");
    let last = HostApplications {
        instance: life(20),
        generation: Generation::new(1),
        applications: full(UP),
    };
    assert!(!meta.is_news(&last), "asking again would change nothing");
    apply(&mut meta, report(1, 1, full(DOWN)));
    let down = shown(&meta).iter().filter(|one| one.contains("@n1 down")).count();
    assert_eq!((down, shown(&meta).len()), (limits::HOST_APPLICATIONS, count));
}
