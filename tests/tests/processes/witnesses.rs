//! Two servers and a witness as real daemons: who leads behind a kill, who has what, and what is said of the witness.

use super::cluster::{Cluster, member};
use super::host::{Host, Said, names, quorate};
use super::place::until;
use serde_json::Value;

/// The witness, by its place.
const WITNESS: usize = 2;

fn servers() -> Cluster {
    let mut cluster = Cluster::of(3);
    let witness = &cluster.hosts[WITNESS];
    witness.write("host.toml", &format!("name = \"{}\"\nrole = \"witness\"\n", witness.name));
    cluster.start_all();
    cluster.is_whole();
    for host in &cluster.hosts {
        host.status_when("the witness is known, and a server leads", |status| {
            let witness = member(status, "n3").is_some_and(|it| it["witness"] == true);
            witness && status["leader"] != "n3"
        });
    }
    cluster
}

/// What the file of an application shows that this host may use.
fn amount(host: &Host) -> u64 {
    let text = std::fs::read_to_string(host.file("sock.shares/pg.json")).unwrap_or_default();
    let share: Value = serde_json::from_str(&text).unwrap_or_default();
    share["amount"].as_u64().unwrap_or_default()
}

/// Of the servers that run: the file of one that was killed stays, and its deadline has passed.
#[track_caller]
fn divided(cluster: &Cluster, wanted: u64) {
    until(&format!("each server that runs has {wanted}"), || {
        let servers = cluster.hosts[..WITNESS].iter().filter(|host| host.child.is_some());
        let found: Vec<u64> = servers.map(amount).collect();
        if found.iter().all(|it| *it == wanted) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn behind_a_kill_of_either_server_the_other_one_leads_and_has_all_and_a_return_moves_neither_leader_nor_term()
 {
    let mut cluster = servers();
    cluster.hosts[WITNESS].cli(&["budget", "set", "pg", "--max", "30"]).ok();
    divided(&cluster, 15);
    for _ in 0..2 {
        let dies = cluster.leader();
        let lives = 1 - dies;
        cluster.hosts[dies].kill();
        let name = cluster.hosts[lives].name.clone();
        let leads = |status: &Value| status["leader"] == name && status["state"] == "quorate";
        let status = cluster.hosts[WITNESS].status_when("the other server leads", leads);
        divided(&cluster, 30);
        cluster.hosts[dies].start();
        cluster.is_whole();
        divided(&cluster, 15);
        let after = cluster.hosts[dies].status().expect("it runs");
        assert_eq!((&after["leader"], &after["term"]), (&status["leader"], &status["term"]));
    }
    assert_eq!(amount(&cluster.hosts[WITNESS]), 0);
    let shown = cluster.hosts[0].cli(&["budget", "show", "pg"]).ok();
    assert!(shown.contains("n1") && !shown.contains("n3"), "{shown}");
}

#[test]
fn a_witness_is_shown_as_one_and_leads_nothing_while_a_server_can() {
    let mut cluster = servers();
    let shown = cluster.hosts[0].cli(&["members"]).ok();
    let line = shown.lines().find(|line| line.starts_with("n3")).expect("it is a member");
    assert!(line.contains("voter, witness"), "{shown}");
    let status = cluster.hosts[WITNESS].cli(&["status"]).ok();
    assert!(status.contains("n3, voter, witness, "), "{status}");
    let refused = cluster.hosts[0].cli(&["leader", "transfer", "n3"]);
    assert_ne!(refused.code, Some(0));
    refused.names(&["n3 is a witness", "`quorate drain n1`", "nothing was done"]);
    let before = cluster.leader();
    let moved = cluster.hosts[before].cli(&["leader", "transfer"]).ok();
    names(&moved, &[&cluster.hosts[1 - before].name, " leads in term "]);
    cluster.hosts[WITNESS].kill();
    for server in [0, 1] {
        until("the loss is told, and what one more means", || {
            let said = cluster.hosts[server].cli(&["why"]).text();
            match said.contains("n3 is down") && said.contains("0 more may fail") {
                true => Ok(()),
                false => Err(said),
            }
        });
        cluster.hosts[server].put("colour", "green");
    }
}

#[test]
fn a_witness_takes_no_application_and_says_so() {
    let mut cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    let apps = format!("apps_dir = \"{}\"", host.file("apps.d").display());
    host.configure(&cluster.seeds, &cluster.secret, &apps);
    host.write("host.toml", "name = \"n1\"\nrole = \"witness\"\n");
    std::fs::create_dir(host.file("apps.d")).expect("a directory");
    host.write("apps.d/web.toml", "[check]\nkind = \"none\"\n");
    cluster.start_all();
    cluster.is_whole();
    let host = &cluster.hosts[0];
    host.waits_for("application-file", &["web.toml", "is a witness", "another host"]);
    let refused = host.cli(&["app", "set", "web"]);
    assert_ne!(refused.code, Some(0));
    refused.names(&["is a witness", "nothing was registered"]);
    let config = host.file("quorate.toml").display().to_string();
    let checked = quorate(&["check-config", "--config", &config]).output().expect("it runs");
    Said::of(checked).names(&["witness: votes", "web.toml", "the file is not used"]);
    host.write("host.toml", "name = \"n1\"\n\nrole = \"king\"\n");
    host.refuses().names(&["host.toml: line 3: `role = king`: must be `node` or `witness`"]);
}
