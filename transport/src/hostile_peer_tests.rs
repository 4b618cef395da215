//! Tests with a peer that holds the secret and breaks the rules: nothing that it sends may do more than close its
//! own connection.
#![allow(clippy::unwrap_used, reason = "a test")]

use crate::greeting::{CONTROL_LANE, LOG_LANE};
use crate::identity::{Identity, NAME};
use crate::{NodeKeyPair, Secret, Timings, Transport, TransportConfig, TransportEvent, endpoint};
use bytes::Bytes;
use quinn::{Connection, ConnectionError};
use quorate_proto::{
    ClusterName, Generation, Hello, Instance, Message as _, SessionEnd, founders_digest, limits,
};
use tokio::sync::mpsc;

pub(crate) fn config(key: u8) -> TransportConfig {
    TransportConfig {
        bind: "127.0.0.1:0".parse().unwrap(),
        cluster: ClusterName::new("test").unwrap(),
        secrets: vec![Secret::generate([7; 32])],
        key: NodeKeyPair::from_seed([key; 32]),
        timings: Timings { hello: std::time::Duration::from_millis(500), ..Timings::default() },
    }
}

pub(crate) fn hello(number: u8) -> Hello {
    let digest = founders_digest(&ClusterName::new("test").unwrap(), &[], "majority");
    Hello {
        protocol_min: limits::PROTOCOL_MIN,
        protocol_max: limits::PROTOCOL_MAX,
        kind: 0,
        cluster: "test".to_owned(),
        cluster_id: None,
        instance: Instance::from_bytes([number; 16]),
        generation: Generation::new(1),
        boot_nonce: u64::from(number),
        name: format!("n{number}"),
        digest,
        seeds: vec![],
        advertise: None,
        software: String::new(),
        moved: false,
        voters: 0,
        levels: Some(quorate_proto::Levels::HERE),
    }
}

struct Stage {
    connection: Connection,
    events: mpsc::Receiver<TransportEvent>,
    _victim: Transport,
    _endpoint: quinn::Endpoint,
}

/// A victim, and a bare connection to it.
async fn stage() -> Stage {
    let (sender, events) = mpsc::channel(64);
    let victim = Transport::bind(config(1), hello(1), sender).unwrap();
    let identity = Identity::new(&config(2).secrets, &config(2).key).unwrap();
    let endpoint = endpoint::open(&config(2), &identity).unwrap();
    let client = endpoint::client_config(&identity, &Timings::default());
    let connecting = endpoint.connect_with(client, victim.local_address(), NAME).unwrap();
    let connection = connecting.await.unwrap();
    Stage { connection, events, _victim: victim, _endpoint: endpoint }
}

fn framed(lane: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[lane][..], &length, body].concat()
}

/// What the victim says to these first bytes.
async fn answer_to(first: &[u8]) -> String {
    let stage = stage().await;
    let mut stream = stage.connection.open_uni().await.unwrap();
    stream.write_all(first).await.unwrap();
    match stage.connection.closed().await {
        ConnectionError::ApplicationClosed(close) => String::from_utf8_lossy(&close.reason).into(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_first_stream_that_is_no_hello_is_refused_with_the_reason() {
    let no_instance = Hello { instance: Instance::default(), ..hello(2) };
    let bad_name = Hello { name: "No Name".to_owned(), ..hello(2) };
    let bad_kind = Hello { kind: 77, ..hello(2) };
    let seeds = Hello { seeds: vec![String::new(); limits::MAX_SEEDS + 1], ..hello(2) };
    let encoded = |hello: Hello| framed(CONTROL_LANE, &hello.encode_to_vec());
    let cases = [
        (vec![9], "a first stream of lane 9"),
        (framed(CONTROL_LANE, &[0xff; 50]), "cannot be decoded"),
        (framed(CONTROL_LANE, &[]), "1 1"),
        (vec![CONTROL_LANE, 0xff, 0xff, 0xff, 0xff], "at most 8192 are allowed"),
        (vec![CONTROL_LANE], "no hello within"),
        (encoded(no_instance), "nobody's instance"),
        (encoded(bad_name), "no valid name"),
        (encoded(bad_kind), "an unknown kind"),
        (encoded(seeds), "more than seven seeds"),
    ];
    for (first, reason) in cases {
        let answer = answer_to(&first).await;
        assert!(answer.contains(reason), "{first:?} was answered `{answer}`, not `{reason}`");
    }
}

#[tokio::test]
async fn an_oversize_frame_ends_the_session_as_a_breach_and_the_node_lives_on() {
    for (lane, limit) in [(CONTROL_LANE, limits::CONTROL_FRAME), (LOG_LANE, limits::LOG_FRAME)] {
        let mut stage = stage().await;
        let mut control = stage.connection.open_uni().await.unwrap();
        let mut first = framed(CONTROL_LANE, &hello(2).encode_to_vec());
        let length = u32::try_from(limit + 1).unwrap().to_be_bytes();
        if lane == CONTROL_LANE {
            first.extend(length);
        }
        control.write_all(&first).await.unwrap();
        if lane == LOG_LANE {
            let mut log = stage.connection.open_uni().await.unwrap();
            let number = 1_u64.to_be_bytes();
            log.write_all(&[&[LOG_LANE][..], &number, &length].concat()).await.unwrap();
        }
        let ConnectionError::ApplicationClosed(close) = stage.connection.closed().await else {
            panic!("the victim closes the connection")
        };
        assert!(String::from_utf8_lossy(&close.reason).contains(&(limit + 1).to_string()));
        assert!(matches!(stage.events.recv().await, Some(TransportEvent::SessionUp(_))));
        let Some(TransportEvent::SessionDown { end, .. }) = stage.events.recv().await else {
            panic!("the session ends")
        };
        assert_eq!(end, SessionEnd::Protocol);
    }
}

#[tokio::test]
async fn an_oversize_request_is_refused_and_the_session_goes_on() {
    let mut stage = stage().await;
    let mut control = stage.connection.open_uni().await.unwrap();
    control.write_all(&framed(CONTROL_LANE, &hello(2).encode_to_vec())).await.unwrap();
    let (mut asking, mut answer) = stage.connection.open_bi().await.unwrap();
    asking.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    assert!(answer.read_to_end(10).await.is_err());
    control.write_all(&framed(0, b"still here")[1..]).await.unwrap();
    assert!(matches!(stage.events.recv().await, Some(TransportEvent::SessionUp(_))));
    let Some(TransportEvent::Frame { bytes, .. }) = stage.events.recv().await else {
        panic!("the frame arrives")
    };
    assert_eq!(bytes, Bytes::from_static(b"still here"));
}
