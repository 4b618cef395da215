//! The doors over real sockets, in front of a loop that is played by the test.

mod closing;
mod polling;

use super::pages::feature::sample_programs;
use super::pages::{HealthPage, PingPage, RefusalPage, StatusPage};
use super::{open_unix, serve_tcp, serve_unix};
use crate::clock::Started;
use crate::doors::crowds::{Crowds, Door};
use crate::doors::feed::Feeds;
use crate::doors::{CALLS, Call, Closing, Doors, PingFailure, Pings, SharedLinks, TurnedAway};
use crate::links::line::LinkLine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use quorate_meta::Meta;
use quorate_node::status::{Bound, Margin, Reason, SecretStatus, State};
use quorate_node::{ClientReply, ClientRequest, Event, Feature, Ground, PaceStatus, Status};
use quorate_proto::{
    ClusterId, FeatureLevel, Generation, HealthEpoch, HealthView, Instance, KvError, KvResponse,
    Label, Member, MemberState, Moment, NodeName, PutRequest, PutResponse, Refusal, RefusalCode,
    ResponseHeader, Role, kv_request, kv_response,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};

/// Three voters, `a` leading.
pub(crate) fn view(epoch: u64, c: MemberState) -> HealthView {
    let member = |number: u8, name: &str, state: MemberState| Member {
        name: name.to_owned(),
        instance: Instance::from_bytes([number; 16]),
        generation: Generation::new(1),
        address: Some(SocketAddr::from(([10, 0, 0, number], 4747)).into()),
        role: Role::Voter as i32,
        state: state as i32,
        since_epoch: HealthEpoch::new(epoch),
        reason: "as told".to_owned(),
        labels: vec![
            Label { name: "rack".to_owned(), value: format!("r{number}") },
            Label { name: "zone".to_owned(), value: "z1".to_owned() },
        ],
        since_unix_ms: 1_795_000_000_000,
        ..Member::default()
    };
    HealthView {
        epoch: HealthEpoch::new(epoch),
        members: vec![
            member(1, "a", MemberState::Alive),
            member(2, "b", MemberState::Alive),
            member(3, "c", c),
        ],
        at_unix_ms: 1_795_000_000_000 + epoch,
        ..HealthView::default()
    }
}

/// What `b` knows.
pub(crate) fn sample(state: State) -> Status {
    let quorate = state == State::Quorate;
    let reason = Reason {
        code: quorate_proto::ReasonCode::NoLeader,
        subject: None,
        text: "no leader for 3 s".to_owned(),
        remedy: "quorate ping a".to_owned(),
        since: Moment::from_micros(2_000_000),
    };
    Status {
        at: Moment::from_micros(3_000_000),
        cluster: "demo".to_owned(),
        cluster_id: None,
        state,
        reasons: if quorate { Vec::new() } else { vec![reason] },
        margin: Some(Margin { disks: 2, alarm: false, known: 3, slots: 3 }),
        name: NodeName::new("b").unwrap(),
        instance: Instance::from_bytes([2; 16]),
        generation: Generation::new(1),
        role: Some(Role::Voter),
        all_voters: quorate,
        leader: quorate.then(|| (Instance::from_bytes([1; 16]), "a".to_owned())),
        term: 3,
        commit: 9,
        applied: 9,
        revision: 5,
        state_hash: 0xfeed,
        elections: 1,
        view: Arc::new(view(4, MemberState::Alive)),
        opinions: Vec::new(),
        sessions: Vec::new(),
        programs: sample_programs(),
        feature: Feature::default(),
        autopilot: None,
        caught_up: quorate,
        pings: Vec::new(),
        secrets: SecretStatus::default(),
        pace: PaceStatus {
            silence: Duration::from_millis(700),
            strained: Duration::from_millis(700),
            of: Some("b".to_owned()),
            ground: Ground::Trip(Duration::from_millis(100)),
            interval: Duration::from_millis(150),
        },
        snapshot: None,
        counters: vec![("quorate_pings_total", "Pings sent.", 7)],
        bounds: vec![Bound { word: "waits", used: 3, limit: 1_024, refused: 2 }],
        alone: Vec::new(),
    }
}

/// A daemon without a node.
pub(crate) struct Stage {
    dir: TempDir,
    pub(crate) doors: Doors,
    pub(crate) status: watch::Sender<Arc<Status>>,
    _open: watch::Sender<()>,
}

impl Stage {
    /// Serves a unix socket in front of a loop that answers keyspace requests so.
    pub(crate) fn new(
        state: State,
        mut answer: impl FnMut(ClientRequest) -> ClientReply + Send + 'static,
    ) -> Self {
        let (calls, mut inbox) = mpsc::channel(CALLS);
        let mut said = sample(state);
        said.feature.level = Some(FeatureLevel::HIGHEST);
        let ((status, seen), (open, closing)) = (watch::channel(Arc::new(said)), Closing::new());
        let doors = Doors {
            reload: watch::channel(None).1,
            applications: crate::applications::Applications::none(),
            definitions: watch::Sender::new(Vec::new()),
            calls,
            status: seen,
            feeds: Feeds::new(),
            keyspace: false,
            door: Door::Tcp,
            started: Started { wall_unix_ms: 1_795_000_000_000, moment: Moment::ZERO },
            turned_away: TurnedAway(Arc::new(Vec::new)),
            places: Default::default(),
            closing,
            links: SharedLinks::default(),
            crowds: Crowds::default(),
            closed: watch::Sender::new(None),
            body_patience: super::BODY_PATIENCE,
        };
        tokio::spawn(async move {
            while let Some(call) = inbox.recv().await {
                match call {
                    Call::Client { request, reply, .. } => drop(reply.send(answer(request))),
                    Call::Ping { name, count, reply } if name == "a" => {
                        let trips = vec![Duration::from_micros(64); count as usize];
                        let address = SocketAddr::from(([10, 0, 0, 1], 4747));
                        let instance = Instance::default();
                        let pings = Pings { instance, address, trips, lost: 0, why: None };
                        drop(reply.send(Ok(pings)));
                    }
                    Call::Ping { reply, .. } => {
                        let known = vec!["a".to_owned(), "c".to_owned()];
                        drop(reply.send(Err(PingFailure::Unknown { known })));
                    }
                    Call::Survey { reply } => drop(reply.send(Vec::new())),
                    Call::Order { reply, .. } => drop(reply.send(Vec::new())),
                    Call::Links { reply, .. } => drop(reply.send(vec![LinkLine::default()])),
                    Call::Copy { reply } => drop(reply.send(Some(Box::new(Meta::empty())))),
                }
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let door = open_unix(&socket_in(&dir)).unwrap();
        tokio::spawn(serve_unix(door, doors.clone()));
        Self { dir, doors, status, _open: open }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(&self.dir)
    }

    /// From now on it is a host of this cluster.
    pub(crate) fn is_of(&self, cluster: ClusterId) {
        self.status.send_modify(|status| Arc::make_mut(status).cluster_id = Some(cluster));
    }

    /// From now on the cluster runs this feature level.
    pub(crate) fn runs_level(&self, level: FeatureLevel) {
        run_level(&self.status, level);
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Bytes) {
        get_at(self.socket(), path).await
    }
}

pub(crate) fn run_level(status: &watch::Sender<Arc<Status>>, level: FeatureLevel) {
    status.send_modify(|status| Arc::make_mut(status).feature.level = Some(level));
}

pub(crate) async fn get_at(socket: PathBuf, path: &str) -> (StatusCode, Bytes) {
    let request = Request::get(path).header("host", "any").body(Full::default()).unwrap();
    send(UnixStream::connect(socket).await.unwrap(), request).await
}

fn socket_in(dir: &TempDir) -> PathBuf {
    dir.path().join("quorate.sock")
}

pub(crate) async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> (StatusCode, Bytes)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer: Response<_> = sender.send_request(request).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

/// Sends a body with a method over the unix socket.
pub(crate) async fn send_to(
    stage: &Stage,
    method: Method,
    path: &str,
    body: &'static str,
) -> (StatusCode, Bytes) {
    let request = Request::builder().method(method).uri(path).header("host", "any");
    let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
    send(UnixStream::connect(stage.socket()).await.unwrap(), request).await
}

pub(crate) fn refuse(code: RefusalCode, detail: u32) -> ClientReply {
    ClientReply::Refused(Refusal { code: code as i32, detail, text: "told so".to_owned() })
}

fn no_keyspace(_: ClientRequest) -> ClientReply {
    refuse(RefusalCode::TimedOut, 0)
}

fn page<T: serde::de::DeserializeOwned>(body: &Bytes) -> T {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn status_has_the_fields_that_programs_rely_on() {
    let stage = Stage::new(State::NoQuorum, no_keyspace);
    let (code, body) = stage.get("/v1/status?links=1").await;
    assert_eq!(code, StatusCode::OK);
    let json: serde_json::Value = page(&body);
    assert_eq!(json["cluster"], "demo");
    assert_eq!(json["cluster_id"], serde_json::Value::Null);
    assert_eq!(json["state"], "no-quorum");
    assert_eq!(json["waiting_for"][0]["code"], "no-leader");
    assert_eq!(json["waiting_for"][0]["since"], "2026-11-18T11:06:42.000Z");
    assert_eq!(json["margin"]["disks"], 2);
    assert_eq!(json["node"]["name"], "b");
    assert_eq!(json["node"]["generation"], 1);
    assert_eq!(json["node"]["role"], "voter");
    assert_eq!(json["leader"], serde_json::Value::Null);
    assert_eq!(json["health_epoch"], 4);
    assert_eq!(json["state_hash"], "000000000000feed");
    for name in ["term", "commit", "applied", "revision", "elections"] {
        assert!(json[name].is_u64(), "{name}");
    }
    let member = &json["members"][0];
    assert_eq!(member["address"], "10.0.0.1:4747");
    for name in ["name", "instance", "role", "state", "since_epoch", "reason"] {
        assert!(!member[name].is_null(), "{name}");
    }
    assert_eq!(page::<StatusPage>(&body).links.unwrap().len(), 1);
}

#[tokio::test]
async fn readiness_follows_quorum_and_names_the_reason() {
    let stage = Stage::new(State::NoQuorum, no_keyspace);
    assert_eq!(stage.get("/livez").await.0, StatusCode::OK);
    let (code, body) = stage.get("/readyz").await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "no-quorum: no leader for 3 s\n");
    assert_eq!(stage.get("/health").await.0, StatusCode::SERVICE_UNAVAILABLE);
    stage.status.send(Arc::new(sample(State::Quorate))).unwrap();
    assert_eq!(stage.get("/readyz").await.0, StatusCode::OK);
    assert_eq!(stage.get("/health").await.1, r#"{"health":"true"}"#);
}

#[tokio::test]
async fn a_wait_for_quorum_ends_when_it_is_there_and_at_its_limit() {
    let stage = Stage::new(State::NoQuorum, no_keyspace);
    let (code, body) = stage.get("/v1/wait?quorate=1&timeout=0.05").await;
    assert_eq!(code, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(page::<RefusalPage>(&body).code, "no-leader");
    let waiting = stage.get("/v1/wait?quorate=1&timeout=60");
    let (answer, ()) = tokio::join!(waiting, async {
        stage.status.send(Arc::new(sample(State::Quorate))).unwrap();
    });
    assert_eq!(answer.0, StatusCode::OK);
    for bad in ["", "?quorate=1&epoch=3", "?epoch=-1", "?quorate=1&timeout=-1", "?nonsense=1"] {
        let (code, body) = stage.get(&format!("/v1/wait{bad}")).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{bad}");
        let named = bad.rsplit(['?', '&']).next().and_then(|pair| pair.split('=').next());
        let text = page::<RefusalPage>(&body).error;
        assert!(text.contains(named.unwrap_or_default()), "{bad}: {text}");
    }
}

#[tokio::test]
async fn a_wait_for_an_epoch_is_the_loops_to_answer() {
    let stage = Stage::new(State::Quorate, |request| match request {
        ClientRequest::WaitEpoch { epoch, all_live: true } => {
            ClientReply::Epoch(epoch.next().unwrap())
        }
        _ => refuse(RefusalCode::Other, 0),
    });
    let (code, body) = stage.get("/v1/wait?epoch=7&all_live=1").await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(page::<super::pages::WaitPage>(&body).epoch, 8);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    let (code, body) = stage.get("/metrics").await;
    assert_eq!(code, StatusCode::OK);
    let text = String::from_utf8(body.to_vec()).unwrap();
    for line in [
        "quorate_quorate 1",
        "quorate_members{state=\"alive\"} 3",
        "quorate_health_epoch 4",
        "# TYPE quorate_pings_total counter",
        "quorate_pings_total 7",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn pings_and_events_are_served() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    let (_, body) = stage.get("/v1/ping?name=a&count=2").await;
    assert_eq!(page::<PingPage>(&body).round_trip_micros, [64, 64]);
    assert_eq!(stage.get("/v1/ping?name=z").await.0, StatusCode::NOT_FOUND);
    stage
        .doors
        .feeds
        .events
        .push(Event::Leads { host: (Instance::from_bytes([7; 16]), "a".to_owned()), term: 1 });
    let (_, body) = stage.get("/v1/events").await;
    assert_eq!(page::<Vec<super::pages::EventPage>>(&body)[0].text, "a leads in term 1");
    let (_, body) = stage.get("/v1/health").await;
    assert_eq!(page::<HealthPage>(&body).epoch, 4);
}

#[tokio::test]
async fn a_web_page_gets_nothing_and_tcp_serves_no_keyspace() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_tcp(listener, stage.doors.clone(), vec!["b".to_owned()]));
    let get = async |path: &str, name: &str, value: &str| {
        let mut request = Request::get(path).header(name, value).body(Full::default()).unwrap();
        request.headers_mut().entry("host").or_insert("127.0.0.1".parse().unwrap());
        send(TcpStream::connect(address).await.unwrap(), request).await.0
    };
    assert_eq!(get("/v1/status", "host", "127.0.0.1:4748").await, StatusCode::OK);
    assert_eq!(get("/v1/status", "host", "b:4748").await, StatusCode::OK);
    assert_eq!(get("/v1/status", "host", "evil.example").await, StatusCode::FORBIDDEN);
    assert_eq!(get("/v1/status", "origin", "http://evil.example").await, StatusCode::FORBIDDEN);
    assert_eq!(get("/v1/ping?name=a", "host", "localhost").await, StatusCode::FORBIDDEN);
    let failure = put_over_grpc(Channel::Tcp(address), 3).await.unwrap_err();
    assert_eq!(failure.code(), tonic::Code::PermissionDenied);
    assert!(failure.message().contains("keyspace_on_tcp"));
}

pub(crate) enum Channel<'a> {
    Unix(&'a Path),
    Tcp(SocketAddr),
}

/// One call of gRPC.
pub(crate) async fn ask_over_grpc<Q, A>(
    to: Channel<'_>,
    path: &'static str,
    question: Q,
) -> Result<A, tonic::Status>
where
    Q: quorate_proto::Message + Default + 'static,
    A: quorate_proto::Message + Default + 'static,
{
    let channel = match to {
        Channel::Tcp(address) => {
            let uri = format!("http://{address}");
            tonic::transport::Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
        }
        Channel::Unix(path) => {
            let path = path.to_owned();
            let connect = tower::service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            let endpoint = tonic::transport::Endpoint::from_static("http://any");
            endpoint.connect_with_connector(connect).await.unwrap()
        }
    };
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Q, A>::default();
    let path = path.parse().unwrap();
    Ok(client.unary(tonic::Request::new(question), path, codec).await?.into_inner())
}

async fn put_over_grpc(to: Channel<'_>, size: usize) -> Result<PutResponse, tonic::Status> {
    let request = PutRequest { key: "k".into(), value: vec![b'v'; size].into(), ..<_>::default() };
    ask_over_grpc(to, "/etcdserverpb.KV/Put", request).await
}

#[tokio::test]
async fn a_put_over_grpc_reaches_the_loop_and_gets_its_header() {
    let stage = Stage::new(State::Quorate, |request| {
        let ClientRequest::Kv(request) = request else { panic!("a put was sent") };
        let Some(kv_request::Request::Put(put)) = request.request else { panic!("a put was sent") };
        assert_eq!(put.key, "k");
        let header = ResponseHeader {
            cluster_id: 1,
            member_id: 2,
            revision: put.value.len() as i64,
            raft_term: 3,
        };
        let response =
            kv_response::Response::Put(PutResponse { header: Some(header), prev_kv: None });
        ClientReply::Kv(KvResponse { response: Some(response) })
    });
    for size in [3, 1024 * 1024] {
        let answer = put_over_grpc(Channel::Unix(&stage.socket()), size).await.unwrap();
        assert_eq!(answer.header.unwrap().revision, size as i64);
    }
}

#[tokio::test]
async fn refusals_over_grpc_have_etcds_codes_and_exact_words() {
    use tonic::Code;
    let table = [
        (RefusalCode::TimedOut, 0, Code::Unavailable, "etcdserver: request timed out"),
        (RefusalCode::Busy, 0, Code::ResourceExhausted, "etcdserver: too many requests"),
        (
            RefusalCode::NoSpace,
            0,
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        ),
        (
            RefusalCode::FateUnknown,
            0,
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to previous leader failure",
        ),
        (
            RefusalCode::Kv,
            KvError::Compacted as u32,
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        ),
    ];
    for (code, detail, expected, text) in table {
        let stage = Stage::new(State::Quorate, move |_| refuse(code, detail));
        let failure = put_over_grpc(Channel::Unix(&stage.socket()), 1).await.unwrap_err();
        assert_eq!((failure.code(), failure.message()), (expected, text));
    }
    let stage = Stage::new(State::NoQuorum, |_| refuse(RefusalCode::TimedOut, 0));
    let failure = put_over_grpc(Channel::Unix(&stage.socket()), 1).await.unwrap_err();
    assert_eq!((failure.code(), failure.message()), (Code::Unavailable, "etcdserver: no leader"));
}

#[tokio::test]
async fn too_large_a_request_gets_etcds_words_and_far_too_large_a_one_those_of_grpc() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    let failure = put_over_grpc(Channel::Unix(&stage.socket()), 1600 * 1024).await.unwrap_err();
    assert_eq!(failure.code(), tonic::Code::InvalidArgument);
    assert_eq!(failure.message(), "etcdserver: request is too large");
    let failure = put_over_grpc(Channel::Unix(&stage.socket()), 3 * 1024 * 1024).await.unwrap_err();
    assert_eq!(failure.code(), tonic::Code::ResourceExhausted);
    assert!(failure.message().starts_with("grpc: received message larger than max"));
}
