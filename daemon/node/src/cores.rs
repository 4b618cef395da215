//! The two detectors inside a node: how they are set up.
//!
//! Knows nothing of what they decide; how they are stepped is in `node/cores.rs`.

use crate::boot::NodeConfig;
use quorate_membership::{DetectorConfig, FounderSelf, FoundingConfig};
use quorate_proto::{ClusterId, founders_digest, short_hash};

/// Messages of the cores replace nothing but themselves, across ballots, kinds and questions.
pub(crate) fn subject_of(message: &impl quorate_proto::Message) -> u64 {
    short_hash(&[&message.encode_to_vec()])
}

pub(crate) fn founding_config(config: &NodeConfig, marker: Option<ClusterId>) -> FoundingConfig {
    FoundingConfig {
        cluster: config.cluster.clone(),
        seeds: config.founding.seeds.clone(),
        mode: config.founding.mode,
        digest: founders_digest(
            &config.cluster,
            &config.founding.seeds,
            &config.founding.mode.to_string(),
        ),
        quiet: config.founding.quiet,
        grace: config.founding.grace,
        me: FounderSelf {
            instance: config.instance,
            generation: config.generation,
            boot_nonce: config.boot_nonce,
            name: config.name.clone(),
            key: config.key,
            address: config.settings.advertise,
            levels: config.levels,
        },
        seed: config.seed,
        nonce_key: config.boot_nonce,
        marker,
    }
}

pub(crate) fn detector_config(config: &NodeConfig) -> DetectorConfig {
    DetectorConfig {
        me: config.instance,
        generation: config.generation,
        seed: config.seed,
        profile: quorate_membership::Profile::default(),
    }
}
