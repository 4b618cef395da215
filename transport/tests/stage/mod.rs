//! Nodes on loopback for the tests of this crate: a transport with its events, and ways to wait for them.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "every test file uses a part of the stage"
)]
#![allow(clippy::unwrap_used, reason = "a test")]

pub mod relay;

use bytes::Bytes;
use quorate_proto::{
    ClusterName, Frame, FrameKind, Generation, GroupId, Hello, HelloKind, Instance, Lane, Session,
    Supersede, founders_digest, limits,
};
use quorate_transport::{
    BindError, NodeKeyPair, Secret, Timings, Transport, TransportConfig, TransportEvent,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;

/// Only for tests that would hang otherwise; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Actor {
    pub secret: u8,
    pub cluster: &'static str,
    pub number: u8,
    pub generation: u64,
    pub nonce: u64,
    pub bind: SocketAddr,
    pub advertise: Option<SocketAddr>,
    pub timings: Timings,
}

/// A loopback address that only this process uses: a port that is free again is taken by nobody else.
fn own_loopback() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high, middle, low).into()
}

pub fn actor(number: u8) -> Actor {
    let bind = SocketAddr::new(own_loopback(), 0);
    Actor {
        secret: 7,
        cluster: "test",
        number,
        generation: 1,
        nonce: u64::from(number),
        bind,
        advertise: None,
        timings: Timings::default(),
    }
}

impl Actor {
    pub fn instance(&self) -> Instance {
        Instance::from_bytes([self.number; 16])
    }

    pub fn config(&self) -> TransportConfig {
        TransportConfig {
            bind: self.bind,
            cluster: ClusterName::new(self.cluster).unwrap(),
            secrets: vec![Secret::generate([self.secret; 32])],
            key: NodeKeyPair::from_seed([self.number; 32]),
            timings: self.timings,
        }
    }

    pub fn hello(&self) -> Hello {
        let cluster = ClusterName::new(self.cluster).unwrap();
        Hello {
            protocol_min: limits::PROTOCOL_MIN,
            protocol_max: limits::PROTOCOL_MAX,
            kind: HelloKind::Node.into(),
            cluster: self.cluster.to_owned(),
            cluster_id: None,
            instance: self.instance(),
            generation: Generation::new(self.generation),
            boot_nonce: self.nonce,
            name: format!("n{}", self.number),
            digest: founders_digest(&cluster, &[], "majority"),
            seeds: vec![],
            advertise: self.advertise.map(Into::into),
            software: "test".to_owned(),
            moved: false,
            voters: 0,
            levels: Some(quorate_proto::Levels::HERE),
        }
    }

    pub fn start(&self) -> Node {
        self.try_to_start().unwrap()
    }

    /// The same where an earlier one had the address: its socket goes with its last connection, which stays for a moment behind the close.
    pub async fn start_once_free(&self) -> Node {
        let free = async {
            loop {
                match self.try_to_start() {
                    Ok(node) => return node,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.expect("the address is free")
    }

    fn try_to_start(&self) -> Result<Node, BindError> {
        let (sender, events) = mpsc::channel(1024);
        let transport = Transport::bind(self.config(), self.hello(), sender)?;
        Ok(Node { actor: self.clone(), transport, events })
    }
}

pub struct Node {
    pub actor: Actor,
    pub transport: Transport,
    pub events: mpsc::Receiver<TransportEvent>,
}

impl Node {
    pub fn instance(&self) -> Instance {
        self.actor.instance()
    }

    pub fn address(&self) -> SocketAddr {
        self.transport.local_address()
    }

    pub fn send(&self, to: &Node, frame: Frame) {
        self.transport.send(to.instance(), to.address(), frame);
    }

    /// The next event that `pick` accepts; others are passed over.
    pub async fn until<T>(&mut self, mut pick: impl FnMut(TransportEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the transport lives");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the event comes")
    }

    pub async fn session_up(&mut self) -> Session {
        self.until(|event| match event {
            TransportEvent::SessionUp(session) => Some(session),
            _ => None,
        })
        .await
    }

    pub async fn dial_failure(&mut self) -> quorate_proto::DialFailure {
        self.until(|event| match event {
            TransportEvent::DialFailed { failure, .. } => Some(failure),
            _ => None,
        })
        .await
    }

    pub async fn session_end(&mut self) -> quorate_proto::SessionEnd {
        self.until(|event| match event {
            TransportEvent::SessionDown { end, .. } => Some(end),
            _ => None,
        })
        .await
    }

    /// The next `count` frames of a lane, as text.
    pub async fn frames(&mut self, lane: Lane, count: usize) -> Vec<String> {
        let mut found = vec![];
        while found.len() < count {
            let text = self.until(|event| match event {
                TransportEvent::Frame { lane: on, bytes, .. } if on == lane => {
                    Some(String::from_utf8_lossy(&bytes).into_owned())
                }
                _ => None,
            });
            found.push(text.await);
        }
        found
    }
}

pub fn log(text: impl Into<String>) -> Frame {
    let bytes = Bytes::from(text.into().into_bytes());
    Frame { lane: Lane::Log, supersede: None, expires: None, bytes }
}

pub fn control(subject: u64, text: impl Into<String>) -> Frame {
    let supersede = Some(Supersede { kind: FrameKind::Founding, group: GroupId::META, subject });
    Frame { lane: Lane::Control, supersede, ..log(text) }
}

/// A session between two nodes, known to both.
pub async fn connect(a: &mut Node, b: &mut Node) {
    a.transport.dial(b.address());
    a.session_up().await;
    b.session_up().await;
}

/// Waits until something holds that no event tells of.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    let search = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("it holds in the end");
}
