//! Hosts with a network of their own: each a network namespace on one bridge, with an IPv4 and an IPv6 address and a hosts file
//! that says which of the two a name leads to. Needs root.
//!
//! Invariant: a namespace lives as long as the process that holds it, which ends with `Ground`, or by itself after ten minutes.

use super::host::Host;
use super::place::{need_root, until};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Which addresses the names of the hosts lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    V4,
    V6,
    Both,
}

impl Names {
    pub(crate) fn have_v4(self) -> bool {
        self != Self::V6
    }

    pub(crate) fn have_v6(self) -> bool {
        self != Self::V4
    }
}

/// Namespaces for hosts `f1`, `f2`, ...; the first holder has the bridge.
#[derive(Debug)]
pub(crate) struct Ground {
    holders: Vec<Child>,
    hosts_file: PathBuf,
}

fn run(program: &str, arguments: &str) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let said = Command::new(program).args(&arguments).output().expect("it runs");
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{program} {}: {text}", arguments.join(" "));
}

/// A command in the network of a process.
fn inside(pid: u32, what: &str) {
    run("nsenter", &format!("-t {pid} -n -- {what}"));
}

/// A process in a network and a mount namespace of its own, in which `hosts_file` is /etc/hosts.
fn hold(hosts_file: &Path) -> Child {
    let script = format!(
        "mount --bind {} /etc/hosts && ip link set lo up && touch {}.$$ && exec sleep 600",
        hosts_file.display(),
        hosts_file.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-c", &script]).stdin(Stdio::null());
    let holder = command.spawn().expect("unshare runs");
    let there = hosts_file.with_extension(holder.id().to_string());
    until(
        "a namespace is there",
        || {
            if there.exists() { Ok(()) } else { Err("not yet".to_owned()) }
        },
    );
    holder
}

impl Ground {
    /// So many hosts, at 10.9.0.N and fd00:9::N.
    pub(crate) fn of(count: usize, dir: &Path) -> Self {
        need_root();
        let hosts_file = dir.join("hosts");
        fs::write(&hosts_file, "").expect("a hosts file");
        let holders = (0..=count).map(|_| hold(&hosts_file)).collect();
        let ground = Self { holders, hosts_file };
        let switch = ground.holders[0].id();
        inside(switch, "ip link add bridge type bridge");
        inside(switch, "ip link set bridge up");
        for (number, holder) in ground.holders.iter().enumerate().skip(1) {
            let pid = holder.id();
            let ends = format!("ip link add port{number} type veth peer name eth0 netns {pid}");
            inside(switch, &ends);
            inside(switch, &format!("ip link set port{number} master bridge up"));
            inside(pid, "ip link set eth0 up");
            ground.address(number);
        }
        ground
    }

    /// Gives the host of this number its addresses.
    pub(crate) fn address(&self, number: usize) {
        let pid = self.holders[number].id();
        inside(pid, &format!("ip addr add 10.9.0.{number}/24 dev eth0"));
        inside(pid, &format!("ip addr add fd00:9::{number}/64 dev eth0 nodad"));
    }

    /// Takes all addresses from the host of this number; its cable stays.
    pub(crate) fn no_address(&self, number: usize) {
        inside(self.holders[number].id(), "ip addr flush dev eth0");
    }

    /// What the names of the hosts lead to from now on.
    pub(crate) fn name(&self, names: Names) {
        self.name_each(&vec![names; self.holders.len() - 1]);
    }

    /// The same, each name by itself.
    pub(crate) fn name_each(&self, names: &[Names]) {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for (number, names) in (1..self.holders.len()).zip(names) {
            if names.have_v4() {
                text += &format!("10.9.0.{number} f{number}\n");
            }
            if names.have_v6() {
                text += &format!("fd00:9::{number} f{number}\n");
            }
        }
        // In place: the file is mounted.
        fs::write(&self.hosts_file, text).expect("a hosts file");
    }

    /// One name leads to all hosts.
    pub(crate) fn name_all(&self, name: &str) {
        let lines = (1..self.holders.len()).map(|number| format!("10.9.0.{number} {name}\n"));
        fs::write(&self.hosts_file, lines.collect::<String>()).expect("a hosts file");
    }

    /// Starts a daemon on the host of this number, counted from 1.
    pub(crate) fn start(&self, number: usize, host: &mut Host) {
        assert!(host.child.is_none(), "{} runs already", host.name);
        let pid = self.holders[number].id().to_string();
        let daemon = host.daemon();
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-n", "-m", "--"]).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg(daemon.get_program()).args(daemon.get_args());
        let log = File::options().append(true).open(host.file("log")).expect("its log");
        command.stdout(log.try_clone().expect("its log")).stderr(log);
        host.child = Some(command.spawn().expect("the daemon starts"));
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            // Both fail only when it has ended already.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
