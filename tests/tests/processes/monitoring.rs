//! The alerts and the board of `systemd/monitoring` against real daemons: every series and label that they name is in `/metrics`, every
//! command that an alert prints works, and the table of docs/MONITORING.md is made from the rules.
//!
//! What the expressions come to is no matter here: `tests/monitoring/check.py` asks promtool.

use super::cluster::Cluster;
use super::host::{Host, quorate};
use super::links::metrics;
use super::place::until;
use super::queries::{Use, board_queries, uses};
use super::rules::{Alert, alerts};
use quorate_proto::ReasonCode;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/MONITORING.md");
/// Where the table of the page begins and ends.
const MARKS: [&str; 2] =
    ["<!-- made from systemd/monitoring/quorate.rules.yml: -->\n\n", "\n<!-- until here -->"];
/// What Prometheus adds to what it scrapes.
const OF_THE_MONITOR: [&str; 2] = ["job", "instance"];
/// Not there before the first snapshot, which a small cluster does not come to. `daemon/src/metrics/tests.rs` has it.
const LATER: &str = "quorate_snapshot_timestamp_seconds";
/// Programs of the host that commands may begin with; of `quorate` and `curl` each command is run.
const PROGRAMS: [&str; 5] = ["journalctl", "systemctl", "df", "ss", "cat"];

/// By series: the values of each of its labels.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Adds what a page has. Heads count as series too, for the labels of those that are not there yet.
fn read_page(page: &str, into: &mut Series) {
    for line in page.lines().filter(|line| !line.starts_with("# HELP ")) {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').expect("a name and a kind");
            let ends: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            for end in ends {
                into.entry(format!("{name}{end}")).or_default();
            }
        } else if let Some(sample) =
            uses(line.rsplit_once(' ').map_or(line, |(name, _)| name)).pop()
        {
            let labels = into.entry(sample.series).or_default();
            for (label, value) in sample.matchers {
                labels.entry(label).or_default().insert(value);
            }
        }
    }
}

/// A host for whose peer, which was killed, entries of the log wait. It is the one that leads.
fn with_frames_waiting(cluster: &Cluster) -> usize {
    until("a written key waits for the host that was killed", || {
        let up = |host: &usize| cluster.hosts[*host].child.is_some();
        let hosts: Vec<usize> = (0..cluster.hosts.len()).filter(up).collect();
        cluster.hosts[hosts[0]].put("k", "v");
        let waits = |host: &usize| {
            let page = metrics(&cluster.hosts[*host]);
            page.lines().filter(|line| line.contains("lane=\"log\"")).any(|line| {
                line.starts_with("quorate_link_frames_waiting{") && !line.ends_with(" 0")
            })
        };
        hosts.into_iter().find(waits).ok_or_else(|| "nothing waits".to_owned())
    })
}

/// What real daemons show: at work, after two of three were killed, and when these started again and what waited for them was given up.
fn real_series() -> Series {
    let mut cluster = Cluster::running(3);
    cluster.hosts[0].put("k", "v");
    let mut series = Series::new();
    for host in &cluster.hosts {
        read_page(&metrics(host), &mut series);
    }
    let first = (cluster.leader() + 1) % 3;
    cluster.hosts[first].kill();
    let left = with_frames_waiting(&cluster);
    let second = 3 - first - left;
    cluster.hosts[second].kill();
    cluster.hosts[left].waits_for("no-leader", &[]);
    read_page(&metrics(&cluster.hosts[left]), &mut series);
    for host in [first, second] {
        cluster.hosts[host].start();
    }
    until("what waited for an earlier start is given up", || {
        let page = metrics(&cluster.hosts[left]);
        read_page(&page, &mut series);
        if page.contains("quorate_link_frames_given_up_total{") { Ok(()) } else { Err(page) }
    });
    series
}

/// What is wrong with one use of a series in a query.
fn complaints(found: &Use, real: &Series) -> Vec<String> {
    if ["up", LATER].contains(&found.series.as_str()) {
        return Vec::new();
    }
    let Some(labels) = real.get(&found.series) else {
        return vec![format!("{} is in no /metrics", found.series)];
    };
    let mut wrong = Vec::new();
    for (label, value) in &found.matchers {
        if OF_THE_MONITOR.contains(&label.as_str()) {
            continue;
        }
        let Some(known) = labels.get(label) else {
            wrong.push(format!("{} has no label {label}", found.series));
            continue;
        };
        for word in value.split('|').filter(|word| !word.is_empty()) {
            let there = match (label.as_str(), word.strip_suffix(".*")) {
                ("code", None) => ReasonCode::of_word(word).is_some(),
                ("code", Some(begin)) => {
                    ReasonCode::ALL.iter().any(|code| code.word().starts_with(begin))
                }
                _ => known.contains(word),
            };
            if !there {
                wrong.push(format!("{} is never seen with {label}=\"{word}\"", found.series));
            }
        }
    }
    wrong
}

#[test]
fn every_series_and_label_of_rules_and_board_is_in_the_real_metrics() {
    let real = real_series();
    let labels: BTreeSet<&str> =
        real.values().flat_map(BTreeMap::keys).map(String::as_str).chain(OF_THE_MONITOR).collect();
    let alerts = alerts().into_iter().map(|alert| (alert.name, alert.expr));
    let mut wrong = Vec::new();
    for (name, query) in alerts.chain(board_queries()) {
        let found = uses(&query);
        assert!(!found.is_empty(), "{name} asks nothing: {query}");
        wrong.extend(
            found.iter().flat_map(|it| complaints(it, &real)).map(|it| format!("{name}: {it}")),
        );
        for label in super::queries::grouped_by(&query) {
            if !labels.contains(label.as_str()) {
                wrong.push(format!("{name}: no series has a label {label}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The comparison bites.
    for (query, why) in [
        ("max(quorate_quorat)", "no /metrics"),
        ("quorate_waiting{cod=\"x\"}", "no label cod"),
        ("quorate_waiting{code=\"x\"}", "code=\"x\""),
        ("quorate_bound_used{bound=~\"requests|x\"}", "bound=\"x\""),
    ] {
        let wrong: Vec<_> = uses(query).iter().flat_map(|it| complaints(it, &real)).collect();
        assert!(wrong.iter().any(|it| it.contains(why)), "{query}: {wrong:?}");
    }
}

/// The command as it is for a host of the tests, words apart.
fn words_of(alert: &Alert, peer: &str) -> Vec<String> {
    let command = alert.command.replace("{{ $labels.member }}", peer);
    let command = command.replace("{{ $labels.peer }}", peer);
    assert!(!command.contains("{{"), "{}: no host is asked for: {command}", alert.name);
    command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

/// The status of an answer on a unix socket, as curl would get it.
fn asked_by_curl(host: &Host, words: &[String]) -> String {
    let known = ["curl", "-s", "--unix-socket", "/run/quorate/quorate.sock"];
    assert_eq!(words[..4], known, "a command that a host of the tests has no socket for");
    let path = words[4].strip_prefix("http://quorate").expect("a path of the daemon");
    let mut stream = UnixStream::connect(host.socket()).expect("the socket");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: quorate\r\nconnection: close\r\n\r\n")
        .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn every_command_of_an_alert_works() {
    let cluster = Cluster::running(3);
    let host = &cluster.hosts[0];
    for alert in alerts() {
        let words = words_of(&alert, &cluster.hosts[1].name);
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        match words[0].as_str() {
            // It asks no daemon, and takes its file from where a host has it.
            "quorate" if arguments == ["check-config"] => {
                let config = host.file("quorate.toml").display().to_string();
                let said = quorate(&["check-config", "--config", &config]).output();
                assert!(said.expect("it runs").status.success(), "{}", alert.name);
            }
            "quorate" => _ = host.cli(&arguments).ok(),
            "curl" => assert_eq!(asked_by_curl(host, &words), "HTTP/1.1 200 OK", "{}", alert.name),
            other => assert!(PROGRAMS.contains(&other), "{}: {other}", alert.name),
        }
    }
}

#[test]
fn the_page_has_the_table_that_the_rules_make() {
    let page = fs::read_to_string(Path::new(PAGE)).expect("docs/MONITORING.md");
    let (before, rest) = page.split_once(MARKS[0]).expect("where the table begins");
    let (table, after) = rest.split_once(MARKS[1]).expect("where the table ends");
    let made: String = alerts().iter().map(Alert::row).collect();
    let made = format!(
        "| alert | when | what is so | what to do | command |\n|---|---|---|---|---|\n{made}"
    );
    if std::env::var_os("REWRITE").is_some() {
        let page = [before, MARKS[0], &made, MARKS[1], after].concat();
        fs::write(PAGE, page).expect("docs/MONITORING.md can be written");
    } else {
        let first = made.lines().zip(table.lines()).find(|(made, there)| made != there);
        assert!(
            made == table,
            "docs/MONITORING.md differs from the rules, first at {first:?}; REWRITE=1 writes it anew"
        );
    }
}
