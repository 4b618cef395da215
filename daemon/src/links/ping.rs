//! `quorate ping`: round trips through the peer's transport and its loop, so that what is measured is what a request of
//! the cluster would see; and, where there is none, why.

use super::line::LinkLine;
use super::report;
use crate::clock;
use crate::doors::{PingFailure, Pings};
use bytes::Bytes;
use quorate_node::Status;
use quorate_proto::{Address, ForwardRequest, Instance, Message as _, forward_request};
use quorate_transport::Transport;
use std::net::SocketAddr;
use std::time::Duration;

/// One ping is lost after this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// No ping begins later than this after the first: who asked for many of them waits for the answer.
const LONGEST: Duration = Duration::from_secs(10);
/// Names that an unknown one is answered with; more would be no help.
const NAMES: usize = 20;

/// Whom to ping.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    instance: Instance,
    address: SocketAddr,
}

/// Finds a node by its name: the one that is connected, else the member of that name.
pub(crate) fn target(status: &Status, name: &str) -> Result<Target, PingFailure> {
    if status.name.as_str() == name {
        return Err(PingFailure::Itself);
    }
    let session = status.sessions.iter().find(|(_, peer, _)| peer == name);
    if let Some((instance, _, address)) = session {
        return Ok(Target { instance: *instance, address: *address });
    }
    let member = status.view.members.iter().find(|member| member.name == name);
    let address = member.and_then(|member| member.address.as_ref()).and_then(Address::socket);
    match (member, address) {
        (Some(member), Some(address)) => Ok(Target { instance: member.instance, address }),
        _ => Err(PingFailure::Unknown { known: known(status) }),
    }
}

fn known(status: &Status) -> Vec<String> {
    let members = status.view.members.iter().map(|member| member.name.clone());
    let sessions = status.sessions.iter().map(|(_, name, _)| name.clone());
    let mut names: Vec<String> =
        members.chain(sessions).filter(|name| status.name.as_str() != name).collect();
    names.sort();
    names.dedup();
    names.truncate(NAMES);
    names
}

/// Pings one after the other. One that gets no answer does not end it.
pub(crate) async fn ping(
    transport: Transport,
    status: &Status,
    target: Target,
    count: u32,
) -> Pings {
    let Target { instance, address } = target;
    let cluster_id = status.cluster_id.unwrap_or_default();
    let body = Some(forward_request::Body::Echo(true));
    let request =
        ForwardRequest { cluster_id, remaining_ms: 1_000, body, ..ForwardRequest::default() };
    let bytes: Bytes = request.encode_to_vec().into();
    let mut pings = Pings { instance, address, trips: Vec::new(), lost: 0, why: None };
    let first = clock::now();
    for _ in 0..count {
        let begun = clock::now();
        if begun.since(first) > LONGEST {
            break;
        }
        match transport.request(instance, address, bytes.clone(), PATIENCE).await {
            Ok(_) => pings.trips.push(clock::now().since(begun)),
            Err(_) => pings.lost += 1,
        }
    }
    if pings.lost > 0 {
        let lines = report::lines(status, &transport.links(), None, 0);
        let line = lines.iter().find(|line| line.instance == instance.to_string());
        pings.why = Some(line.map_or_else(|| NO_LINK.to_owned(), why));
    }
    pings
}

const NO_LINK: &str = "nothing is known of the way there";

/// Why a ping was lost, as far as the link tells.
fn why(line: &LinkLine) -> String {
    let findings: Vec<&str> = line.findings.iter().map(|finding| finding.text.as_str()).collect();
    match (findings.is_empty(), line.up_seconds) {
        (false, _) => findings.join("; "),
        (true, Some(_)) => {
            "the connection stands, but no answer came within 1 s: the peer's loop is busy or paused"
                .to_owned()
        }
        (true, None) => "no connection, and no dial has ended yet".to_owned(),
    }
}
