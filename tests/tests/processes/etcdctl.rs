//! etcd's own client, as Debian ships it, unmodified, against each node and both doors.

use super::cluster::Cluster;
use super::host::Said;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// One command of etcdctl with something on its standard input.
fn etcdctl_with(endpoint: &str, arguments: &[&str], input: &[u8]) -> Said {
    let started = Command::new("etcdctl")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", endpoint, "--command-timeout", "30s"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        panic!(
            "etcdctl is not installed: run `apt-get install etcd-client`, or `./check`, which installs it"
        )
    };
    // An etcdctl that refuses its arguments reads nothing; its own words then tell.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    Said::of(child.wait_with_output().expect("its output"))
}

fn etcdctl(endpoint: &str, arguments: &[&str]) -> Said {
    etcdctl_with(endpoint, arguments, b"")
}

/// Every door of every host.
fn doors(cluster: &Cluster) -> Vec<String> {
    let unix = cluster.hosts.iter().map(|host| format!("unix://{}", host.socket().display()));
    let tcp = cluster.hosts.iter().map(|host| host.listen.to_string());
    unix.chain(tcp).collect()
}

#[test]
fn etcdctl_puts_gets_and_deletes_through_every_door() {
    let cluster = Cluster::running(3);
    let doors = doors(&cluster);
    for (number, door) in doors.iter().enumerate() {
        let (key, value) = (format!("door/{number}"), format!("value {number}"));
        assert_eq!(etcdctl(door, &["put", &key, &value]).ok(), "OK\n");
        // What was written through one door is read through the next.
        let next = &doors[(number + 1) % doors.len()];
        assert_eq!(etcdctl(next, &["get", &key]).ok(), format!("{key}\n{value}\n"));
    }
    let all = etcdctl(&doors[0], &["get", "door/", "--prefix", "--keys-only"]).ok();
    assert_eq!(all.split_whitespace().count(), doors.len(), "{all}");
    for (number, door) in doors.iter().enumerate() {
        assert_eq!(etcdctl(door, &["del", &format!("door/{number}")]).ok(), "1\n");
        assert_eq!(etcdctl(door, &["del", &format!("door/{number}")]).ok(), "0\n");
    }
    assert_eq!(etcdctl(&doors[4], &["get", "door/", "--prefix"]).ok(), "");
}

#[test]
fn etcdctl_reads_earlier_revisions_and_prefixes_until_they_are_compacted() {
    let cluster = Cluster::running(1);
    let door = &doors(&cluster)[0];
    for value in ["one", "two", "three"] {
        etcdctl(door, &["put", "colour", value]).ok();
    }
    etcdctl(door, &["put", "colours/all", "many"]).ok();
    // A fresh store is at revision 1, as etcd's is.
    assert_eq!(etcdctl(door, &["get", "colour", "--rev", "2", "--print-value-only"]).ok(), "one\n");
    assert_eq!(etcdctl(door, &["get", "colour", "--rev", "3", "--print-value-only"]).ok(), "two\n");
    assert_eq!(
        etcdctl(door, &["get", "colour", "--prefix", "--keys-only"]).ok(),
        "colour\n\ncolours/all\n\n"
    );
    assert_eq!(etcdctl(door, &["get", "colour", "colour0", "--keys-only"]).ok(), "colour\n\n");
    assert_eq!(
        etcdctl(door, &["get", "", "--prefix", "--order", "DESCEND", "--limit", "1"]).ok(),
        "colours/all\nmany\n"
    );
    assert_eq!(etcdctl(door, &["compaction", "3"]).ok(), "compacted revision 3\n");
    let gone = etcdctl(door, &["get", "colour", "--rev", "2"]);
    assert_ne!(gone.code, Some(0));
    gone.names(&["etcdserver: mvcc: required revision has been compacted"]);
    let again = etcdctl(door, &["compaction", "3"]);
    again.names(&["etcdserver: mvcc: required revision has been compacted"]);
    let future = etcdctl(door, &["get", "colour", "--rev", "1000"]);
    future.names(&["etcdserver: mvcc: required revision is a future revision"]);
    assert_eq!(etcdctl(door, &["get", "colour", "--print-value-only"]).ok(), "three\n");
}

#[test]
fn etcdctl_runs_transactions_with_compares() {
    let cluster = Cluster::running(2);
    for door in doors(&cluster) {
        etcdctl(&door, &["put", "stock", "7"]).ok();
        let swap = b"value(\"stock\") = \"7\"\n\nput stock 6\nget stock\n\nget stock\n\n";
        let first = etcdctl_with(&door, &["txn"], swap).ok();
        assert!(first.starts_with("SUCCESS") && first.ends_with("stock\n6\n"), "{first}");
        let second = etcdctl_with(&door, &["txn"], swap).ok();
        assert!(second.starts_with("FAILURE") && second.ends_with("stock\n6\n"), "{second}");
        let twice = etcdctl_with(&door, &["txn"], b"\nput stock 1\nput stock 2\n\n\n");
        twice.names(&["etcdserver: duplicate key given in txn request"]);
    }
}

#[test]
fn a_value_of_one_mebibyte_is_kept_and_a_request_over_the_limit_gets_etcds_own_words() {
    let cluster = Cluster::running(2);
    let large = "x".repeat(1024 * 1024);
    for (number, door) in doors(&cluster).iter().enumerate() {
        let key = format!("large/{number}");
        assert_eq!(etcdctl_with(door, &["put", &key], large.as_bytes()).ok(), "OK\n");
        let read = etcdctl(door, &["get", &key, "--print-value-only"]).ok();
        assert_eq!(read.trim_end().len(), large.len());
        // etcd's limit is 1.5 MiB for a request.
        let larger = "x".repeat(1536 * 1024 + 1);
        let refused = etcdctl_with(door, &["put", "larger"], larger.as_bytes());
        assert_ne!(refused.code, Some(0));
        refused.names(&["etcdserver: request is too large"]);
    }
}

#[test]
fn nobody_writes_below_meta_and_the_keyspace_stays_off_tcp_unless_asked_for() {
    let mut cluster = Cluster::of(1);
    cluster.hosts[0].reconfigure("keyspace_on_tcp = true", "keyspace_on_tcp = false");
    cluster.start_all();
    cluster.is_whole();
    let host = &cluster.hosts[0];
    let unix = format!("unix://{}", host.socket().display());
    let nodes = etcdctl(&unix, &["get", "__meta/nodes/", "--prefix"]).ok();
    assert!(nodes.contains("__meta/nodes/n1") && nodes.contains("alive"), "{nodes}");
    assert_eq!(etcdctl(&unix, &["get", "", "--prefix"]).ok(), "", "the users' space is empty");
    let written = etcdctl(&unix, &["put", "__meta/nodes/n1", "{}"]);
    assert_ne!(written.code, Some(0));
    written.names(&["__meta/"]);
    let tcp = etcdctl(&host.listen.to_string(), &["get", "a"]);
    assert_ne!(tcp.code, Some(0));
    tcp.names(&["keyspace_on_tcp"]);
}

#[test]
fn etcdctl_learns_status_members_and_alarms_through_every_door() {
    let cluster = Cluster::running(3);
    for door in doors(&cluster) {
        let status = etcdctl(&door, &["endpoint", "status"]).ok();
        assert!(status.contains("3.4.0"), "{status}");
        etcdctl(&door, &["endpoint", "health"]).ok();
        let members = etcdctl(&door, &["member", "list"]).ok();
        assert_eq!(members.lines().count(), 3, "{members}");
        assert_eq!(etcdctl(&door, &["alarm", "list"]).ok(), "");
    }
}
