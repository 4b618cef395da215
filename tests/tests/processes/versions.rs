//! An older binary and today's in one cluster: upgraded and taken back one by one, under writes. `tests/versions/run --old BINARY` names the
//! older one; without it this says so and does nothing.

use super::cluster::Cluster;
use super::host::Host;
use super::place::until;
use super::writer::Writer;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Writes that must be acknowledged between two steps.
const BETWEEN: usize = 20;

fn older() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("QUORATE_OLD")?);
    assert!(path.is_file(), "QUORATE_OLD names {}, which is no file", path.display());
    Some(path)
}

/// Every host in turn stops, and starts with this binary; writes go on meanwhile, and the next waits until all are whole again.
fn roll(cluster: &mut Cluster, binary: Option<&Path>, writer: &Writer) {
    for at in 0..cluster.hosts.len() {
        let host = &mut cluster.hosts[at];
        host.stop(Signal::TERM);
        host.installed = binary.map(Path::to_owned);
        host.start();
        cluster.is_whole();
        writer.goes_on(BETWEEN);
    }
}

fn level(status: &Value) -> Option<u64> {
    status["feature"]["level"].as_u64()
}

#[test]
fn an_older_binary_and_todays_take_each_others_place_under_writes_and_nothing_is_lost() {
    let Some(old) = older() else {
        eprintln!(
            "skipped: QUORATE_OLD names no older binary; `tests/versions/run --old BINARY` does"
        );
        return;
    };
    let mut cluster = Cluster::of(3);
    cluster.hosts.iter_mut().for_each(|host| host.installed = Some(old.clone()));
    cluster.start_all();
    cluster.is_whole();
    let sockets = cluster.hosts.iter().map(Host::socket).collect();
    let writer = Writer::below("w/", sockets, "30s");
    writer.goes_on(BETWEEN);

    // Half of the way: nothing rises, and who is behind is named.
    let first = &mut cluster.hosts[0];
    first.stop(Signal::TERM);
    first.installed = None;
    first.start();
    cluster.is_whole();
    let first = &cluster.hosts[0];
    let raised = first.cli(&["feature", "raise"]);
    assert_ne!(raised.code, Some(0), "{}", raised.text());
    first.status_when("level 1", |status| level(status).unwrap_or(1) == 1);

    eprintln!("upgraded one by one");
    roll(&mut cluster, None, &writer);
    eprintln!("taken back one by one");
    roll(&mut cluster, Some(&old), &writer);
    eprintln!("upgraded again");
    roll(&mut cluster, None, &writer);

    cluster.hosts[1].cli(&["feature", "raise"]).ok();
    for host in &cluster.hosts {
        host.status_when("level 2 or more", |status| level(status).is_some_and(|it| it >= 2));
    }
    eprintln!("risen; the older binary goes no further");
    let host = &mut cluster.hosts[2];
    host.stop(Signal::TERM);
    host.installed = Some(old);
    host.start();
    let ended = host.ended("the older binary stops at the level");
    assert!(!ended.success(), "{ended}");
    let host = &mut cluster.hosts[2];
    host.installed = None;
    host.start();
    cluster.is_whole();

    let written = writer.ends();
    assert!(written.refused.is_empty(), "{:?}", written.refused);
    for host in &cluster.hosts {
        until(&format!("{} reads all", host.name), || host.status().map(drop));
        written.is_read_by(host);
    }
    eprintln!(
        "{} writes acknowledged, 0 lost, {} of unknown fate",
        written.acknowledged.len(),
        written.unknown.len()
    );
}
