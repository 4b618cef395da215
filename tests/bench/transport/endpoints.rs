//! A transport on loopback with everything that the daemon would give it, and without a daemon.

use super::in_time;
use bytes::Bytes;
use quorate_proto::{
    ClusterName, Frame, Generation, Hello, HelloKind, Instance, Lane, founders_digest, limits,
};
use quorate_tests::outside::trouble::Trouble;
use quorate_transport::{NodeKeyPair, Secret, Timings, Transport, TransportConfig, TransportEvent};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::sync::mpsc;

/// Events that wait for the owner: as many as in the daemon.
const EVENTS: usize = 8_192;
const CLUSTER: &str = "bench";

/// Any free port.
pub(crate) const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Who a transport is: a number, and which start of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor {
    pub(crate) number: u8,
    pub(crate) start: u64,
}

/// One transport with its events.
pub(crate) struct Open {
    pub(crate) transport: Transport,
    pub(crate) events: mpsc::Receiver<TransportEvent>,
}

impl Actor {
    pub(super) fn instance(self) -> Instance {
        Instance::from_bytes([self.number; 16])
    }

    /// Opens the port; within a runtime.
    pub(crate) fn open(self, bind: SocketAddr) -> Result<Open, Trouble> {
        let cluster = ClusterName::new(CLUSTER).expect("a valid name");
        let config = TransportConfig {
            bind,
            cluster: cluster.clone(),
            secrets: vec![Secret::generate([7; 32])],
            key: NodeKeyPair::from_seed([self.number; 32]),
            timings: Timings::default(),
        };
        let hello = Hello {
            protocol_min: limits::PROTOCOL_MIN,
            protocol_max: limits::PROTOCOL_MAX,
            kind: HelloKind::Node.into(),
            cluster: CLUSTER.to_owned(),
            cluster_id: None,
            instance: self.instance(),
            generation: Generation::new(self.start),
            boot_nonce: self.start,
            name: format!("n{}", self.number),
            digest: founders_digest(&cluster, &[], "majority"),
            seeds: vec![],
            advertise: None,
            software: "bench".to_owned(),
            moved: false,
            voters: 0,
            levels: Some(quorate_proto::Levels::HERE),
        };
        let (sender, events) = mpsc::channel(EVENTS);
        let transport = Transport::bind(config, hello, sender)
            .map_err(|error| Trouble::Quorate { text: error.to_string() })?;
        Ok(Open { transport, events })
    }
}

impl Open {
    pub(super) fn address(&self) -> SocketAddr {
        self.transport.local_address()
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Result<TransportEvent, Trouble> {
        self.events.recv().await.ok_or_else(|| Trouble::gone("quorate's transport"))
    }

    /// Dials until the session stands.
    pub(super) async fn connect(&mut self, with: SocketAddr) -> Result<Instance, Trouble> {
        self.transport.dial(with);
        let up = async {
            loop {
                match self.event().await? {
                    TransportEvent::SessionUp(session) => return Ok(session.instance),
                    TransportEvent::DialFailed { failure, .. } => {
                        return Err(Trouble::Quorate { text: format!("dial failed: {failure:?}") });
                    }
                    _ => {}
                }
            }
        };
        in_time("a session of quorate", up).await?
    }
}

/// A frame of the log lane.
pub(super) fn log(bytes: Bytes) -> Frame {
    Frame { lane: Lane::Log, supersede: None, expires: None, bytes }
}
