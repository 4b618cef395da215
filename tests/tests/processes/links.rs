//! What an operator sees of the links: `status --links`, `/metrics` and `ping`, with all hosts up and with one gone.

use super::cluster::Cluster;
use super::host::{Host, names};
use super::place::until;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

fn links(host: &Host) -> Vec<Value> {
    let page: Value =
        serde_json::from_str(&host.cli(&["status", "--links", "-o", "json"]).ok()).expect("JSON");
    page["links"].as_array().expect("links").clone()
}

/// The link with a member, once it is told: the page may be as old as the pause between two looks at the links.
fn link(host: &Host, name: &str) -> Value {
    until("every member has a link", || {
        let all = links(host);
        let found = all.iter().find(|link| link["name"] == name).cloned();
        found.ok_or_else(|| format!("none with {name} in {all:?}"))
    })
}

fn lane<'a>(link: &'a Value, key: &str, name: &str) -> &'a Value {
    let lanes = link[key].as_array().expect("lanes");
    lanes.iter().find(|lane| lane["lane"] == name).expect("every lane is there")
}

/// `/metrics` over the loopback port, as a monitor reads it.
pub(crate) fn metrics(host: &Host) -> String {
    let mut stream = TcpStream::connect(host.listen).expect("the port is open");
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it is asked");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}

/// The value of a series.
pub(crate) fn series(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok())
}

#[test]
fn links_tell_what_they_carry_and_a_peer_that_is_gone_is_told_with_the_reason() {
    let mut cluster = Cluster::running(3);
    let leader = cluster.leader();
    let (gone, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.hosts[leader].put("k", "v");
    let gone_name = cluster.hosts[gone].name.clone();
    for number in [gone, other] {
        let host = &cluster.hosts[leader];
        let link = link(host, &cluster.hosts[number].name);
        assert!(link["up_seconds"].is_u64() && link["since"].is_string(), "{link}");
        assert!(link["rtt_p50_micros"].as_u64() <= link["rtt_p99_micros"].as_u64(), "{link}");
        assert!(link["mtu"].as_u64() >= Some(1200), "{link}");
        assert!(link["dialled"].is_boolean(), "{link}");
        assert_eq!(link["address"], cluster.hosts[number].listen.to_string());
        for name in ["control", "log"] {
            assert!(lane(&link, "bytes", name)["sent"].as_u64() > Some(0), "{name} in {link}");
        }
        assert!(link["findings"].is_array(), "a machine under load may be slow: {link}");
    }
    let host = &cluster.hosts[leader];
    let said = host.cli(&["status", "--links"]);
    names(&said.ok(), &["RTT P50", "GIVEN UP", "gossip"]);
    let said = host.cli(&["ping", &gone_name, "-c", "4"]);
    names(&said.ok(), &["answered ping 4 in", "4 of 4 pings answered, 0 % lost; min "]);
    let page: Value =
        serde_json::from_str(&host.cli(&["ping", &gone_name, "-o", "json"]).ok()).expect("JSON");
    assert_eq!((&page["sent"], &page["lost"]), (&3.into(), &0.into()), "{page}");

    let up = format!("quorate_link_up{{peer=\"{gone_name}\"}}");
    let bytes =
        format!("quorate_link_bytes_total{{peer=\"{gone_name}\",lane=\"log\",direction=\"sent\"}}");
    let before = metrics(host);
    assert_eq!(series(&before, &up), Some(1), "{before}");
    assert_eq!(series(&before, "quorate_links_omitted"), Some(0), "{before}");
    let before = series(&before, &bytes).expect("bytes of the log lane");

    cluster.hosts[gone].kill();
    cluster.sees(leader, &gone_name, "state", "down");
    let host = &cluster.hosts[leader];
    until("the dead host's link says why", || {
        let link = link(host, &gone_name);
        let told = link["up_seconds"].is_null() && link["findings"][0]["code"] == "no-answer";
        if told { Ok(()) } else { Err(link.to_string()) }
    });
    let said = host.cli(&["status", "--links"]);
    let address = cluster.hosts[gone].listen;
    names(&said.ok(), &["gone ", &format!("{gone_name}: no answer from {address} ")]);
    let said = host.cli(&["ping", &gone_name, "-c", "2"]);
    assert_eq!(said.code, Some(5), "{}", said.text());
    said.names(&["did not answer ping 1: no answer from", "0 of 2 pings answered, 100 % lost"]);
    let said = host.cli(&["ping", "nobody"]);
    assert_eq!(said.code, Some(6), "{}", said.text());
    said.names(&["no node named `nobody`", &gone_name, &cluster.hosts[other].name]);
    let text = metrics(host);
    assert_eq!(series(&text, &up), Some(0), "{text}");

    cluster.hosts[gone].start();
    cluster.is_whole();
    let host = &cluster.hosts[leader];
    until("the counters went on", || {
        let text = metrics(host);
        let after = series(&text, &bytes);
        if series(&text, &up) == Some(1) && after > Some(before) { Ok(()) } else { Err(text) }
    });
}
