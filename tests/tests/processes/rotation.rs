//! A new secret on all hosts, as systemd/README.md tells it: three rounds, host after host, and the cluster works all the time.

use super::cluster::{Cluster, new_secret};
use super::host::{Said, names, quorate};
use rustix::process::Signal;
use std::fs;

#[test]
fn a_secret_is_changed_in_three_rounds_while_the_cluster_works() {
    let mut cluster = Cluster::of(3);
    cluster.add("n4");
    let [old, new] = ["old-secret", "new-secret"].map(|name| {
        let file = cluster.dir.path().join(name);
        new_secret(&file);
        fs::read_to_string(file).unwrap()
    });
    for host in &cluster.hosts {
        host.write("secret", &old);
        host.configure(&cluster.seeds, &host.file("secret"), "");
    }
    cluster.start_all();
    let id = cluster.is_whole();
    let rounds = [format!("{old}{new}"), format!("{new}{old}"), new.clone()];
    for (round, content) in rounds.iter().enumerate() {
        for number in 0..cluster.hosts.len() {
            let host = &mut cluster.hosts[number];
            host.write("secret", content);
            host.stop(Signal::TERM);
            host.start();
            host.is_up();
            host.cli(&["wait", "--voters", "--timeout", "60s"]).ok();
            cluster.hosts[0].put(&format!("{round}/{number}"), "written");
        }
        assert_eq!(cluster.is_whole(), id, "round {round}");
    }
    // Who has the old one alone is let in no more.
    cluster.add("n5");
    let late = &mut cluster.hosts[4];
    late.write("secret", &old);
    let shared = cluster.secret.display().to_string();
    let own = late.file("secret").display().to_string();
    late.reconfigure(&shared, &own);
    late.start();
    late.waits_for("other-secret", &["quorate secret fingerprint"]);
}

#[test]
fn the_fingerprints_of_a_file_of_two_lines_say_which_is_in_use() {
    let cluster = Cluster::of(1);
    let ask = |arguments: &[&str]| {
        let file = cluster.secret.display().to_string();
        let mut command = quorate(&["secret", "fingerprint", &file]);
        Said::of(command.args(arguments).output().unwrap())
    };
    let first = ask(&[]).ok().trim().to_owned();
    let one = fs::read_to_string(&cluster.secret).unwrap();
    new_secret(&cluster.secret);
    let second = ask(&[]).ok().trim().to_owned();
    let two = fs::read_to_string(&cluster.secret).unwrap();
    assert!(!first.is_empty() && first != second);
    fs::write(&cluster.secret, format!("{one}{two}")).unwrap();
    let both = ask(&[]).ok();
    names(
        &both,
        &[
            &format!("{first} (first line: in use)"),
            &format!("{second} (second line: trusted too)"),
        ],
    );
    names(&ask(&["-o", "json"]).ok(), &["\"fingerprint\"", "\"also_trusted\"", &first, &second]);
    fs::write(&cluster.secret, one.repeat(3)).unwrap();
    let said = ask(&[]);
    assert_eq!(said.code, Some(1));
    said.names(&["3 secrets", "rotation"]);
}
