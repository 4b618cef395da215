//! Applications on real daemons hold items of assignments, while a sampler looks every two milliseconds whether one has two believers.
//!
//! An application here is a thread that follows `quorate assign watch` on its host, goes by `CLOCK_BOOTTIME` and the deadlines that it was
//! told whatever becomes of the daemon, and lets go of what is asked back.

use super::cluster::Cluster;
use super::followers::Follower;
use super::host::{Host, Said, quorate};
use super::place::{boottime_ms, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks of the sampler.
const LOOK: Duration = Duration::from_millis(2);

/// Item -> its number, and until when it may be used.
type Beliefs = BTreeMap<String, (u64, u64)>;

/// An application on one host.
type App = Follower<Beliefs>;

fn app(host: &Host) -> App {
    Follower::on(host, &["assign", "watch", "p"], follow)
}

impl App {
    fn holds(&self) -> usize {
        let (believed, now) = (self.believed.lock().expect("no holder panics"), boottime_ms());
        believed.values().filter(|(_, until)| *until > now).count()
    }
}

fn follow(believed: &Mutex<Beliefs>, socket: &Path, line: &Value) {
    let items = line["items"].as_array().cloned().unwrap_or_default();
    for item in &items {
        let name = item["item"].as_str().expect("a name").to_owned();
        let number = item["number"].as_u64().expect("a number");
        match item["state"].as_str() {
            Some("held") => {
                let until = item["deadline_boottime_ms"].as_u64().expect("a deadline");
                believed.lock().expect("no holder panics").insert(name, (number, until));
            }
            Some("leaving") => {
                believed.lock().expect("no holder panics").remove(&name);
                let (socket, number) = (socket.display().to_string(), number.to_string());
                let release = ["assign", "release", "p", "--item", &name, "--number", &number];
                // One that is too late is refused.
                let _ = quorate(&["--socket", &socket]).args(release).output();
            }
            // It keeps what it was told, until that ends.
            _ => {}
        }
    }
}

/// Looks until it is told to stop; what it saw that must not be, and how often it looked.
fn sampler(
    apps: Vec<Arc<Mutex<Beliefs>>>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<(Vec<String>, u64)> {
    std::thread::spawn(move || {
        let (mut doubled, mut looks) = (Vec::new(), 0);
        while !stop.load(Ordering::Relaxed) {
            // All of them are held while they are compared: an instant is one.
            let held: Vec<_> =
                apps.iter().map(|app| app.lock().expect("no holder panics")).collect();
            let (now, mut seen) = (boottime_ms(), BTreeMap::new());
            for (app, beliefs) in held.iter().enumerate() {
                for (item, _) in beliefs.iter().filter(|(_, (_, until))| *until > now) {
                    if let Some(other) = seen.insert(item.clone(), app) {
                        doubled.push(format!("item {item} is held by {other} and {app}"));
                    }
                }
            }
            drop(held);
            looks += 1;
            std::thread::sleep(LOOK);
        }
        (doubled, looks)
    })
}

#[track_caller]
fn hold(apps: &[App], what: &str, wanted: impl Fn(&[usize]) -> bool) {
    until(what, || {
        let held: Vec<usize> = apps.iter().map(App::holds).collect();
        if wanted(&held) { Ok(()) } else { Err(format!("{held:?}")) }
    });
}

/// Item -> host, number and state, as a host shows them when it is asked once.
fn shown(host: &Host, name: &str) -> BTreeMap<String, (String, u64, String)> {
    let text = host.cli(&["assign", "show", name, "-o", "json"]).ok();
    let page: Value = serde_json::from_str(&text).expect("a page");
    let items = page["items"].as_array().expect("items").iter();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let row = |item: &Value| {
        let number = item["number"].as_u64().unwrap_or(0);
        (text(item, "item"), (text(item, "host"), number, text(item, "state")))
    };
    items.map(row).collect()
}

fn by_host(items: &BTreeMap<String, (String, u64, String)>) -> Vec<usize> {
    let mut counts = BTreeMap::new();
    for (host, ..) in items.values() {
        *counts.entry(host.as_str()).or_insert(0) += 1;
    }
    counts.into_values().collect()
}

#[test]
fn six_items_of_three_hosts_are_never_held_by_two_whoever_dies_and_comes_back() {
    let mut cluster = Cluster::running(3);
    let created = cluster.hosts[2].cli(&["assign", "create", "p", "--items", "6"]).ok();
    let apps: Vec<App> = cluster.hosts.iter().map(app).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let sampler = sampler(apps.iter().map(|app| app.believed.clone()).collect(), stop.clone());
    assert!(created.starts_with("p: 6 of 6 items held, lazy"), "{created}");
    // Once, on another host, without asking again.
    let first = shown(&cluster.hosts[0], "p");
    assert_eq!(by_host(&first), [2, 2, 2], "{first:?}");
    assert!(first.values().all(|(.., state)| state == "held"), "{first:?}");
    hold(&apps, "two each", |held| held == [2, 2, 2]);
    let dies = (cluster.leader() + 1) % 3;
    let name = cluster.hosts[dies].name.clone();
    cluster.hosts[dies].kill();
    hold(&apps, "the others hold three each", |held| {
        (0..3).all(|host| held[host] == if host == dies { 0 } else { 3 })
    });
    let alive = (dies + 1) % 3;
    until("all of them are held as the others are told", || {
        let now = shown(&cluster.hosts[alive], "p");
        let held = now.values().all(|(host, _, state)| *host != name && state == "held");
        if held { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let then = shown(&cluster.hosts[alive], "p");
    for (item, (host, number, _)) in &then {
        let (before, earlier, _) = &first[item];
        assert!((host == before && number == earlier) || number > earlier, "{item}: {then:?}");
    }
    cluster.hosts[dies].start();
    cluster.is_whole();
    assert_eq!(shown(&cluster.hosts[dies], "p"), then, "nothing moves for a return");
    let eager = ["assign", "create", "p", "--items", "6", "--rebalance", "eager", "--wait", "30s"];
    cluster.hosts[alive].cli(&eager).ok();
    hold(&apps, "two each again", |held| held == [2, 2, 2]);
    let file = cluster.hosts[dies].file("sock.assignments/p.json");
    let file = std::fs::read_to_string(file).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("it is whole");
    assert_eq!(file["items"].as_array().map(Vec::len), Some(2), "{file}");
    let audit = cluster.hosts[0].cli(&["assign", "audit", "p"]).ok();
    assert!(audit.contains("no item was given before it was free"), "{audit}");
    let removed = cluster.hosts[1].cli(&["assign", "remove", "p"]).ok();
    assert!(removed.contains("6 items that are held"), "{removed}");
    hold(&apps, "nobody holds anything", |held| held == [0, 0, 0]);
    until("it is gone", || match cluster.hosts[1].cli(&["assign", "list"]).ok() {
        list if list.starts_with("no assignments") => Ok(()),
        list => Err(list),
    });
    stop.store(true, Ordering::Relaxed);
    let (doubled, looks) = sampler.join().expect("it does not panic");
    assert!(doubled.is_empty() && looks > 100, "{doubled:?} in {looks} looks");
}

#[test]
fn an_assignment_that_nobody_may_hold_is_defined_and_says_what_it_waits_for() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    let create =
        ["assign", "create", "p", "--item", "vip", "--scope", "role=none", "--wait", "200ms"];
    let said = host.cli(&create);
    assert_eq!(said.code, Some(5), "{}", said.text());
    said.names(&["p is defined", "vip (no host that may hold it"]);
    host.waits_for("item-unheld", &["item vip of p", "role=none"]);
    let wrong = host.cli(&["assign", "release", "p", "--item", "vip", "--number", "1"]);
    assert_eq!(wrong.code, Some(6), "{}", wrong.text());
    for command in ["show", "watch"] {
        let said = host.cli(&["assign", command, "q"]);
        assert_eq!(said.code, Some(6), "{command}: {}", said.text());
    }
}

/// Asks at one host after the other, until one of them has done it: a host that is killed answers nothing.
fn created(sockets: &[PathBuf], first: usize, name: &str) -> Result<(), String> {
    let mut last = String::new();
    for at in (first..first + 30).map(|at| at % sockets.len()) {
        let socket = sockets[at].display().to_string();
        let mut create = quorate(&["--socket", &socket, "assign", "create", name]);
        create.args(["--items", "5", "--timeout", "20s", "--wait", "20s"]);
        let said = Said::of(create.output().expect("the command line runs"));
        match said.code {
            Some(0) => return Ok(()),
            // Its daemon is gone, or the leader on whom it waited.
            _ => last = said.text(),
        }
    }
    Err(last)
}

#[test]
fn twenty_assignments_that_are_asked_for_while_the_cluster_founds_itself_are_all_held() {
    let mut cluster = Cluster::of(3);
    cluster.start_all();
    let sockets: Vec<PathBuf> = cluster.hosts.iter().map(Host::socket).collect();
    until("the doors are open", || {
        let open = sockets.iter().all(|socket| socket.exists());
        if open { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let ask = |number: usize| {
        let sockets = sockets.clone();
        std::thread::spawn(move || created(&sockets, number, &format!("a{number}")))
    };
    let mut asked: Vec<JoinHandle<Result<(), String>>> = (0..10).map(ask).collect();
    let leader = cluster.leader();
    asked.extend((10..20).map(ask));
    cluster.hosts[leader].kill();
    for asked in asked {
        asked.join().expect("it does not panic").expect("it is held");
    }
    cluster.hosts[leader].start();
    cluster.is_whole();
    until("every item is held", || {
        for number in 0..20 {
            let items = shown(&cluster.hosts[0], &format!("a{number}"));
            let held = items.values().all(|(_, number, state)| *number > 0 && state == "held");
            if !held || items.len() != 5 {
                return Err(format!("a{number}: {items:?}"));
            }
        }
        Ok(())
    });
    let lists: Vec<String> =
        cluster.hosts.iter().map(|host| host.cli(&["assign", "list", "-o", "json"]).ok()).collect();
    assert!(lists[0] == lists[1] && lists[1] == lists[2], "equal on all hosts");
}
