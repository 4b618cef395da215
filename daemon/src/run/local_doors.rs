//! The doors of this host at a start and at a stop: opened before anything is said, served on threads of their own, and closed once
//! their clients have the last answers.
//!
//! Invariant: a stop waits for no client longer than `LAST_ANSWERS`. A TCP address that is taken keeps no daemon down, for every program of
//! this host could take it: the door stays closed, `why` says so, and it opens by itself. Knows nothing of what is served.

use super::error::StartError;
use super::reload::Definitions;
use crate::api;
use crate::clock;
use crate::config::Config;
use crate::doors::Doors;
use crate::doors::crowds::Door;
use crate::journal::NOTICE;
use quorate_proto::{MemberCause, Reason};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long the clients of the doors may take their last answers at a stop.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Between two tries to open a TCP address that is taken; the reason names it.
const AGAIN: Duration = Duration::from_secs(5);

/// The doors, open; nobody is served yet.
pub(super) struct OpenDoors {
    unix: api::UnixDoor,
    monitor: Option<api::UnixDoor>,
    tcp: Option<SocketAddr>,
}

/// Opens the doors on the threads that will serve them.
pub(super) async fn open_doors(config: &Config, threads: &Handle) -> Result<OpenDoors, StartError> {
    let closed = |error: api::OpenError| StartError::Door(error.to_string());
    let (unix, monitor) = {
        let _there = threads.enter();
        let monitor = config.client.monitor_socket.as_deref();
        let unix = api::open_unix(&config.client.socket).map_err(closed)?;
        (unix, monitor.map(api::open_monitor).transpose().map_err(closed)?)
    };
    Ok(OpenDoors { unix, monitor, tcp: config.client.tcp })
}

/// Everybody who comes to a door is served on its threads, where the cluster is offered what files define too. `names` are this host's.
pub(super) fn serve_doors(
    open: OpenDoors,
    doors: &Doors,
    names: [&str; 2],
    definitions: Definitions,
    threads: &Handle,
) -> Vec<JoinHandle<()>> {
    let OpenDoors { unix, monitor, tcp } = open;
    // As at the door where everything may be asked for, whatever TCP serves.
    let offers = Doors { keyspace: true, door: Door::Unix, ..doors.clone() };
    threads.spawn(api::offer_definitions(offers, definitions));
    let unix = threads.spawn(api::serve_unix(unix, doors.clone()));
    let monitor = monitor.map(|door| threads.spawn(api::serve_monitor(door, doors.clone())));
    let tcp = tcp.map(|address| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        threads.spawn(serve_tcp(address, doors.clone(), names))
    });
    [Some(unix), monitor, tcp].into_iter().flatten().collect()
}

/// Opens the TCP address, as soon as it is free, and serves it.
async fn serve_tcp(address: SocketAddr, doors: Doors, names: Vec<String>) {
    let opening = open_tcp(address, &doors);
    let listener = tokio::select! {
        listener = opening => listener,
        () = doors.closing.clone().asked() => return,
    };
    api::serve_tcp(listener, doors, names).await;
}

async fn open_tcp(address: SocketAddr, doors: &Doors) -> TcpListener {
    let mut since = None;
    loop {
        let error = match TcpListener::bind(address).await {
            Ok(listener) => {
                if since.is_some() {
                    tracing::info!(target: NOTICE, "{address} is free now, and served");
                }
                doors.closed.send_replace(None);
                return listener;
            }
            Err(error) => error,
        };
        let forbidden = error.kind() == ErrorKind::PermissionDenied;
        let cause = MemberCause::DoorClosed { address, error: error.to_string(), forbidden };
        let reason = Reason::of(&cause, *since.get_or_insert_with(clock::now));
        let before = doors.closed.send_replace(Some(reason.clone()));
        if before.as_ref() != Some(&reason) {
            tracing::warn!("{}; {}", reason.text, reason.remedy);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits until the clients of the doors have the answers that are being given, not for long.
pub(super) async fn close_doors(mut open: Vec<JoinHandle<()>>) {
    let answered = async {
        for door in &mut open {
            // A door that panicked has nobody to answer.
            let _ = door.await;
        }
    };
    let _ = tokio::time::timeout(LAST_ANSWERS, answered).await;
    open.iter().for_each(JoinHandle::abort);
}
