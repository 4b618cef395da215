//! `quorate farewell`: the goodbye of a daemon that crashed, said for it by its unit.

use super::identity::{running_note, transport_config};
use super::refuse;
use crate::cli::RunOptions;
use crate::config::{Config, Environment};
use crate::disk;
use quorate_proto::{Hello, HelloKind, limits};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// `quorate farewell` may delay a restart by this at most.
const FAREWELL: Duration = Duration::from_millis(300);

/// Says goodbye for a daemon that crashed, so that nobody has to wait for its silence. Says nothing after a clean stop, and refuses
/// while a daemon runs.
pub(crate) fn farewell(options: &RunOptions) -> ExitCode {
    let environment = Environment::of_process();
    let Ok(config) = Config::load(&options.config, options.host.as_deref(), &environment) else {
        return ExitCode::SUCCESS;
    };
    let ended = match disk::read_ended(&config.data_dir, &running_note(&config)) {
        Ok(ended) => ended,
        Err(error) => return refuse(&error),
    };
    let Some(boot_nonce) = ended.died else { return ExitCode::SUCCESS };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let addresses = farewell_addresses(&config, &ended);
    let hello = Hello {
        kind: HelloKind::Farewell.into(),
        protocol_min: limits::PROTOCOL_MIN,
        protocol_max: limits::PROTOCOL_MAX,
        cluster: config.cluster.to_string(),
        cluster_id: ended.founding.known_cluster(),
        instance: ended.identity.instance,
        generation: ended.generation,
        boot_nonce,
        name: config.host.name.to_string(),
        ..Hello::default()
    };
    let transport = transport_config(&config, ended.identity.key_seed);
    runtime.block_on(quorate_transport::farewell(transport, hello, addresses, FAREWELL));
    ExitCode::SUCCESS
}

/// Whom a farewell can reach without asking: the founders of the record, and seeds that are plain addresses.
fn farewell_addresses(config: &Config, ended: &disk::EndedLife) -> Vec<SocketAddr> {
    let record = ended.founding.founded.as_ref().map(|founded| &founded.record);
    let voters = record.into_iter().flat_map(|record| &record.voters);
    let others = voters.filter(|voter| voter.instance != ended.identity.instance);
    let mut addresses: Vec<_> =
        others.filter_map(|voter| voter.address.as_ref()?.socket()).collect();
    addresses.extend(config.seeds.iter().filter_map(|seed| seed.parse::<SocketAddr>().ok()));
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
