//! A host is stolen: `quorate revoke` shuts it out, the cluster works on, and who comes back is no more the stolen host.

use super::cluster::Cluster;
use super::host::Host;
use super::place::until;
use super::writer::Writer;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// What ends a daemon that must not be started again by systemd.
const OPERATOR: Option<i32> = Some(10);

fn secret_is_known(status: &Value) -> bool {
    status["revoked"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["secret_known"] == true))
}

#[test]
fn a_revoked_voter_ends_stays_out_under_every_name_and_no_write_fails() {
    let mut cluster = Cluster::of(3);
    cluster.add("n4");
    cluster.start_all();
    cluster.is_whole();
    let stolen = (cluster.leader() + 1) % 3;
    let name = cluster.hosts[stolen].name.clone();
    let stay: Vec<usize> = (0..4).filter(|host| *host != stolen).collect();
    let writer = Writer::through(stay.iter().map(|host| cluster.hosts[*host].socket()).collect());
    writer.goes_on(5);

    let said = cluster.hosts[3].cli(&["revoke", &name, "--yes"]);
    said.names(&["is a voter", "does not shut out who has the cluster's secret"]);
    said.names(&["is revoked at epoch", "quorate secret new", "`quorate secret rotate`"]);
    said.ok();
    let host = &mut cluster.hosts[stolen];
    assert_eq!(host.ended("it is cut off, and ends").code(), OPERATOR);
    host.cli(&["why"]).names(&["was revoked", "quorate reset --cluster acme"]);
    writer.goes_on(10);
    // Said again, of a host that is none any more.
    let again = cluster.hosts[stay[0]].cli(&["revoke", &name, "--yes"]);
    again.names(&["revoked since epoch"]);
    again.ok();
    for host in &stay {
        let host = &cluster.hosts[*host];
        host.status_when("has it as revoked", secret_is_known);
        host.waits_for("revoked-secret", &[&name, "quorate secret rotate"]);
        host.cli(&["members"]).names(&["revoked: ", &name]);
    }
    let host = &mut cluster.hosts[stolen];
    host.start();
    assert_eq!(host.ended("it comes back, and ends").code(), OPERATOR);
    a_copy_under_another_name_stays_out(&mut cluster, stolen);

    // Let in anew, after a mistake: a new disk and a new key.
    let host = &mut cluster.hosts[stolen];
    for directory in ["data", "birth"] {
        fs::remove_dir_all(host.file(directory)).expect("it was there");
    }
    host.start();
    host.is_up();
    cluster.is_whole();
    let written = writer.ends();
    assert!(written.refused.is_empty() && written.unknown.is_empty(), "{written:?}");
    written.is_read_by(&cluster.hosts[stay[0]]);
    a_new_secret_ends_the_warning(&cluster);
}

/// The key counts, not the name, the address or the directory.
fn a_copy_under_another_name_stays_out(cluster: &mut Cluster, stolen: usize) {
    let data = cluster.hosts[stolen].file("data");
    let number = cluster.hosts.len();
    let copy = cluster.add("n9").file("data");
    let copied = Command::new("cp").arg("-a").arg(&data).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    fs::remove_file(copy.join("life/name")).expect("the name that it knew");
    let host = &mut cluster.hosts[number];
    host.start();
    assert_eq!(host.ended("under another name it ends too").code(), OPERATOR);
    cluster.hosts.remove(number);
}

fn a_new_secret_ends_the_warning(cluster: &Cluster) {
    let old = fs::read_to_string(&cluster.secret).expect("the secret");
    let new = super::host::quorate(&["secret", "new"]).output().expect("it runs").stdout;
    let both = format!("{old}{}", String::from_utf8(new).expect("text"));
    fs::write(&cluster.secret, both).expect("written");
    cluster.hosts.iter().for_each(|host| host.signal(Signal::HUP));
    let two = |status: &Value| status["secret"]["accepts"].as_array().map(Vec::len) == Some(2);
    for host in &cluster.hosts {
        host.status_when("accepts both", two);
    }
    cluster.hosts[0].cli(&["secret", "rotate", "--timeout", "60s"]).ok();
    for host in &cluster.hosts {
        host.status_when("accepts none that is known", |status| !secret_is_known(status));
        let quiet = |host: &Host| host.cli(&["why"]).text();
        until("nothing reminds of it", || {
            let text = quiet(host);
            if text.contains("revoked-secret") { Err(text) } else { Ok(()) }
        });
    }
}

#[test]
fn a_host_revoked_while_it_leads_hands_over_and_ends_and_an_unknown_name_is_refused() {
    let mut cluster = Cluster::running(3);
    let leads = cluster.leader();
    let (name, other) = (cluster.hosts[leads].name.clone(), (leads + 1) % 3);
    let said = cluster.hosts[other].cli(&["revoke", "n7", "--yes"]);
    assert_eq!(said.code, Some(6), "{}", said.text());
    said.names(&["no member is named `n7`", "quorate secret rotate"]);
    cluster.hosts[other].cli(&["revoke", &name, "--yes", "--timeout", "30s"]).ok();
    assert_eq!(cluster.hosts[leads].ended("it hands over, and ends").code(), OPERATOR);
    cluster.hosts[other].put("a", "1");
    let lines = cluster.hosts[other].cli(&["events"]).ok();
    assert!(lines.contains("(revoked)"), "{lines}");
}
