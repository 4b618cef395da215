//! `host.toml`: what differs between hosts. Optional as a whole; every key has a default.

use super::Environment;
use super::error::ConfigError;
use super::keys::Keys;
use quorate_proto::{Label, NodeName, WITNESS, witness_label};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Value;

/// Every key of `host.toml`. `labels` is a table with names of the operator's own.
pub(crate) const KEYS: &[&str] = &["name", "advertise", "zone", "weight", "role", "labels"];
/// Labels that keys of their own say.
const OF_ITS_OWN: [&str; 3] = ["zone", "weight", WITNESS];
/// A card in gossip has room for these.
const MAX_LABELS: usize = 16;
const MAX_LABEL: usize = 63;
/// Weights divide budgets; beyond this the shares of others round to nothing.
const MAX_WEIGHT: i64 = 1_000;

/// What differs between hosts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostConfig {
    /// Node name; by default the first part of the host's name.
    pub(crate) name: NodeName,
    /// The address that others should use; none = where packets come from.
    pub(crate) advertise: Option<SocketAddr>,
    /// Labels, with `zone` among them when it is set, `weight` when it is not 1, and that of a witness when it is one.
    pub(crate) labels: Vec<Label>,
    /// Shown like a label; nothing hangs on it yet.
    pub(crate) zone: Option<String>,
    /// Share of budgets.
    pub(crate) weight: u32,
    /// What the host is for.
    pub(crate) role: HostRole,
}

/// The file of a host: the one that is named, or that beside the configuration.
pub(crate) fn host_file(config: &Path, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| config.with_file_name("host.toml"), Path::to_owned)
}

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostRole {
    /// Everything.
    Node,
    /// It votes and keeps the log. It has no share of budgets, no item and no application, and leads only where nobody else can.
    Witness,
}

impl HostConfig {
    pub(super) fn load(
        config: &Path,
        file: Option<&Path>,
        environment: &Environment,
        listen: SocketAddr,
    ) -> Result<Self, ConfigError> {
        let path = &host_file(config, file);
        let keys = if file.is_none() && !path.exists() {
            Keys::empty(path)
        } else {
            Keys::read(path, KEYS, &["labels"])?
        };
        let zone = keys.text("zone")?;
        let mut labels = read_labels(&keys)?;
        if let Some(zone) = &zone {
            if !is_label(zone) {
                let remedy = "name the zone in a few words";
                return Err(keys.wrong(
                    "zone",
                    zone,
                    "must be a text of at most 63 bytes, without control characters",
                    remedy,
                ));
            }
            labels.push(Label { name: "zone".into(), value: zone.clone() });
        }
        let weight = read_weight(&keys)?;
        if weight != 1 {
            // The leader divides by it, wherever it is.
            labels.push(Label { name: "weight".into(), value: weight.to_string() });
        }
        let role = read_role(&keys)?;
        if role == HostRole::Witness {
            // All hosts go by it.
            labels.push(witness_label());
        }
        let advertise = match keys.text("advertise")? {
            Some(text) => Some(read_advertise(&keys, &text, listen)?),
            None => None,
        };
        Ok(Self { name: read_name(&keys, environment)?, advertise, labels, zone, weight, role })
    }
}

fn read_name(keys: &Keys, environment: &Environment) -> Result<NodeName, ConfigError> {
    if let Some(text) = keys.text("name")? {
        return keys.name("name", &text, NodeName::new);
    }
    let first = environment.hostname.split('.').next().unwrap_or("").to_ascii_lowercase();
    NodeName::new(&first).map_err(|_| {
        keys.wrong(
            "name",
            &first,
            "the host's name is no valid node name",
            "set `name` in this file: 1 to 63 of a-z, 0-9 and `-`",
        )
    })
}

fn read_advertise(keys: &Keys, text: &str, listen: SocketAddr) -> Result<SocketAddr, ConfigError> {
    let address = keys.address("advertise", text, listen.port())?;
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        let rule = "is no address that another host can reach";
        return Err(keys.wrong("advertise", text, rule, "write this host's own address"));
    }
    Ok(address)
}

fn read_weight(keys: &Keys) -> Result<u32, ConfigError> {
    let number = keys.integer("weight")?.unwrap_or(1);
    match u32::try_from(number) {
        Ok(weight) if number <= MAX_WEIGHT => Ok(weight),
        _ => Err(keys.wrong("weight", &number.to_string(), "must be 0 to 1000", "1 is usual")),
    }
}

fn read_role(keys: &Keys) -> Result<HostRole, ConfigError> {
    match keys.text("role")?.as_deref() {
        None | Some("node") => Ok(HostRole::Node),
        Some("witness") => Ok(HostRole::Witness),
        Some(other) => Err(keys.wrong(
            "role",
            other,
            "must be `node` or `witness`",
            "a witness votes and keeps the log, and has no share, no item and no application",
        )),
    }
}

/// What travels to all hosts and is shown there.
fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && !text.contains(char::is_control)
}

fn read_labels(keys: &Keys) -> Result<Vec<Label>, ConfigError> {
    let table = match keys.value("labels") {
        None => return Ok(Vec::new()),
        Some(Value::Table(table)) => table,
        Some(value) => {
            let remedy = "write for example `[labels]` and below it `rack = \"a1\"`";
            return Err(keys.wrong("labels", &value.to_string(), "must be a table", remedy));
        }
    };
    if table.len() > MAX_LABELS {
        let rule = format!("at most {MAX_LABELS} labels travel in gossip");
        return Err(keys.wrong("labels", &format!("{} labels", table.len()), &rule, "remove some"));
    }
    let mut labels = Vec::new();
    for (key, value) in table {
        let name = format!("labels.{key}");
        let text = value.as_str().filter(|text| is_label(text));
        match text {
            Some(text) if is_label(key) && !OF_ITS_OWN.contains(&key.as_str()) => {
                labels.push(Label { name: key.clone(), value: text.to_owned() });
            }
            Some(text) if OF_ITS_OWN.contains(&key.as_str()) => {
                let written = if key == WITNESS { "role = \"witness\"" } else { key };
                let (rule, remedy) = (
                    format!("{key} is said by a key of its own"),
                    format!("write `{written}` above the tables"),
                );
                return Err(keys.wrong(&name, text, &rule, &remedy));
            }
            _ => {
                let rule =
                    "key and value must be texts of at most 63 bytes, without control characters";
                return Err(keys.wrong(
                    &name,
                    &value.to_string(),
                    rule,
                    "shorten it or put it in quotes",
                ));
            }
        }
    }
    Ok(labels)
}
