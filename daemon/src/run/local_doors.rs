//! The doors of this host at a start and at a stop: opened before anything is said, served on threads of their own, and closed once
//! their clients have the last answers.
//!
//! Invariant: a stop waits for no client longer than `LAST_ANSWERS`. Knows nothing of what is served.

use super::error::StartError;
use crate::api;
use crate::config::Config;
use crate::doors::Doors;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long the clients of the doors may take their last answers at a stop.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// The doors, open; nobody is served yet.
pub(super) struct OpenDoors {
    unix: api::UnixDoor,
    monitor: Option<api::UnixDoor>,
    tcp: Option<TcpListener>,
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
    let Some(address) = config.client.tcp else {
        return Ok(OpenDoors { unix, monitor, tcp: None });
    };
    let opened = threads.spawn(async move { api::open_tcp(address).await }).await;
    let opened = opened.map_err(|error| StartError::Door(error.to_string()))?;
    Ok(OpenDoors { unix, monitor, tcp: Some(opened.map_err(closed)?) })
}

/// Everybody who comes to a door is served on its threads. `names` are this host's.
pub(super) fn serve_doors(
    open: OpenDoors,
    doors: &Doors,
    names: [&str; 2],
    threads: &Handle,
) -> Vec<JoinHandle<()>> {
    let OpenDoors { unix, monitor, tcp } = open;
    let unix = threads.spawn(api::serve_unix(unix, doors.clone()));
    let monitor = monitor.map(|door| threads.spawn(api::serve_monitor(door, doors.clone())));
    let tcp = tcp.map(|listener| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        threads.spawn(api::serve_tcp(listener, doors.clone(), names))
    });
    [Some(unix), monitor, tcp].into_iter().flatten().collect()
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
