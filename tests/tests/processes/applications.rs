//! Applications on real daemons: what their checks say is told by every host in the same epoch, and a host that is killed takes them along.

use super::cluster::Cluster;
use super::host::Host;
use super::place::until;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A web server of one host, which works or does not.
struct Web {
    address: SocketAddr,
    works: Arc<AtomicBool>,
}

impl Web {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("it has one");
        let works = Arc::new(AtomicBool::new(true));
        let own = Arc::clone(&works);
        // It ends with the process.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1024]);
                let status = if own.load(Ordering::Relaxed) { "200 OK" } else { "503 Busy" };
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { address, works }
    }
}

/// Defines an application of a host.
fn define(host: &Host, name: &str, check: &str) {
    let directory = host.file("apps.d");
    fs::create_dir_all(&directory).expect("a directory");
    let text = format!("endpoints = [\"10.0.0.1:80\"]\n[check]\n{check}\n");
    fs::write(directory.join(format!("{name}.toml")), text).expect("a file");
}

fn web_check(web: &Web) -> String {
    let url = format!("http://{}/health", web.address);
    format!("kind = \"http\"\nurl = \"{url}\"\ninterval = \"500ms\"\nrise = 1\nfall = 1")
}

/// A cluster of three, with a place for the applications of each.
fn cluster() -> Cluster {
    let cluster = Cluster::of(3);
    for host in &cluster.hosts {
        let extra = format!("apps_dir = \"{}\"", host.file("apps.d").display());
        host.configure(&cluster.seeds, &cluster.secret, &extra);
    }
    cluster
}

/// What a host tells of the applications of all.
fn apps(host: &Host) -> Value {
    let said = host.cli(&["apps", "-o", "json"]).ok();
    serde_json::from_str(&said).expect("JSON")
}

/// `name@host state`, of each.
fn states(page: &Value) -> Vec<String> {
    let all = page["applications"].as_array().expect("a list");
    let text = |one: &Value, key: &str| one[key].as_str().expect("a text").to_owned();
    let line =
        |one: &Value| format!("{}@{} {}", text(one, "name"), text(one, "host"), text(one, "state"));
    all.iter().map(line).collect()
}

/// Waits until every running host tells the same of the applications, and this.
#[track_caller]
fn all_tell(cluster: &Cluster, wanted: &[&str]) -> Value {
    until(&format!("all hosts tell {wanted:?}"), || {
        let pages: Vec<Value> = cluster.running_hosts().map(apps).collect();
        let lists: BTreeSet<String> =
            pages.iter().map(|page| page["applications"].to_string()).collect();
        match lists.len() == 1 && states(&pages[0]) == wanted {
            true => Ok(pages[0].clone()),
            false => Err(format!("{lists:?}")),
        }
    })
}

/// The epoch of an application's state.
fn since(page: &Value, host: &str) -> u64 {
    let all = page["applications"].as_array().expect("a list");
    let one = all.iter().find(|one| one["host"] == host).expect("it has one");
    one["since_epoch"].as_u64().expect("a number")
}

#[test]
fn a_check_that_fails_is_told_by_all_hosts_in_one_epoch_and_a_killed_host_takes_its_applications_along()
 {
    let mut cluster = cluster();
    let webs: Vec<Web> = cluster.hosts.iter().map(|_| Web::new()).collect();
    for (host, web) in cluster.hosts.iter().zip(&webs) {
        define(host, "web", &web_check(web));
    }
    cluster.start_all();
    cluster.is_whole();
    all_tell(&cluster, &["web@n1 up", "web@n2 up", "web@n3 up"]);
    webs[1].works.store(false, Ordering::Relaxed);
    let page = all_tell(&cluster, &["web@n1 up", "web@n2 down", "web@n3 up"]);
    let reason = page["applications"][1]["reason"].to_string();
    assert!(reason.contains("503"), "{reason}");
    cluster.hosts[1].waits_for("application-down", &["web", "503", "quorate apps web"]);
    let epoch = since(&page, "n2");
    let told: BTreeSet<String> = cluster
        .hosts
        .iter()
        .map(|host| {
            let events = host.cli(&["events", "-o", "json"]).ok();
            let line = |line: &str| -> Value { serde_json::from_str(line).expect("JSON") };
            let events: Vec<Value> = events.lines().map(line).collect();
            let of = |event: &&Value| event["epoch"] == epoch && event["kind"] == "epoch";
            let event = events.iter().find(of).expect("the event of that epoch");
            format!("{} {}", event["text"], event["changed_applications"])
        })
        .collect();
    assert_eq!(told.len(), 1, "all tell it in the same words: {told:?}");
    cluster.hosts[2].kill();
    let page = all_tell(&cluster, &["web@n1 up", "web@n2 down", "web@n3 down"]);
    let member = cluster.sees(0, "n3", "state", "down");
    assert_eq!(member["since_epoch"].as_u64(), Some(since(&page, "n3")), "in the same epoch");
    webs[1].works.store(true, Ordering::Relaxed);
    cluster.hosts[2].start();
    cluster.hosts[2].is_up();
    all_tell(&cluster, &["web@n1 up", "web@n2 up", "web@n3 up"]);
}

#[test]
fn whoever_asks_any_host_for_an_acknowledged_epoch_sees_all_of_its_endpoints() {
    let mut cluster = cluster();
    for host in &cluster.hosts {
        define(host, "broker", "kind = \"none\"");
    }
    cluster.start_all();
    cluster.is_whole();
    let three = ["broker@n1 up", "broker@n2 up", "broker@n3 up"];
    let first = &cluster.hosts[0];
    let page = until("a host tells of three", || {
        let page = apps(first);
        if states(&page) == three { Ok(page) } else { Err(page.to_string()) }
    });
    let epoch = page["epoch"].to_string();
    first.cli(&["wait", "--epoch", &epoch, "--all-live"]).ok();
    for host in &cluster.hosts {
        assert_eq!(states(&apps(host)), three, "{} was asked at once", host.name);
    }
    // One that comes later has all of them from the first moment in which it is ready.
    let guest = cluster.add("guest");
    guest.start();
    guest.is_up();
    guest.cli(&["wait", "--ready", "--timeout", "60s"]).ok();
    assert_eq!(states(&apps(guest)), three);
}

#[test]
fn a_file_that_is_wrong_is_named_with_its_line_and_keeps_nothing_else_back() {
    let mut cluster = cluster();
    define(&cluster.hosts[0], "good", "kind = \"none\"");
    cluster.start_all();
    cluster.is_whole();
    all_tell(&cluster, &["good@n1 up"]);
    let first = &cluster.hosts[0];
    define(first, "bad", "kind = \"htp\"");
    define(first, "more", "kind = \"none\"");
    first.signal(Signal::HUP);
    first.waits_for(
        "application-file",
        &["bad.toml: line 3: kind `htp`", "systemctl reload quorate"],
    );
    all_tell(&cluster, &["good@n1 up", "more@n1 up"]);
    let config = cluster.hosts[0].file("quorate.toml").display().to_string();
    let checked = super::host::quorate(&["check-config", "--config", &config]).output();
    let checked = String::from_utf8_lossy(&checked.expect("it runs").stdout).into_owned();
    assert!(checked.contains("bad.toml: line 3") && checked.contains("2 defined"), "{checked}");
    fs::remove_file(cluster.hosts[0].file("apps.d").join("bad.toml")).expect("it is there");
    fs::remove_file(cluster.hosts[0].file("apps.d").join("good.toml")).expect("it is there");
    cluster.hosts[0].signal(Signal::HUP);
    all_tell(&cluster, &["more@n1 up"]);
    cluster.hosts[0].status_when("names no file any more", |status| {
        !status.to_string().contains("application-file")
    });
}

#[test]
fn an_application_that_registers_itself_is_up_for_as_long_as_it_says_so() {
    let mut cluster = cluster();
    cluster.start_all();
    cluster.is_whole();
    let first = &cluster.hosts[0];
    let set =
        ["app", "set", "job", "--endpoint", "10.0.0.1:1", "--label", "tier=batch", "--ttl", "60s"];
    first.cli(&set).ok();
    let page = all_tell(&cluster, &["job@n1 up"]);
    assert_eq!(page["applications"][0]["labels"]["tier"], "batch");
    first.cli(&["app", "heartbeat", "job", "--state", "down", "--reason", "no input"]).ok();
    let page = all_tell(&cluster, &["job@n1 down"]);
    assert_eq!(page["applications"][0]["reason"], "no input");
    first.cli(&["app", "set", "job", "--ttl", "1s"]).ok();
    all_tell(&cluster, &["job@n1 up"]);
    let page = all_tell(&cluster, &["job@n1 down"]);
    let again = "down 2 times of late, until it has worked for 2 s: no heartbeat within 1 s";
    assert_eq!(page["applications"][0]["reason"], again);
    let listed = first.cli(&["app", "list"]).ok();
    assert!(listed.contains("job") && listed.contains("registered"), "{listed}");
    first.cli(&["app", "remove", "job"]).ok();
    all_tell(&cluster, &[]);
    let unknown = first.cli(&["app", "heartbeat", "job"]);
    assert_eq!(unknown.code, Some(6), "{}", unknown.text());
    assert_eq!(first.cli(&["apps", "job"]).code, Some(6));
}

#[test]
fn a_check_that_hangs_forks_or_prints_for_ever_harms_no_other() {
    let mut cluster = cluster();
    let command = |script: &str| {
        format!(
            "kind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\ninterval = \"500ms\"\ntimeout = \"500ms\"\nfall = 1"
        )
    };
    let first = &cluster.hosts[0];
    define(first, "forks", &command("for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait"));
    define(first, "hangs", &command("sleep 1000"));
    define(first, "prints", &command("yes"));
    define(first, "well", &command("echo all is well"));
    cluster.start_all();
    cluster.is_whole();
    let all = ["forks@n1 down", "hangs@n1 down", "prints@n1 down", "well@n1 up"];
    let page = all_tell(&cluster, &all);
    let reason = page["applications"][2]["reason"].to_string();
    assert!(reason.contains("killed (y)"), "{reason}");
    // It goes on to serve, and to check.
    cluster.hosts[0].put("a", "b");
    let metrics = super::links::metrics(&cluster.hosts[0]);
    let up = |name: &str| {
        super::links::series(&metrics, &format!("quorate_application_up{{application=\"{name}\"}}"))
    };
    assert_eq!((up("well"), up("hangs")), (Some(1), Some(0)), "{metrics}");
    cluster.hosts[0].stop(Signal::TERM);
}
