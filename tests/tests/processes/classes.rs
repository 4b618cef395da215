//! A budget with classes on real daemons: each class has its applications, and what a host has of all of them is even, too.

use super::budgets::{App, app, believe, sampler};
use super::cluster::Cluster;
use super::followers::Follower;
use super::place::until;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn note_class(told: &Mutex<BTreeSet<String>>, _: &Path, line: &Value) {
    let name = line["budget"].as_str().expect("a name").to_owned();
    told.lock().expect("no holder panics").insert(name);
}

/// What hosts have of each class, and of both together.
#[track_caller]
fn have(apps: &[App; 3], reports: &[App; 3], hosts: [usize; 2], each: [u64; 2]) {
    until(&format!("hosts {hosts:?} have {each:?} of each class"), || {
        let of = |all: &[App; 3]| hosts.map(|host| all[host].believes());
        let believed = [of(apps), of(reports)];
        let is = believed == each.map(|amount| [amount; 2]);
        if is { Ok(()) } else { Err(format!("{believed:?}")) }
    });
}

/// Each of three hosts has ten, and of each class as much as whole numbers allow.
#[track_caller]
fn ten_each(apps: &[App; 3], reports: &[App; 3]) {
    until("each host has ten", || {
        let (app, report) =
            (apps.each_ref().map(App::believes), reports.each_ref().map(App::believes));
        let all: Vec<u64> = app.iter().zip(&report).map(|(one, other)| one + other).collect();
        let (mut one, mut other) = (app, report);
        one.sort_unstable();
        other.sort_unstable();
        match (one, other, all.as_slice()) {
            ([6, 7, 7], [3, 3, 4], [10, 10, 10]) => Ok(()),
            _ => Err(format!("{app:?} and {report:?}")),
        }
    });
}

#[test]
fn thirty_connections_of_two_users_are_ten_on_each_of_three_hosts_and_fifteen_on_each_of_two() {
    let mut cluster = Cluster::of(3);
    cluster.start_all();
    cluster.is_whole();
    let set = |classes: [&str; 2]| {
        let [one, other] = classes;
        let command = ["budget", "set", "pg", "--max", "30", "--class", one, "--class", other];
        command.map(str::to_owned)
    };
    let too_much = set(["app=20", "report=11"]);
    let refused = cluster.hosts[0].cli(&too_much.each_ref().map(String::as_str));
    assert!(refused.err.contains("31 together (app 20, report 11), and max is 30"));
    let fits = set(["app=20", "report=10"]);
    assert_eq!(cluster.hosts[0].cli(&fits.each_ref().map(String::as_str)).ok(), "pg: defined\n");
    let follow = |name: &str| [0, 1, 2].map(|host| app(&cluster.hosts[host], name));
    let (apps, reports) = (follow("pg:app"), follow("pg:report"));
    let stop = Arc::new(AtomicBool::new(false));
    let of = |all: &[&[App; 3]]| {
        let most = Arc::new(AtomicU64::new(0));
        let believed = all.iter().flat_map(|apps| apps.iter().map(|it| it.believed.clone()));
        (sampler(believed.collect(), stop.clone(), most.clone()), most)
    };
    let samplers = [of(&[&apps, &reports]), of(&[&apps]), of(&[&reports])];
    ten_each(&apps, &reports);
    let list = cluster.hosts[1].cli(&["budget", "list"]).ok();
    for part in ["pg: 30 of 30 granted, strict", "pg:app: 20 of 20", "pg:report: 10 of 10"] {
        assert!(list.contains(part), "no `{part}` in:\n{list}");
    }
    let file = std::fs::read_to_string(cluster.hosts[0].file("sock.shares/pg:app.json"));
    assert!(file.expect("a file").contains("\"budget\":\"pg:app\""));
    // One application for all classes of its host.
    let whole = Follower::on(&cluster.hosts[0], &["budget", "watch", "pg"], note_class);
    until("both classes are told of in one stream", || {
        let told = whole.believed.lock().expect("no holder panics").clone();
        let names: Vec<&str> = told.iter().map(String::as_str).collect();
        if names == ["pg:app", "pg:report"] { Ok(()) } else { Err(format!("{names:?}")) }
    });
    cluster.hosts[2].kill();
    have(&apps, &reports, [0, 1], [10, 5]);
    cluster.hosts[2].start();
    cluster.is_whole();
    ten_each(&apps, &reports);
    let audit = cluster.hosts[0].cli(&["budget", "audit", "pg"]).ok();
    assert_eq!(audit.matches("none granted more than there was").count(), 2, "{audit}");
    cluster.hosts[0].cli(&["budget", "remove", "pg"]).ok();
    believe(&apps, [0; 3]);
    believe(&reports, [0; 3]);
    stop.store(true, Ordering::Relaxed);
    let most = samplers.map(|(sampler, most)| {
        assert!(sampler.join().expect("it does not panic") > 100);
        most.load(Ordering::Relaxed)
    });
    assert_eq!(most, [30, 20, 10]);
}
