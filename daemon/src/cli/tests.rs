//! The command line's pure parts, and its client in front of a daemon without a node.

mod arguments;
mod keyspace;
mod manual;
mod moving;
mod remedies;

use super::arguments::{Arguments, Format, Question, parse_time};
use super::client::{Client, Line, take_event};
use super::exit::Exit;
use super::format::{Pen, table};
use super::why::render;
use super::{show, watching};
use crate::api::keyspace::pages::after_prefix;
use crate::api::pages::findings::findings;
use crate::api::pages::status::SessionPage;
use crate::api::pages::{HealthPage, OpinionPage, ReasonPage, StatusPage};
use crate::api::tests::{Stage, refuse, sample, view};
use crate::clock::Started;
use crate::links::line::{LinkFinding, LinkLine};
use bytes::BytesMut;
use clap::Parser;
use quorate_node::status::State;
use quorate_proto::{ClusterId, MemberState, Moment, RefusalCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NOW: &str = "2026-11-21T10:00:00.000Z";
const PLAIN: Pen = Pen { colour: false };

fn page(state: State) -> StatusPage {
    let started = Started { wall_unix_ms: 1_795_000_000_000, moment: Moment::ZERO };
    StatusPage::of(&sample(state), started)
}

fn why(page: &StatusPage) -> String {
    render(page, &findings(page), PLAIN, NOW)
}

#[test]
fn times_have_units_and_are_seconds_without_one() {
    assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
    assert_eq!(parse_time("7"), Ok(Duration::from_secs(7)));
    assert_eq!(parse_time("1.5"), Ok(Duration::from_millis(1_500)));
    assert_eq!(parse_time(".5s"), Ok(Duration::from_millis(500)));
    for wrong in ["", ".", "s", "3x", "1e9", "-3", "99999999999999999999999h"] {
        let text = parse_time(wrong).expect_err(wrong);
        assert!(text.contains("`500ms`"), "{wrong}: {text}");
    }
}

#[test]
fn events_are_cut_from_the_stream_wherever_it_is_torn() {
    let text = b": hello\n\nid: 3-1-77\ndata: {\"epoch\":3}\n\nid: 4";
    let mut rest = BytesMut::new();
    let mut found = Vec::new();
    for byte in text {
        rest.extend_from_slice(&[*byte]);
        found.extend(take_event(&mut rest));
    }
    let line = Line { id: "3-1-77".to_owned(), text: "{\"epoch\":3}".to_owned() };
    assert_eq!(found, [Line::default(), line]);
    assert_eq!(rest, "id: 4");
}

#[test]
fn the_end_of_a_prefix_is_etcds() {
    assert_eq!(after_prefix(b"a/"), "a0");
    assert_eq!(after_prefix(b"a\xff\xff"), "b");
    assert_eq!(after_prefix(b"\xff"), "\0");
    assert_eq!(after_prefix(b""), "\0");
}

#[test]
fn tables_are_as_wide_as_their_cells_and_never_steer_the_terminal() {
    let rows = vec![vec!["a\x1b[2J".to_owned(), "x".to_owned()]];
    assert_eq!(table(PLAIN, &["N", "LONG"], &rows), "N      LONG\na?[2J  x\n");
    let long = "k".repeat(100);
    let rows = [long.as_str(), "k"].map(|key| vec![key.to_owned(), "x".to_owned()]);
    assert_eq!(table(PLAIN, &["K", "V"], &rows), format!("K  V\n{long}  x\nk  x\n"));
}

#[test]
fn the_status_table_shows_state_node_leader_and_members() {
    let text = show::draw_status(&page(State::Quorate), PLAIN, NOW);
    for part in [
        "demo",
        "quorate",
        "b, voter",
        "a, term 3",
        "epoch 4",
        "10.0.0.3:4747",
        "2 founder",
        "after 700 ms",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn the_wide_table_of_members_has_version_zone_and_labels_and_who_leads() {
    let mut members = page(State::Quorate).members;
    members[2].zone = None;
    members[2].labels.clear();
    let text = show::draw_members_wide(&members, PLAIN, NOW);
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|it| !it.is_empty()).collect()
    };
    let rows: Vec<Vec<String>> = text.lines().map(cells).collect();
    let shown = |row: &[String]| [0, 1, 4, 5, 6].map(|column: usize| row[column].clone());
    assert_eq!(shown(&rows[0]), ["NAME", "ROLE", "VERSION", "ZONE", "LABELS"]);
    assert_eq!(shown(&rows[1]), ["a", "voter, leads", "0.9.9", "z1", "rack=r1"]);
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(shown(&rows[2]), ["b", "voter", own, "z1", "rack=r2"]);
    assert_eq!(shown(&rows[3]), ["c", "voter", "-", "-", "-"], "it is not met, and has no labels");
}

#[test]
fn a_line_of_the_watch_says_who_changed_and_why() {
    let mut line = HealthPage { epoch: 5, quorate: true, ..HealthPage::default() };
    line.at = NOW.to_owned();
    line.members = page(State::Quorate).members;
    let change = crate::api::pages::members::ChangePage {
        name: "c".to_owned(),
        from: "alive".to_owned(),
        to: "down".to_owned(),
        reason: "silent for 512 ms".to_owned(),
    };
    line.changed = vec![change];
    let text = watching::draw_line(&line, PLAIN);
    assert_eq!(text, format!("{NOW} epoch 5 3/3 alive; c is down (silent for 512 ms)\n"));
}

#[test]
fn a_watch_in_json_says_that_its_daemon_is_gone_and_keeps_the_last_view() {
    let last = r#"{"epoch":5,"quorate":true,"at":"then","changed":[{"name":"c"}],"members":[{"name":"a"}]}"#;
    let line = watching::without_daemon(last, 1_795_000_000_000).unwrap();
    assert_eq!((line["quorate"].as_bool(), line["daemon"].as_str()), (Some(false), Some("gone")));
    assert_eq!((line["epoch"].as_u64(), line["members"][0]["name"].as_str()), (Some(5), Some("a")));
    assert!(line["changed"].as_array().unwrap().is_empty() && line["at"] != "then", "{line}");
}

#[test]
fn a_reason_is_told_with_its_meaning_and_its_remedy() {
    let mut page = StatusPage { state: "waiting".to_owned(), ..page(State::Quorate) };
    page.waiting_for = vec![ReasonPage {
        code: "no-answer".to_owned(),
        subject: Some("db1".to_owned()),
        text: "the trouble with db1".to_owned(),
        remedy: "the-remedy db1".to_owned(),
        since: "2026-11-21T09:00:00.000Z".to_owned(),
        meaning: "nothing answers".to_owned(),
    }];
    let text = why(&page);
    assert!(
        text.contains("The trouble with db1. (since 09:00:00.000)\n  Nothing answers.\n"),
        "{text}"
    );
    assert!(text.contains("What helps: the-remedy db1"), "{text}");
}

#[test]
fn a_link_that_is_not_well_is_told_unless_its_peer_is_named_already() {
    let mut page = page(State::Quorate);
    let finding = LinkFinding {
        code: "loss".to_owned(),
        text: "27.0 % of the packets were lost".to_owned(),
        meaning: "it comes late".to_owned(),
        remedy: "look at the network".to_owned(),
    };
    let (name, role, findings) = ("c".to_owned(), "voter".to_owned(), vec![finding]);
    let link = LinkLine { name, role, findings, ..LinkLine::default() };
    let retired = LinkLine { name: "c0ffee00".to_owned(), role: String::new(), ..link.clone() };
    page.links = Some(vec![link, retired]);
    let text = why(&page);
    assert!(!text.contains("c0ffee00"), "a disk that was replaced is wanted by nobody: {text}");
    assert!(text.contains("c, as seen from here: 27.0 % of the packets were lost"), "{text}");
    assert!(text.contains("What helps: look at the network"), "{text}");
    assert!(!text.contains("Nothing is wrong"), "{text}");
    page.members[2].state = "down".to_owned();
    let text = why(&page);
    assert!(!text.contains("27.0 %"), "{text}");
}

#[test]
fn of_two_voters_none_may_fail_and_that_is_told() {
    let mut page = page(State::Quorate);
    page.members.truncate(2);
    let text = why(&page);
    assert!(text.contains("With 2 voters all of them are needed: none may fail"), "{text}");
    page.members.truncate(1);
    assert!(why(&page).ends_with("Nothing is wrong.\n"), "one alone has nobody to lose");
}

#[test]
fn who_lost_its_network_says_of_others_too_what_it_knows() {
    let mut page = page(State::NoQuorum);
    page.waiting_for = vec![ReasonPage { code: "no-network".to_owned(), ..ReasonPage::default() }];
    page.opinions = vec![OpinionPage {
        name: "a".to_owned(),
        verdict: "down".to_owned(),
        reason: "silent for 3 s".to_owned(),
    }];
    page.members[2].state = "down".to_owned();
    let codes: Vec<String> = findings(&page).into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["no-network", "down", "opinion"]);
}

#[test]
fn a_voter_whose_copy_does_not_count_is_not_among_those_that_may_fail() {
    let mut page = page(State::Quorate);
    page.waiting_for = vec![ReasonPage {
        code: "copy-stands-still".to_owned(),
        subject: Some(page.members[1].name.clone()),
        ..ReasonPage::default()
    }];
    let found = findings(&page);
    let meaning = &found[0].meaning;
    assert!(
        meaning.contains("alive, and the copies of 1 of them do not count; 0 more"),
        "{meaning}"
    );
}

#[test]
fn only_what_explains_an_absence_is_told_in_its_place() {
    let mut page = page(State::Quorate);
    page.members[2].state = "down".to_owned();
    let mut codes = |code: &str| -> Vec<String> {
        page.waiting_for = vec![ReasonPage {
            code: code.to_owned(),
            subject: Some("c".to_owned()),
            ..ReasonPage::default()
        }];
        findings(&page).into_iter().map(|finding| finding.code).collect()
    };
    for beside in ["disk-slow", "name-held", "clone"] {
        assert_eq!(codes(beside), [beside, "down"]);
    }
    assert_eq!(codes("two-addresses"), ["down", "two-addresses"], "advice comes last");
    for instead in ["missing", "one-way", "no-link", "copy-lost", "other-secret"] {
        assert_eq!(codes(instead), [instead]);
    }
    let meaning = &findings(&page)[0].meaning;
    assert!(meaning.contains("2 of 3 voters are alive; 0 more may fail"), "{meaning}");
}

#[test]
fn a_member_that_is_down_is_told_though_it_is_quorate() {
    let mut page = page(State::Quorate);
    assert!(why(&page).ends_with("Nothing is wrong.\n"));
    page.members[2].state = "down".to_owned();
    let text = why(&page);
    assert!(text.contains("c is down (epoch 4): as told"), "{text}");
    assert!(text.contains("2 of 3 voters are alive; 0 more may fail"), "{text}");
    page.members[2].state = "left".to_owned();
    let text = why(&page);
    assert!(text.contains("c has left (epoch 4): as told"), "a voter counts: {text}");
    assert!(text.contains("2 of 3 voters are alive; 0 more may fail"), "{text}");
    page.members[2].role = "member".to_owned();
    assert!(why(&page).contains("c has left"), "it crashed");
    page.members[2].goodbye = Some("stopped".to_owned());
    assert!(!why(&page).contains("c has left"), "that is in order");
}

#[tokio::test]
async fn a_missing_socket_is_told_with_the_remedy() {
    let client = Client::new("/nonexistent/quorate.sock".into());
    let failure = client.get::<StatusPage>("/v1/status").await.unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.text.contains("systemctl start quorate"), "{}", failure.text);
}

#[test]
fn a_host_that_is_gone_with_its_disk_and_runs_with_another_is_not_to_be_started() {
    let mut page = page(State::NoQuorum);
    page.members[2].state = "left".to_owned();
    let remedy = |page: &StatusPage| {
        let found = findings(page).into_iter().find(|finding| finding.code == "left");
        found.expect("a voter that left counts").remedy
    };
    assert!(remedy(&page).contains("systemctl start quorate"), "{}", remedy(&page));
    let address = "10.0.0.3:4747".parse().unwrap();
    let other = SessionPage { name: "c".to_owned(), instance: "another".to_owned(), address };
    page.sessions.push(other);
    let remedy = remedy(&page);
    assert!(remedy.contains("it runs, with another disk") && !remedy.contains("start"), "{remedy}");
}

#[tokio::test]
async fn a_limit_of_time_is_passed_by_a_second_at_most_where_the_daemon_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("quorate.sock");
    let _stuck = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let limit = Duration::from_millis(200);
    let asked = Client::new(socket).get_within::<StatusPage>("/v1/wait", limit).await;
    let failure = asked.unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.text.contains("answered none within 1.2 s"), "{}", failure.text);
}

#[tokio::test]
async fn a_daemon_that_takes_requests_and_answers_none_is_not_waited_for_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("quorate.sock");
    let _stuck = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let client = Client::new(socket).with_patience(Duration::from_millis(20));
    let page = client.get::<StatusPage>("/v1/status").await.unwrap_err();
    let later = client.get_within::<StatusPage>("/v1/wait", Duration::from_millis(20)).await;
    let watched = client.follow("/v1/health/watch", None).await.map(|_| ()).unwrap_err();
    for failure in [page, later.unwrap_err(), watched] {
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.text.contains("stopped or stuck"), "{}", failure.text);
    }
    let line = ["quorate", "put", "k", "v", "--timeout", "20ms"];
    let super::Command::Ask(Question::Put(options)) = Arguments::parse_from(line).command else {
        panic!("a put was parsed")
    };
    let failure = super::keyspace::put(&client, Format::Json, options).await.unwrap_err();
    assert_eq!(failure.exit, Exit::FateUnknown, "{}", failure.text);
}

#[tokio::test]
async fn refusals_of_the_keyspace_become_exit_codes() {
    let table = [
        (State::NoQuorum, RefusalCode::TimedOut, Exit::NotQuorate),
        (State::Quorate, RefusalCode::TimedOut, Exit::Timeout),
        (State::Quorate, RefusalCode::FateUnknown, Exit::FateUnknown),
        (State::Quorate, RefusalCode::Busy, Exit::Error),
        (State::Quorate, RefusalCode::Stopping, Exit::Unreachable),
    ];
    for (state, code, exit) in table {
        let stage = Stage::new(state, move |_| refuse(code, 0));
        let line = ["quorate", "put", "k", "v", "--timeout", "100ms"];
        let super::Command::Ask(Question::Put(options)) = Arguments::parse_from(line).command
        else {
            panic!("a put was parsed")
        };
        let client = Client::new(stage.socket());
        let failure = super::keyspace::put(&client, Format::Json, options).await.unwrap_err();
        assert_eq!(failure.exit, exit, "{}", failure.text);
    }
}

/// A daemon that says no level, takes a request, answers so much of it, and dies.
async fn asked_of_one_that_dies(line: &[&str], answer: &'static [u8]) -> Exit {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("quorate.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut taken = [0; 4096];
            let length = stream.read(&mut taken).await.unwrap();
            assert!(length > 0, "something came in");
            if !taken.starts_with(b"GET /v1/status ") {
                return stream.write_all(answer).await.unwrap();
            }
        }
    });
    let client = Client::new(socket);
    let line = line.iter().chain(&["--timeout", "100ms"]);
    let asked = match Arguments::parse_from(line).command {
        super::Command::Ask(Question::Put(options)) => {
            super::keyspace::put(&client, Format::Json, options).await
        }
        super::Command::Ask(Question::Get(options)) => {
            super::reading::get(&client, Format::Json, options).await
        }
        super::Command::Ask(Question::Delete(options)) => {
            super::keyspace::delete(&client, Format::Json, options).await
        }
        other => panic!("no request to the keyspace: {other:?}"),
    };
    asked.unwrap_err().exit
}

#[tokio::test]
async fn a_write_whose_daemon_dies_is_of_unknown_fate_and_a_read_is_not() {
    let torn = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx";
    for answer in [b"".as_slice(), torn.as_slice()] {
        let put = asked_of_one_that_dies(&["quorate", "put", "k", "v"], answer).await;
        assert_eq!(put, Exit::FateUnknown);
        let delete = asked_of_one_that_dies(&["quorate", "delete", "k"], answer).await;
        assert_eq!(delete, Exit::FateUnknown);
        let get = asked_of_one_that_dies(&["quorate", "get", "k"], answer).await;
        assert_eq!(get, Exit::Unreachable);
    }
}

#[tokio::test]
async fn a_watcher_that_keeps_up_sees_every_epoch_and_resumes_behind_the_last() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    stage.is_of(ClusterId::from_bytes([7; 16]));
    let client = Client::new(stage.socket());
    let feed = &stage.doors.feeds.health;
    feed.publish(Arc::new(view(4, MemberState::Alive)), None, true);
    let mut lines = client.follow("/v1/health/watch", None).await.unwrap();
    let mut seen = Vec::new();
    for epoch in 5..8 {
        let line = lines.next().await.unwrap();
        seen.push(line.clone());
        let state = if epoch == 6 { MemberState::Down } else { MemberState::Alive };
        feed.publish(Arc::new(view(epoch, state)), None, true);
    }
    seen.push(lines.next().await.unwrap());
    let pages: Vec<HealthPage> =
        seen.iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect();
    let epochs: Vec<u64> = pages.iter().map(|page| page.epoch).collect();
    assert_eq!(epochs, [4, 5, 6, 7]);
    assert_eq!((pages[2].changed[0].name.as_str(), pages[2].changed[0].to.as_str()), ("c", "down"));
    let mut again = client.follow("/v1/health/watch", Some(&seen[1].id)).await.unwrap();
    assert_eq!(again.next().await.unwrap(), seen[2]);
    let mut again = client.follow("/v1/health/watch", Some("5-q-another")).await.unwrap();
    let page: HealthPage = serde_json::from_str(&again.next().await.unwrap().text).unwrap();
    assert_eq!((page.epoch, page.reset), (7, true), "an id of another cluster says nothing");
}
