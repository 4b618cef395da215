//! A host that is reached at one address while its packets leave from another: two network cards, a secondary address,
//! a name in a hosts file.

use super::cluster::Cluster;
use super::place::{until, wide_address};

/// The newest epoch of a host.
fn epoch(cluster: &Cluster, host: usize) -> u64 {
    let status = cluster.hosts[host].status().expect("it answers");
    status["health_epoch"].as_u64().expect("a number")
}

#[test]
fn a_host_with_two_addresses_keeps_the_one_that_answers_and_every_host_says_so() {
    let mut cluster = Cluster::of(3);
    // Bound to every address of this machine: what the daemon dials, it dials from 127.0.0.1.
    cluster.seeds = cluster.hosts.iter().map(|_| wide_address().to_string()).collect();
    for (host, seed) in cluster.hosts.iter().zip(&cluster.seeds) {
        host.configure(&cluster.seeds, &cluster.secret, "");
        let (_, port) = seed.rsplit_once(':').expect("a seed has a port");
        let listen = format!("listen = \"{}\"", host.listen);
        host.reconfigure(&listen, &format!("listen = \"0.0.0.0:{port}\""));
    }
    cluster.start_all();
    cluster.is_whole();
    cluster.hosts[1].kill();
    cluster.sees(0, "n2", "state", "down");
    cluster.hosts[1].start();
    cluster.is_whole();
    let told = |host: usize| {
        until("every host is told of the two addresses", || {
            let said = cluster.hosts[host].cli(&["why"]).text();
            let all = ["n1", "n2", "n3"].iter().any(|name| {
                said.contains(&format!("{name} has two addresses")) && said.contains("`advertise =")
            });
            if all { Ok(()) } else { Err(said) }
        });
    };
    (0..3).for_each(told);
    let before = epoch(&cluster, 0);
    for number in 0..100 {
        cluster.hosts[number % 3].put(&format!("k{number}"), "v");
    }
    let after = epoch(&cluster, 0);
    assert!(after - before <= 3, "{} epochs while nothing happened", after - before);
    assert!(after <= 20, "{after} epochs for one birth and one restart");
}
