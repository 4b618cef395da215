//! `quorate health --watch` on every host: one JSON object an epoch, in order, none missing.

use super::cluster::Cluster;
use super::host::{Host, quorate};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
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
    let told = |number: usize| -> BTreeMap<u64, Value> {
        let lines = watches[number].lines();
        // A loss of the quorum, and its return, are each host's own.
        let epochs = lines
            .into_iter()
            .filter(|line| line["after"] != line["epoch"] && line["quorate"] == true);
        epochs.map(|line| (line["epoch"].as_u64().expect("a number"), line)).collect()
    };
    let (one, other) = (told((gone + 1) % 3), told((gone + 2) % 3));
    let both: Vec<u64> = one.keys().filter(|epoch| other.contains_key(epoch)).copied().collect();
    assert!(both.len() >= 3, "{both:?}");
    for epoch in both {
        assert_eq!(one[&epoch], other[&epoch], "every host tells an epoch in the same words");
    }
}

#[test]
fn a_watch_goes_on_without_a_gap_when_its_daemon_was_away() {
    let mut cluster = Cluster::running(3);
    cluster.add("guest").start();
    cluster.is_whole();
    let watched = (cluster.leader() + 1) % 3;
    let watch = Watch::of(&cluster.hosts[watched]);
    super::place::until("the watch has begun", || match watch.lines().len() {
        0 => Err("no line".to_owned()),
        _ => Ok(()),
    });
    cluster.hosts[watched].stop(Signal::TERM);
    let other = (watched + 1) % 3;
    let name = cluster.hosts[watched].name.clone();
    cluster.sees(other, &name, "state", "left");
    // What happens meanwhile has epochs of its own.
    cluster.hosts[3].kill();
    cluster.sees(other, "guest", "state", "down");
    cluster.hosts[watched].start();
    cluster.is_whole();
    let last = cluster.hosts[other].status().unwrap()["health_epoch"].as_u64().expect("a number");
    let lines = super::place::until("the watch has the newest epoch", || {
        let lines = watch.lines();
        match lines.last().and_then(|line| line["epoch"].as_u64()) >= Some(last) {
            true => Ok(lines),
            false => Err(format!("{lines:?}")),
        }
    });
    assert!(lines.iter().any(|line| line["daemon"] == "gone"), "it was away: {lines:?}");
    let told: Vec<&Value> = lines.iter().filter(|line| line["daemon"].is_null()).collect();
    for pair in told.windows(2) {
        assert_eq!(pair[1]["after"], pair[0]["epoch"], "what is told counts from what was told");
        assert_eq!(pair[1]["reset"], false, "a voter has all of it in its log");
    }
}
