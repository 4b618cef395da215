//! Hosts that are meant to be one cluster and are not: each says what it waits for, names both sides of the
//! difference, and what helps.

use super::cluster::{Cluster, new_secret};
use super::host::{Host, names, quorate};
use super::place::free_address;
use std::fs;

fn fingerprint(secret: &std::path::Path) -> String {
    let file = secret.display().to_string();
    let said = quorate(&["secret", "fingerprint", &file]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// `why` says it too, with the command, and exits as not quorate.
#[track_caller]
fn why_says(host: &Host, parts: &[&str]) {
    let why = host.cli(&["why"]);
    assert_eq!(why.code, Some(4), "{}", why.text());
    why.names(parts);
    why.names(&["What helps:"]);
}

#[test]
fn a_host_with_another_secret_is_told_apart_with_both_fingerprints() {
    let mut cluster = Cluster::of(3);
    let other = cluster.dir.path().join("other-secret");
    new_secret(&other);
    cluster.hosts[2].configure(&cluster.seeds, &other, "");
    cluster.start_all();
    let (here, there) = (fingerprint(&other), fingerprint(&cluster.secret));
    assert_ne!(here, there);
    let odd = &cluster.hosts[2];
    odd.waits_for("other-secret", &[&here, &there, "quorate secret fingerprint"]);
    why_says(odd, &[&here, &there, "another cluster secret"]);
    // The other two found without it, and one of them knows whose secret is the odd one.
    for host in &cluster.hosts[..2] {
        host.status_when("is quorate", |status| status["state"] == "quorate");
    }
    // Copying the secret is all it takes.
    let whole = fs::read(&cluster.secret).unwrap();
    fs::write(&other, whole).unwrap();
    cluster.hosts[2].kill();
    cluster.hosts[2].start();
    cluster.is_whole();
}

#[test]
fn two_hosts_with_two_secrets_both_say_so() {
    let mut cluster = Cluster::of(2);
    let other = cluster.dir.path().join("other-secret");
    new_secret(&other);
    cluster.hosts[1].configure(&cluster.seeds, &other, "");
    cluster.start_all();
    let (first, second) = (fingerprint(&cluster.secret), fingerprint(&other));
    for host in &cluster.hosts {
        host.waits_for("other-secret", &[&first, &second]);
        why_says(host, &[&first, &second, "copy the secret"]);
    }
}

#[test]
fn differing_lists_of_seeds_are_both_shown() {
    let mut cluster = Cluster::of(2);
    let third = free_address().to_string();
    let longer = [cluster.seeds[0].clone(), cluster.seeds[1].clone(), third.clone()];
    cluster.hosts[1].configure(&longer, &cluster.secret, "");
    cluster.start_all();
    let (short, long) = (cluster.seeds.join(", "), longer.join(", "));
    for host in &cluster.hosts {
        host.waits_for(
            "other-seeds",
            &[&format!("[{short}]"), &format!("[{long}]"), "the same on every host"],
        );
        why_says(host, &[&short, &long]);
    }
}

#[test]
fn another_name_for_the_cluster_is_named() {
    let mut cluster = Cluster::of(2);
    cluster.hosts[1].reconfigure("cluster = \"acme\"", "cluster = \"acne\"");
    cluster.start_all();
    cluster.hosts[0].waits_for("other-cluster", &["acne", "acme"]);
    cluster.hosts[1].waits_for("other-cluster", &["acne", "acme"]);
}

#[test]
fn a_port_that_no_seed_has_is_named_as_the_likely_mistake() {
    let mut cluster = Cluster::of(1);
    let typed = free_address();
    cluster.hosts[0].configure(&[typed.to_string()], &cluster.secret, "");
    cluster.start_all();
    let own = cluster.hosts[0].listen.port().to_string();
    cluster.hosts[0].waits_for("own-slot", &[&own, &typed.to_string(), "`listen`"]);
    why_says(&cluster.hosts[0], &[&own, "`listen`"]);
}

#[test]
fn a_name_that_does_not_resolve_at_boot_is_waited_for() {
    let mut cluster = Cluster::of(1);
    let seeds = [cluster.seeds[0].clone(), "x.invalid:4747".to_owned()];
    cluster.hosts[0].configure(&seeds, &cluster.secret, "");
    cluster.start_all();
    cluster.hosts[0].waits_for("unresolved", &["x.invalid", "getent ahosts x.invalid"]);
    why_says(&cluster.hosts[0], &["x.invalid", "no address here"]);
}

#[test]
fn seeds_that_do_not_answer_are_named_with_their_port() {
    let mut cluster = Cluster::of(3);
    cluster.hosts[0].start();
    let silent = cluster.hosts[1].listen;
    cluster.hosts[0]
        .waits_for("no-answer", &[&silent.to_string(), "UDP port", &silent.port().to_string()]);
    why_says(&cluster.hosts[0], &[&silent.to_string(), "firewall"]);
}

#[test]
fn a_data_directory_of_another_cluster_is_refused_with_three_ways_out() {
    let mut cluster = Cluster::running(1);
    cluster.hosts[0].kill();
    cluster.hosts[0].reconfigure("cluster = \"acme\"", "cluster = \"other\"");
    let said = cluster.hosts[0].refuses();
    said.names(&[
        "data",
        "`acme`",
        "`other`",
        "cluster = \"acme\"",
        "quorate reset --set-aside --cluster acme",
    ]);
}

#[test]
fn a_marker_without_data_never_founds_and_reset_is_the_way_out() {
    let mut cluster = Cluster::running(1);
    let id = cluster.is_whole();
    let host = &mut cluster.hosts[0];
    host.kill();
    fs::remove_dir_all(host.file("data")).unwrap();
    host.start();
    host.waits_for("marker", &[&id, "its data is gone", "quorate reset --cluster acme"]);
    why_says(host, &["lost its data", "quorate reset --cluster acme"]);
    let config = host.file("quorate.toml").display().to_string();
    let held = host.cli(&["reset", "--config", &config, "--cluster", "acme"]);
    assert_eq!(held.code, Some(1), "not while the daemon runs");
    held.names(&["held by another quorate", "pid"]);
    host.kill();
    let wrong = host.cli(&["reset", "--config", &config, "--cluster", "acne"]);
    assert_eq!(wrong.code, Some(1));
    wrong.names(&["`acne`", "`acme`", "nothing was cleared"]);
    let done = host.cli(&["reset", "--config", &config, "--cluster", &id]).ok();
    names(&done, &["cleared", "the next start is a new disk"]);
    host.start();
    assert_ne!(cluster.is_whole(), id, "a new beginning is a new cluster");
}
