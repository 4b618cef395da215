//! A new secret on all hosts, as docs/SECRETS.md tells it: by one command, or by hand in three rounds, and the cluster works all the time.

use super::cluster::{Cluster, new_secret};
use super::host::{Host, Said, names, quorate};
use super::place::until;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

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

/// Writes through every host, over and over, until it is told to stop; how many were done, and what failed.
fn writing(sockets: Vec<PathBuf>, stop: Arc<AtomicBool>) -> JoinHandle<(usize, Vec<String>)> {
    std::thread::spawn(move || {
        let (mut done, mut failed) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let socket = sockets[done % sockets.len()].display().to_string();
            let key = format!("written/{done}");
            let mut put = quorate(&["--socket", &socket, "put", &key, "x", "--timeout", "10s"]);
            let said = Said::of(put.output().unwrap());
            if said.code != Some(0) {
                failed.push(said.text());
            }
            done += 1;
        }
        (done, failed)
    })
}

#[test]
fn a_secret_is_changed_by_one_command_while_programs_write_and_no_write_fails() {
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
    let stop = Arc::new(AtomicBool::new(false));
    let writer = writing(cluster.hosts.iter().map(Host::socket).collect(), stop.clone());

    let rotate = |host: usize, more: &[&str]| {
        cluster.hosts[host].cli(&[&["secret", "rotate"], more].concat())
    };
    // Nobody has another one.
    let said = rotate(0, &[]);
    assert_eq!(said.code, Some(1));
    said.names(&["no other secret", "systemctl reload quorate", "nothing was done"]);
    for host in &cluster.hosts[..3] {
        host.write("secret", &format!("{old}{new}"));
        host.signal(Signal::HUP);
        let two = |status: &Value| status["secret"]["accepts"].as_array().map(Vec::len) == Some(2);
        host.status_when("accepts both", two);
    }
    // One host has not got it: all wait, and say for whom.
    let said = rotate(1, &["--timeout", "2s"]);
    assert_eq!(said.code, Some(5), "{}", said.text());
    said.names(&["step 1 of 3", "n4 (does not accept the new secret)"]);
    rotate(2, &["--status"]).names(&["step 1 of 3", "n4: does not accept the new secret"]);
    cluster.hosts[1].waits_for("secret-lacking", &["n4", "systemctl reload quorate"]);
    let other = &cluster.hosts[3];
    other.write("secret", &format!("{new}{old}"));
    other.signal(Signal::HUP);
    let said = rotate(1, &["--timeout", "60s"]);
    said.names(&["the old secret is dropped", "remove the old line"]);
    said.ok();
    // Whoever asks once more is told that it is done: it goes on by itself, and may have come to its end meanwhile.
    let said = rotate(2, &[]);
    said.names(&["done: the old secret is dropped"]);
    said.ok();
    let steps = ["every host is to accept", "it is used from now on", "is dropped"];
    until("each step is told on n4", || {
        let events = cluster.hosts[3].cli(&["events"]).ok();
        if steps.iter().all(|step| events.contains(step)) { Ok(()) } else { Err(events) }
    });
    stop.store(true, Ordering::Relaxed);
    let (done, failed) = writer.join().unwrap();
    assert!(failed.is_empty() && done > 10, "of {done}: {failed:?}");
    assert_eq!(cluster.is_whole(), id);
    // Both lines may stay for a while: a start goes by what is agreed on.
    for number in [3, cluster.leader()] {
        cluster.hosts[number].stop(Signal::TERM);
        cluster.hosts[number].start();
        cluster.is_whole();
    }
    for host in &cluster.hosts {
        let log = host.log();
        assert!(!log.contains(new.trim()) && !log.contains(old.trim()), "{} tells one", host.name);
        host.write("secret", &new);
        host.signal(Signal::HUP);
    }
    a_host_that_comes_with_the_old_one_is_named(&mut cluster, &old, &new);
    assert_eq!(cluster.is_whole(), id, "a new file is taken up without a restart");
}

/// By both sides, with what helps.
fn a_host_that_comes_with_the_old_one_is_named(cluster: &mut Cluster, old: &str, new: &str) {
    let shared = cluster.secret.display().to_string();
    let late = cluster.add("n5");
    late.write("secret", old);
    let own = late.file("secret").display().to_string();
    late.reconfigure(&shared, &own);
    late.start();
    late.waits_for("other-secret", &["the odd one out", "copy the secret file from"]);
    late.write("secret", new);
    late.signal(Signal::HUP);
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
    names(&both, &[&format!("{first} (first line)"), &format!("{second} (second line)")]);
    names(&ask(&["-o", "json"]).ok(), &["\"fingerprint\"", "\"also_trusted\"", &first, &second]);
    fs::write(&cluster.secret, one.repeat(3)).unwrap();
    let said = ask(&[]);
    assert_eq!(said.code, Some(1));
    said.names(&["3 secrets", "rotation"]);
}

#[test]
fn a_reload_whose_secret_file_is_gone_is_told_until_it_is_there_again() {
    let mut cluster = Cluster::of(1);
    let secret = fs::read_to_string(&cluster.secret).unwrap();
    cluster.start_all();
    cluster.is_whole();
    let host = &cluster.hosts[0];
    fs::remove_file(&cluster.secret).unwrap();
    host.signal(Signal::HUP);
    host.waits_for("reload-refused", &["took nothing up", "systemctl reload quorate"]);
    names(&host.log(), &["nothing was taken up"]);
    host.put("a", "1");
    new_secret(&cluster.secret);
    fs::write(&cluster.secret, secret).unwrap();
    host.signal(Signal::HUP);
    until("it is mended", || {
        let text = host.cli(&["why"]).text();
        if text.contains("reload-refused") { Err(text) } else { Ok(()) }
    });
}
