//! What a waiting node tells the operator: each case of its own, with the step that helps.

mod founding_world;

use founding_world::one::{One, config, session};
use founding_world::{address_of, cluster, life};
use quorate_membership::{
    FoundingInput as Input, FoundingOutput as Output, Mode, Outcome, OwnSlot,
};
use quorate_proto::{
    CannotSend, ClusterId, DialFailure, FoundingState, Generation, Moment, Reason, Session,
    founders_digest,
};
use std::net::SocketAddr;
use std::time::Duration;

fn fails(one: &mut One, host: usize, failure: DialFailure) {
    one.step(Input::DialFailed { address: address_of(host), failure });
}

#[test]
fn a_name_that_does_not_resolve_is_named_with_the_command_that_shows_it() {
    let mut one = One::fresh();
    one.wait(Duration::from_secs(2));
    let problem = Some("NXDOMAIN".to_owned());
    one.step(Input::Resolved { slot: 2, addresses: Vec::new(), problem });
    let reason = one.reason("unresolved");
    assert_eq!(reason.subject.as_deref(), Some("f3"));
    assert!(reason.text.contains("NXDOMAIN") && reason.remedy.contains("getent ahosts f3"));
    assert_eq!(reason.since.as_micros(), 2_000_000);
}

#[test]
fn each_failure_to_reach_a_seed_has_its_own_word() {
    let cases = [
        (DialFailure::NoAnswer, "no-answer", "open UDP port 4747"),
        (
            DialFailure::OtherSecret { theirs: "aa:bb".to_owned(), ours: "cc:dd".to_owned() },
            "other-secret",
            "quorate secret fingerprint",
        ),
        (
            DialFailure::OtherCluster { theirs: "x".to_owned(), ours: "test".to_owned() },
            "other-cluster",
            "`cluster` name",
        ),
        (
            DialFailure::Protocol { theirs_min: 2, theirs_max: 3, ours_min: 1, ours_max: 1 },
            "protocol",
            "versions",
        ),
        (DialFailure::Twice, "twice", "quorate reset --cluster test"),
        (DialFailure::Handshake { reason: "odd".to_owned() }, "handshake", "journalctl"),
    ];
    for (failure, code, remedy) in cases {
        let mut one = One::fresh();
        fails(&mut one, 1, failure.clone());
        one.wait(Duration::from_secs(1));
        fails(&mut one, 1, failure.clone());
        let reason = one.reason(code);
        assert_eq!(reason.subject.as_deref(), Some("f2"));
        assert!(reason.text.contains(&failure.to_string()), "{}", reason.text);
        assert!(reason.remedy.contains(remedy), "{}", reason.remedy);
        assert_eq!(reason.since.as_micros(), 0, "the first time counts");
    }
}

#[test]
fn other_seeds_are_shown_beside_ours_and_loud() {
    let mut one = One::fresh();
    let seeds = vec!["f1".to_owned(), "f9".to_owned()];
    let digest = founders_digest(&cluster(), &seeds, "majority");
    one.up(Session { digest, seeds, ..session(1, 1, 3, Mode::Majority) });
    let reason = one.reason("other-seeds");
    assert!(reason.text.contains("[f1, f9]") && reason.text.contains("[f1, f2, f3]"));
    assert_eq!(one.alarms(), ["other-seeds"]);
    one.take();
    one.wait(Duration::from_secs(5));
    assert!(one.alarms().is_empty(), "once");
}

#[test]
fn the_same_seeds_with_another_mode_are_told_apart() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Durable));
    assert!(one.reason("other-seeds").text.contains("another `founding` mode"));
}

#[test]
fn two_lives_on_one_slot_stop_every_promise_until_one_is_gone() {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    let twin = Session { instance: life(1, 7), ..session(1, 9, 3, Mode::Majority) };
    one.up(twin);
    let nonce = one
        .out
        .iter()
        .rev()
        .find_map(|output| match output {
            Output::Send { to, message } if *to == life(1, 7) => match &message.body {
                Some(quorate_proto::founding_message::Body::Ask(ask)) => Some(ask.nonce),
                _ => None,
            },
            _ => None,
        })
        .expect("asked");
    let answer = quorate_proto::Answer { nonce, slot: Some(1), round: 0 };
    let digest = founders_digest(&cluster(), &founding_world::one::seeds(3), "majority");
    let body = Some(quorate_proto::founding_message::Body::Answer(answer));
    let message = quorate_proto::FoundingMessage { digest, body };
    one.step(Input::Message { from: life(1, 7), message });
    assert_eq!(one.alarms(), ["own-slot"]);
    assert_eq!(one.reason("own-slot").subject.as_deref(), Some("f2"));
    one.hear(2, 3, Mode::Majority);
    let ballot = founding_world::one::ballot(4, 2);
    one.say(2, quorate_proto::founding_message::Body::Prepare(quorate_proto::Prepare { ballot }));
    one.wait(Duration::from_secs(60));
    assert_eq!(one.persists(), 0, "nobody promises");
    one.step(Input::SessionDown { instance: life(1, 7), number: 9 });
    assert_eq!(one.persists(), 1, "one is gone");
}

#[test]
fn one_life_that_runs_twice_is_a_clone() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    one.up(Session { boot_nonce: 1, ..session(1, 2, 3, Mode::Majority) });
    assert!(one.reason("clone").remedy.contains("quorate reset --cluster test"));
    let restarted = Session {
        boot_nonce: 2,
        generation: Generation::new(2),
        ..session(2, 3, 3, Mode::Majority)
    };
    let mut calm = One::fresh();
    calm.up(session(2, 1, 3, Mode::Majority));
    calm.up(restarted);
    assert!(calm.alarms().is_empty(), "a higher generation is a restart");
}

#[test]
fn a_copy_of_this_very_node_is_a_clone() {
    let mut one = One::fresh();
    one.up(Session { instance: life(0, 0), ..session(2, 1, 3, Mode::Majority) });
    assert_eq!(one.alarms(), ["clone"]);
    one.step(Input::SessionDown { instance: life(0, 0), number: 1 });
    assert!(!one.founding.reasons(quorate_proto::Moment::ZERO).iter().any(|r| r.code == "clone"));
}

#[test]
fn the_own_place_among_the_seeds_is_told_in_each_case() {
    let fresh = || FoundingState::fresh(life(0, 0), &cluster());
    let mut one = One::new(config(3, Mode::Majority), fresh());
    one.step(Input::Wake);
    let reasons = one.founding.reasons(Moment::from_micros(one.now));
    assert!(!reasons.iter().any(|it| it.code == "own-slot"), "it has not looked yet: {reasons:?}");
    one.step(Input::OwnSlot(OwnSlot::Undecided));
    assert!(one.reason("own-slot").text.contains("not known yet"));
    one.step(Input::OwnSlot(OwnSlot::NotASeed));
    assert!(one.reason("own-slot").text.contains("not among the seeds"));
    one.step(Input::OwnSlot(OwnSlot::Several(0, 2)));
    assert!(one.reason("own-slot").text.contains("both seed `f1` and seed `f3`"));
    let mut same = One::fresh();
    let addresses = vec![address_of(1)];
    same.step(Input::Resolved { slot: 2, addresses, problem: None });
    assert!(same.reason("own-slot").text.contains("seeds `f2` and `f3` are one address"));
}

#[test]
fn too_few_seeds_are_named_with_how_long_they_are_missing() {
    let mut one = One::of(5, Mode::Majority);
    one.wait(Duration::from_secs(2));
    one.hear(1, 5, Mode::Majority);
    one.wait(Duration::from_secs(5));
    let reason = one.reason("too-few");
    assert!(reason.text.contains("2 of 5 seeds are here, 3 are needed"), "{}", reason.text);
    assert!(reason.text.contains("f3 (for 7 s)") && !reason.text.contains("f2"), "{}", reason.text);
    assert_eq!(reason.since.as_micros(), 0);
    one.step(Input::SessionDown { instance: life(1, 0), number: 1 });
    one.wait(Duration::from_secs(4));
    assert!(one.reason("too-few").text.contains("f2 (for 4 s)"));
}

#[test]
fn a_seed_that_is_missing_for_a_known_cause_is_not_to_be_started() {
    let mut one = One::of(5, Mode::Majority);
    let secret = DialFailure::OtherSecret { theirs: "aa".to_owned(), ours: "bb".to_owned() };
    fails(&mut one, 1, secret);
    let problem = Some("NXDOMAIN".to_owned());
    one.step(Input::Resolved { slot: 2, addresses: Vec::new(), problem });
    let copy = "a copy".to_owned();
    fails(&mut one, 3, DialFailure::Copy { reason: copy });
    fails(&mut one, 4, DialFailure::NoAnswer);
    assert_eq!(
        one.reason("too-few").remedy,
        "for f3: do what is said here under unresolved; for f2: do what is said here under other-secret; for f4: do what is said here \
         under clone; on f5: `systemctl start quorate`"
    );
    let reasons = one.founding.reasons(Moment::from_micros(one.now));
    assert!(reasons.iter().all(|reason| reason.subject.as_deref() != Some("f4")), "{reasons:?}");
}

#[test]
fn a_host_that_is_two_seeds_is_told_to_start_neither() {
    let mut one = One::fresh();
    one.step(Input::OwnSlot(OwnSlot::Several(0, 2)));
    let own = "for f1, f3: do what is said here under own-slot";
    assert_eq!(one.reason("too-few").remedy, format!("{own}; on f2: `systemctl start quorate`"));
    let mut same = One::fresh();
    let addresses = vec![address_of(1)];
    same.step(Input::Resolved { slot: 2, addresses, problem: None });
    let reason = same.reason("too-few");
    assert_eq!(reason.remedy, "for f2, f3: do what is said here under own-slot");
}

#[test]
fn a_seed_that_is_met_and_does_not_count_is_asked_what_it_lacks() {
    let mut one = One::fresh();
    one.up(session(1, 1, 3, Mode::Majority));
    let remedy = one.reason("too-few").remedy;
    assert!(remedy.starts_with("on f2, which runs: `quorate why`"), "{remedy}");
    let mut other = One::fresh();
    other.up(session(1, 1, 3, Mode::Durable));
    let remedy = other.reason("too-few").remedy;
    assert!(remedy.starts_with("for f2: do what is said here under other-seeds"), "{remedy}");
}

#[test]
fn a_marker_without_data_only_rejoins_and_says_how_to_begin_anew() {
    let cluster_id = ClusterId::from_bytes([5; 16]);
    let mut settings = config(1, Mode::Majority);
    settings.marker = Some(cluster_id);
    let mut one = One::new(settings, FoundingState::fresh(life(0, 0), &cluster()));
    one.step(Input::OwnSlot(OwnSlot::Slot(0)));
    one.flush();
    one.wait(Duration::from_secs(60));
    assert_eq!(one.founding.outcome(), Outcome::Join(cluster_id));
    assert!(one.out.contains(&Output::Join(cluster_id)));
    let reason = one.reason("marker");
    assert!(reason.text.contains(&cluster_id.to_string()));
    assert!(reason.remedy.contains("quorate reset --cluster test"));
    assert!(reason.remedy.starts_with("`seeds` names no other host"), "{}", reason.remedy);
    assert_eq!(one.alarms(), ["marker"]);
    assert!(one.founding.state().promised.is_none(), "not even the only seed founds");
}

#[test]
fn a_state_of_another_cluster_takes_no_part() {
    let other = quorate_proto::ClusterName::new("other").expect("valid");
    let state = FoundingState::fresh(life(0, 0), &other);
    let mut one = One::new(config(1, Mode::Majority), state);
    one.step(Input::OwnSlot(OwnSlot::Slot(0)));
    one.wait(Duration::from_secs(10));
    assert_eq!(one.persists(), 0);
    assert!(one.reason("other-data").remedy.contains("quorate reset --cluster other"));
}

#[test]
fn while_the_founding_runs_it_says_so() {
    let mut one = One::fresh();
    one.hear(1, 3, Mode::Majority);
    assert!(one.reason("founding").remedy.contains("3 s"));
}

/// What is said of the seed f2, which resolves to an IPv4 and an IPv6 address that fail like this.
fn said_of_both(v4: DialFailure, v6: DialFailure) -> (String, Reason) {
    let mut one = One::fresh();
    let other: SocketAddr = "[2001:db8::2]:4747".parse().expect("valid");
    let addresses = vec![address_of(1), other];
    one.step(Input::Resolved { slot: 1, addresses, problem: None });
    one.step(Input::DialFailed { address: address_of(1), failure: v4 });
    one.step(Input::DialFailed { address: other, failure: v6 });
    let reasons = one.founding.reasons(Moment::from_micros(one.now));
    let about = |reason: &Reason| reason.subject.as_deref() == Some("f2");
    let mut about: Vec<_> = reasons.into_iter().filter(about).collect();
    assert_eq!(about.len(), 1, "one sentence for one seed: {about:?}");
    let reason = about.pop().expect("one");
    (reason.code.word().to_owned(), reason)
}

#[test]
fn of_two_addresses_the_one_that_tells_more_is_told_whichever_family_it_has() {
    let to: SocketAddr = "[2001:db8::2]:4747".parse().expect("valid");
    let listen: SocketAddr = "0.0.0.0:4747".parse().expect("valid");
    // From what the host itself said, down to that it could not be asked.
    let ranked = [
        DialFailure::OtherSecret { theirs: "aa:bb".to_owned(), ours: "cc:dd".to_owned() },
        DialFailure::OtherCluster { theirs: "x".to_owned(), ours: "test".to_owned() },
        DialFailure::Protocol { theirs_min: 2, theirs_max: 3, ours_min: 1, ours_max: 1 },
        DialFailure::NoAnswer,
        CannotSend::NoRoute { error: "Network is unreachable".to_owned() }.into(),
        CannotSend::Family { listen, to }.into(),
    ];
    let codes =
        ["other-secret", "other-cluster", "protocol", "no-answer", "no-route", "other-family"];
    for (high, code) in codes.iter().enumerate() {
        for low in &ranked[high..] {
            let (more, less) = (ranked[high].clone(), low.clone());
            let (found, reason) = said_of_both(more.clone(), less.clone());
            assert_eq!(found, *code, "{reason:?}");
            let (found, reason) = said_of_both(less, more);
            assert_eq!(found, *code, "the other way round: {reason:?}");
        }
    }
}

#[test]
fn addresses_that_fail_alike_are_told_in_one_sentence() {
    let (_, reason) = said_of_both(DialFailure::NoAnswer, DialFailure::NoAnswer);
    let both = format!("seed `f2` ({}, [2001:db8::2]:4747)", address_of(1));
    assert!(reason.text.starts_with(&both), "{}", reason.text);
}

#[test]
fn a_seed_that_the_socket_cannot_send_to_is_named_with_the_listen_that_can() {
    let listen: SocketAddr = "0.0.0.0:4800".parse().expect("valid");
    let to: SocketAddr = "[2001:db8::2]:4747".parse().expect("valid");
    let mut one = One::fresh();
    one.step(Input::Resolved { slot: 1, addresses: vec![to], problem: None });
    let failure = CannotSend::Family { listen, to }.into();
    one.step(Input::DialFailed { address: to, failure });
    let reason = one.reason("other-family");
    assert!(reason.text.contains("0.0.0.0:4800, which is IPv4 only"), "{}", reason.text);
    assert!(reason.remedy.contains("listen = \"[::]:4800\""), "{}", reason.remedy);
}

#[test]
fn a_host_of_both_families_is_dialled_at_its_ipv4_address_first_and_at_the_other_when_that_leads_nowhere()
 {
    let mut one = One::fresh();
    let other: SocketAddr = "[2001:db8::2]:4747".parse().expect("valid");
    one.take();
    let addresses = vec![address_of(1), other];
    one.step(Input::Resolved { slot: 1, addresses, problem: None });
    let dialled =
        |one: &mut One, address: SocketAddr| one.take().contains(&Output::Dial { address });
    assert!(!dialled(&mut one, other), "not at once");
    one.wait(Duration::from_millis(600));
    one.wait(Duration::from_millis(600));
    assert!(dialled(&mut one, other), "nobody came from the first");
    one.up(session(1, 1, 3, Mode::Majority));
    one.take();
    for _ in 0..4 {
        one.wait(Duration::from_millis(600));
    }
    assert!(!dialled(&mut one, other), "it is there, and would only be met again");
}
