//! The first exchange on a new connection: each side opens its control stream at once with its hello. Until both
//! are in and accepted, the connection does not count.

use crate::frames::{Batch, FrameReader};
use crate::outbox::PeerStart;
use crate::refusal::{OurSide, Refusal, failure_of};
use crate::verifier::peer_key;
use bytes::Bytes;
use quinn::{Connection, SendStream};
use quorate_proto::{
    ClusterName, DialFailure, Hello, HelloKind, Message as _, NodeKey, NodeName, limits,
};
use std::net::SocketAddr;
use std::time::Duration;

/// First byte of a control stream.
pub(crate) const CONTROL_LANE: u8 = 1;
/// First byte of a log stream.
pub(crate) const LOG_LANE: u8 = 2;

/// A connection on which both hellos are in and valid.
pub(crate) struct Greeted {
    pub(crate) connection: Connection,
    pub(crate) hello: Hello,
    pub(crate) kind: HelloKind,
    pub(crate) name: NodeName,
    pub(crate) cluster: ClusterName,
    pub(crate) key: NodeKey,
    /// Where the peer is reached.
    pub(crate) address: SocketAddr,
    /// It named that address itself.
    pub(crate) advertised: bool,
    pub(crate) sender: SendStream,
    pub(crate) reader: FrameReader,
}

impl Greeted {
    /// Which start of the peer this is.
    pub(crate) fn start(&self) -> PeerStart {
        PeerStart { generation: self.hello.generation, boot_nonce: self.hello.boot_nonce }
    }
}

/// Exchanges hellos. On failure the connection has been closed with the reason.
pub(crate) async fn greet(
    connection: Connection,
    ours: &Hello,
    side: &OurSide,
    limit: Duration,
) -> Result<Greeted, DialFailure> {
    let result = match tokio::time::timeout(limit, exchange(&connection, ours)).await {
        Err(_) => Err(Refusal::Broken(format!("no hello within {} ms", limit.as_millis()))),
        Ok(result) => result,
    };
    result.map_err(|refusal| {
        // When the other side closed first, its reason is the better one.
        let failure = match connection.close_reason() {
            Some(error) => failure_of(&error, side),
            None => refusal.failure(side),
        };
        refusal.close(&connection, side);
        failure
    })
}

async fn exchange(connection: &Connection, ours: &Hello) -> Result<Greeted, Refusal> {
    let broken = |error: &dyn std::fmt::Display| Refusal::Broken(error.to_string());
    let mut sender = connection.open_uni().await.map_err(|e| broken(&e))?;
    // What waits in this process on the control lane goes before everything else.
    let _ = sender.set_priority(1);
    let mut batch = Batch::default();
    batch.push_raw(&[CONTROL_LANE]);
    batch.push(Bytes::from(ours.encode_to_vec()));
    batch.write(&mut sender).await.map_err(|e| broken(&e))?;

    let stream = connection.accept_uni().await.map_err(|e| broken(&e))?;
    let mut reader = FrameReader::new(stream);
    let lane = reader.byte().await.map_err(|e| broken(&e))?;
    if lane != CONTROL_LANE {
        return Err(Refusal::Broken(format!("a first stream of lane {lane}, not of a hello")));
    }
    let frame = reader.next(limits::HELLO).await.map_err(|e| broken(&e))?;
    let frame = frame.ok_or_else(|| Refusal::Broken("no hello".to_owned()))?;
    let hello = Hello::decode(frame)
        .map_err(|error| Refusal::Broken(format!("a hello that cannot be decoded: {error}")))?;
    let (kind, name, cluster) = check(&hello, ours)?;
    let key = peer_key(connection)
        .ok_or_else(|| Refusal::Broken("a certificate without an Ed25519 key".to_owned()))?;
    let advertised = advertised(&hello);
    // Else where its packets come from.
    let address = advertised.unwrap_or_else(|| canonical(connection.remote_address()));
    let (connection, advertised) = (connection.clone(), advertised.is_some());
    Ok(Greeted { connection, hello, kind, name, cluster, key, address, advertised, sender, reader })
}

fn check(theirs: &Hello, ours: &Hello) -> Result<(HelloKind, NodeName, ClusterName), Refusal> {
    if theirs.protocol_max < ours.protocol_min || theirs.protocol_min > ours.protocol_max {
        let (theirs_min, theirs_max) = (theirs.protocol_min, theirs.protocol_max);
        return Err(Refusal::Protocol { theirs_min, theirs_max });
    }
    let invalid = |what: &dyn std::fmt::Display| Refusal::Broken(format!("a hello with {what}"));
    let cluster = ClusterName::new(&theirs.cluster).map_err(|e| invalid(&e))?;
    if theirs.cluster != ours.cluster {
        return Err(Refusal::OtherCluster { theirs: theirs.cluster.clone() });
    }
    let name = NodeName::new(&theirs.name).map_err(|e| invalid(&e))?;
    let kind = HelloKind::try_from(theirs.kind).map_err(|_| invalid(&"an unknown kind"))?;
    if theirs.instance.is_nobody() {
        return Err(invalid(&"nobody's instance"));
    }
    if theirs.seeds.len() > limits::MAX_SEEDS {
        return Err(invalid(&"more than seven seeds"));
    }
    if theirs.instance == ours.instance && theirs.boot_nonce == ours.boot_nonce {
        return Err(Refusal::Myself);
    }
    Ok((kind, name, cluster))
}

/// The address that the peer names, if it can be used.
fn advertised(hello: &Hello) -> Option<SocketAddr> {
    let advertised = hello.advertise.as_ref().and_then(quorate_proto::Address::socket);
    advertised.filter(|address| !address.ip().is_unspecified())
}

/// An IPv4 address stays one, also when the socket is an IPv6 one.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Checks this node's own hello.
pub(crate) fn check_own(hello: &Hello, cluster: &ClusterName) -> Result<(), String> {
    if hello.cluster != cluster.as_str() {
        return Err(format!("it names cluster `{}`, the config `{cluster}`", hello.cluster));
    }
    let length = hello.encoded_len();
    if length > limits::HELLO {
        return Err(format!("it has {length} bytes, at most {} are allowed", limits::HELLO));
    }
    Ok(())
}
