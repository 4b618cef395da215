//! Bodies over real sockets: when they are read, what they may hold together, and what is said at the bound.

use crate::api::bodies::{MESSAGE, QUESTION};
use crate::api::etcd::words::{AlarmRequest, AlarmResponse};
use crate::api::pages::RefusalPage;
use crate::api::tests::{Channel, Stage, ask_over_grpc, refuse};
use crate::api::{open_monitor, open_unix, serve_monitor, serve_tcp, serve_unix};
use crate::clock;
use crate::doors::crowds::{Crowds, DoorCrowds, Places, Room};
use crate::doors::{Call, Doors};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_node::ClientReply;
use quorate_node::status::State;
use quorate_proto::{
    KvRequest, KvResponse, Message, PutRequest, PutResponse, RefusalCode, kv_request, kv_response,
};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

const KIB: usize = 1024;
const PUT: &str = "/etcdserverpb.KV/Put";
const ALARM: &str = "/etcdserverpb.Maintenance/Alarm";

fn small(bytes: usize) -> Crowds {
    let bodies = Places::new("body-bytes", bytes, 1, "bytes of bodies are held");
    let standard = Crowds::default();
    let room = Room { bodies, ..standard.unix.room.clone() };
    Crowds { unix: DoorCrowds { room, ..standard.unix.clone() }, ..standard }
}

/// A second unix door of the stage, with other bounds.
fn open(stage: &Stage, crowds: &Crowds, body_patience: Duration) -> PathBuf {
    let path = stage.socket().with_extension("second");
    let doors = Doors { crowds: crowds.clone(), body_patience, ..stage.doors.clone() };
    tokio::spawn(serve_unix(open_unix(&path).unwrap(), doors));
    path
}

async fn http2<S>(stream: S) -> SendRequest<Body>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (sender, connection) = made.unwrap();
    tokio::spawn(connection);
    sender
}

/// A body that begins so and never ends.
fn endless(begin: impl Into<Bytes>) -> Body {
    let begin = stream::iter([Ok::<_, Infallible>(begin.into())]);
    Body::from_stream(begin.chain(stream::pending()))
}

fn post(path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    let uri = format!("http://127.0.0.1{path}");
    Request::post(uri).header("content-type", kind).body(body.into()).unwrap()
}

async fn page(answer: Response<hyper::body::Incoming>) -> (StatusCode, RefusalPage) {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, serde_json::from_slice(&body).unwrap())
}

fn put(size: usize) -> PutRequest {
    PutRequest { key: "k".into(), value: vec![b'v'; size].into(), ..PutRequest::default() }
}

/// As [`crate::api::KV_PATH`] takes it.
fn page_of(put: PutRequest) -> Vec<u8> {
    KvRequest { request: Some(kv_request::Request::Put(put)) }.encode_to_vec()
}

fn done() -> ClientReply {
    let response = Some(kv_response::Response::Put(PutResponse::default()));
    ClientReply::Kv(KvResponse { response })
}

async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_door_without_the_keyspace_refuses_a_call_before_its_body_has_come() {
    let stage = Stage::new(State::Quorate, |_| done());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_tcp(listener, stage.doors.clone(), Vec::new()));
    let mut client = http2(TcpStream::connect(address).await.unwrap()).await;
    let asked = client.send_request(post(PUT, "application/grpc", endless("\0")));
    let answer = asked.await.unwrap();
    let denied = (tonic::Code::PermissionDenied as i32).to_string();
    assert_eq!(answer.headers()["grpc-status"], denied);
    let asked = client.send_request(post("/v1/kv", "application/x-protobuf", endless("\0")));
    assert_eq!(page(asked.await.unwrap()).await.1.code, "closed");
}

#[tokio::test]
async fn what_the_door_refuses_is_refused_before_a_body_has_come() {
    let stage = Stage::new(State::Quorate, |_| done());
    for (head, status) in [
        ("POST /v1/nonsense HTTP/1.1\r\nhost: any", "404"),
        ("PATCH /v1/kv HTTP/1.1\r\nhost: any", "405"),
        ("PUT /v1/kv HTTP/1.1\r\nhost: any\r\norigin: http://evil.example", "403"),
        ("PUT /v1/kv HTTP/1.1\r\nhost: any\r\nsec-fetch-site: cross-site", "403"),
        // A length that no body may have says enough.
        ("PUT /v1/kv HTTP/1.1\r\nhost: any\r\ncontent-length: 2097153", "413"),
    ] {
        let mut stream = UnixStream::connect(stage.socket()).await.unwrap();
        let length = if head.contains("length") { "" } else { "\r\ncontent-length: 9" };
        stream.write_all(format!("{head}{length}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes(), "{head}");
    }
}

#[tokio::test]
async fn bodies_that_would_hold_more_than_their_bound_are_refused_as_busy() {
    let stage = Stage::new(State::Quorate, |_| done());
    // One connection has half of it at most.
    let crowds = small(12 * KIB);
    let path = open(&stage, &crowds, Duration::from_secs(60));
    let connect = async || http2(UnixStream::connect(&path).await.unwrap()).await;
    let used = || crowds.unix.room.bodies.bound().used;
    let mut unfinished = Vec::new();
    for (size, sum) in [(6, 6), (4, 10)] {
        let mut client = connect().await;
        let body = endless(vec![0; size * KIB]);
        let asked = async move { client.send_request(post("/v1/kv", "any", body)).await };
        unfinished.push(tokio::spawn(asked));
        until(|| used() >= sum * KIB as u64).await;
    }

    let mut second = connect().await;
    let body = page_of(put(4 * KIB));
    let kind = "application/x-protobuf";
    let refused = second.send_request(post("/v1/kv", kind, body.clone())).await.unwrap();
    let (status, refused) = page(refused).await;
    assert_eq!((status, refused.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    let grpc = ask_over_grpc::<_, PutResponse>(Channel::Unix(&path), PUT, put(4 * KIB));
    let refused = grpc.await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert_eq!(refused.message(), "etcdserver: too many requests");
    // What fits is served.
    ask_over_grpc::<_, PutResponse>(Channel::Unix(&path), PUT, put(KIB)).await.unwrap();

    let get = async |path: &'static str| {
        let request = Request::get(format!("http://any{path}")).body(Body::empty()).unwrap();
        let answer = connect().await.send_request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let metrics = get("/metrics").await;
    assert!(metrics.contains("quorate_bound_limit{bound=\"body-bytes\"} 12288\n"), "{metrics}");
    assert!(metrics.contains("quorate_bound_refused_total{bound=\"body-bytes\"} 2\n"));
    assert!(get("/v1/why").await.contains("12288 bytes of bodies are held, which is the most"));

    unfinished.iter().for_each(tokio::task::JoinHandle::abort);
    until(|| used() == 0).await;
    let answer = second.send_request(post("/v1/kv", kind, body)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_monitor_that_fills_its_room_stops_no_write() {
    let stage = Stage::new(State::Quorate, |_| done());
    let crowds = Crowds::default();
    let path = open(&stage, &crowds, Duration::from_secs(60));
    let monitor = path.with_extension("monitor");
    let doors = Doors { crowds: crowds.clone(), ..stage.doors.clone() };
    tokio::spawn(serve_monitor(open_monitor(&monitor).unwrap(), doors));
    let answers = crowds.monitor.room.answers.bound();
    let _answers =
        crowds.monitor.room.answers.take(usize::try_from(answers.limit).unwrap(), clock::now());
    let most = crowds.monitor.room.bodies.bound().limit;
    let (mut unfinished, mut sent) = (Vec::new(), 0);
    while sent < most {
        let mut client = http2(UnixStream::connect(&monitor).await.unwrap()).await;
        for _ in 0..32 {
            let question = post(ALARM, "application/grpc", endless(vec![0; QUESTION]));
            unfinished.push(tokio::spawn(client.send_request(question)));
            sent += QUESTION as u64;
            until(|| crowds.monitor.room.bodies.bound().used >= sent.min(most)).await;
        }
    }
    let refused = ask_over_grpc::<_, AlarmResponse>(
        Channel::Unix(&monitor),
        ALARM,
        AlarmRequest { action: 0, member_id: 1, alarm: 0 },
    );
    assert_eq!(refused.await.unwrap_err().code(), tonic::Code::ResourceExhausted);
    ask_over_grpc::<_, PutResponse>(Channel::Unix(&path), PUT, put(MESSAGE / 2)).await.unwrap();
    assert_eq!(crowds.unix.room.bodies.bound().refused, 0);
    unfinished.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn of_a_method_that_every_door_serves_a_small_body_is_read_at_most() {
    let stage = Stage::new(State::Quorate, |_| done());
    let mut client = http2(UnixStream::connect(stage.socket()).await.unwrap()).await;
    let large = endless(vec![0; QUESTION + 100]);
    let answer = client.send_request(post(ALARM, "application/grpc", large)).await.unwrap();
    let exhausted = (tonic::Code::ResourceExhausted as i32).to_string();
    assert_eq!(answer.headers()["grpc-status"], exhausted);
    let text = answer.headers()["grpc-message"].to_str().unwrap().to_owned();
    assert!(text.contains("65536"), "{text}");
}

#[tokio::test]
async fn a_body_holds_its_places_until_the_request_is_answered() {
    let crowds = small(64 * KIB);
    let places = crowds.unix.room.bodies.clone();
    let stage = Stage::new(State::Quorate, move |_| {
        assert!(places.bound().used >= 5 * KIB as u64, "{:?}", places.bound());
        done()
    });
    let path = open(&stage, &crowds, Duration::from_secs(60));
    ask_over_grpc::<_, PutResponse>(Channel::Unix(&path), PUT, put(5 * KIB)).await.unwrap();
    until(|| crowds.unix.room.bodies.bound().used == 0).await;
}

#[tokio::test]
async fn a_client_that_goes_leaves_its_places_with_the_loop_until_that_lets_go() {
    let stage = Stage::new(State::Quorate, |_| done());
    let crowds = small(64 * KIB);
    let path = stage.socket().with_extension("second");
    let (calls, mut inbox) = tokio::sync::mpsc::channel(1);
    let doors = Doors { crowds: crowds.clone(), calls, ..stage.doors.clone() };
    tokio::spawn(serve_unix(open_unix(&path).unwrap(), doors));
    let mut client = http2(UnixStream::connect(&path).await.unwrap()).await;
    let body = page_of(put(5 * KIB));
    let asked = client.send_request(post("/v1/kv", "application/x-protobuf", body));
    let asked = tokio::spawn(asked);
    let Some(Call::Client { mut reply, body, .. }) = inbox.recv().await else { panic!() };
    asked.abort();
    drop(client);
    reply.closed().await;
    assert!(
        crowds.unix.room.bodies.bound().used >= 5 * KIB as u64,
        "{:?}",
        crowds.unix.room.bodies.bound()
    );
    drop(body);
    until(|| crowds.unix.room.bodies.bound().used == 0).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_answered() {
    let stage = Stage::new(State::Quorate, |_| done());
    let crowds = small(64 * KIB);
    let path = open(&stage, &crowds, Duration::from_millis(1));
    let mut client = http2(UnixStream::connect(&path).await.unwrap()).await;
    let late = client.send_request(post("/v1/kv", "any", endless("begin"))).await.unwrap();
    let (status, late) = page(late).await;
    assert_eq!((status, late.code.as_str()), (StatusCode::REQUEST_TIMEOUT, "late"));
    let late = client.send_request(post(PUT, "application/grpc", endless("\0"))).await.unwrap();
    let code = (tonic::Code::DeadlineExceeded as i32).to_string();
    assert_eq!(late.headers()["grpc-status"], code);
    until(|| crowds.unix.room.bodies.bound().used == 0).await;
}

#[tokio::test]
async fn bodies_that_nobody_asked_for_take_no_room_on_a_connection() {
    let stage = Stage::new(State::Quorate, |request| match request {
        quorate_node::ClientRequest::Kv(_) => done(),
        _ => refuse(RefusalCode::TimedOut, 0),
    });
    // Beside them a wait that lasts.
    let (status, _) = tokio::sync::watch::channel(std::sync::Arc::new(crate::api::tests::sample(
        State::NoQuorum,
    )));
    let doors = Doors { status: status.subscribe(), ..stage.doors.clone() };
    let path = stage.socket().with_extension("second");
    tokio::spawn(serve_unix(open_unix(&path).unwrap(), doors));
    let mut client = http2(UnixStream::connect(&path).await.unwrap()).await;
    let waits: Vec<_> = (0..20)
        .map(|_| {
            let wait = Request::builder().method(Method::GET);
            let wait = wait.uri("http://any/v1/wait?quorate=1").body(endless(vec![0; 100 * KIB]));
            tokio::spawn(client.send_request(wait.unwrap()))
        })
        .collect();
    // Had the door kept those, this one would not get through.
    let body = page_of(put(100 * KIB));
    let answer = client.send_request(post("/v1/kv", "application/x-protobuf", body)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(waits.iter().all(|wait| !wait.is_finished()));
}
