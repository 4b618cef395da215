//! The list of paths against the router, the doors and docs/API.md.

use super::{GRPC, Open, ROUTES};
use crate::api::etcd::words::{
    AlarmRequest, AlarmResponse, Empty, HealthCheckRequest, HealthCheckResponse,
    MemberListResponse, StatusResponse,
};
use crate::api::pages::RefusalPage;
use crate::api::tests::{Channel, Stage, ask_over_grpc, refuse, send, send_to};
use crate::api::{open_monitor, serve_monitor, serve_tcp};
use crate::doors::Doors;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::{Method, StatusCode};
use quorate_node::ClientReply;
use quorate_node::status::State;
use quorate_proto::{
    DeleteRangeResponse, KeyValue, KvRequest, KvResponse, MemberCause, Moment, RangeResponse,
    Reason, RefusalCode, ResponseHeader, ResponseOp, TxnResponse, kv_request, kv_response,
    request_op, response_op,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UnixStream};

const API: &str = include_str!("../../../../docs/API.md");

/// The headings of docs/API.md that name a path, each with what its section says of the doors.
fn documented() -> BTreeSet<(String, String, String)> {
    let section = |text: &str| {
        let (head, body) = text.split_once('\n')?;
        let (method, path) = head.split_once(' ')?;
        let doors = body.lines().find_map(|line| line.strip_prefix("Doors: "))?;
        let path = path.trim().trim_matches('`');
        Some((method.to_owned(), path.to_owned(), doors.trim_end_matches('.').to_owned()))
    };
    API.split("\n### ").skip(1).filter_map(section).collect()
}

/// The same over a TCP door without the keyspace, without a body.
async fn get_over_tcp(stage: &Stage, method: Method, path: &str) -> (StatusCode, Bytes) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_tcp(listener, stage.doors.clone(), Vec::new()));
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    let request = request.body(Full::default()).unwrap();
    send(TcpStream::connect(address).await.unwrap(), request).await
}

/// The same over the socket of monitors, of a daemon that serves the keyspace on TCP.
async fn get_as_a_monitor(stage: &Stage, method: Method, path: &str) -> (StatusCode, Bytes) {
    let socket = stage.socket().with_extension("monitor");
    let doors = Doors { keyspace: true, ..stage.doors.clone() };
    let serving = tokio::spawn(serve_monitor(open_monitor(&socket).unwrap(), doors));
    let request = Request::builder().method(method).uri(path).header("host", "any");
    let request = request.body(Full::default()).unwrap();
    let answer = send(UnixStream::connect(&socket).await.unwrap(), request).await;
    serving.abort();
    // Once it has ended its file is gone.
    let _ = serving.await;
    answer
}

#[test]
fn the_documented_paths_are_those_that_are_served() {
    let own = |method: &str, path: &str, open: Open| {
        (method.to_owned(), path.to_owned(), open.word().to_owned())
    };
    let http = ROUTES.iter().map(|route| own(route.method(), route.path, route.open));
    let grpc = GRPC.iter().map(|method| own("gRPC", method.path, method.open));
    let served: BTreeSet<_> = http.chain(grpc).collect();
    let documented = documented();
    let missing: Vec<_> = served.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/API.md, or with other doors: {missing:#?}");
    let gone: Vec<_> = documented.difference(&served).collect();
    assert!(gone.is_empty(), "in docs/API.md, and not served so: {gone:#?}");
}

#[tokio::test]
async fn the_index_lists_every_path_with_a_sentence() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let (code, body) = stage.get("/").await;
    assert_eq!(code, StatusCode::OK);
    let lines: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(lines.len(), ROUTES.len() + GRPC.len());
    for line in &lines {
        for name in ["method", "path", "doors", "does"] {
            assert!(line[name].as_str().is_some_and(|text| !text.is_empty()), "{line}");
        }
    }
}

#[tokio::test]
async fn another_path_and_another_method_are_answered_with_what_there_is() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let ask = async |method: Method, path: &str| {
        let (code, body) = send_to(&stage, method, path, "").await;
        (code, serde_json::from_slice::<RefusalPage>(&body).unwrap())
    };
    let (code, page) = ask(Method::GET, "/v1/nonsense").await;
    assert_eq!((code, page.code.as_str()), (StatusCode::NOT_FOUND, "not-found"));
    assert_eq!(page.error, "no such path: /v1/nonsense; `/` lists those that there are");
    let (code, page) = ask(Method::POST, "/v1/status").await;
    assert_eq!((code, page.code.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "method"));
    assert_eq!(page.error, "/v1/status takes GET, not POST");
    let (_, page) = ask(Method::PATCH, "/v1/kv").await;
    assert_eq!(page.error, "/v1/kv takes GET, PUT, DELETE, POST, not PATCH");
    let (code, body) = send_to(&stage, Method::POST, "/v3/kv/range", "{}").await;
    assert_eq!(code, StatusCode::NOT_IMPLEMENTED);
    let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["code"], 12);
    assert!(page["message"].as_str().unwrap().contains("/v1/kv"), "{page}");
    // What an address says wrongly is told in JSON too.
    let (code, page) = ask(Method::GET, "/v1/status?nonsense=1").await;
    assert_eq!((code, page.code.as_str()), (StatusCode::BAD_REQUEST, "usage"));
}

#[tokio::test]
async fn a_door_without_the_keyspace_serves_nothing_that_changes_or_acts() {
    let stage = Stage::new(State::Quorate, |request| panic!("reached the loop: {request:?}"));
    for route in ROUTES {
        let closed = route.open == Open::WithKeys;
        // Streams do not end, and whether this node is quorate is asked of the status alone.
        if !closed && (route.path.ends_with("/watch") || route.path == "/v1/wait") {
            continue;
        }
        let tcp = get_over_tcp(&stage, route.method.clone(), route.path).await;
        let monitor = get_as_a_monitor(&stage, route.method.clone(), route.path).await;
        for (code, body) in [tcp, monitor] {
            if closed {
                assert_eq!(code, StatusCode::FORBIDDEN, "{} {}", route.method, route.path);
                let page: RefusalPage = serde_json::from_slice(&body).unwrap();
                assert_eq!(page.code, "closed");
            } else {
                assert_eq!(route.method, Method::GET, "{} changes nothing", route.path);
                assert_eq!(code, StatusCode::OK, "{} {}", route.method, route.path);
            }
        }
    }
}

#[tokio::test]
async fn the_first_calls_of_etcds_clients_get_true_answers() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let socket = stage.socket();
    let to = || Channel::Unix(&socket);
    let status: StatusResponse =
        ask_over_grpc(to(), "/etcdserverpb.Maintenance/Status", Empty {}).await.unwrap();
    assert_eq!((status.raft_index, status.raft_term, status.is_learner), (9, 3, false));
    let members: MemberListResponse =
        ask_over_grpc(to(), "/etcdserverpb.Cluster/MemberList", Empty {}).await.unwrap();
    let names: Vec<_> = members.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(members.members[0].id, status.leader, "a leads");
    let own = members.header.unwrap().member_id;
    assert_eq!(members.members[1].id, own, "b answers");
    let none = AlarmRequest { action: 0, member_id: 0, alarm: 0 };
    let path = "/etcdserverpb.Maintenance/Alarm";
    let alarms: AlarmResponse = ask_over_grpc(to(), path, none).await.unwrap();
    assert!(alarms.alarms.is_empty());
    let disarm = AlarmRequest { action: 2, ..none };
    let refused = ask_over_grpc::<_, AlarmResponse>(to(), path, disarm).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    let path = "/etcdserverpb.Auth/Authenticate";
    let refused = ask_over_grpc::<_, Empty>(to(), path, Empty {}).await.unwrap_err();
    let words = "etcdserver: authentication is not enabled";
    assert_eq!((refused.code(), refused.message()), (tonic::Code::FailedPrecondition, words));
    let path = "/etcdserverpb.Watch/Watch";
    let refused = ask_over_grpc::<_, Empty>(to(), path, Empty {}).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    assert!(refused.message().contains(path), "{}", refused.message());
}

#[tokio::test]
async fn a_full_keyspace_is_etcds_alarm_as_long_as_it_is_full() {
    let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
    let socket = stage.socket();
    for full in [true, false] {
        let cause = full.then_some(MemberCause::KeyspaceFull { limit: 512 });
        let reasons = cause.iter().map(|cause| Reason::of(cause, Moment::ZERO)).collect();
        stage.status.send_modify(|status| Arc::make_mut(status).reasons = reasons);
        let path = "/etcdserverpb.Maintenance/Alarm";
        let question = AlarmRequest { action: 0, member_id: 0, alarm: 0 };
        let alarms: AlarmResponse =
            ask_over_grpc(Channel::Unix(&socket), path, question).await.unwrap();
        let numbers: Vec<i32> = alarms.alarms.iter().map(|alarm| alarm.alarm).collect();
        assert_eq!(numbers, if full { vec![1] } else { Vec::new() });
        let path = "/etcdserverpb.Maintenance/Status";
        let status: StatusResponse =
            ask_over_grpc(Channel::Unix(&socket), path, Empty {}).await.unwrap();
        assert_eq!(!status.errors.is_empty(), full, "{:?}", status.errors);
    }
}

#[tokio::test]
async fn the_health_service_follows_quorum() {
    let path = "/grpc.health.v1.Health/Check";
    for (state, expected) in [(State::Quorate, 1), (State::NoQuorum, 2)] {
        let stage = Stage::new(state, |_| refuse(RefusalCode::Other, 0));
        let socket = stage.socket();
        for service in ["", "etcdserverpb.KV"] {
            let question = HealthCheckRequest { service: service.to_owned() };
            let answer: HealthCheckResponse =
                ask_over_grpc(Channel::Unix(&socket), path, question).await.unwrap();
            assert_eq!(answer.status, expected);
        }
        let question = HealthCheckRequest { service: "etcdserverpb.K".to_owned() };
        let channel = Channel::Unix(&socket);
        let refused = ask_over_grpc::<_, HealthCheckResponse>(channel, path, question).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::NotFound);
    }
}

/// A keyspace with one key, `k` = `v` at revision 5, that takes writes and forgets them.
fn one_key(request: quorate_node::ClientRequest) -> ClientReply {
    let quorate_node::ClientRequest::Kv(KvRequest { request: Some(request) }) = request else {
        panic!("a request to the keyspace was sent")
    };
    let header = Some(ResponseHeader { revision: 7, ..ResponseHeader::default() });
    let kv = KeyValue {
        key: Bytes::from_static(b"k\xff"),
        value: "v".into(),
        create_revision: 2,
        mod_revision: 5,
        version: 3,
        ..KeyValue::default()
    };
    let found = RangeResponse { header, kvs: vec![kv], more: true, count: 9 };
    let response = match request {
        kv_request::Request::Range(range) => {
            assert_eq!((range.key.as_ref(), range.range_end.as_ref()), (&b"k\0"[..], &b"l"[..]));
            assert_eq!(range.limit, 1);
            kv_response::Response::Range(found)
        }
        kv_request::Request::Txn(txn) => {
            let succeeded = txn.compare.is_empty();
            let response = match succeeded {
                true => response_op::Response::Put(<_>::default()),
                false => response_op::Response::Range(found),
            };
            let responses = vec![ResponseOp { response: Some(response) }];
            kv_response::Response::Txn(TxnResponse { header, succeeded, responses })
        }
        other => panic!("not expected: {other:?}"),
    };
    ClientReply::Kv(KvResponse { response: Some(response) })
}

#[tokio::test]
async fn keys_are_read_and_written_as_json() {
    let stage = Stage::new(State::Quorate, one_key);
    let json = |body: &Bytes| serde_json::from_slice::<serde_json::Value>(body).unwrap();
    let (code, body) = stage.get("/v1/kv?prefix=k&after=k&limit=1").await;
    assert_eq!(code, StatusCode::OK, "{body:?}");
    let page = json(&body);
    assert_eq!(
        (&page["revision"], &page["count"], &page["more"]),
        (&7.into(), &9.into(), &true.into())
    );
    let kv = &page["kvs"][0];
    assert_eq!((&kv["key_base64"], &kv["value"]), (&"a/8=".into(), &"v".into()));
    assert_eq!(kv["mod_revision"], 5);
    assert!(kv.get("key").is_none());
    let put = r#"{"key":"k","value_base64":"/w=="}"#;
    let (code, body) = send_to(&stage, Method::PUT, "/v1/kv", put).await;
    assert_eq!((code, json(&body)["revision"].clone()), (StatusCode::OK, 7.into()));
    let put = r#"{"key":"k","value":"v","if_mod_revision":3}"#;
    let (code, body) = send_to(&stage, Method::PUT, "/v1/kv", put).await;
    assert_eq!(code, StatusCode::PRECONDITION_FAILED);
    assert_eq!(json(&body)["code"], "precondition");
    assert!(json(&body)["error"].as_str().unwrap().contains("mod_revision 5"));
    for wrong in
        ["", "[]", r#"{"key":"k"}"#, r#"{"value":"v"}"#, r#"{"key":"k","value":"v","x":1}"#]
    {
        let (code, body) = send_to(&stage, Method::PUT, "/v1/kv", wrong).await;
        assert_eq!((code, json(&body)["code"].clone()), (StatusCode::BAD_REQUEST, "usage".into()));
    }
    for wrong in [r#"{"key":"k","prefix":"k"}"#, r#"{"prefix":"k","if_mod_revision":3}"#] {
        let (code, _) = send_to(&stage, Method::DELETE, "/v1/kv", wrong).await;
        assert_eq!(code, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn the_empty_prefix_deletes_all_keys() {
    let stage = Stage::new(State::Quorate, |request| {
        let quorate_node::ClientRequest::Kv(KvRequest {
            request: Some(kv_request::Request::Txn(txn)),
        }) = request
        else {
            panic!("{request:?}")
        };
        // The keyspace refuses a transaction in which any key is empty, in whichever branch.
        let keys =
            txn.success.iter().chain(&txn.failure).map(|operation| match &operation.request {
                Some(request_op::Request::DeleteRange(delete)) => delete.key.clone(),
                Some(request_op::Request::Range(range)) => range.key.clone(),
                other => panic!("{other:?}"),
            });
        assert!(keys.into_iter().all(|key| key == "\0"), "{txn:?}");
        let deleted = DeleteRangeResponse { deleted: 3, ..<_>::default() };
        let response = Some(response_op::Response::DeleteRange(deleted));
        let responses = vec![ResponseOp { response }];
        let answer = TxnResponse { succeeded: true, responses, ..<_>::default() };
        ClientReply::Kv(KvResponse { response: Some(kv_response::Response::Txn(answer)) })
    });
    let (code, body) = send_to(&stage, Method::DELETE, "/v1/kv", r#"{"prefix":""}"#).await;
    assert_eq!(code, StatusCode::OK, "{body:?}");
    let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["deleted"], 3);
}
