//! `quorate health --watch` on every host: one JSON object an epoch, in order, none missing.

use super::cluster::Cluster;
use super::host::{Host, quorate};
use serde_json::Value;
use std::fs::{self, File};
use std::process::{Child, Stdio};

/// A watch that runs until it is dropped.
pub(crate) struct Watch {
    child: Child,
    file: std::path::PathBuf,
}

impl Watch {
    pub(crate) fn of(host: &Host) -> Self {
        let file = host.file("watch");
        let out = File::create(&file).expect("a file for the lines");
        let socket = host.socket().display().to_string();
        let mut command = quorate(&["--socket", &socket, "health", "--watch", "-o", "json"]);
        let child = command.stdout(Stdio::from(out)).spawn().expect("it runs");
        Self { child, file }
    }

    /// Whole lines only: the last one may be half written.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).expect("the lines");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    fn epochs(&self) -> Vec<u64> {
        let mut epochs: Vec<u64> =
            self.lines().iter().map(|line| line["epoch"].as_u64().expect("a number")).collect();
        // A change of `quorate` alone is a line of the same epoch.
        epochs.dedup();
        epochs
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_host_is_told_each_epoch_once_and_in_order() {
    let mut cluster = Cluster::running(3);
    cluster.add("guest").start();
    cluster.is_whole();
    let watches: Vec<Watch> = cluster.hosts.iter().map(Watch::of).collect();
    let first = cluster.hosts[0].status().unwrap()["health_epoch"].as_u64().expect("a number");
    // Two that stay are watched: the leader goes, the guest goes, both come back.
    let gone = cluster.leader();
    for number in [3, gone] {
        cluster.hosts[number].kill();
        let other = (gone + 1) % 3;
        cluster.sees(other, &cluster.hosts[number].name, "state", "down");
        cluster.hosts[number].start();
        cluster.is_whole();
    }
    let last = cluster.hosts[0].status().unwrap()["health_epoch"].as_u64().expect("a number");
    assert!(last >= first + 4, "two went and came back: {first} to {last}");
    for number in [(gone + 1) % 3, (gone + 2) % 3] {
        let watch = &watches[number];
        let epochs = super::place::until("the watch has the newest epoch", || {
            let epochs = watch.epochs();
            if epochs.last() >= Some(&last) { Ok(epochs) } else { Err(format!("{epochs:?}")) }
        });
        let start = *epochs.first().expect("some");
        let wanted: Vec<u64> = (start..=*epochs.last().expect("some")).collect();
        assert_eq!(epochs, wanted, "none twice, none missing, none out of order");
        assert!(start <= first, "it begins with what holds now");
        for line in &watch.lines() {
            assert!(line["members"].as_array().is_some_and(|all| all.len() == 4), "{line}");
            assert!(line["at"].is_string() && line["quorate"].is_boolean(), "{line}");
        }
    }
}
