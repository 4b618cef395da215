//! What a connection is told and what it may cost.

use super::{Ended, Overstay, Patience, TURNED_AWAY, connection, overstays};
use crate::api::guard::Guard;
use crate::api::holdings::{Connection, take_answer};
use crate::api::pages::RefusalPage;
use crate::api::tests::{Stage, get_at, refuse};
use crate::api::{door, open_monitor, open_unix, serve_monitor, serve_unix};
use crate::doors::crowds::{Crowds, DoorCrowds, Places, Room, Users};
use crate::doors::{Closing, Doors};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::StatusCode;
use quorate_node::status::State;
use quorate_proto::RefusalCode;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

#[tokio::test]
async fn a_connection_has_a_hundred_streams_and_windows_below_a_mebibyte() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let mut stream = UnixStream::connect(stage.socket()).await.unwrap();
    // The preface, and a frame of settings without any.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let (mut settings, mut widened) = (BTreeMap::new(), None);
    while settings.is_empty() || widened.is_none() {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut frame = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut frame).await.unwrap();
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum * 256 + u32::from(*byte));
        match head[3] {
            4 => settings.extend(frame.chunks(6).map(|it| (number(&it[..2]), number(&it[2..])))),
            8 => widened = Some(number(&frame)),
            _ => {}
        }
    }
    assert_eq!(settings[&3], 100, "streams");
    assert_eq!(settings[&4], 128 * 1024, "the window of a stream");
    // Each connection begins with this much.
    assert_eq!(widened.unwrap() + 65_535, 512 * 1024, "the window of the connection");
}

/// Serves one end of a pipe, and gives the other.
fn pipe(
    stage: &Stage,
    patience: Patience,
) -> (tokio::task::JoinHandle<Ended>, tokio::io::DuplexStream) {
    let (near, far) = tokio::io::duplex(256);
    let router = door::router(Arc::new(stage.doors.clone()), Guard { names: None });
    let closing = stage.doors.closing.clone();
    let client = Connection::new(stage.doors.room());
    (tokio::spawn(connection(near, router, client, closing, patience)), far)
}

const HOUR: Duration = Duration::from_secs(3600);
const ENDLESS: Patience =
    Patience { head: HOUR, stall: HOUR, answer: HOUR, idle: HOUR, last: Duration::ZERO };

#[tokio::test]
async fn a_connection_ends_for_an_answer_that_is_not_taken_and_when_it_asks_nothing_more() {
    let answers = Places::new("answer-bytes", 1024 * 1024, 1, "bytes of answers are held");
    let bodies = Places::new("body-bytes", 1, 1, "bytes of bodies are held");
    let client = Connection::new(&Room { bodies, answers: answers.clone() });
    let hasty = Patience { head: Duration::ZERO, ..ENDLESS };
    assert_eq!(overstays(&client, hasty).await, Overstay::Silent);
    let serving = async {
        take_answer(&answers, 100_000).unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(vec![0; 100_000])))
    };
    let Ok(answer) = Arc::clone(&client).serve(serving).await;
    let both = Patience { answer: Duration::ZERO, idle: Duration::ZERO, ..hasty };
    assert_eq!(overstays(&client, both).await, Overstay::Full);
    let idle = Patience { answer: HOUR, ..both };
    // What is under way keeps it, however long it lasts: a watch asks nothing else.
    let stays = tokio::time::timeout(Duration::from_millis(10), overstays(&client, idle)).await;
    assert!(stays.is_err());
    drop(answer);
    assert_eq!(overstays(&client, both).await, Overstay::Idle);
}

#[tokio::test]
async fn whoever_has_asked_when_the_door_closes_is_answered_and_who_comes_later_is_told_at_once() {
    for _ in 0..20 {
        let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Stopping, 0));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("closing.sock");
        let door = open_unix(&path).unwrap();
        let (keep_open, closing) = Closing::new();
        let doors = Doors { closing, ..stage.doors.clone() };
        let mut client = UnixStream::connect(&path).await.unwrap();
        let request = b"GET /v1/health HTTP/1.1\r\nhost: quorate\r\n\r\n";
        client.write_all(request).await.unwrap();
        drop(keep_open);
        serve_unix(door, doors).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        assert!(UnixStream::connect(&path).await.is_err(), "nobody is let in any more");
    }
}

#[tokio::test]
async fn whoever_asks_nothing_loses_the_connection() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let patience = Patience { head: Duration::from_millis(1), ..ENDLESS };
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let begins: [&[u8]; 4] = [b"", &preface[..9], preface, b"GET /livez HTTP/1.1\r\nhost:"];
    for begin in begins {
        let (serving, mut far) = pipe(&stage, patience);
        far.write_all(begin).await.unwrap();
        assert_eq!(serving.await.unwrap(), Ended::Otherwise);
    }
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_loses_the_connection() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let patience = Patience { stall: Duration::from_millis(1), ..ENDLESS };
    let (serving, mut far) = pipe(&stage, patience);
    far.write_all(b"GET /metrics HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
    assert_eq!(serving.await.unwrap(), Ended::Unread);
}

/// Another unix door of the stage with so few places.
fn open(stage: &Stage, connections: usize, watches: usize) -> (PathBuf, Crowds) {
    let places = |word, limit| Places::new(word, limit, 1, "places are taken");
    let door = DoorCrowds {
        users: Users::default(),
        connections: places("unix-connections", connections),
        watches: places("unix-watches", watches),
        waits: places("unix-waits", 1),
        room: Crowds::default().unix.room,
    };
    let crowds = Crowds { unix: door, ..Crowds::default() };
    let path = stage.socket().with_extension("few");
    let doors = Doors { crowds: crowds.clone(), ..stage.doors.clone() };
    tokio::spawn(serve_unix(open_unix(&path).unwrap(), doors));
    (path, crowds)
}

fn is_busy((status, body): &(StatusCode, Bytes)) -> bool {
    let page: RefusalPage = serde_json::from_slice(body).unwrap();
    (*status, page.code.as_str()) == (StatusCode::SERVICE_UNAVAILABLE, "busy")
}

#[tokio::test]
async fn a_door_that_is_full_says_so_and_why_and_that_the_daemon_lives() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let (path, crowds) = open(&stage, 1, 9);
    let used = || crowds.unix.connections.bound().used;
    let silent = UnixStream::connect(&path).await.unwrap();
    while used() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(is_busy(&get_at(path.clone(), "/v1/health").await));
    assert_eq!(get_at(path.clone(), "/livez").await.0, StatusCode::OK);
    // Whoever is told that the door is full asks why next.
    let (status, why) = get_at(path.clone(), "/v1/why").await;
    assert_eq!(status, StatusCode::OK);
    assert!(String::from_utf8(why.to_vec()).unwrap().contains("1 places are taken"));
    assert_eq!(get_at(path.clone(), "/v1/status").await.0, StatusCode::OK);
    drop(silent);
    while used() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get_at(path, "/v1/health").await.0, StatusCode::OK);
}

#[tokio::test]
async fn at_a_full_door_nobody_who_keeps_a_connection_or_asks_nothing_keeps_others_from_being_told()
{
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let (path, crowds) = open(&stage, 1, 9);
    let _holds_the_place = UnixStream::connect(&path).await.unwrap();
    while crowds.unix.connections.bound().used == 0 {
        tokio::task::yield_now().await;
    }
    // They are told that the door is full, once, and lose the connection at once, though they keep their end.
    let mut told = UnixStream::connect(&path).await.unwrap();
    told.write_all(b"GET /v1/health/watch HTTP/1.1\r\nhost: quorate\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    told.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer:?}");
    // More silent ones than are told at a time.
    let mut silent = Vec::new();
    for _ in 0..3 * TURNED_AWAY {
        silent.push(UnixStream::connect(&path).await.unwrap());
    }
    assert_eq!(get_at(path, "/v1/status").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_watch_too_many_is_refused_as_busy() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let (path, crowds) = open(&stage, 9, 1);
    let mut watching = UnixStream::connect(&path).await.unwrap();
    watching.write_all(b"GET /v1/events/watch HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
    watching.read_exact(&mut [0; 12]).await.unwrap();
    for watch in ["/v1/events/watch", "/v1/health/watch"] {
        assert!(is_busy(&get_at(path.clone(), watch).await), "{watch}");
    }
    let (_, metrics) = get_at(path.clone(), "/metrics").await;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    assert!(metrics.contains("quorate_bound_used{bound=\"unix-watches\"} 1\n"), "{metrics}");
    drop(watching);
    while crowds.unix.watches.bound().used > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_waits_at_one_door_keeps_nobody_out_at_the_other() {
    let stage = Stage::new(State::NoQuorum, |_| refuse(RefusalCode::Other, 0));
    let (path, crowds) = open(&stage, 9, 9);
    let mut waiting = UnixStream::connect(&path).await.unwrap();
    waiting.write_all(b"GET /v1/wait?quorate=1 HTTP/1.1\r\nhost: any\r\n\r\n").await.unwrap();
    while crowds.unix.waits.bound().used == 0 {
        tokio::task::yield_now().await;
    }
    let wait = "/v1/wait?quorate=1&timeout=0";
    assert!(is_busy(&get_at(path.clone(), wait).await), "the only place is taken");
    let monitor = path.with_extension("monitor");
    let doors = Doors { crowds: crowds.clone(), ..stage.doors.clone() };
    tokio::spawn(serve_monitor(open_monitor(&monitor).unwrap(), doors));
    assert_eq!(get_at(monitor, wait).await.0, StatusCode::GATEWAY_TIMEOUT);
    drop(waiting);
    while crowds.unix.waits.bound().used > 0 {
        tokio::task::yield_now().await;
    }
}
