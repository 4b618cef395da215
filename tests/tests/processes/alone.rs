//! Two voters and no witness, as real daemons: one dies, a fence cuts it off, and the other uses the whole budget alone until it is back.

use super::cluster::Cluster;
use super::hook_runner::Runner;
use super::host::Host;
use super::place::until;
use serde_json::Value;

/// Both share a budget that a holder uses alone behind a fence.
fn sharing() -> Cluster {
    let cluster = Cluster::running(2);
    let refused =
        cluster.hosts[0].cli(&["budget", "set", "pg", "--max", "30", "--on-quorum-loss", "local"]);
    assert_eq!(refused.code, Some(2), "{}", refused.text());
    refused.names(&["demands a fence"]);
    let set = ["budget", "set", "pg", "--max", "30", "--ttl", "2s"];
    let local = ["--on-quorum-loss", "local", "--fence", "cut"];
    cluster.hosts[0].cli(&[&set[..], &local[..]].concat()).ok();
    for host in &cluster.hosts {
        tells(host, 15, "");
    }
    cluster
}

/// The file of the share of a host.
fn file(host: &Host) -> Result<Value, String> {
    let path = host.file("sock.shares/pg.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))
}

#[track_caller]
fn tells(host: &Host, amount: u64, source: &str) -> Value {
    until(&format!("the file of {} has {amount}", host.name), || {
        let page = file(host)?;
        let is_it =
            page["amount"] == amount && page["source"].as_str().unwrap_or_default() == source;
        if is_it { Ok(page) } else { Err(page.to_string()) }
    })
}

/// A hook that cuts others off, on a host.
fn cutting(host: &Host, script: &str) -> Runner {
    let mut runner = Runner::beside(host);
    let times = "[debounce]\nsilence = \"0s\"\n[retry]\nfirst = \"100ms\"\nmost = \"200ms\"\n";
    runner.hook("cut", script, &format!("on = \"fence\"\nbudget = \"pg\"\n{times}"));
    runner.start();
    runner.shows("cut", "is idle", |hook| hook["state"] == "idle" && hook["runs"] == 0);
    runner
}

#[test]
fn the_survivor_of_two_voters_uses_all_of_it_behind_a_fence_until_the_other_one_is_back() {
    let mut cluster = sharing();
    let runner = cutting(&cluster.hosts[0], "test -e DIR/may || { echo no way >&2; exit 3; }");
    cluster.hosts[1].kill();
    runner.shows("cut", "failed twice", |hook| {
        hook["state"] == "failing" && hook["failures"].as_u64() >= Some(2)
    });
    let page = file(&cluster.hosts[0]).expect("it is there");
    assert_eq!((&page["amount"], &page["state"]), (&0.into(), &"lapsed".into()), "{page}");
    cluster.hosts[0].waits_for("budget-alone", &["the fence cut has cut off n2", "hooks status"]);
    std::fs::write(runner.file("may"), "").expect("a file");
    let page = tells(&cluster.hosts[0], 30, "local");
    assert!(page["source_reason"].as_str().is_some_and(|it| it.contains("cut")), "{page}");
    assert!(page["source_since"].is_string() && page["deadline_boottime_ms"].is_u64(), "{page}");
    let run = runner.run_with("cut", "for the dead host", |run| run["fence"]["host"] == "n2");
    assert_eq!(
        (&run["fence"]["amount"], &run["fence"]["alone"]["fence"]),
        (&15.into(), &"cut".into())
    );
    cluster.hosts[0].waits_for("budget-alone", &["uses all 30 of pg alone", "n2"]);
    cluster.hosts[1].start();
    cluster.is_whole();
    for host in &cluster.hosts {
        tells(host, 15, "");
    }
}

#[test]
fn a_start_behind_one_that_used_all_of_it_has_the_others_fenced_anew() {
    let mut cluster = sharing();
    let runner = cutting(&cluster.hosts[0], "");
    cluster.hosts[1].kill();
    let first = tells(&cluster.hosts[0], 30, "local");
    cluster.hosts[0].kill();
    cluster.hosts[0].start();
    let again = until("it uses all of it since later", || {
        let page = file(&cluster.hosts[0])?;
        match page["source"] == "local" && page["source_since"] != first["source_since"] {
            true => Ok(page),
            false => Err(page.to_string()),
        }
    });
    assert_eq!(again["amount"], 30);
    assert!(runner.runs("cut").len() >= 2, "{:?}", runner.runs("cut"));
}
