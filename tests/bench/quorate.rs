//! quorate on ports of this machine: laid out, and asked who leads.

use crate::cluster::Node;
use quorate_tests::outside::layout::{self, Place};
use quorate_tests::outside::pages;
use quorate_tests::outside::processes::{free_port, loopback};
use quorate_tests::outside::trouble::Trouble;
use serde_json::Value;
use std::path::Path;

/// More hosts than this are no seeds: they join.
const SEEDS: usize = 3;

/// So many nodes, of which the first three are seeds.
pub(crate) fn lay_out(
    program: &Path,
    directory: &Path,
    count: usize,
) -> Result<Vec<Node>, Trouble> {
    let mut places = Vec::new();
    for number in 1..=count {
        let [peers, clients] = [free_port()?, free_port()?].map(loopback);
        places.push(Place { name: format!("q{number}"), peers, clients });
    }
    let recipes = layout::lay_out(program, directory, &places, SEEDS, None)?;
    let node = |(place, recipe): (Place, _)| Node {
        name: place.name,
        port: place.clients.port(),
        recipe,
        process: None,
    };
    Ok(places.into_iter().zip(recipes).map(node).collect())
}

async fn status(node: &Node) -> Option<Value> {
    pages::page(loopback(node.port), "/v1/status").await
}

/// The node that all running ones call their leader.
pub(crate) async fn leader(nodes: &[Node]) -> Option<usize> {
    let mut named = None;
    for node in nodes.iter().filter(|node| node.process.is_some()) {
        let status = status(node).await?;
        if status["state"] != "quorate" {
            return None;
        }
        let leader = status["leader"].as_str()?.to_owned();
        if named.get_or_insert_with(|| leader.clone()) != &leader {
            return None;
        }
    }
    let named = named?;
    nodes.iter().position(|node| node.name == named && node.process.is_some())
}

/// Whether every node is quorate and has all members as alive.
pub(crate) async fn is_whole(nodes: &[Node]) -> bool {
    for node in nodes {
        let Some(status) = status(node).await else { return false };
        let alive = status["members"].as_array().map_or(0, |members| {
            members.iter().filter(|member| member["state"] == "alive").count()
        });
        if status["state"] != "quorate" || alive != nodes.len() {
            return false;
        }
    }
    true
}
