//! The feature level of the cluster, and what each member's program can run.

use crate::clock::Started;
use crate::words::time::rfc3339;
use quorate_node::Status;
use quorate_proto::{FeatureLevel, LEVELS, Levels};
use serde::{Deserialize, Serialize};

/// `feature` of the status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeaturePage {
    /// The level at which the cluster runs; none before this node knows it.
    pub(crate) level: Option<u32>,
    /// When it rose to it, by the clock of the leader; empty for the first level, and on a host without a replica.
    pub(crate) since: String,
    /// The highest that every member can run, as far as this node knows; none before it knows the members.
    pub(crate) reach: Option<u32>,
    /// Who keeps it from rising as high as this program can, and what helps.
    pub(crate) behind: Option<String>,
    /// On the node that leads: when it rises by itself if all stays as it is; none when it does not.
    pub(crate) rises_at: Option<String>,
    /// What this program can run.
    pub(crate) here: FeatureLevelsPage,
    /// What each level that this program knows has brought.
    pub(crate) levels: Vec<LevelPage>,
}

/// What a program can run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeatureLevelsPage {
    pub(crate) lowest: u32,
    pub(crate) highest: u32,
}

/// One level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LevelPage {
    pub(crate) level: u32,
    pub(crate) brings: String,
}

impl FeatureLevelsPage {
    /// The page of a range.
    pub(super) fn of(levels: &Levels) -> Self {
        Self { lowest: levels.lowest().get(), highest: levels.highest().get() }
    }
}

impl FeaturePage {
    /// The page of a status.
    pub(super) fn of(status: &Status, started: Started) -> Self {
        let feature = &status.feature;
        let known = |(level, brings): &(FeatureLevel, &str)| LevelPage {
            level: level.get(),
            brings: (*brings).to_owned(),
        };
        Self {
            level: feature.level.map(FeatureLevel::get),
            since: rfc3339(feature.since_unix_ms),
            reach: feature.reach.map(FeatureLevel::get),
            behind: feature.behind.clone(),
            rises_at: feature.planned.map(|(_, at)| rfc3339(started.unix_ms(at))),
            here: FeatureLevelsPage::of(&Levels::HERE),
            levels: LEVELS.iter().map(known).collect(),
        }
    }
}

/// What the members `a` and `b` of the tests' sample run; `c` is not met.
#[cfg(test)]
pub(crate) fn sample_programs() -> Vec<(quorate_proto::Instance, quorate_node::Program)> {
    let program = |life: u8, software: &str| {
        let program = quorate_node::Program { software: software.to_owned(), levels: Levels::HERE };
        (quorate_proto::Instance::from_bytes([life; 16]), program)
    };
    vec![program(1, "0.9.9"), program(2, env!("CARGO_PKG_VERSION"))]
}
