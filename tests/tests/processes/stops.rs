//! Stops in good order, and waiting for what follows. Clients that ask again lose no write by them.

use super::cluster::Cluster;
use super::host::Host;
use super::place::until;
use super::watching::Watch;
use super::writer::{Writer, Written};
use quorate_tests::outside::kv::KvClient;
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn a_host_that_is_stopped_exits_with_0_and_the_others_see_that_it_left() {
    let mut cluster = Cluster::running(3);
    let stopped = cluster.leader();
    let name = cluster.hosts[stopped].name.clone();
    let status = cluster.hosts[stopped].stop(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(!cluster.hosts[stopped].socket().exists(), "the socket went with the daemon");
    for other in [(stopped + 1) % 3, (stopped + 2) % 3] {
        let member = cluster.sees(other, &name, "state", "left");
        let reason = member["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("goodbye"), "a goodbye, no silence: {reason}");
    }
    let asked = cluster.hosts[stopped].cli(&["status"]);
    assert_eq!(asked.code, Some(3), "{}", asked.text());
    asked.names(&["no daemon answers at", "sock"]);
    cluster.hosts[stopped].start();
    cluster.is_whole();
    // Ctrl-C is the same as systemd's request.
    assert_eq!(cluster.hosts[stopped].stop(Signal::INT).code(), Some(0));
}

#[test]
fn three_hundred_writes_through_a_planned_restart_of_every_host_are_all_done_and_once() {
    let mut cluster = Cluster::running(3);
    let writers: Vec<Writer> = cluster
        .hosts
        .iter()
        .map(|host| Writer::below(&format!("{}/", host.name), vec![host.socket()], "30s"))
        .collect();
    // The leader of the moment is stopped three times, and each host once at least.
    for number in 0..3 {
        for stopped in [cluster.leader(), number] {
            writers.iter().for_each(|writer| writer.goes_on(10));
            assert_eq!(cluster.hosts[stopped].stop(Signal::TERM).code(), Some(0));
            cluster.hosts[stopped].start();
            cluster.is_whole();
        }
    }
    writers.iter().for_each(|writer| writer.goes_on(40));
    let written: Vec<Written> = writers.into_iter().map(Writer::ends).collect();
    for written in &written {
        assert!(written.refused.is_empty(), "not done: {:?}", written.refused);
        assert!(written.unknown.is_empty(), "of unknown fate: {:?}", written.unknown);
        written.is_read_by(&cluster.hosts[0]);
    }
    assert!(written.iter().map(|written| written.acknowledged.len()).sum::<usize>() >= 300);
}

/// A client of etcd's service at one node that asks again under one id for each write until it has an answer. It ends when it is told to,
/// and gives how many writes it made.
fn etcd_writer(
    name: &'static str,
    at: SocketAddr,
    ends: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> std::thread::JoinHandle<usize> {
    let writes = async move {
        let mut client = KvClient::at(at);
        for number in 0.. {
            if ends.load(Ordering::Relaxed) {
                return number;
            }
            let (key, id) = (format!("{name}/{number:06}"), format!("{name} {number}"));
            let put = |client: &mut KvClient| {
                let (mut client, key, id) = (client.clone(), key.clone(), id.clone());
                async move { client.put_once(key.into(), "v".into(), &id, Duration::from_secs(5)).await }
            };
            while let Err(no) = put(&mut client).await {
                assert_ne!(no.code(), tonic::Code::InvalidArgument, "{no}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        0
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(writes)
    })
}

#[test]
fn five_thousand_writes_through_restarts_that_wait_for_nobody_are_all_done_and_once() {
    let mut cluster = Cluster::running(3);
    let writers: Vec<Writer> = cluster
        .hosts
        .iter()
        .map(|host| Writer::below(&format!("{}/", host.name), vec![host.socket()], "60s"))
        .collect();
    let (ends, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let etcds: Vec<_> = ["e1", "e2", "e3"]
        .into_iter()
        .zip(&cluster.hosts)
        .map(|(name, host)| etcd_writer(name, host.listen, Arc::clone(&ends), Arc::clone(&done)))
        .collect();
    // One host after the other, and none waits for the one before: its own stop does.
    for round in 1..=2 {
        for number in 0..3 {
            let status = cluster.hosts[number].stop(Signal::TERM);
            assert_eq!(status.code(), Some(0), "round {round}, n{}", number + 1);
            cluster.hosts[number].start();
        }
        writers.iter().for_each(|writer| writer.goes_on(20));
    }
    cluster.is_whole();
    until("five thousand writes are done", || match done.load(Ordering::Relaxed) {
        5_000.. => Ok(()),
        fewer => Err(format!("{fewer}")),
    });
    ends.store(true, Ordering::Relaxed);
    let counts: Vec<usize> = etcds.into_iter().map(|it| it.join().expect("it ends")).collect();
    for written in writers.into_iter().map(Writer::ends) {
        assert!(written.refused.is_empty(), "not done: {:?}", written.refused);
        assert!(written.unknown.is_empty(), "of unknown fate: {:?}", written.unknown);
        written.is_read_by(&cluster.hosts[0]);
    }
    for (number, count) in counts.into_iter().enumerate() {
        let prefix = format!("e{}/", number + 1);
        let said = cluster.hosts[0].cli(&["get", &prefix, "--prefix", "-o", "json"]).ok();
        let page: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let keys = page["kvs"].as_array().expect("a list of keys");
        assert_eq!(keys.len(), count, "{prefix}");
        assert!(keys.iter().all(|key| key["version"] == 1), "each was written once: {prefix}");
    }
}

#[test]
fn a_second_stop_waits_for_the_first_host_and_says_so_and_ends_when_it_is_asked_again() {
    let mut cluster = Cluster::running(3);
    assert_eq!(cluster.hosts[0].stop(Signal::TERM).code(), Some(0));
    cluster.sees(1, "n1", "state", "left");
    cluster.hosts[1].signal(Signal::TERM);
    until("n2 says that it waits", || {
        let said = cluster.hosts[1].cli(&["why"]).text();
        if said.contains("n1") && said.contains("--signal=INT") { Ok(()) } else { Err(said) }
    });
    cluster.hosts[1].put("a", "while it waits");
    assert_eq!(cluster.hosts[1].stop(Signal::TERM).code(), Some(0), "asked again, it goes");
}

#[test]
fn nobody_is_told_of_a_lost_quorum_when_a_leader_is_stopped_in_order() {
    let mut cluster = Cluster::running(3);
    let stopped = cluster.leader();
    let others = [(stopped + 1) % 3, (stopped + 2) % 3];
    let watches = others.map(|number| Watch::of(&cluster.hosts[number]));
    for watch in &watches {
        super::place::until("the watch has begun", || {
            watch.lines().first().map(|_| ()).ok_or_else(|| "nothing yet".to_owned())
        });
    }
    let name = cluster.hosts[stopped].name.clone();
    assert_eq!(cluster.hosts[stopped].stop(Signal::TERM).code(), Some(0));
    for (number, watch) in others.into_iter().zip(&watches) {
        cluster.sees(number, &name, "state", "left");
        super::place::until("the watch tells that it left", || {
            let told = watch.lines();
            let left = told.iter().any(|line| line["changed"][0]["to"] == "left");
            if left { Ok(()) } else { Err(format!("{told:?}")) }
        });
        for line in watch.lines() {
            assert_eq!(line["quorate"], true, "{line}");
        }
        let events = cluster.hosts[number].cli(&["events"]).ok();
        assert!(!events.contains("quorum-lost"), "{events}");
    }
}

#[test]
fn a_host_that_waits_for_others_stops_when_asked() {
    let mut cluster = Cluster::of(3);
    cluster.hosts[0].start();
    cluster.hosts[0].is_up();
    assert_eq!(cluster.hosts[0].stop(Signal::TERM).code(), Some(0));
}

#[test]
fn the_last_host_of_a_cluster_stops_when_asked_though_there_is_no_majority() {
    let mut cluster = Cluster::running(3);
    // The second one is not to wait for the first.
    for (number, signal) in [Signal::TERM, Signal::INT, Signal::TERM].into_iter().enumerate() {
        assert_eq!(cluster.hosts[number].stop(signal).code(), Some(0), "n{}", number + 1);
    }
}

#[test]
fn waiting_for_an_epoch_on_all_live_hosts_returns_when_all_have_it() {
    let mut cluster = Cluster::running(3);
    let host = &cluster.hosts[0];
    let epoch = host.status().unwrap()["health_epoch"].as_u64().expect("a number");
    let (now, next) = (epoch.to_string(), (epoch + 1).to_string());
    host.cli(&["wait", "--epoch", &now, "--all-live", "--timeout", "30s"]).ok();
    let early = host.cli(&["wait", "--epoch", &next, "--all-live", "--timeout", "300ms"]);
    assert_eq!(early.code, Some(5), "{}", early.text());
    early.names(&[&next]);
    cluster.hosts[2].kill();
    for host in cluster.running_hosts() {
        let said = host.cli(&["wait", "--epoch", &next, "--all-live", "--timeout", "50s"]);
        assert_eq!(said.code, Some(0), "{}", said.text());
    }
    for host in cluster.running_hosts() {
        let epoch_there = host.status().unwrap()["health_epoch"].as_u64().expect("a number");
        assert!(epoch_there > epoch, "it was waited for: {epoch_there}");
    }
}

/// Id and sentence of each event that a host shows.
fn told(host: &Host, more: &[&str]) -> Vec<(String, String)> {
    let said = host.cli(&[&["events", "-o", "json"][..], more].concat()).ok();
    let pages = said.lines().map(|line| serde_json::from_str(line).expect("JSON lines"));
    let text = |page: &Value, name: &str| page[name].as_str().expect(name).to_owned();
    pages.map(|page: Value| (text(&page, "id"), text(&page, "text"))).collect()
}

#[test]
fn events_outlive_a_stop_and_a_kill_and_name_the_run_that_told_them() {
    let mut cluster = Cluster::running(1);
    let first = told(&cluster.hosts[0], &[]);
    assert!(!first.is_empty());
    assert_eq!(cluster.hosts[0].stop(Signal::TERM).code(), Some(0));
    cluster.hosts[0].start();
    cluster.is_whole();
    let second = told(&cluster.hosts[0], &[]);
    assert!(second.starts_with(&first), "{first:?} {second:?}");
    cluster.hosts[0].kill();
    cluster.hosts[0].start();
    cluster.is_whole();
    let host = &cluster.hosts[0];
    assert!(told(host, &[]).starts_with(&first));
    let text = host.cli(&["events"]).ok();
    assert!(text.matches("-- the daemon started at ").count() >= 2, "{text}");
    let (newest, _) = first.last().expect("one at least");
    let since = told(host, &["--since", newest]);
    assert!(!since.is_empty() && since.iter().all(|line| !first.contains(line)), "{since:?}");
    let refused = host.cli(&["events", "--since", "yesterday"]);
    refused.names(&["a span of time", "yesterday"]);
}
