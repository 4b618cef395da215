//! Daemons are killed and paused under a writer: nothing that was acknowledged is lost.

use super::cluster::Cluster;
use super::writer::Writer;
use rustix::process::Signal;

fn writer(cluster: &Cluster) -> Writer {
    Writer::through(cluster.hosts.iter().map(super::host::Host::socket).collect())
}

#[test]
fn no_acknowledged_write_is_lost_when_each_host_is_killed_in_turn() {
    let mut cluster = Cluster::running(3);
    let id = cluster.is_whole();
    let writer = writer(&cluster);
    for number in 0..3 {
        writer.goes_on(5);
        cluster.hosts[number].kill();
        // A third of the writer's attempts has no daemon to talk to; the others go on.
        writer.goes_on(5);
        cluster.sees((number + 1) % 3, &format!("n{}", number + 1), "state", "down");
        cluster.hosts[number].start();
        cluster.is_whole();
    }
    let leader = cluster.leader();
    cluster.hosts[leader].kill();
    writer.goes_on(5);
    cluster.hosts[leader].start();
    assert_eq!(cluster.is_whole(), id);
    let written = writer.ends();
    for host in &cluster.hosts {
        written.is_read_by(host);
    }
}

#[test]
fn a_leader_that_is_paused_is_replaced_and_finds_back() {
    let cluster = Cluster::running(3);
    let paused = cluster.leader();
    let other = (paused + 1) % 3;
    let others = cluster.hosts.iter().enumerate().filter(|(number, _)| *number != paused);
    let writer = Writer::through(others.map(|(_, host)| host.socket()).collect());
    writer.goes_on(3);
    cluster.hosts[paused].signal(Signal::STOP);
    cluster.sees(other, &cluster.hosts[paused].name, "state", "down");
    writer.goes_on(5);
    cluster.hosts[paused].signal(Signal::CONT);
    cluster.is_whole();
    // Its last words as a leader were nobody's commits: it condemned nobody when it woke.
    let status = cluster.hosts[other].status().unwrap();
    for member in status["members"].as_array().expect("members") {
        let name = &member["name"];
        if *name != cluster.hosts[paused].name.as_str() {
            assert_eq!(member["since_epoch"], 1, "{name} was never in doubt: {status}");
        }
    }
    let written = writer.ends();
    for host in &cluster.hosts {
        written.is_read_by(host);
    }
}
