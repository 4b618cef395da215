//! `import` in front of a daemon that answers as each test says: how many keys a transaction has, and what is said where it stops.

use super::super::arguments::{Arguments, Command, Format, Question};
use super::super::client::Client;
use super::super::exit::{Exit, Failure};
use super::super::importing::import;
use crate::api::tests::{Stage, refuse};
use clap::Parser;
use quorate_node::status::State;
use quorate_node::{ClientReply, ClientRequest};
use quorate_proto::{
    FeatureLevel, KvResponse, PutResponse, RefusalCode, ResponseHeader, ResponseOp, TxnRequest,
    TxnResponse, kv_request::Request, kv_response::Response, request_op, response_op,
};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// The keys of each transaction that was asked for.
type Asked = Arc<Mutex<Vec<Vec<String>>>>;

fn key_of(operation: &request_op::Request) -> String {
    match operation {
        request_op::Request::Put(put) => String::from_utf8_lossy(&put.key).into_owned(),
        request_op::Request::Txn(TxnRequest { compare, success, .. }) => {
            assert_eq!(compare.len(), 1, "whether the key is new");
            key_of(success[0].request.as_ref().expect("a put"))
        }
        other => panic!("{other:?}"),
    }
}

/// A keyspace that has the key `k00001`, and refuses the transaction of this number.
fn stage(refused: usize, code: RefusalCode) -> (Stage, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let stage = Stage::new(State::Quorate, move |request| {
        // It has an id where ids count.
        let (ClientRequest::Named { request, .. } | ClientRequest::Kv(request)) = request else {
            panic!("{request:?}")
        };
        let Some(Request::Txn(txn)) = request.request else { panic!("{request:?}") };
        let operations = txn.success.iter().map(|one| one.request.as_ref().expect("something"));
        let answers = operations.clone().map(|one| match one {
            request_op::Request::Put(_) => response_op::Response::Put(PutResponse::default()),
            one => response_op::Response::Txn(TxnResponse {
                succeeded: key_of(one) != "k00001",
                ..TxnResponse::default()
            }),
        });
        let responses = answers.map(|one| ResponseOp { response: Some(one) }).collect();
        let mut asked = seen.lock().unwrap();
        asked.push(operations.map(key_of).collect());
        if asked.len() == refused {
            return refuse(code, 0);
        }
        let header = Some(ResponseHeader { revision: 9, ..ResponseHeader::default() });
        let answer = TxnResponse { header, succeeded: true, responses };
        ClientReply::Kv(KvResponse { response: Some(Response::Txn(answer)) })
    });
    (stage, asked)
}

/// Imports lines from a file; what is asked for with `line` besides.
async fn run(stage: &Stage, line: &str, lines: &str) -> Result<ExitCode, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("export");
    std::fs::write(&file, lines).unwrap();
    let line = format!("quorate import {} {line}", file.display());
    match Arguments::parse_from(line.split_whitespace()).command {
        Command::Ask(Question::Import(options)) => {
            import(&Client::new(stage.socket()), Format::Json, &options).await
        }
        other => panic!("another command: {other:?}"),
    }
}

fn keys(count: usize) -> String {
    (1..=count).fold(String::new(), |mut lines, number| {
        writeln!(lines, r#"{{"key":"k{number:05}","value":"v"}}"#).unwrap();
        lines
    })
}

fn sizes(asked: &Asked) -> Vec<usize> {
    asked.lock().unwrap().iter().map(Vec::len).collect()
}

#[tokio::test]
async fn an_import_writes_a_hundred_keys_at_a_time_and_begins_where_it_is_told_to() {
    let (stage, asked) = stage(usize::MAX, RefusalCode::Other);
    run(&stage, "", &keys(250)).await.unwrap();
    assert_eq!(sizes(&asked), [100, 100, 50]);
    run(&stage, "--from-line 201 --create-only", &keys(250)).await.unwrap();
    assert_eq!(asked.lock().unwrap()[3][0], "k00201");
    assert_eq!(sizes(&asked)[3..], [50]);
}

#[tokio::test]
async fn a_transaction_has_no_key_twice_and_a_bound_of_bytes() {
    let (stage, asked) = stage(usize::MAX, RefusalCode::Other);
    let large = "v".repeat(200 * 1024);
    let lines = ["a", "b", "c", "c", "d"].map(|key| {
        let value = if key < "c" { large.as_str() } else { "v" };
        format!(r#"{{"key":"{key}","value":"{value}"}}"#)
    });
    run(&stage, "", &lines.join("\n")).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [vec!["a"], vec!["b", "c"], vec!["c", "d"]]);
}

#[tokio::test]
async fn where_an_import_stops_it_says_what_was_done_and_how_to_go_on() {
    let (first, _) = stage(3, RefusalCode::FateUnknown);
    first.runs_level(FeatureLevel::BASE);
    let failure = run(&first, "", &keys(250)).await.unwrap_err();
    assert_eq!(failure.exit, Exit::FateUnknown);
    for part in [
        "lines 201 to 250 may or may not be written",
        "200 keys written in 2 transactions",
        "--from-line 201 ",
    ] {
        assert!(failure.text.contains(part), "`{part}` is not in: {}", failure.text);
    }
    let (second, _) = stage(2, RefusalCode::NoSpace);
    let failure = run(&second, "--create-only", &keys(250)).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Error);
    for part in [
        "lines 101 to 200: ",
        "99 keys written",
        "; 1 were there",
        "--from-line 101 ",
        " --create-only` goes on",
    ] {
        assert!(failure.text.contains(part), "`{part}` is not in: {}", failure.text);
    }
}

#[tokio::test]
async fn a_file_that_is_not_understood_to_its_end_changes_nothing() {
    let (stage, asked) = stage(usize::MAX, RefusalCode::Other);
    let failure = run(&stage, "", &format!("{}nonsense\n", keys(250))).await.unwrap_err();
    assert!(failure.text.contains("line 251: "), "{}", failure.text);
    assert!(failure.text.ends_with("nothing was changed"), "{}", failure.text);
    assert_eq!(sizes(&asked), [0; 0]);
}
