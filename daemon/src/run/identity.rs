//! Who this start is, as its data directory and its configuration say: what the transport, the node and the farewell are told of it, and
//! what is noted of it on this host.
//!
//! Invariant: each start has a number of its own, and a farewell is said for the start that noted it. Opens nothing itself.

use super::error::StartError;
use crate::config::{Config, Environment};
use crate::disk::{DataDir, KnownName};
use quorate_node::{FoundingSettings, MadeOn, NodeConfig, Settings, Status};
use quorate_proto::{
    ClusterId, Hello, HelloKind, Levels, NodeName, founders_digest, limits, short_hash,
};
use quorate_transport::{NodeKeyPair, Transport, TransportConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The version of this program, as it says it to others.
const SOFTWARE: &str = env!("CARGO_PKG_VERSION");

pub(super) fn hello(
    config: &Config,
    dir: &DataDir,
    boot_nonce: u64,
    cluster_id: Option<ClusterId>,
) -> Hello {
    Hello {
        protocol_min: limits::PROTOCOL_MIN,
        protocol_max: limits::PROTOCOL_MAX,
        kind: HelloKind::Node.into(),
        cluster: config.cluster.to_string(),
        cluster_id,
        instance: dir.identity().instance,
        generation: dir.generation(),
        boot_nonce,
        name: config.host.name.to_string(),
        digest: founders_digest(&config.cluster, &config.seeds, &config.founding.to_string()),
        seeds: config.seeds.clone(),
        advertise: config.host.advertise.map(Into::into),
        software: SOFTWARE.to_owned(),
        moved: dir.made_on() == MadeOn::Another,
        voters: Hello::voters_asked(config.settings.voters),
        levels: Some(Levels::HERE),
    }
}

/// Where the transport listens, and by what it knows its own.
pub(super) fn transport_config(config: &Config, key_seed: [u8; 32]) -> TransportConfig {
    TransportConfig {
        bind: config.listen,
        cluster: config.cluster.clone(),
        secrets: config.secrets.clone(),
        key: NodeKeyPair::from_seed(key_seed),
        timings: quorate_transport::Timings::default(),
    }
}

/// What the node is told of its configuration and of this start.
pub(super) fn node_config(config: &Config, dir: &DataDir, boot_nonce: u64) -> NodeConfig {
    let instance = dir.identity().instance;
    NodeConfig {
        cluster: config.cluster.clone(),
        name: config.host.name.clone(),
        instance,
        made_on: dir.made_on(),
        generation: dir.generation(),
        boot_nonce,
        key: NodeKeyPair::from_seed(dir.identity().key_seed).public(),
        software: SOFTWARE.to_owned(),
        levels: Levels::HERE,
        seed: short_hash(&[&boot_nonce.to_be_bytes(), &instance.to_bytes()]),
        founding: FoundingSettings {
            seeds: config.seeds.clone(),
            mode: config.founding,
            quiet: config.quiet(),
            grace: config.founding_grace,
        },
        settings: Settings {
            advertise: config.host.advertise,
            labels: config.host.labels.clone(),
            ..config.settings.clone()
        },
    }
}

/// Where it is noted which start runs: beside the socket, which ends with the machine and is in no copy of the data.
pub(super) fn running_note(config: &Config) -> PathBuf {
    config.client.socket.with_extension("running")
}

/// Draws the number of this start, and notes it for the farewell.
pub(super) fn draw_nonce(dir: &DataDir, note: &Path) -> Result<u64, StartError> {
    let boot_nonce = getrandom::u64().map_err(StartError::Random)?;
    if let Err(error) = dir.note_running(note, boot_nonce) {
        // A full disk must not keep a host from starting: should this start die, the others notice its silence.
        tracing::warn!(%error, "which start runs was not noted; if it crashes, nobody says goodbye for it");
    }
    Ok(boot_nonce)
}

/// Notes in the data directory under which name the cluster knows this life, once it does.
pub(super) async fn note_name(mut status: watch::Receiver<Arc<Status>>, note: KnownName) {
    let name_in = |status: &Status| {
        let mut members = status.view.members.iter();
        let own = members.find(|member| member.instance == note.instance());
        own.and_then(|member| NodeName::new(&member.name).ok())
    };
    let Ok(name) = status.wait_for(|status| name_in(status).is_some()).await.map(|s| name_in(&s))
    else {
        return;
    };
    let noted = tokio::task::spawn_blocking(move || name.map_or(Ok(()), |name| note.note(&name)));
    if let Ok(Err(error)) = noted.await {
        tracing::warn!(%error, "the name of this host was not noted in the data directory");
    }
}

/// Says on which address this node listens, and which family that leaves out.
pub(super) fn say_where(transport: &Transport, environment: &Environment) {
    let address = transport.local_address();
    let (ip, port) = (address.ip(), address.port());
    let families = match (address.is_ipv6(), ip.is_unspecified()) {
        (true, true) => "IPv6 and IPv4",
        (true, false) => "IPv6 only",
        (false, _) if environment.ipv6 => "IPv4 only",
        (false, _) => "IPv4 only: this kernel has no IPv6",
    };
    tracing::info!(%ip, port, "listening on UDP, {families}");
}
