//! A host whose address comes after its daemon has started: it is waited for inside. Needs root.

use super::cluster::Cluster;
use super::host::Said;
use super::place::{need_root, until};
use std::fs::File;
use std::process::Command;

#[test]
fn an_address_that_comes_late_is_waited_for_and_why_says_so_meanwhile() {
    need_root();
    let mut cluster = Cluster::of(1);
    let host = &mut cluster.hosts[0];
    // In a network of its own, where not even the loopback addresses are there before somebody sets them up. One address must be
    // there: without any the kernel lets everything be bound.
    let daemon = host.daemon();
    let mut command = Command::new("unshare");
    let script =
        "ip link add other type bridge && ip address add 10.9.9.9/32 dev other && exec \"$@\"";
    command.args(["--net", "--", "sh", "-c", script, "sh"]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    let log = File::options().append(true).open(host.file("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    host.child = Some(command.spawn().unwrap());
    let ip = host.listen.ip().to_string();
    let why = |host: &super::host::Host| -> Said { host.cli(&["why"]) };
    until("why says what is waited for", || {
        let said = why(host);
        let text = said.text();
        if text.contains("it waits") && text.contains(&ip) && text.contains("listen") {
            Ok(())
        } else {
            Err(text)
        }
    });
    assert_eq!(why(host).code, Some(3), "nobody serves yet");
    let pid = host.child.as_ref().unwrap().id().to_string();
    let up = Command::new("nsenter")
        .args(["-t", &pid, "-n", "--", "ip", "link", "set", "lo", "up"])
        .status()
        .unwrap();
    assert!(up.success());
    cluster.is_whole();
    let log = cluster.hosts[0].log();
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!((count("has no address"), count("is here now")), (1, 1), "{log}");
}
