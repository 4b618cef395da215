//! Fences beside real daemons: a host dies with a share that nobody else could have for a minute, and a hook that ends its use has it freed.

use super::cluster::Cluster;
use super::hook_runner::Runner;
use super::host::Host;
use super::place::until;
use serde_json::Value;

/// A lapse that no test waits for.
const TTL: &str = "10m";

/// No time to wait for, and quick tries.
const AT_ONCE: &str =
    "[debounce]\nsilence = \"0s\"\n[retry]\nfirst = \"100ms\"\nmost = \"200ms\"\n";

/// Three hosts share a budget, which each has its part of.
fn sharing() -> Cluster {
    let cluster = Cluster::running(3);
    cluster.hosts[0].cli(&["budget", "set", "pg", "--max", "30", "--ttl", TTL]).ok();
    until("all have a share", || match shares(&cluster.hosts[0]).as_slice() {
        [(_, 10), (_, 10), (_, 10)] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    cluster
}

fn page(host: &Host) -> Value {
    let said = host.cli(&["budget", "show", "pg", "-o", "json"]).ok();
    serde_json::from_str(&said).expect("a page")
}

/// Who has how much.
fn shares(host: &Host) -> Vec<(String, u64)> {
    let page = page(host);
    let grants = page["grants"].as_array().cloned().unwrap_or_default();
    let share = |grant: &Value| {
        let host = grant["host"].as_str().unwrap_or_default().to_owned();
        (host, grant["counted"].as_u64().unwrap_or_default())
    };
    grants.iter().map(share).collect()
}

/// A hook that fences, on a host.
fn fencing(host: &Host, script: &str) -> Runner {
    let mut runner = Runner::beside(host);
    runner.hook("stop", script, &format!("on = \"fence\"\nbudget = \"pg\"\n{AT_ONCE}"));
    runner.start();
    runner.shows("stop", "is idle", |hook| hook["state"] == "idle" && hook["runs"] == 0);
    runner
}

#[test]
fn behind_a_fence_that_succeeded_the_others_have_the_share_of_a_dead_host_long_before_it_lapses() {
    let mut cluster = sharing();
    let runner = fencing(
        &cluster.hosts[0],
        "echo $QUORATE_FENCE_HOST $QUORATE_FENCE_NUMBER $QUORATE_FENCE_ADDRESS >>DIR/fenced",
    );
    cluster.hosts[2].kill();
    until("the others have all of it", || match shares(&cluster.hosts[0]).as_slice() {
        [(one, 15), (other, 15)] if (one.as_str(), other.as_str()) == ("n1", "n2") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let run = runner.run_with("stop", "for the dead host", |run| run["fence"]["host"] == "n3");
    assert_eq!((&run["fence"]["kind"], &run["fence"]["name"]), (&"budget".into(), &"pg".into()));
    assert_eq!(run["fence"]["amount"], 10);
    let fenced = std::fs::read_to_string(runner.file("fenced")).expect("it ran");
    let number = run["fence"]["number"].as_u64().expect("a number");
    assert!(fenced.starts_with(&format!("n3 {number} ")), "{fenced}");
    assert_eq!(fenced.lines().count(), 1, "once: {fenced}");
    runner.shows("stop", "has freed it", |hook| {
        hook["state"] == "idle"
            && hook["last_ended"].as_str().is_some_and(|it| it.contains("freed"))
    });
    let audit = cluster.hosts[1].cli(&["budget", "audit", "pg"]).ok();
    assert!(audit.contains(&format!("ended from outside, by number: {number}")), "{audit}");
    // It comes back without one, and gets its share once an application of another host has let go.
    cluster.hosts[2].start();
    cluster.is_whole();
    until("a share is let go", || {
        let now = page(&cluster.hosts[0]);
        let shrinks = &now["grants"][0];
        let number = shrinks["number"].to_string();
        let ack = ["budget", "ack", "pg", "--number", &number, "--in-use", "10"];
        match shrinks["share"] == 10 && cluster.hosts[0].cli(&ack).code == Some(0) {
            true => Ok(()),
            false => Err(now.to_string()),
        }
    });
    until("it has what was let go", || match shares(&cluster.hosts[0]).as_slice() {
        [_, _, (host, 5)] if host == "n3" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_fence_that_fails_frees_nothing_until_it_succeeds() {
    let mut cluster = sharing();
    let runner = fencing(&cluster.hosts[0], "test -e DIR/may || { echo no way >&2; exit 3; }");
    cluster.hosts[2].kill();
    runner.shows("stop", "failed twice", |hook| {
        hook["state"] == "failing" && hook["failures"].as_u64() >= Some(2)
    });
    let now = page(&cluster.hosts[0]);
    assert_eq!(now["granted"], 30, "nothing is freed: {now}");
    assert_eq!(now["lapsing"][0]["host"], "n3", "it is in the way: {now}");
    let why = cluster.hosts[0].cli(&["why"]).ok();
    for part in ["stop, a hook of this host (fence budget pg), has failed", "quorate hooks status"]
    {
        assert!(why.contains(part), "{why}");
    }
    std::fs::write(runner.file("may"), "").expect("a file");
    until("the others have all of it", || match shares(&cluster.hosts[0]).as_slice() {
        [(_, 15), (_, 15)] => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_host_that_is_up_or_stopped_in_order_is_never_fenced() {
    let mut cluster = sharing();
    let runner = fencing(&cluster.hosts[0], "");
    cluster.hosts[0].cli(&["drain", "n2", "--reason", "a new disk"]).ok();
    cluster.hosts[2].stop(rustix::process::Signal::TERM);
    let lapses = until("its share lapses", || {
        let page = page(&cluster.hosts[0]);
        match page["lapsing"][0]["state"] == "left" {
            true => Ok(page),
            false => Err(page.to_string()),
        }
    });
    let tried = runner.ask(&["try", "stop", "--dir", &runner.dir()]);
    assert_eq!(tried.code, Some(1), "{}", tried.text());
    tried.names(&["nothing of budget pg is in the way"]);
    let number = |host: &str| {
        let mut grants = lapses["grants"].as_array().expect("a list").iter();
        let grant = grants.find(|grant| grant["host"] == host);
        grant.and_then(|grant| grant["number"].as_u64()).expect("it has a grant").to_string()
    };
    let free = |host: &str| {
        let number = number(host);
        cluster.hosts[0].cli(&["budget", "free", "pg", "--holder", host, "--number", &number])
    };
    let refused = free("n1");
    assert_eq!(refused.code, Some(1), "{}", refused.text());
    refused.names(&["n1 is up", "quorate drain n1"]);
    // Who says that of a host that has stopped has looked there; its last words are heard for a moment.
    until("what it had is freed", || match free("n3") {
        said if said.code == Some(0) => Ok(()),
        said => Err(said.text()),
    });
    assert!(runner.runs("stop").is_empty(), "{:?}", runner.runs("stop"));
}
