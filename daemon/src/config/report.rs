//! `quorate check-config`: what a config means, in words, with what one should think about before the first start.

use super::{Config, ConfigError, Environment, HostRole, oddities};
use crate::definitions::{self, Directories};
use crate::shell::own_slot::{OwnHost, ResolvedSeed, SlotMatch, match_slot};
use quorate_membership::Mode;
use quorate_proto::Cause as _;
use std::fmt::Write as _;
use std::path::Path;

/// What `check-config` prints. The config is valid; `warnings` are no errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// What the config says, one fact a line.
    pub(crate) text: String,
    /// What to think about.
    pub(crate) warnings: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

/// Checks both files and says what they mean.
///
/// # Errors
/// At the first thing that is wrong.
pub(crate) fn check_config(
    path: &Path,
    host_file: Option<&Path>,
    environment: &Environment,
) -> Result<Report, ConfigError> {
    let config = Config::load(path, host_file, environment)?;
    let text = describe(&config);
    Ok(Report { text, warnings: warnings(&config) })
}

impl Report {
    /// Adds what the data directory is found to be.
    pub(crate) fn with_data(mut self, found: &str) -> Self {
        let _ = writeln!(self.text, "{found}");
        self
    }

    /// Adds which seed this host is, and what is odd about where the others lead. Needs the network, so it is asked for apart.
    pub(crate) fn with_slot(mut self, own: &OwnHost, seeds: &[ResolvedSeed]) -> Self {
        self.warnings.extend(oddities::of_seeds(own, seeds));
        match match_slot(own, seeds) {
            SlotMatch::Slot(slot) => {
                let name = &seeds[slot].seed;
                let _ = writeln!(
                    self.text,
                    "this host is seed {} of {}: {name}",
                    slot + 1,
                    seeds.len()
                );
            }
            SlotMatch::NotASeed { near: None } => {
                self.text.push_str("this host is no seed: it joins the cluster through them\n");
            }
            SlotMatch::NotASeed { near: Some(near) } => self.warnings.push(near.text),
            SlotMatch::Undecided { .. } => self.warnings.push(
                "whether this host is a seed is not known as long as names do not resolve"
                    .to_owned(),
            ),
            SlotMatch::Several { problem, .. } => self.warnings.push(problem),
        }
        self
    }
}

fn describe(config: &Config) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("config", format!("{} is valid", config.file.display()));
    line("cluster", config.cluster.to_string());
    line("seeds", config.seeds.join(", "));
    line("founding", founding_words(config));
    let fingerprints: Vec<_> = config.secrets.iter().map(|secret| secret.fingerprint()).collect();
    line(
        "secret",
        format!("{} (fingerprint {})", config.secret_file.display(), fingerprints.join(" and ")),
    );
    line("listen", format!("{} (UDP)", config.listen));
    line("data", config.data_dir.display().to_string());
    line("marker", config.birth_dir.join(config.cluster.as_str()).display().to_string());
    let apps = config.drop_ins().definitions.len();
    line("apps", format!("{}, {apps} defined", config.apps_dir.display()));
    let Directories { budgets, assignments } = &config.definitions;
    let defined = definitions::DropIns::read(&config.definitions);
    line("budgets", format!("{}, {} defined", budgets.display(), defined.budgets.len()));
    let count = defined.assignments.len();
    line("assignments", format!("{}, {count} defined", assignments.display()));
    let tcp = config.client.tcp.map_or("off".into(), |tcp| tcp.to_string());
    line("client", format!("{} and TCP {tcp}", config.client.socket.display()));
    if let Some(socket) = &config.client.monitor_socket {
        line("monitors", socket.display().to_string());
    }
    let host = &config.host;
    let role = match host.role {
        HostRole::Node => "",
        HostRole::Witness => ", witness: votes, and carries no share, no item and no application",
    };
    line("host", format!("{}, weight {}{role}", host.name, host.weight));
    if let Some(advertise) = host.advertise {
        line("advertise", advertise.to_string());
    }
    text
}

fn founding_words(config: &Config) -> String {
    let slots = config.seeds.len();
    match config.founding {
        _ if slots == 1 => "this one seed founds the cluster alone".into(),
        Mode::Majority => format!(
            "majority: as soon as all {slots} seeds are up; after {:.1} s of at least {}, with those",
            config.founding_grace.as_secs_f64(),
            slots / 2 + 1
        ),
        Mode::Durable => {
            format!("durable: as soon as {} of {slots} seeds are up", durable_quorum(slots))
        }
    }
}

/// What two servers without a third host mean.
const TWO_SEEDS: &str = "two seeds: the cluster is born with both alone, and as long as no third host votes, neither may fail: with one gone nothing can be written, \
     shares of budgets lapse and items are held by nobody. A small third host ends that: name it in `seeds`, with `role = \"witness\"` in its \
     host.toml (docs/WITNESS.md)";

impl Config {
    /// What a cluster of two seeds is to know at its start.
    pub(crate) fn two_seeds(&self) -> Option<&'static str> {
        (self.seeds.len() == 2).then_some(TWO_SEEDS)
    }
}

/// GENESIS section 0, item 4: survives a minority of forgetful disks.
fn durable_quorum(slots: usize) -> usize {
    let forgetful = (slots - 1) / 2;
    (slots + forgetful) / 2 + 1
}

fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.without_effect();
    let problems = config.drop_ins().problems;
    warnings.extend(problems.iter().map(|cause| format!("{}; the file is not used", cause.text())));
    let problems = definitions::DropIns::read(&config.definitions).problems;
    warnings.extend(problems.iter().map(|cause| format!("{}; the file is not used", cause.text())));
    let slots = config.seeds.len();
    if slots == 1 {
        warnings.push(format!(
            "one seed: {} founds the cluster alone, and every other host waits until it was up once. If its disk is lost \
             before another host has joined, a new cluster is born. With several hosts, name three of them as seeds",
            config.seeds[0]
        ));
    }
    if slots > 2 && slots.is_multiple_of(2) {
        warnings.push(format!(
            "{slots} seeds: one more costs nothing and lets the cluster be born with {} of them down",
            slots / 2
        ));
    }
    warnings.extend(config.two_seeds().map(str::to_owned));
    if config.dev {
        warnings.push(
            "`dev = true`: no quiet time before founding; a living cluster may not be heard in time. Never on real hosts".into(),
        );
    }
    if config.client.keyspace_on_tcp {
        warnings.push(
            "`keyspace_on_tcp = true`: every local user and program can read and write all keys"
                .into(),
        );
    }
    if config.secrets.len() == 2 {
        warnings.push("two secrets: `quorate secret rotate` changes from one to the other; when that is done, remove the old line on every host (docs/SECRETS.md)".into());
    }
    warnings
}
