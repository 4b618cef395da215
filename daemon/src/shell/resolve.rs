//! Seeds to addresses, and which seed this host is, for the node. Asks the system's resolver; decides nothing itself.

use super::own_slot::{self, OwnHost, ResolvedSeed, SlotMatch};
use quorate_node::{Input, OwnSlot};
use quorate_proto::CannotSend;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// A resolver that does not answer within this is down for now; the node asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where every seed leads, in their order. A resolver that does not answer is not waited for.
pub(crate) async fn resolve_all(names: &[String]) -> Vec<ResolvedSeed> {
    let mut lookups = tokio::task::JoinSet::new();
    for (slot, seed) in names.iter().cloned().enumerate() {
        lookups.spawn(async move { (slot, resolve_one(seed).await) });
    }
    let unasked = |seed: &String| ResolvedSeed {
        seed: seed.clone(),
        addresses: Vec::new(),
        problem: Some("the lookup broke off".to_owned()),
    };
    let mut resolved: Vec<ResolvedSeed> = names.iter().map(unasked).collect();
    while let Some(done) = lookups.join_next().await {
        if let Ok((slot, seed)) = done {
            resolved[slot] = seed;
        }
    }
    resolved
}

/// Resolves every seed, and says first which one this host is: that one it need not dial.
pub(crate) async fn resolve_seeds(names: Vec<String>, own: OwnHost, results: mpsc::Sender<Input>) {
    let resolved = resolve_all(&names).await;
    let own = own.seen_again();
    let own_slot = match own_slot::match_slot(&own, &resolved) {
        SlotMatch::Undecided { .. } => OwnSlot::Undecided,
        // A host that waits says this among its reasons; one that is let in without being a seed is well as it is.
        SlotMatch::NotASeed { near: Some(near) } => {
            tracing::debug!("{}", near.text);
            OwnSlot::OtherPort { slot: near.slot, port: own.listen.port() }
        }
        SlotMatch::NotASeed { near: None } => OwnSlot::NotASeed,
        SlotMatch::Slot(slot) => OwnSlot::Slot(slot),
        SlotMatch::Several { slots: (first, second), problem } => {
            tracing::error!("{problem}");
            OwnSlot::Several(first, second)
        }
    };
    if results.send(Input::OwnSlot(own_slot)).await.is_err() {
        return;
    }
    let dialable = own_slot::dialable(&resolved);
    for (slot, mut addresses) in dialable.into_iter().enumerate() {
        if own_slot == OwnSlot::Slot(slot) {
            // Nobody reaches this host there, so it is not where the others are told that it is.
            addresses.retain(|address| CannotSend::check_family(own.listen, *address).is_ok());
        }
        let problem = problem_of(&resolved[slot], &addresses);
        if results.send(Input::Resolved { slot, addresses, problem }).await.is_err() {
            return;
        }
    }
}

fn problem_of(seed: &ResolvedSeed, dialable: &[SocketAddr]) -> Option<String> {
    match (&seed.problem, dialable.is_empty(), seed.addresses.is_empty()) {
        (Some(problem), _, _) => Some(problem.clone()),
        (None, true, false) => {
            let text = "it resolves only to a loopback address here, which other hosts cannot use";
            Some(text.to_owned())
        }
        _ => None,
    }
}

async fn resolve_one(seed: String) -> ResolvedSeed {
    // Addresses need no resolver, and no thread of its own.
    if let Ok(address) = seed.parse::<SocketAddr>() {
        return ResolvedSeed { seed, addresses: vec![address], problem: None };
    }
    let name = seed.clone();
    let lookup = tokio::task::spawn_blocking(move || own_slot::resolve(&name));
    let failed = |problem: &str| ResolvedSeed {
        seed: seed.clone(),
        addresses: Vec::new(),
        problem: Some(problem.to_owned()),
    };
    match tokio::time::timeout(PATIENCE, lookup).await {
        Err(_) => failed("the resolver does not answer"),
        Ok(Err(_)) => failed("the lookup broke off"),
        Ok(Ok(resolved)) => resolved,
    }
}
