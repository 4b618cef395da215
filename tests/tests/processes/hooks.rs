//! `quorate hooks run` beside real daemons: what is run when a host dies, comes back or is drained, and what becomes of hooks that hang,
//! fail, fork and print without end.

use super::cluster::Cluster;
use super::hook_runner::Runner;
use super::place::{binary, need_root, until};
use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Nothing is silent for so long in a test.
const PATIENT: &str = "[debounce]\nsilence = \"1h\"\n";

/// What a run was told of a host that differs from its last success.
fn change<'a>(run: &'a Value, name: &str) -> Option<&'a Value> {
    run["changed"].as_array()?.iter().find(|change| change["name"] == name)
}

#[test]
fn each_survivor_of_a_dead_host_runs_its_hook_with_that_change() {
    let mut cluster = Cluster::running(3);
    let mut runners: Vec<Runner> = cluster.hosts[..2].iter().map(Runner::beside).collect();
    for runner in &mut runners {
        runner.hook("tell", "", "");
        runner.start();
        runner.run_with("tell", "with what is", |run| run["first"] == true);
    }
    cluster.hosts[2].kill();
    for (runner, host) in runners.iter().zip(["n1", "n2"]) {
        let run = runner.run_with("tell", "with the death", |run| {
            change(run, "n3").is_some_and(|change| change["to"] == "down")
        });
        assert_eq!((&run["host"], &run["node"]["name"]), (&host.into(), &host.into()));
        assert_eq!(run["members"].as_array().map(Vec::len), Some(3), "the whole view");
        assert_eq!(change(&run, "n3").expect("found")["cause"], "silence");
        runner.shows("tell", "is done", |hook| hook["state"] == "idle" && hook["failures"] == 0);
    }
}

#[test]
fn a_host_that_goes_and_comes_back_within_the_debounce_runs_nothing() {
    let mut cluster = Cluster::running(3);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    runner.hook("tell", "", PATIENT);
    runner.start();
    runner.run_with("tell", "with what is", |run| run["first"] == true);
    cluster.hosts[2].kill();
    cluster.sees(0, "n3", "state", "down");
    cluster.hosts[2].start();
    cluster.is_whole();
    // The next thing that is not silence shows that nothing was run before.
    cluster.hosts[0].cli(&["drain", "n2", "--reason", "a new disk"]).ok();
    let run = runner.run_with("tell", "with the drain", |run| change(run, "n2").is_some());
    assert_eq!(change(&run, "n2").expect("found")["cause"], "drain");
    for run in runner.runs("tell") {
        assert!(change(&run, "n3").is_none_or(|change| change["to"] != "down"), "{run}");
    }
}

#[test]
fn a_daemon_that_starts_anew_under_the_runner_loses_nothing_and_an_equal_view_runs_nothing() {
    let mut cluster = Cluster::running(1);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    runner.hook("tell", "", PATIENT);
    runner.start();
    runner.run_with("tell", "with what is", |run| run["first"] == true);
    cluster.hosts[0].stop(Signal::TERM);
    until("the runner notices", || {
        let said = runner.ask(&["status", "--state", &runner.state()]);
        if said.out.contains("is away") { Ok(()) } else { Err(said.text()) }
    });
    cluster.hosts[0].start();
    cluster.is_whole();
    cluster.hosts[0].cli(&["drain", "n1", "--reason", "a new disk"]).ok();
    runner.run_with("tell", "with the drain", |run| change(run, "n1").is_some());
    assert_eq!(runner.runs("tell").len(), 2, "once for what was, once for the drain");
    // Started anew, it runs once with the present view.
    drop(runner);
    let mut again = Runner::beside(&cluster.hosts[0]);
    again.start();
    until("the third run", || match again.runs("tell").len() {
        3 => Ok(()),
        runs => Err(format!("{runs} runs")),
    });
    assert_eq!(again.runs("tell")[2]["first"], true);
}

#[test]
fn a_hook_that_hangs_is_killed_with_all_that_it_started_and_tried_again() {
    let cluster = Cluster::running(1);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    // One that stays, one that has turned away from its parents twice and from their session.
    let script = "echo $$ >>DIR/pids\n\
                  (setsid sh -c 'trap \"\" TERM; (echo $$ >>DIR/pids; sleep 1000)' &)\nsleep 1000";
    runner.hook("hang", script, "timeout = \"1s\"\n");
    runner.start();
    let shown = runner.shows("hang", "was tried again", |hook| hook["failed"].as_u64() >= Some(2));
    assert!(
        shown["last_ended"].as_str().is_some_and(|text| text.contains("took longer")),
        "{shown}"
    );
    drop(runner);
    let runner = Runner::beside(&cluster.hosts[0]);
    let pids = fs::read_to_string(runner.dir.join("pids")).expect("it began");
    assert!(pids.lines().count() >= 4, "{pids}");
    for pid in pids.lines() {
        let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a process");
        assert!(test_kill_process(pid).is_err(), "{pid:?} is left of {pids}");
    }
}

#[test]
fn what_a_hook_leaves_behind_ends_with_it() {
    let cluster = Cluster::running(1);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    runner.hook(
        "fork",
        "setsid sh -c 'echo $$ >DIR/pids; exec sleep 1000' &\nwhile ! test -s DIR/pids; do :; done",
        "",
    );
    runner.start();
    let shown = runner.shows("fork", "has run", |hook| hook["runs"] == 1);
    assert!(
        shown["last_ended"].as_str().is_some_and(|text| text.contains("left behind")),
        "{shown}"
    );
    let pid = fs::read_to_string(runner.dir.join("pids")).expect("it began");
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process");
    assert!(test_kill_process(pid).is_err(), "it is left");
}

#[test]
fn a_hook_that_fails_is_run_until_it_succeeds_and_what_it_said_last_is_shown() {
    let cluster = Cluster::running(1);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    let script = "head -c 30000000 /dev/zero | tr '\\0' x\nhead -c 30000000 /dev/zero | tr '\\0' y >&2\n\
                  test -e DIR/may && exit 0\necho no way >&2\nexit 3";
    runner.hook("tell", script, "[retry]\nfirst = \"100ms\"\nmost = \"200ms\"\n");
    runner.start();
    let shown = runner.shows("tell", "failed twice", |hook| hook["failures"].as_u64() >= Some(2));
    assert_eq!(shown["last_ended"], "exited with 3");
    let error = shown["last_error"].as_str().expect("a text");
    assert!(error.ends_with("no way\n") && error.len() <= 2048, "its end: {}", error.len());
    let said = runner.ask(&["status", "--state", &runner.state()]);
    assert_eq!(said.code, Some(1), "a hook fails");
    said.names(&["tell", "failing", "exited with 3", "no way"]);
    fs::write(runner.dir.join("may"), "").expect("a file");
    runner.shows("tell", "succeeds", |hook| hook["state"] == "idle" && hook["failures"] == 0);
    let figures =
        fs::read_to_string(Path::new(&runner.state()).join("quorate-hooks.prom")).expect("figures");
    assert!(figures.contains("quorate_hook_failing{hook=\"tell\"} 0\n"), "{figures}");
    assert_eq!(runner.ask(&["status", "--state", &runner.state()]).code, Some(0));
}

#[test]
fn a_share_that_shrinks_is_acknowledged_by_what_its_hook_prints() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    let mut runner = Runner::beside(host);
    // It cannot let go of more than one in a run.
    let script = "want=$(tail -n 1 DIR/pool.runs | sed 's/.*\"amount\":\\([0-9]*\\).*/\\1/')\n\
                  have=$(cat DIR/have 2>/dev/null || echo $want)\n\
                  [ $have -le $want ] && have=$want || have=$((have - 1))\n\
                  echo $have >DIR/have\necho \"{\\\"in_use\\\": $have}\"";
    runner.hook("pool", script, "on = \"budget pg\"\n");
    host.cli(&["budget", "set", "pg", "--max", "10"]).ok();
    runner.start();
    let whole = |run: &Value| run["budgets"]["pg"]["amount"] == 10;
    runner.run_with("pool", "with all of it", whole);
    host.cli(&["budget", "set", "pg", "--max", "7"]).ok();
    until("all is let go", || {
        let page: Value =
            serde_json::from_str(&host.cli(&["budget", "show", "pg", "-o", "json"]).ok())
                .map_err(|error| error.to_string())?;
        let counted = page["grants"][0]["counted"].as_u64();
        if counted == Some(7) { Ok(()) } else { Err(page.to_string()) }
    });
    let have = fs::read_to_string(runner.dir.join("have")).expect("it ran");
    assert_eq!(have.trim(), "7", "it was waited for");
}

#[test]
fn a_file_is_written_from_the_view_and_a_full_disk_leaves_the_old_one() {
    need_root();
    let mut cluster = Cluster::running(3);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    runner.write(
        "files.d/servers.j2",
        "{% for m in members if m.state == \"alive\" %}\nserver {{ m.name }} {{ m.address }}\n{% endfor %}\n",
        0o644,
    );
    let file = "template = \"servers.j2\"\ntarget = \"DIR/disk/servers.cfg\"\nthen = [\"/bin/sh\", \"-c\", \"echo >>DIR/then\"]\n\
                [retry]\nfirst = \"100ms\"\nmost = \"200ms\"\n";
    runner.write("files.d/servers.toml", file, 0o644);
    // What it sees of its disk is copied to where this test does, by a hook that fills the disk once the file is there.
    runner.hook("fill", "test -s DIR/disk/servers.cfg || exit 1\ncp DIR/disk/servers.cfg DIR/seen\n\
                         test -e DIR/disk/filler || dd if=/dev/zero of=DIR/disk/filler bs=1k 2>/dev/null\nexit 0", "[retry]\nfirst = \"100ms\"\nmost = \"200ms\"\n");
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let (dir, quorate) = (runner.dir(), binary().display().to_string());
    let script = format!(
        "mkdir {dir}/disk && mount -t tmpfs -o size=16k,mode=700 tmpfs {dir}/disk && \
         exec {quorate} --socket {} hooks run --dir {dir} --state {}",
        runner.socket,
        runner.state()
    );
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    runner.spawn(command);
    runner.shows("fill", "has seen the file", |hook| {
        hook["failures"] == 0 && hook["runs"].as_u64() >= Some(1)
    });
    let seen = || fs::read_to_string(runner.dir.join("seen")).unwrap_or_default();
    let first = seen();
    assert_eq!(first.lines().count(), 3, "{first}");
    assert_eq!(fs::read_to_string(runner.dir.join("then")).expect("it ran"), "\n", "once");
    cluster.hosts[2].stop(Signal::TERM);
    let full = |hook: &Value| {
        hook["last_error"].as_str().is_some_and(|text| text.contains("No space left"))
    };
    let shown = runner.shows("file/servers", "has no room", full);
    assert!(
        shown["last_error"].as_str().is_some_and(|text| text.contains("the old file stays")),
        "{shown}"
    );
    runner.run_with("fill", "with the stop", |run| change(run, "n3").is_some());
    runner.shows("fill", "has seen it again", |hook| hook["state"] == "idle");
    assert_eq!(seen(), first, "the old one, whole");
}

#[test]
fn a_file_of_hooks_that_is_wrong_is_named_by_line_and_keeps_no_other_from_running() {
    let cluster = Cluster::running(1);
    let mut runner = Runner::beside(&cluster.hosts[0]);
    runner.hook("tell", "echo told $QUORATE_HOOK on $QUORATE_HOST", "");
    runner.write("hooks.d/odd.toml", "run = [\"/bin/sh\"]\ncolour = \"red\"\n", 0o644);
    let said = runner.ask(&["check", "--dir", &runner.dir()]);
    assert_eq!(said.code, Some(1));
    said.names(&["tell: fits", "odd.toml:2: ", "unknown field `colour`"]);
    // A template is compiled as it will be.
    let template = runner.write("list.j2", "one\n{% for m in %}\n", 0o644);
    let target = runner.file("list").display().to_string();
    let text = format!("template = \"{template}\"\ntarget = \"{target}\"\n");
    runner.write("files.d/list.toml", &text, 0o644);
    let said = runner.ask(&["check", "--dir", &runner.dir()]);
    assert!(!said.out.contains("file/list: fits"), "{}", said.out);
    said.names(&["tell: fits", "list.j2:2: "]);
    fs::remove_file(runner.file("files.d/list.toml")).expect("it is there");
    let tried = runner.ask(&["try", "tell", "--dir", &runner.dir()]);
    assert_eq!((tried.code, tried.out.as_str()), (Some(0), "told tell on n1\n"), "{}", tried.err);
    assert_eq!(runner.ask(&["try", "none", "--dir", &runner.dir()]).code, Some(6));
    runner.start();
    runner.shows("tell", "ran", |hook| hook["runs"] == 1);
    runner.ask(&["status", "--state", &runner.state()]).names(&["refused: ", "odd.toml:2: "]);
    let second = runner.ask(&["run", "--dir", &runner.dir(), "--state", &runner.state()]);
    assert_eq!(second.code, Some(1));
    second.names(&["another `quorate hooks run`"]);
}
