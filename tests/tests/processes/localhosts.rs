//! Hosts that nobody gave a name: all are called `localhost`, as a fresh machine is.

use super::cluster::{Cluster, names_in_state};
use super::host::Host;
use super::place::until;
use rustix::process::Signal;
use std::fs;

/// The names of all members, once all are alive in one quorate cluster.
#[track_caller]
fn alive(hosts: &[Host]) -> Vec<String> {
    until("every host sees three members alive", || {
        let mut seen = Vec::new();
        for host in hosts {
            let status = host.status()?;
            let names = names_in_state(&status, "alive");
            if status["state"] != "quorate" || names.len() != 3 {
                return Err(format!("{}: {status}", host.listen));
            }
            seen.push(names);
        }
        seen.dedup();
        if seen.len() == 1 { Ok(seen.remove(0)) } else { Err(format!("{seen:?}")) }
    })
}

#[test]
fn three_hosts_called_localhost_found_a_cluster_and_each_starts_again_under_the_name_it_got() {
    let mut cluster = Cluster::of(3);
    for host in &cluster.hosts {
        host.write("host.toml", "name = \"localhost\"\n");
    }
    cluster.start_all();
    let names = alive(&cluster.hosts);
    assert!(names.iter().all(|name| name.starts_with("localhost-")), "{names:?}");
    for number in 0..3 {
        let note = cluster.hosts[number].file("data/life/name");
        let own = until("its name is noted", || {
            let text = fs::read(&note).map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let own = names.iter().find(|name| text.contains(name.as_str()));
            own.cloned().ok_or(text)
        });
        assert_eq!(cluster.hosts[number].stop(Signal::TERM).code(), Some(0));
        cluster.sees((number + 1) % 3, &own, "state", "left");
        cluster.hosts[number].start();
        assert_eq!(alive(&cluster.hosts), names, "no host got another name");
    }
    let status = cluster.hosts[0].status().expect("it answers");
    assert_eq!(status["members"].as_array().map(Vec::len), Some(3), "{status}");
}
