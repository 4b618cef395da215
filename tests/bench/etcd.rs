//! etcd as Debian ships it, with its own defaults.

use crate::cluster::Node;
use quorate_tests::outside::kv::KvClient;
use quorate_tests::outside::processes::{Recipe, free_port};
use quorate_tests::outside::trouble::Trouble;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_millis(500);

/// A static cluster of so many nodes.
pub(crate) fn lay_out(
    program: &Path,
    directory: &Path,
    count: usize,
) -> Result<Vec<Node>, Trouble> {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut places = Vec::new();
    for number in 1..=count {
        places.push((format!("e{number}"), free_port()?, free_port()?));
    }
    let initial: Vec<String> =
        places.iter().map(|(name, peers, _)| format!("{name}={}", url(*peers))).collect();
    let node = |(name, peers, clients): &(String, u16, u16)| {
        let options = [
            ("name", name.clone()),
            ("data-dir", directory.join(name).display().to_string()),
            ("listen-peer-urls", url(*peers)),
            ("initial-advertise-peer-urls", url(*peers)),
            ("listen-client-urls", url(*clients)),
            ("advertise-client-urls", url(*clients)),
            ("initial-cluster", initial.join(",")),
            ("initial-cluster-state", "new".to_owned()),
            ("logger", "zap".to_owned()),
        ];
        let arguments = options.iter().map(|(key, value)| format!("--{key}={value}")).collect();
        let recipe = Recipe {
            name: name.clone(),
            program: program.to_owned(),
            arguments,
            output: directory.join(format!("{name}.log")),
        };
        Node { name: name.clone(), port: *clients, recipe, process: None }
    };
    Ok(places.iter().map(node).collect())
}

/// The node that says of itself that it leads, when no other says so too.
pub(crate) async fn leader(nodes: &[Node]) -> Option<usize> {
    let mut leaders = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        if node.process.is_none() {
            continue;
        }
        let status = KvClient::of_port(node.port).status(PATIENCE).await.ok()?;
        if status.leader != 0 && status.header.is_some_and(|own| own.member_id == status.leader) {
            leaders.push(at);
        }
    }
    match leaders[..] {
        [leader] => Some(leader),
        _ => None,
    }
}
