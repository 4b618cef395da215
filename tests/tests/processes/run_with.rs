//! `quorate run-with` beside real daemons: a command that knows nothing of shares runs with one, is ended when it is another one, and before
//! it is over.

use super::cluster::Cluster;
use super::host::{Host, quorate};
use super::place::{binary, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A shell script that notes with what it was started, and that it was asked to end.
const SCRIPT: &str = "echo $$ >DIR/pid\necho with $0 >>DIR/notes\ntrap 'echo ends >>DIR/notes; exit 3' TERM\n\
                      trap 'echo told $(cat DIR/amount) >>DIR/notes' HUP\nwhile :; do sleep 0.05; done";

/// A wrapped command beside a host.
struct Wrapped {
    child: Child,
    dir: PathBuf,
}

impl Wrapped {
    fn start(host: &Host, what: &str, extra: &[&str]) -> Self {
        Self::start_script(host, what, extra, SCRIPT)
    }

    fn start_script(host: &Host, what: &str, extra: &[&str], script: &str) -> Self {
        let dir = host.file("wrapped");
        fs::create_dir_all(&dir).expect("a directory");
        let script = script.replace("DIR", &dir.display().to_string());
        let socket = host.socket().display().to_string();
        let mut command = quorate(&["--socket", &socket, "run-with", what]);
        command.args(extra).args(["--", "sh", "-c", &script, "{}"]);
        let log = fs::File::create(dir.join("log")).expect("a log");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("it runs");
        Self { child, dir }
    }

    fn notes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("notes")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn noted(&self, wanted: &[&str]) {
        until(&format!("{wanted:?} is noted"), || {
            let notes = self.notes();
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            if notes == wanted { Ok(()) } else { Err(format!("{notes:?}\n{log}")) }
        });
    }

    fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.dir.join("pid")).expect("it began");
        text.trim().parse().ok().and_then(Pid::from_raw).expect("a process")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).expect("its log")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes a signal");
    }

    fn ended(&mut self) -> Option<i32> {
        until("it ends", || match self.child.try_wait().expect("it is ours") {
            Some(status) => Ok(status.code()),
            None => Err("it runs".to_owned()),
        })
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        // Its command goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn grant(host: &Host) -> Value {
    let page: Value = serde_json::from_str(&host.cli(&["budget", "show", "pg", "-o", "json"]).ok())
        .expect("a page");
    page["grants"][0].clone()
}

#[test]
fn a_command_is_started_anew_with_another_share_and_ends_with_its_own_code() {
    let mut cluster = Cluster::running(1);
    let mut wrapped = Wrapped::start(&cluster.hosts[0], "budget=pg", &[]);
    cluster.hosts[0].cli(&["budget", "set", "pg", "--max", "10", "--ttl", "2m"]).ok();
    wrapped.noted(&["with 10"]);
    cluster.hosts[0].cli(&["budget", "set", "pg", "--max", "7"]).ok();
    wrapped.noted(&["with 10", "ends", "with 7"]);
    until("the rest is free, long before its time", || {
        let grant = grant(&cluster.hosts[0]);
        if grant["counted"] == 7 { Ok(()) } else { Err(grant.to_string()) }
    });
    let (number, pid) = (grant(&cluster.hosts[0])["number"].clone(), wrapped.pid());
    cluster.hosts[0].stop(Signal::TERM);
    cluster.hosts[0].start();
    cluster.is_whole();
    until("the next start has taken the share over", || {
        let grant = grant(&cluster.hosts[0]);
        let over = grant["number"] != number && grant["counted"] == 7;
        if over { Ok(()) } else { Err(grant.to_string()) }
    });
    assert_eq!(wrapped.notes(), ["with 10", "ends", "with 7"], "it went on");
    assert_eq!(wrapped.pid(), pid);
    wrapped.signal(Signal::TERM);
    assert_eq!(wrapped.ended(), Some(3), "as the command ended");
    assert_eq!(wrapped.notes().last().map(String::as_str), Some("ends"), "it was passed on");
}

#[test]
fn a_command_that_takes_a_signal_reads_its_share_in_a_file_and_goes_on() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    host.cli(&["budget", "set", "pg", "--max", "10", "--ttl", "2m"]).ok();
    let file = host.file("wrapped").join("amount").display().to_string();
    let extra = ["--on-change", "HUP", "--file", &file, "--grace", "200ms"];
    let wrapped = Wrapped::start(host, "budget=pg", &extra);
    wrapped.noted(&["with 10"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "10\n");
    host.cli(&["budget", "set", "pg", "--max", "7"]).ok();
    wrapped.noted(&["with 10", "told 7"]);
    until("the rest is free a grace later", || {
        let grant = grant(host);
        if grant["counted"] == 7 { Ok(()) } else { Err(grant.to_string()) }
    });
    host.cli(&["budget", "set", "pg", "--max", "12"]).ok();
    wrapped.noted(&["with 10", "told 7", "told 12"]);
    wrapped.signal(Signal::HUP);
    wrapped.noted(&["with 10", "told 7", "told 12", "told 12"]);
}

#[test]
fn a_command_is_gone_before_a_share_that_nobody_renews_is_over_and_comes_back_with_it() {
    let mut cluster = Cluster::running(1);
    cluster.hosts[0].cli(&["budget", "set", "pg", "--max", "10", "--ttl", "9s"]).ok();
    let wrapped = Wrapped::start(&cluster.hosts[0], "budget=pg", &[]);
    wrapped.noted(&["with 10"]);
    cluster.hosts[0].kill();
    wrapped.noted(&["with 10", "ends"]);
    cluster.hosts[0].start();
    wrapped.noted(&["with 10", "ends", "with 10"]);
    let (pid, mut wrapped) = (wrapped.pid(), wrapped);
    wrapped.child.kill().expect("it is ours");
    wrapped.child.wait().expect("it is ours");
    until("the command went with who watched over it", || match test_kill_process(pid) {
        Err(_) => Ok(()),
        Ok(()) => {
            // Who took it in may be slow to take note of its end.
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            let zombie = stat.is_ok_and(|text| text.contains(") Z "));
            if zombie { Ok(()) } else { Err("it runs".to_owned()) }
        }
    });
}

#[test]
fn a_command_runs_on_the_host_that_holds_an_item_and_moves_with_it() {
    let cluster = Cluster::running(3);
    let wrapped: Vec<Wrapped> =
        cluster.hosts.iter().map(|host| Wrapped::start(host, "assignment=edge/vip", &[])).collect();
    let host = &cluster.hosts[0];
    host.cli(&["assign", "create", "edge", "--item", "vip", "--ttl", "2m"]).ok();
    let page = || -> Value {
        let said = host.cli(&["assign", "show", "edge", "-o", "json"]).ok();
        serde_json::from_str(&said).expect("a page")
    };
    let holder = || page()["items"][0]["host"].as_str().unwrap_or_default().to_owned();
    let place = |name: &str| cluster.hosts.iter().position(|host| host.name == name);
    let first = place(&holder()).expect("somebody holds it");
    wrapped[first].noted(&["with vip"]);
    let name = cluster.hosts[first].name.clone();
    host.cli(&["drain", &name, "--reason", "a new disk"]).ok();
    wrapped[first].noted(&["with vip", "ends"]);
    let second = until("another host holds it", || {
        let now = holder();
        place(&now).filter(|it| *it != first).ok_or(now)
    });
    wrapped[second].noted(&["with vip"]);
    let third = 3 - first - second;
    assert!(wrapped[third].notes().is_empty(), "{:?}", wrapped[third].notes());
}

/// Ends by itself and leaves a worker in its group, which ends a moment after it was asked to.
const LEAVES_A_WORKER: &str = "sh -c 'trap \"sleep 0.3; echo worker ends >>DIR/notes; exit\" TERM; echo works >>DIR/notes; while :; do sleep 0.05; done' & \
                               until grep -q works DIR/notes; do sleep 0.05; done; exit 4";

#[test]
fn what_a_command_leaves_in_its_group_is_asked_to_end_and_has_the_time_for_it() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    host.cli(&["budget", "set", "pg", "--max", "10", "--ttl", "2m"]).ok();
    let mut wrapped = Wrapped::start_script(host, "budget=pg", &[], LEAVES_A_WORKER);
    assert_eq!(wrapped.ended(), Some(4), "as the command ended");
    assert_eq!(wrapped.notes(), ["works", "worker ends"], "it was not killed");
    assert!(wrapped.log().contains("what it left in its process group is asked to end"));
}

/// Runs `run-with` in a container of processes, whose first process buries nobody; the exit code comes into the file `code`.
const IN_A_CONTAINER: &str = "(\"$1\" --socket \"$2\" run-with budget=pg -- sh -c 'sleep 600 & exit 4'; echo $? >\"$3\") & exec sleep 600";

#[test]
fn a_command_ends_also_where_nobody_buries_what_it_left() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    host.cli(&["budget", "set", "pg", "--max", "10"]).ok();
    let code = host.file("code");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", IN_A_CONTAINER, "sh"]).arg(binary());
    let mut container = command.arg(host.socket()).arg(&code).spawn().expect("unshare runs");
    until("it ends as the command did", || match fs::read_to_string(&code) {
        Ok(code) if code == "4\n" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    container.kill().expect("it is ours");
    container.wait().expect("it ends");
}

#[test]
fn a_second_command_with_the_same_share_is_refused_and_a_short_ttl_is_warned_of() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    host.cli(&["budget", "set", "pg", "--max", "10", "--ttl", "3s"]).ok();
    let mut first = Wrapped::start(host, "budget=pg", &[]);
    first.noted(&["with 10"]);
    until("it says that a restart may end the command", || {
        let (log, warning) = (first.log(), "a restart of the daemon that takes longer than 1.6s");
        if log.matches(warning).count() == 1 { Ok(()) } else { Err(log) }
    });
    let socket = host.socket().display().to_string();
    let second = quorate(&["--socket", &socket, "run-with", "budget=pg", "--", "true"]);
    let said = { second }.output().expect("it runs");
    assert_eq!(said.status.code(), Some(1));
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(text.contains(&format!("process {} on this host", first.child.id())), "{text}");
    first.signal(Signal::TERM);
    first.ended();
    host.cli(&["run-with", "budget=pg", "--", "true"]).ok();
}
