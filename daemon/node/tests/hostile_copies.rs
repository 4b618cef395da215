//! Who is told that a log lost something, and by whom: nobody halts on one word, no advice to erase is given on one, and a
//! copy that is really gone is found out.

mod stage;

use quorate_node::Output;
use quorate_proto::{
    CopyFault, CopyNotice, Entry, EnvelopeBody, HealthEpoch, Instance, Lane, MessageKind, Ping,
    Pong, RaftMessage,
};
use stage::{Stage, cluster_id, life, said_to};
use std::time::Duration;

fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, ..Entry::default() }
}

/// Host 1, a voter, with entry 2 of term 2 committed by host 2.
fn follower() -> Stage {
    let mut stage = Stage::new(1);
    append(&mut stage, 2, entry(2, 2));
    stage.ping(2, 2, None);
    let status = stage.node.status(stage.now);
    assert_eq!((status.term, status.commit), (2, 2));
    stage
}

/// Host 2 appends an entry behind the first, as leader of a term.
fn append(stage: &mut Stage, term: u64, entry: Entry) -> Vec<Output> {
    let kind = MessageKind::Append.into();
    let entries = vec![entry];
    let message = RaftMessage {
        kind,
        term,
        log_term: 1,
        index: 1,
        entries,
        commit: 2,
        ..RaftMessage::default()
    };
    stage.raft(2, message)
}

fn told_of_a_loss(stage: &mut Stage, host: u8, term: u64, lost: u64) -> Vec<Output> {
    let leader = Some(life(host));
    let fault = CopyFault::Lost.into();
    let copies = vec![CopyNotice { instance: life(1), fault, entry: lost, end: 1 }];
    let ping =
        Ping { number: 1, cluster_id: cluster_id(), term, leader, copies, ..Ping::default() };
    stage.say(host, Lane::Control, EnvelopeBody::Ping(ping))
}

fn pong(stage: &mut Stage, host: u8, term: u64, leader: Option<Instance>) {
    let pong = Pong { term, leader, epoch: HealthEpoch::new(1), ..Pong::default() };
    stage.say(host, Lane::Control, EnvelopeBody::Pong(pong));
}

/// Who is asked by pings in these outputs.
fn pinged(said: &[Output]) -> Vec<(Instance, Ping)> {
    let pings = said_to(said).filter_map(|(to, body)| match body {
        EnvelopeBody::Ping(ping) => Some((to, ping)),
        _ => None,
    });
    pings.collect()
}

#[test]
fn no_heartbeat_whatever_its_commit_halts_a_node() {
    for commit in [3, 1 << 40, u64::MAX] {
        for (host, term) in [(2, 2), (2, 3), (3, 2), (3, 3), (4, 3)] {
            let mut stage = follower();
            for _ in 0..5 {
                stage.heartbeat(host, term, commit);
            }
            assert_eq!(stage.halts, Vec::<String>::new(), "host {host} term {term}");
            assert_eq!(stage.node.status(stage.now).commit, 2);
        }
    }
}

#[test]
fn a_node_that_voted_for_the_leader_asks_another_voter_too_before_it_halts_for_a_loss() {
    let mut stage = Stage::new(1);
    let kind = MessageKind::RequestVote.into();
    let vote = RaftMessage { kind, term: 2, index: 1, log_term: 1, ..RaftMessage::default() };
    stage.pass(Duration::from_secs(2));
    stage.raft(2, vote);
    stage.ping(2, 2, None);
    let mut said = Vec::new();
    for _ in 0..3 {
        said.extend(stage.heartbeat(2, 2, 9));
    }
    assert_eq!(stage.term(), 2);
    assert_eq!(stage.halts, Vec::<String>::new(), "it is one word");
    let asked: Vec<_> = pinged(&said).iter().map(|(to, _)| *to).collect();
    assert!(asked.contains(&life(3)), "the other voter is asked: {asked:?}");
    pong(&mut stage, 3, 2, Some(life(2)));
    assert_eq!(stage.halts.len(), 1, "{:?}", stage.halts);
}

#[test]
fn a_node_halts_for_a_loss_only_when_a_second_voter_follows_the_leader_that_says_so() {
    let mut stage = follower();
    let said = told_of_a_loss(&mut stage, 2, 2, 9);
    assert_eq!(stage.halts, Vec::<String>::new(), "one word");
    let asked = pinged(&said);
    assert_eq!(asked.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [life(3)]);
    assert_eq!(asked[0].1.leader, None, "it claims nothing");
    pong(&mut stage, 3, 2, None);
    pong(&mut stage, 3, 3, Some(life(3)));
    pong(&mut stage, 3, 1, Some(life(2)));
    pong(&mut stage, 2, 2, Some(life(2)));
    pong(&mut stage, 4, 2, Some(life(2)));
    assert_eq!(stage.halts, Vec::<String>::new(), "others that do not confirm it");
    pong(&mut stage, 3, 2, Some(life(2)));
    let [halt] = &stage.halts[..] else { panic!("{:?}", stage.halts) };
    assert!(
        halt.contains("quorate reset --cluster ") && halt.contains("n2") && halt.contains("n3"),
        "{halt}"
    );
}

#[test]
fn a_loss_that_is_none_or_comes_from_no_leader_is_not_looked_into() {
    for (host, term, lost) in [(2, 2, 2), (2, 2, 0), (3, 3, 9), (4, 2, 9), (2, 3, 9)] {
        let mut stage = follower();
        let said = told_of_a_loss(&mut stage, host, term, lost);
        assert_eq!(pinged(&said), [], "host {host} term {term} lost {lost}");
        pong(&mut stage, 3, 2, Some(life(2)));
        assert_eq!(stage.halts, Vec::<String>::new());
    }
}

#[test]
fn entries_that_contradict_what_is_committed_are_an_alarm_and_no_reason_to_erase_anything() {
    let mut stage = follower();
    for _ in 0..3 {
        append(&mut stage, 2, entry(1, 2));
    }
    let alarms: Vec<_> = stage.events.iter().filter(|text| text.starts_with("alarm")).collect();
    assert_eq!(alarms.len(), 1, "said once: {alarms:?}");
    assert!(!alarms[0].contains("reset"));
    assert_eq!(stage.halts, Vec::<String>::new());
    let status = stage.node.status(stage.now);
    assert!(status.reasons.iter().any(|reason| reason.code == "copy-contradicts"));
}

#[test]
fn a_leader_that_is_told_twice_of_less_than_was_acknowledged_says_so_and_names_it() {
    let mut stage = Stage::leading();
    let term = stage.term();
    let last = 2;
    let answer = |reject: bool, hint: u64| RaftMessage {
        kind: MessageKind::AppendResponse.into(),
        term,
        index: last,
        reject,
        reject_hint: hint,
        log_term: u64::from(reject),
        ..RaftMessage::default()
    };
    stage.raft(2, answer(false, 0));
    assert_eq!(stage.node.status(stage.now).commit, last, "both have it");
    stage.raft(2, answer(true, 1));
    let lost = |stage: &mut Stage| {
        let said = stage.pass(Duration::from_millis(200));
        let to_2 = pinged(&said).into_iter().filter(|(to, _)| *to == life(2));
        let told = to_2.flat_map(|(_, ping)| ping.copies).filter(|one| one.instance == life(2));
        told.map(|one| one.entry).max()
    };
    assert_eq!(lost(&mut stage), None, "told once: it is asked again");
    stage.raft(2, answer(true, 1));
    stage.raft(2, answer(true, 1));
    assert_eq!(lost(&mut stage), Some(last));
    let alarms = stage.events.iter().filter(|text| text.starts_with("alarm")).count();
    assert_eq!(alarms, 1, "said once: {:?}", stage.events);
    let status = stage.node.status(stage.now);
    let named = status.reasons.iter().find(|reason| reason.code == "copy-lost");
    assert_eq!(named.and_then(|reason| reason.subject.clone()), Some("n2".to_owned()));
    assert_eq!(stage.halts, Vec::<String>::new(), "the good copy goes on");
}

/// What `quorate why` says of copies.
fn why(stage: &Stage) -> Vec<(&'static str, String)> {
    let reasons = stage.node.status(stage.now).reasons;
    let copies = reasons.into_iter().filter(|reason| reason.code.word().starts_with("copy-"));
    copies.map(|reason| (reason.code.word(), reason.text)).collect()
}

/// A voter tells this leader that one of its entries is not what is committed there.
fn contradicts(stage: &mut Stage, host: u8, contradicted: u64) {
    let (term, leader) = (stage.term(), Some(life(1)));
    let pong = Pong { term, leader, contradicted, epoch: HealthEpoch::new(1), ..Pong::default() };
    stage.say(host, Lane::Control, EnvelopeBody::Pong(pong));
}

#[test]
fn a_leader_that_one_voter_contradicts_goes_on_and_everybody_hears_of_it_in_the_same_words() {
    let mut leader = Stage::leading();
    for host in [4, 3] {
        contradicts(&mut leader, host, 2);
    }
    let said = leader.pass(Duration::from_millis(200));
    assert_eq!(leader.halts, Vec::<String>::new(), "one word of a voter");
    let [(code, text)] = &why(&leader)[..] else { panic!("{:?}", why(&leader)) };
    assert_eq!(*code, "copy-contradicts");
    assert!(text.contains("n3") && !text.contains("n4"), "a stranger's word is none: {text}");
    let told: Vec<_> = pinged(&said).into_iter().filter(|(to, _)| *to == life(2)).collect();
    let (_, told) = told.last().expect("it pings");
    let mut follower = follower();
    let ping = Ping { term: 2, leader: Some(life(2)), ..told.clone() };
    follower.say(3, Lane::Control, EnvelopeBody::Ping(ping.clone()));
    assert_eq!(why(&follower), [], "host 3 does not lead");
    follower.say(2, Lane::Control, EnvelopeBody::Ping(ping.clone()));
    assert_eq!(why(&follower), why(&leader));
    follower.say(2, Lane::Control, EnvelopeBody::Ping(ping.clone()));
    let alarms = follower.events.iter().filter(|text| text.starts_with("alarm")).count();
    assert_eq!(alarms, 1, "an event once: {:?}", follower.events);
    follower.say(2, Lane::Control, EnvelopeBody::Ping(Ping { copies: Vec::new(), ..ping }));
    assert_eq!(why(&follower), [], "it is over when the leader says so");
    contradicts(&mut leader, 3, 0);
    assert_eq!(why(&leader), []);
}

#[test]
fn a_leader_that_a_majority_of_the_voters_contradicts_halts_and_nobody_is_told_to_erase_anything() {
    let mut leader = Stage::leading();
    contradicts(&mut leader, 2, 2);
    assert_eq!(leader.halts, Vec::<String>::new());
    contradicts(&mut leader, 3, 2);
    let [halt] = &leader.halts[..] else { panic!("{:?}", leader.halts) };
    assert!(halt.contains("n2") && halt.contains("n3") && !halt.contains("reset"), "{halt}");
}

#[test]
fn a_voter_that_contradicts_its_leader_tells_it_and_names_itself() {
    let mut stage = follower();
    let contradicted = |said: &[Output]| {
        let pongs = said_to(said).filter_map(|(_, body)| match body {
            EnvelopeBody::Pong(pong) => Some(pong.contradicted),
            _ => None,
        });
        pongs.last()
    };
    assert_eq!(contradicted(&stage.ping(2, 2, None)), Some(0));
    append(&mut stage, 2, entry(1, 2));
    assert_eq!(contradicted(&stage.ping(2, 2, None)), Some(2));
    let [(code, text)] = &why(&stage)[..] else { panic!("{:?}", why(&stage)) };
    assert!(*code == "copy-contradicts" && text.starts_with("n1 "), "{text}");
}

#[test]
fn a_leader_tells_of_no_more_copies_than_a_ping_has_room_for() {
    let mut stage = follower();
    let notice = CopyNotice { instance: life(3), fault: CopyFault::Lost.into(), entry: 9, end: 3 };
    let copies = vec![notice; 10_000];
    let ping = Ping {
        number: 1,
        cluster_id: cluster_id(),
        term: 2,
        leader: Some(life(2)),
        copies,
        ..Ping::default()
    };
    stage.say(2, Lane::Control, EnvelopeBody::Ping(ping));
    assert!(why(&stage).len() <= quorate_proto::limits::COPY_NOTICES);
}
