//! What commands print and with what they end: scripts and people read both, and neither must change unseen.

use super::cluster::Cluster;
use super::host::{Host, Said, quorate};
use super::place::{binary, until};
use serde_json::{Value, json};
use std::process::{Command, Output};

/// A command of a shell in which `"$@"` is the command line that asks this daemon.
fn shell(host: &Host, script: &str) -> Said {
    let mut command = Command::new("sh");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["-c", script, "sh"]).arg(binary()).arg("--socket").arg(host.socket());
    Said::of(command.output().expect("the shell runs"))
}

/// What `get` writes, byte for byte.
fn get(host: &Host, arguments: &[&str]) -> Output {
    let socket = host.socket().display().to_string();
    let mut command = quorate(&["--socket", &socket, "get", "--timeout", "30s"]);
    command.args(arguments).output().expect("the command line runs")
}

#[track_caller]
fn is_stored(host: &Host, key: &str, value: &[u8]) {
    let raw = get(host, &["--raw", key]);
    assert_eq!((raw.status.code(), raw.stdout.as_slice()), (Some(0), value), "{raw:?}");
}

#[test]
fn status_ends_with_4_on_a_host_that_is_not_quorate_and_with_0_on_one_that_is() {
    let mut cluster = Cluster::of(2);
    let codes = |host: &Host| {
        [&["status"][..], &["status", "--links"], &["status", "-o", "json"]]
            .map(|command| host.cli(command).code)
    };
    cluster.hosts[0].start();
    cluster.hosts[0].waits_for("no-answer", &[]);
    assert_eq!(codes(&cluster.hosts[0]), [Some(4); 3], "it waits for a founding");
    cluster.hosts[1].start();
    cluster.is_whole();
    assert_eq!(codes(&cluster.hosts[0]), [Some(0); 3]);
    cluster.hosts[1].kill();
    let host = &cluster.hosts[0];
    host.status_when("lost the quorum", |status| status["state"] == "no-quorum");
    assert_eq!(codes(host), [Some(4); 3]);
    let members = host.cli(&["members"]);
    assert_eq!(members.code, Some(0), "it shows, and judges nothing: {}", members.text());
    let put = host.cli(&["put", "key", "value", "--timeout", "500ms"]);
    let told = "quorate: no leader was found in time; nothing was changed. `quorate why` says who is missing\n";
    assert_eq!((put.code, put.err.as_str()), (Some(4), told));
}

#[test]
fn a_closed_standard_input_is_an_error_and_an_empty_one_an_empty_value() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    let closed = shell(host, "exec \"$@\" put key - <&-");
    assert_eq!(closed.code, Some(2), "{}", closed.text());
    closed.names(&["standard input is closed", "an empty one is written as \"\""]);
    assert_eq!(host.cli(&["get", "key"]).code, Some(6), "nothing was written");
    shell(host, "exec \"$@\" put key - < /dev/null").ok();
    is_stored(host, "key", b"");
    shell(host, "printf 'a\\0\\377\\n' | \"$@\" put key -").ok();
    is_stored(host, "key", b"a\0\xff\n");
}

#[test]
fn a_dash_behind_the_end_of_the_options_is_a_value() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    for (line, key) in [
        (&["put", "a", "--", "-"][..], "a"),
        (&["put", "--", "b", "-"], "b"),
        (&["put", "--timeout", "30s", "c", "--", "-"], "c"),
    ] {
        host.cli(line).ok();
        is_stored(host, key, b"-");
    }
    host.cli(&["put", "d", "-1"]).ok();
    is_stored(host, "d", b"-1");
}

#[test]
fn get_raw_writes_the_value_alone_and_get_ends_the_line() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    for value in ["", "a", "a\n", "a\n\nb", "ä \u{1b}[2J"] {
        host.put("key", value);
        is_stored(host, "key", value.as_bytes());
        assert_eq!(get(host, &["key"]).stdout, format!("{value}\n").into_bytes());
    }
    let missing = get(host, &["--raw", "nothing"]);
    assert_eq!((missing.status.code(), missing.stdout.len()), (Some(6), 0), "{missing:?}");
}

/// What `members` shows of each, by name.
fn members(host: &Host) -> Result<Vec<Value>, String> {
    let said = host.cli(&["members", "-o", "json"]);
    let page: Value = serde_json::from_str(&said.out).map_err(|_| said.text())?;
    let mut members = page.as_array().cloned().ok_or_else(|| page.to_string())?;
    members.sort_by_key(|member| member["name"].to_string());
    let keys = ["name", "leader", "version", "zone", "labels"];
    Ok(members.iter().map(|member| keys.map(|key| member[key].clone()).into()).collect())
}

#[test]
fn members_show_who_leads_and_the_version_zone_and_labels_of_each() {
    let mut cluster = Cluster::of(3);
    let labels = "[labels]\nrack = \"a1\"\nrow = \"7\"\n";
    cluster.hosts[1].write("host.toml", &format!("name = \"n2\"\nzone = \"z1\"\n{labels}"));
    cluster.start_all();
    cluster.is_whole();
    let version = env!("CARGO_PKG_VERSION");
    for host in &cluster.hosts {
        let leader = until("the members are shown with all that is known of them", || {
            let leader = host.status()?["leader"].as_str().unwrap_or_default().to_owned();
            let others = |name: &str| json!([name, leader == name, version, null, {}]);
            let second = json!(["n2", leader == "n2", version, "z1", {"rack": "a1", "row": "7"}]);
            let shown = members(host)?;
            let same = shown == [others("n1"), second, others("n3")];
            if same { Ok(leader) } else { Err(format!("{shown:?}, {leader} leads")) }
        });
        let table = host.cli(&["members", "--wide"]).ok();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[0][..7], ["NAME", "ROLE", "STATE", "ADDRESS", "VERSION", "ZONE", "LABELS"]);
        for row in &rows[1..] {
            let leads = row[1] == "voter, leads";
            assert_eq!(leads, row[0] == leader, "{table}");
            let of_host = if row[0] == "n2" { ["z1", "rack=a1,row=7"] } else { ["-", "-"] };
            assert_eq!((row[4], &row[5..7]), (version, &of_host[..]), "{table}");
        }
        let narrow = host.cli(&["members"]).ok();
        assert_eq!(narrow.matches("voter, leads").count(), 1, "{narrow}");
        assert!(!narrow.contains("rack"), "{narrow}");
    }
}

#[test]
fn a_refusal_is_a_sentence_of_our_own_said_once() {
    let cluster = Cluster::running(1);
    let host = &cluster.hosts[0];
    let empty = "the key is empty: name one, or ask for a prefix";
    let refused: [(&[&str], i32, &str); 6] = [
        (&["put", "", "value"], 1, empty),
        (&["delete", ""], 1, empty),
        (
            &["delete", "--prefix", ""],
            2,
            "nobody said yes; nothing was changed. `--yes` says it in a script",
        ),
        (
            &["put", "__meta/x", "value"],
            1,
            "keys under __meta/ are quorate's own records and cannot be written",
        ),
        (&["get", "key", "--rev", "999"], 1, "there is no such revision yet"),
        (&["get", "nothing"], 6, "no key `nothing`"),
    ];
    for (line, code, sentence) in refused {
        let said = host.cli(line);
        let told = (said.code, said.out.as_str(), said.err.as_str());
        assert_eq!(told, (Some(code), "", format!("quorate: {sentence}\n").as_str()), "{line:?}");
        let said = host.cli(&[line, &["-o", "json"]].concat());
        let page: Value = serde_json::from_str(&said.err).expect("one line of JSON");
        assert_eq!((said.code, &page["error"]), (Some(code), &sentence.into()), "{line:?}");
    }
    let said = shell(host, "head -c 1600000 /dev/zero | \"$@\" put key -");
    let told = "quorate: the request is larger than 1.5 MiB; nothing was changed\n";
    assert_eq!((said.code, said.err.as_str()), (Some(1), told));
}
