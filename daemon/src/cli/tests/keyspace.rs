//! The keyspace from the command line, in front of a daemon that answers as each test says.

use super::super::arguments::{Arguments, Command, Format, Question};
use super::super::client::Client;
use super::super::exit::Exit;
use super::super::reading::{how_to_go_on, in_pages};
use super::super::{keyspace, reading};
use crate::api::tests::{Stage, refuse, run_level};
use clap::Parser;
use quorate_node::status::State;
use quorate_node::{ClientReply, ClientRequest};
use quorate_proto::{
    FeatureLevel, KeyValue, KvError, KvResponse, PutRequest, PutResponse, RangeRequest,
    RangeResponse, RefusalCode, ResponseHeader, kv_request::Request, kv_response::Response,
};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const LONG: Duration = Duration::from_secs(60);

fn answered(response: Response) -> ClientReply {
    ClientReply::Kv(KvResponse { response: Some(response) })
}

async fn run(client: &Client, line: &str) -> Result<ExitCode, Exit> {
    let done = match Arguments::parse_from(line.split(' ')).command {
        Command::Ask(Question::Put(options)) => keyspace::put(client, Format::Json, options).await,
        Command::Ask(Question::Get(options)) => reading::get(client, Format::Json, options).await,
        other => panic!("no request to the keyspace: {other:?}"),
    };
    done.map_err(|failure| failure.exit)
}

/// A daemon that refuses so often with each of these, and then does it; and how often it was asked.
fn refusing(codes: &'static [RefusalCode]) -> (Stage, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stage = Stage::new(State::Quorate, move |_| {
        match codes.get(count.fetch_add(1, Ordering::Relaxed)) {
            Some(code) => refuse(*code, 0),
            None => answered(Response::Put(PutResponse::default())),
        }
    });
    (stage, asked)
}

#[tokio::test]
async fn what_was_not_done_is_asked_again_and_so_is_what_may_have_been_done() {
    let (stage, asked) = refusing(&[RefusalCode::Stopping, RefusalCode::Busy]);
    let client = Client::new(stage.socket());
    assert_eq!(run(&client, "quorate put k v --timeout 1m").await, Ok(ExitCode::SUCCESS));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let (stage, asked) = refusing(&[RefusalCode::FateUnknown]);
    let client = Client::new(stage.socket());
    let endless = "quorate put k v --timeout 300000000000years";
    assert_eq!(run(&client, endless).await, Ok(ExitCode::SUCCESS));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// A put whose first attempt is lost while the level rises to that of ids; and how often it was asked.
async fn put_while_the_level_rises() -> (Result<ExitCode, Exit>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let status = Arc::new(OnceLock::<watch::Sender<_>>::new());
    let (count, raised) = (Arc::clone(&asked), Arc::clone(&status));
    let stage = Stage::new(State::Quorate, move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => {
            run_level(raised.get().expect("it is served"), FeatureLevel::HIGHEST);
            refuse(RefusalCode::FateUnknown, 0)
        }
        _ => answered(Response::Put(PutResponse::default())),
    });
    stage.runs_level(FeatureLevel::BASE);
    status.set(stage.status.clone()).expect("for the first time");
    let put = run(&Client::new(stage.socket()), "quorate put k v --timeout 1m").await;
    (put, asked.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_write_that_went_out_without_an_id_is_not_asked_again() {
    assert_eq!(put_while_the_level_rises().await, (Err(Exit::FateUnknown), 1));
}

#[test]
fn a_write_of_unknown_fate_is_asked_again_until_its_id_may_be_forgotten_and_no_longer() {
    let (begun, minutes) = (Instant::now(), |count| Duration::from_mins(count));
    let (near, far) = (begun + minutes(2), begun + minutes(60));
    assert_eq!(keyspace::asked_until(near, begun), near, "its own time is over before");
    assert_eq!(keyspace::asked_until(far, begun), begun + minutes(4));
}

#[tokio::test]
async fn a_write_has_one_id_for_all_attempts_and_another_write_has_another() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&names);
    let stage = Stage::new(State::Quorate, move |request| {
        let ClientRequest::Named { name, .. } = request else { panic!("a write has an id") };
        let mut seen = seen.lock().unwrap();
        seen.push(name);
        match seen.len() {
            1 => refuse(RefusalCode::FateUnknown, 0),
            2 => refuse(RefusalCode::Busy, 0),
            _ => answered(Response::Put(PutResponse::default())),
        }
    });
    let client = Client::new(stage.socket());
    for _ in 0..2 {
        assert_eq!(run(&client, "quorate put k v --timeout 1m").await, Ok(ExitCode::SUCCESS));
    }
    let names = names.lock().unwrap();
    assert_eq!(names.len(), 4);
    assert!(names[0] == names[1] && names[1] == names[2] && names[2] != names[3], "{names:?}");
}

#[tokio::test]
async fn a_refusal_behind_a_lost_answer_does_not_say_that_nothing_was_done() {
    static REFUSALS: &[RefusalCode] = &[RefusalCode::FateUnknown, RefusalCode::TimedOut];
    let (stage, _) = refusing(REFUSALS);
    let client = Client::new(stage.socket());
    assert_eq!(run(&client, "quorate put k v --timeout 1m").await, Err(Exit::FateUnknown));
}

#[tokio::test]
async fn a_daemon_that_is_not_there_yet_is_waited_for() {
    let (stage, _) = refusing(&[]);
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("late.sock");
    let client = Client::new(socket.clone());
    let comes = async { std::os::unix::fs::symlink(stage.socket(), &socket).unwrap() };
    let (put, ()) = tokio::join!(run(&client, "quorate put k v --timeout 1m"), comes);
    assert_eq!(put, Ok(ExitCode::SUCCESS));
    let nobody = Client::new(dir.path().join("never.sock"));
    assert_eq!(run(&nobody, "quorate put k v --timeout 100ms").await, Err(Exit::Unreachable));
}

/// A keyspace of so many keys at revision 9 that answers at most 300 of them at a time, and the revisions that were asked for.
fn keys(count: usize) -> (Stage, Arc<Mutex<Vec<i64>>>) {
    let revisions = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&revisions);
    let stage = Stage::new(State::Quorate, move |request| {
        let ClientRequest::Kv(request) = request else { panic!("a read was asked for") };
        let Some(Request::Range(range)) = request.request else { panic!("a read was asked for") };
        asked.lock().unwrap().push(range.revision);
        let limit = usize::try_from(range.limit).unwrap();
        if limit > 300 {
            return refuse(RefusalCode::Kv, KvError::AnswerTooLarge as u32);
        }
        let all = (0..count).map(|number| format!("k{number:05}"));
        let mut rest = all.filter(|key| key.as_bytes() >= &range.key[..]);
        let kv = |key: String| KeyValue { key: key.into(), ..KeyValue::default() };
        let kvs: Vec<KeyValue> = rest.by_ref().take(limit).map(kv).collect();
        let more = rest.next().is_some();
        let header = Some(ResponseHeader { revision: 9, ..ResponseHeader::default() });
        let count = i64::try_from(count).unwrap();
        answered(Response::Range(RangeResponse { header, kvs, more, count }))
    });
    (stage, revisions)
}

#[tokio::test]
async fn a_prefix_is_read_in_pages_of_one_revision_and_a_limit_says_how_to_go_on() {
    let (stage, revisions) = keys(1000);
    let client = Client::new(stage.socket());
    let everything = |limit| RangeRequest { key: "k".into(), limit, ..RangeRequest::default() };
    let whole = in_pages(&client, everything(0), LONG).await.unwrap();
    let found: Vec<String> =
        whole.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect();
    let wanted: Vec<String> = (0..1000).map(|number| format!("k{number:05}")).collect();
    assert_eq!((found, whole.more), (wanted, false));
    let revisions = revisions.lock().unwrap().clone();
    let first = revisions.iter().position(|revision| *revision == 9).unwrap();
    assert!(revisions[first..].iter().all(|revision| *revision == 9), "{revisions:?}");
    assert!(revisions.len() - first >= 3, "pages: {revisions:?}");
    let some = in_pages(&client, everything(700), LONG).await.unwrap();
    assert_eq!((some.kvs.len(), some.more), (700, true));
    let told = how_to_go_on("k", &some);
    assert!(told.contains("300 more"), "{told}");
    let command = told.split('`').nth(1).unwrap().replace('\'', "");
    match Arguments::try_parse_from(command.split(' ')).unwrap().command {
        Command::Ask(Question::Get(options)) => {
            assert_eq!((options.rev, options.after), (Some(9), Some("k00699".into())));
        }
        other => panic!("another command: {other:?}"),
    }
}

#[test]
fn keys_and_values_are_taken_as_the_bytes_that_were_typed() {
    let odd = OsString::from_vec(vec![b'k', 0xff, 0xfe]);
    let line = ["quorate".into(), "put".into(), odd.clone(), OsString::from_vec(vec![0x80])];
    match Arguments::try_parse_from(line).unwrap().command {
        Command::Ask(Question::Put(options)) => {
            assert_eq!(keyspace::typed(options.key), b"k\xff\xfe".as_slice());
            assert_eq!(keyspace::typed(options.value), b"\x80".as_slice());
        }
        other => panic!("another command: {other:?}"),
    }
}

#[tokio::test]
async fn each_refusal_of_the_keyspace_is_a_sentence_of_our_own() {
    let refusals = (0..).map_while(|number| KvError::try_from(number).ok());
    let of_keys = refusals.map(|error| (RefusalCode::Kv, error as u32));
    let codes = [
        RefusalCode::TimedOut,
        RefusalCode::FateUnknown,
        RefusalCode::Busy,
        RefusalCode::Stopping,
        RefusalCode::NoSpace,
        RefusalCode::DoneTooLarge,
        RefusalCode::UndoneTooLarge,
        RefusalCode::OtherRequest,
    ];
    let all: Vec<_> = of_keys.chain(codes.map(|code| (code, 0))).collect();
    assert!(all.len() > 20, "{all:?}");
    for (code, detail) in all {
        let stage = Stage::new(State::Quorate, move |_| refuse(code, detail));
        let client = Client::new(stage.socket());
        let put = Request::Put(PutRequest::default());
        let text = keyspace::ask_once(&client, put, LONG).await.unwrap_err().text;
        let etcds = ["etcd", "mvcc", "quorate:"].iter().any(|word| text.contains(word));
        assert!(!etcds && !text.is_empty(), "{code:?}, {detail}: {text}");
    }
}
