//! What a daemon and a command do when their surroundings fail them: a log that cannot be written, a reader that is gone, a
//! signal of habit, a state that no restart mends.

use super::cluster::Cluster;
use super::host::{Said, quorate};
use super::place::until;
use rustix::process::Signal;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

fn metric(cluster: &Cluster, name: &str) -> Result<u64, String> {
    let address = cluster.hosts[0].listen;
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut page = String::new();
    stream.read_to_string(&mut page).map_err(|error| error.to_string())?;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).ok_or(page)
}

/// A cluster of one whose daemon writes its log there.
fn logging_into(stderr: Stdio) -> Cluster {
    let mut cluster = Cluster::of(1);
    let child: Child = cluster.hosts[0].daemon().stderr(stderr).spawn().unwrap();
    cluster.hosts[0].child = Some(child);
    cluster
}

#[test]
fn a_log_that_cannot_be_written_ends_no_daemon_and_is_counted() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [Stdio::from(full), Stdio::from(closed)] {
        let mut cluster = logging_into(stderr);
        cluster.is_whole();
        cluster.hosts[0].put("a", "1");
        let lost = metric(&cluster, "quorate_log_lines_lost_total").unwrap();
        assert!(lost > 0, "{lost}");
        assert_eq!(cluster.hosts[0].stop(Signal::TERM).code(), Some(0));
    }
}

#[test]
fn a_refusal_that_nobody_can_read_is_still_a_refusal() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = quorate(&["run", "--config", "/nowhere"]).stderr(full()).status().unwrap();
    assert_eq!(run.code(), Some(1), "{run}");
    let asked = quorate(&["--socket", "/nowhere", "status"]).stderr(full()).status().unwrap();
    assert_eq!(asked.code(), Some(3), "{asked}");
}

#[test]
fn a_command_whose_reader_is_gone_ends_quietly() {
    let cluster = Cluster::running(1);
    let socket = cluster.hosts[0].socket().display().to_string();
    for command in
        [&["events"][..], &["events", "--watch"], &["status"], &["members", "-o", "json"]]
    {
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let mut asked = quorate(&["--socket", &socket]);
        asked.args(command).stdout(closed).stderr(Stdio::piped());
        let said = Said::of(asked.output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{command:?}");
    }
}

#[test]
fn a_hangup_takes_up_the_level_of_the_log_and_names_what_needs_a_restart() {
    let mut cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    let text = std::fs::read_to_string(host.file("quorate.toml")).unwrap();
    let text = text.replace("[client]", "founding_grace = \"9s\"\n[client]");
    host.write("quorate.toml", &format!("{text}[log]\nlevel = \"debug\"\n"));
    host.signal(Signal::HUP);
    let told = |wanted: &'static [&'static str]| {
        until("the log says what was taken up", || {
            let log = host.log();
            let found = log.lines().any(|line| wanted.iter().all(|part| line.contains(part)));
            if found { Ok(()) } else { Err(log) }
        });
    };
    told(&["log.level is `debug` now", "needs a restart", ": founding_grace"]);
    host.write("quorate.toml", "cluster = 7\n");
    host.signal(Signal::HUP);
    told(&["nothing was taken up", "goes on as it is"]);
    host.put("a", "1");
    assert_eq!(cluster.hosts[0].stop(Signal::TERM).code(), Some(0));
}

#[test]
fn a_start_that_needs_an_operator_has_an_exit_code_of_its_own() {
    let mut cluster = Cluster::running(1);
    cluster.hosts[0].stop(Signal::TERM);
    let identity = cluster.hosts[0].file("data/life/identity");
    std::fs::rename(&identity, cluster.hosts[0].file("aside")).unwrap();
    assert_eq!(cluster.hosts[0].refuses().code, Some(10), "no other start goes better");
    std::fs::rename(cluster.hosts[0].file("aside"), &identity).unwrap();
    let listening = std::net::UdpSocket::bind(cluster.hosts[0].listen).unwrap();
    assert_eq!(cluster.hosts[0].refuses().code, Some(1), "the port may be free next time");
    drop(listening);
    cluster.hosts[0].start();
    cluster.is_whole();
}

#[test]
fn each_reason_to_wait_is_in_the_log_once_when_it_begins_and_once_when_it_ends() {
    let mut cluster = Cluster::of(2);
    cluster.hosts[0].start();
    let other = cluster.seeds[1].clone();
    cluster.hosts[0].waits_for("no-answer", &[&other]);
    cluster.hosts[1].start();
    cluster.is_whole();
    let about = |begin: &str| {
        let log = cluster.hosts[0].log();
        log.lines().filter(|line| line.contains(begin) && line.contains(&other)).count()
    };
    until("the end of the wait is in the log", || match about("no longer so (no-answer)") {
        1 => Ok(()),
        count => Err(format!("{count} lines")),
    });
    assert_eq!(about("waiting (no-answer)"), 1);
}
