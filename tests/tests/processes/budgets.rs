//! Two applications on real daemons share 30 connections, while a sampler adds up what they believe every two milliseconds.
//!
//! An application here is a thread that follows `quorate budget watch` on its host, goes by `CLOCK_BOOTTIME` and its deadlines whatever
//! becomes of the daemon, and acknowledges what it is asked to.

use super::cluster::Cluster;
use super::followers::Follower;
use super::host::{Host, quorate};
use super::place::{boottime_ms, until};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks of the sampler.
const LOOK: Duration = Duration::from_millis(2);

/// What an application may use, and until when; none: it has nothing with an end.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Believed {
    amount: u64,
    until: Option<u64>,
}

impl Believed {
    fn now(self) -> u64 {
        match self.until {
            Some(until) if boottime_ms() >= until => 0,
            _ => self.amount,
        }
    }
}

/// An application on one host.
pub(super) type App = Follower<Believed>;

/// That of a budget, or of a class of one.
pub(super) fn app(host: &Host, name: &str) -> App {
    Follower::on(host, &["budget", "watch", name], follow)
}

impl App {
    pub(super) fn believes(&self) -> u64 {
        self.believed.lock().expect("no holder panics").now()
    }
}

fn follow(believed: &Mutex<Believed>, socket: &Path, line: &Value) {
    let number = |key: &str| line[key].as_u64();
    let in_use = {
        let mut now = believed.lock().expect("no holder panics");
        match line["state"].as_str() {
            Some("held") => {
                let amount = number("amount").expect("an amount");
                *now = Believed { amount, until: number("deadline_boottime_ms") };
            }
            // It keeps what it was told, until that ends.
            Some("restarted") => {}
            _ => *now = Believed::default(),
        }
        now.now()
    };
    if line["acknowledge"] == true {
        let (socket, number) = (socket.display().to_string(), number("number").expect("a number"));
        let (number, in_use) = (number.to_string(), in_use.to_string());
        let name = line["budget"].as_str().expect("a name");
        let arguments = ["budget", "ack", name, "--number", &number, "--in-use", &in_use];
        // One that is too late is refused.
        let _ = quorate(&["--socket", &socket]).args(arguments).output();
    }
}

/// Adds up until it is told to stop; the most that it saw.
pub(super) fn sampler(
    apps: Vec<Arc<Mutex<Believed>>>,
    stop: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut looks = 0;
        while !stop.load(Ordering::Relaxed) {
            // All of them are held while they are added up: an instant is one.
            let held: Vec<_> =
                apps.iter().map(|app| app.lock().expect("no holder panics")).collect();
            most.fetch_max(held.iter().map(|app| app.now()).sum(), Ordering::Relaxed);
            drop(held);
            looks += 1;
            std::thread::sleep(LOOK);
        }
        looks
    })
}

#[track_caller]
pub(super) fn believe<const N: usize>(apps: &[App; N], wanted: [u64; N]) {
    until(&format!("the applications believe {wanted:?}"), || {
        let believed = apps.each_ref().map(App::believes);
        if believed == wanted { Ok(()) } else { Err(format!("{believed:?}")) }
    });
}

#[test]
fn two_proxies_share_thirty_connections_and_the_database_never_sees_thirty_one() {
    let mut cluster = Cluster::of(3);
    for host in &cluster.hosts[..2] {
        host.write("host.toml", &format!("name = \"{}\"\n[labels]\nrole = \"proxy\"\n", host.name));
    }
    cluster.start_all();
    cluster.is_whole();
    let defined =
        cluster.hosts[2].cli(&["budget", "set", "pg", "--max", "30", "--scope", "role=proxy"]);
    assert_eq!(defined.ok(), "pg: defined\n");
    let apps = [app(&cluster.hosts[0], "pg"), app(&cluster.hosts[1], "pg")];
    let (stop, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let all = apps.iter().map(|app| app.believed.clone()).collect();
    let sampler = sampler(all, stop.clone(), most.clone());
    believe(&apps, [15, 15]);
    for (dies, alone) in [(0, [0, 30]), (1, [30, 0])] {
        cluster.hosts[dies].kill();
        believe(&apps, alone);
        cluster.hosts[dies].start();
        cluster.hosts[dies].is_up();
        believe(&apps, [15, 15]);
    }
    // In order, and at once back: nothing is anybody else's in between.
    cluster.hosts[0].stop(rustix::process::Signal::TERM);
    cluster.hosts[0].start();
    cluster.is_whole();
    believe(&apps, [15, 15]);
    let file =
        std::fs::read_to_string(cluster.hosts[0].file("sock.shares/pg.json")).expect("a file");
    let file: Value = serde_json::from_str(&file).expect("it is whole");
    assert_eq!((file["amount"].as_u64(), file["state"].as_str()), (Some(15), Some("held")));
    let shown = cluster.hosts[2].cli(&["budget", "show", "pg"]).ok();
    for part in ["pg: 30 of 30 granted, strict", "for role=proxy", "n1", "n2"] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    let audit = cluster.hosts[2].cli(&["budget", "audit", "pg"]).ok();
    assert!(audit.contains("none granted more than there was"), "{audit}");
    let removed = cluster.hosts[2].cli(&["budget", "remove", "pg"]).ok();
    assert!(removed.contains("30 that are granted"), "{removed}");
    believe(&apps, [0, 0]);
    until("it is gone", || match cluster.hosts[2].cli(&["budget", "list"]).ok() {
        list if list.starts_with("no budgets") => Ok(()),
        list => Err(list),
    });
    stop.store(true, Ordering::Relaxed);
    let looks = sampler.join().expect("it does not panic");
    let most = most.load(Ordering::Relaxed);
    assert!(most == 30 && looks > 100, "{most} at one time, in {looks} looks");
}
