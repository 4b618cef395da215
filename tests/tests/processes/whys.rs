//! What `quorate why` says on each host while something is wrong: docs/FAILURES.md has a row for each of these tests.

use super::cluster::{Cluster, new_secret};
use super::host::{Host, Said, quorate};
use super::place::{free_address, until};
use rustix::process::Signal;

/// Waits until `why` on this host says all of these words.
#[track_caller]
fn says(host: &Host, parts: &[&str]) -> String {
    until(&format!("`why` on {} says {parts:?}", host.name), || {
        let text = host.cli(&["why"]).text();
        match parts.iter().all(|part| text.contains(part)) {
            true => Ok(text),
            false => Err(text),
        }
    })
}

/// The command line without a daemon; it knows where the configuration is.
fn alone(host: &Host, arguments: &[&str]) -> Said {
    let socket = host.socket().display().to_string();
    let mut command = quorate(&["--socket", &socket]);
    command.args(arguments).env("QUORATE_CONFIG", host.file("quorate.toml"));
    Said::of(command.output().expect("the command line runs"))
}

#[test]
fn nothing_is_wrong_with_three_hosts_that_run() {
    let cluster = Cluster::running(3);
    for host in &cluster.hosts {
        says(host, &["Nothing is wrong."]);
    }
}

#[test]
fn a_voter_that_was_stopped_is_told_on_the_others_with_what_may_still_fail() {
    let mut cluster = Cluster::running(3);
    cluster.hosts[2].stop(Signal::TERM);
    for host in &cluster.hosts[..2] {
        let text = says(host, &["n3 has left", "stopped in order", "0 more may fail"]);
        assert!(text.contains("on n3: `systemctl start quorate`"), "{text}");
    }
}

#[test]
fn a_voter_that_crashed_is_told_apart_from_one_that_was_stopped_and_from_one_that_is_silent() {
    let mut cluster = Cluster::running(3);
    cluster.hosts[2].kill();
    let config = cluster.hosts[2].file("quorate.toml").display().to_string();
    let farewell = quorate(&["farewell", "--config", &config]).output().expect("it runs");
    assert!(farewell.status.success(), "{farewell:?}");
    for host in &cluster.hosts[..2] {
        // The goodbye and the silence are both true; which of them is heard first is chance where the machine is busy.
        let text = says(host, &["n3", "0 more may fail"]);
        let crashed = text.contains("crashed or was killed")
            && text.contains("`journalctl -u quorate -e` there");
        let silent = text.contains("n3 is down") && text.contains("power and network");
        assert!(crashed || silent, "{text}");
    }
    cluster.hosts[2].start();
    cluster.is_whole();
    cluster.hosts[2].kill();
    for host in &cluster.hosts[..2] {
        let text =
            says(host, &["n3 is down", "look whether n3 has power and network", "0 more may fail"]);
        assert!(!text.contains("on n3: `systemctl start"), "who is silent may be off: {text}");
    }
}

#[test]
fn of_two_hosts_none_may_fail_and_both_say_so() {
    let cluster = Cluster::running(2);
    for host in &cluster.hosts {
        let text =
            says(host, &["With 2 voters all of them are needed: none may fail", "add a host"]);
        assert!(!text.contains("Nothing is wrong"), "{text}");
    }
}

#[test]
fn a_member_with_another_list_of_seeds_is_told_on_all_hosts() {
    let mut cluster = Cluster::running(3);
    let longer = [cluster.seeds.clone(), vec![free_address().to_string()]].concat();
    cluster.hosts[2].stop(Signal::TERM);
    cluster.hosts[2].configure(&longer, &cluster.secret, "");
    cluster.hosts[2].start();
    for host in &cluster.hosts[..2] {
        says(host, &["n3 at ", "has other seeds", &longer[3], "`systemctl restart quorate`"]);
    }
    says(&cluster.hosts[2], &["n1 at ", "n2 at ", "has other seeds"]);
}

#[test]
fn a_member_that_comes_back_with_another_secret_is_told_by_the_others_and_by_itself() {
    let mut cluster = Cluster::running(3);
    let other = cluster.dir.path().join("other-secret");
    new_secret(&other);
    cluster.hosts[2].stop(Signal::TERM);
    cluster.hosts[2].configure(&cluster.seeds, &other, "");
    cluster.hosts[2].start();
    for host in &cluster.hosts[..2] {
        let text = says(host, &["another cluster secret", "is the odd one out"]);
        assert!(text.contains("copy the secret file of this host to"), "{text}");
    }
    says(&cluster.hosts[2], &["another cluster secret", "this host is the odd one out"]);
}

#[test]
fn a_seed_with_another_secret_that_never_came_in_is_told_behind_the_birth_too() {
    let mut cluster = Cluster::of(3);
    let other = cluster.dir.path().join("other-secret");
    new_secret(&other);
    cluster.hosts[2].configure(&cluster.seeds, &other, "");
    cluster.start_all();
    for host in &cluster.hosts[..2] {
        host.status_when("is quorate", |status| status["state"] == "quorate");
        says(host, &["another cluster secret", "is the odd one out"]);
    }
}

#[test]
fn with_the_majority_gone_the_last_host_names_who_is_to_be_started() {
    let mut cluster = Cluster::running(3);
    cluster.hosts[1].stop(Signal::TERM);
    cluster.sees(0, "n2", "state", "left");
    cluster.hosts[2].kill();
    let text =
        says(&cluster.hosts[0], &["2 of 3 voters are needed and 1 can be reached", "n3 (down"]);
    assert!(text.contains("on n2: `systemctl start quorate`; look whether n3 has power"), "{text}");
}

#[test]
fn where_no_daemon_answers_why_and_status_say_with_what_it_ended() {
    let mut cluster = Cluster::running(1);
    let host = &mut cluster.hosts[0];
    assert_eq!(host.stop(Signal::TERM).code(), Some(0));
    let why = alone(host, &["why"]);
    assert_eq!(why.code, Some(3), "{}", why.text());
    why.names(&["No daemon answers on this host", "`systemctl restart quorate`"]);
    assert!(!why.out.contains("ended last because"), "it stopped in order: {}", why.out);
    let kept = std::fs::read_to_string(host.file("host.toml")).expect("written");
    host.write("host.toml", "name = \"n9\"\n");
    host.refuses();
    let why = alone(host, &["why"]);
    assert_eq!(why.code, Some(3), "{}", why.text());
    why.names(&["it ended last because", "`n1`", "`n9`", "do what the last error says"]);
    alone(host, &["status"]).names(&["it ended last because", "`n9`", "What helps"]);
    host.write("host.toml", &kept);
    host.start();
    host.is_up();
    host.kill();
    let why = alone(host, &["why"]);
    assert!(!why.out.contains("ended last because"), "it served in between: {}", why.out);
}

#[test]
fn where_no_daemon_answers_why_checks_the_configuration() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    host.reconfigure("cluster =", "clutser =");
    let why = alone(host, &["why"]);
    assert_eq!(why.code, Some(3), "{}", why.text());
    why.names(&[
        "configuration of this host is not valid",
        "did you mean `cluster`?",
        "`quorate check-config`",
    ]);
    let json = alone(host, &["why", "-o", "json"]);
    let page: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(
        (&page["state"], &page["findings"][0]["code"]),
        (&"unreachable".into(), &"config".into())
    );
    alone(host, &["status"]).names(&["did you mean `cluster`?"]);
}
