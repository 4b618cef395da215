//! Names with IPv4 addresses, with IPv6 addresses and with both; daemons that listen on one family or on both; peers that are
//! well, off, of another secret or of another list. Whatever is wrong is told as what it is, whichever family shows it.

use super::cluster::{Cluster, new_secret};
use super::ground::{Ground, Names};
use super::host::Host;
use std::fs;

/// What the other host is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Well,
    Off,
    OtherSecret,
    OtherSeeds,
}

/// A new life for all hosts, whose configuration says `listen`, if anything.
fn fresh(cluster: &mut Cluster, listen: &[Option<&str>]) {
    for (host, listen) in cluster.hosts.iter_mut().zip(listen) {
        host.kill();
        for name in ["data", "birth"] {
            let _ = fs::remove_dir_all(host.file(name));
        }
        host.configure(&cluster.seeds, &cluster.secret, "");
        let old = format!("listen = \"{}\"\n", host.listen);
        let new = listen.map(|listen| format!("listen = \"{listen}\"\n")).unwrap_or_default();
        host.reconfigure(&old, &new);
    }
}

/// The address of each member, as a host says.
fn addresses(host: &Host) -> Vec<String> {
    let status = host.status().expect("it answers");
    let members = status["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["address"].as_str().unwrap_or("none").to_owned()).collect()
}

/// One square of the table: what f1 says of f2.
fn look(cluster: &mut Cluster, ground: &Ground, names: Names, listen: Option<&str>, peer: Peer) {
    fresh(cluster, &[listen, None]);
    ground.name(names);
    match peer {
        Peer::Well | Peer::Off => {}
        Peer::OtherSecret => {
            let secret = cluster.secret.display().to_string();
            cluster.hosts[1].reconfigure(&secret, &secret.replace("secret", "other-secret"));
        }
        Peer::OtherSeeds => cluster.hosts[1].reconfigure("\"f1:4747\"", "\"f1:4747\", \"f3:4747\""),
    }
    ground.start(1, &mut cluster.hosts[0]);
    if peer != Peer::Off {
        ground.start(2, &mut cluster.hosts[1]);
    }
    let first = &cluster.hosts[0];
    let (v4, v6) = match listen {
        None => (true, true),
        Some(listen) => (!listen.starts_with('['), listen.starts_with('[')),
    };
    let reached = (v4 && names.have_v4()) || (v6 && names.have_v6());
    eprintln!("names {names:?}, listen {listen:?}, peer {peer:?}");
    match peer {
        _ if !reached => {
            first.waits_for("other-family", &["f2:4747", " only", "listen = \\\"[::]:4747\\\""]);
        }
        Peer::Off => drop(first.waits_for("no-answer", &["f2:4747", "no answer"])),
        Peer::OtherSecret => drop(first.waits_for("other-secret", &["f2:4747"])),
        Peer::OtherSeeds => drop(first.waits_for("other-seeds", &["f3:4747"])),
        Peer::Well => {
            cluster.is_whole();
            let v4 = v4 && names.have_v4();
            for host in &cluster.hosts {
                let told = addresses(host);
                assert_eq!(told[0], if v4 { "10.9.0.1:4747" } else { "[fd00:9::1]:4747" });
                // f2 serves both families: where f1 serves one alone, the leader says at which of the two f2 is reached.
                let either = names == Names::Both && listen.is_some();
                let other = if v4 { "10.9.0.2:4747" } else { "[fd00:9::2]:4747" };
                assert!(told[1] == other || (either && told[1] == "10.9.0.2:4747"), "{told:?}");
                // Of two voters none may fail, and nothing else is wrong.
                let why = host.cli(&["why"]).text();
                assert!(
                    why.contains("none may fail") && why.matches("What helps").count() == 1,
                    "{why}"
                );
            }
        }
    }
}

/// So many hosts, which are called as the seeds are.
fn named(count: usize) -> Cluster {
    let mut cluster = Cluster::of(count);
    cluster.seeds = (1..=count).map(|number| format!("f{number}:4747")).collect();
    for (number, host) in cluster.hosts.iter_mut().enumerate() {
        host.name = format!("f{}", number + 1);
    }
    cluster
}

/// All squares of one `listen`.
fn table(listen: Option<&str>) {
    let mut cluster = named(2);
    new_secret(&cluster.dir.path().join("other-secret"));
    let ground = Ground::of(2, cluster.dir.path());
    for names in [Names::V4, Names::V6, Names::Both] {
        for peer in [Peer::Well, Peer::Off, Peer::OtherSecret, Peer::OtherSeeds] {
            look(&mut cluster, &ground, names, listen, peer);
        }
    }
}

#[test]
fn one_name_for_all_seeds_founds_no_cluster_on_each_and_is_told_as_what_it_is() {
    let mut cluster = Cluster::of(2);
    cluster.seeds = vec!["all:4747".to_owned()];
    let ground = Ground::of(2, cluster.dir.path());
    ground.name_all("all");
    fresh(&mut cluster, &[None; 2]);
    for (number, host) in cluster.hosts.iter_mut().enumerate() {
        ground.start(number + 1, host);
    }
    for host in &cluster.hosts {
        let told = ["`all:4747`", "leads to this host and to other", "name each of them"];
        host.waits_for("own-slot", &told);
    }
}

#[test]
fn who_listens_on_the_default_meets_names_of_every_family_and_tells_right_what_is_wrong() {
    table(None);
}

#[test]
fn who_listens_on_ipv4_only_says_so_where_a_name_has_only_ipv6_addresses() {
    table(Some("0.0.0.0:4747"));
}

#[test]
fn who_listens_on_ipv6_only_says_so_where_a_name_has_only_ipv4_addresses() {
    table(Some("[fd00:9::1]:4747"));
}

#[test]
fn seeds_of_which_some_have_only_ipv4_and_others_only_ipv6_addresses_found_a_cluster() {
    let mut cluster = named(3);
    let ground = Ground::of(3, cluster.dir.path());
    for names in [[Names::V4, Names::V6, Names::V4], [Names::V6, Names::V4, Names::Both]] {
        ground.name_each(&names);
        fresh(&mut cluster, &[None; 3]);
        for (number, host) in cluster.hosts.iter_mut().enumerate() {
            ground.start(number + 1, host);
        }
        cluster.is_whole();
        for host in &cluster.hosts {
            for (number, (told, names)) in addresses(host).iter().zip(names).enumerate() {
                let number = number + 1;
                let v4 = names.have_v4() && *told == format!("10.9.0.{number}:4747");
                let v6 = names.have_v6() && *told == format!("[fd00:9::{number}]:4747");
                assert!(v4 || v6, "{names:?}: {told}");
            }
            // Each has both families, whatever its name says, and dials from the other one.
            let status = host.status().expect("it answers");
            let reasons = status["waiting_for"].as_array().expect("a list");
            assert!(reasons.iter().all(|it| it["code"] == "two-addresses"), "{reasons:?}");
        }
    }
}
