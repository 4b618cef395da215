//! `quorate check-config`: what would end the daemon is an error, what is most likely not meant a warning, and nothing is changed.

use super::cluster::Cluster;
use super::host::{Said, quorate};
use std::fs;

fn check(cluster: &Cluster) -> Said {
    let config = cluster.hosts[0].file("quorate.toml").display().to_string();
    Said::of(quorate(&["check-config", "--config", &config]).output().unwrap())
}

#[test]
fn what_would_end_the_daemon_is_an_error_of_check_config_too() {
    let mut cluster = Cluster::of(1);
    assert!(check(&cluster).ok().contains("no data yet"));
    assert!(!cluster.hosts[0].file("data").exists(), "nothing is made");
    cluster.start_all();
    let id = cluster.is_whole();
    cluster.hosts[0].kill();
    assert!(check(&cluster).ok().contains(&format!("the data are of cluster {id}")));
    let host = &cluster.hosts[0];
    host.reconfigure("cluster = \"acme\"", "cluster = \"acne\"");
    let other = check(&cluster);
    assert_eq!(other.code, Some(1), "{}", other.text());
    for said in [other, host.refuses()] {
        said.names(&["`acme`", "`acne`", "quorate reset --set-aside --cluster acme"]);
    }
    host.reconfigure("cluster = \"acne\"", "cluster = \"acme\"");
    host.write("host.toml", "name = \"n9\"\n");
    let renamed = check(&cluster);
    assert_eq!(renamed.code, Some(1), "{}", renamed.text());
    renamed.names(&["`n1`", "`n9`"]);
    host.write("host.toml", "name = \"n1\"\n");
    fs::rename(host.file("data"), host.file("aside")).unwrap();
    fs::create_dir(host.file("data")).unwrap();
    assert!(check(&cluster).ok().contains("joins again as a new disk"));
    fs::write(host.file("data/photo.jpg"), "x").unwrap();
    let foreign = check(&cluster);
    assert_eq!(foreign.code, Some(1), "{}", foreign.text());
    foreign.names(&["photo.jpg"]);
}

#[test]
fn what_is_most_likely_not_meant_is_a_warning_and_no_error() {
    let cluster = Cluster::of(1);
    let host = &cluster.hosts[0];
    let seeds =
        [host.listen.to_string(), "typo.invalid:4747".to_owned(), "[fd00::7]:4747".to_owned()];
    host.configure(&seeds, &cluster.secret, "founding = \"durable\"\nfounding_grace = \"9s\"\n");
    host.write("host.toml", "name = \"n1\"\nrole = \"witness\"\nweight = 3\nzone = \"a\"\n");
    let said = check(&cluster);
    said.names(&[
        "this host is seed 1 of 3",
        "warning: seed `typo.invalid:4747` does not resolve",
        "warning: seed `[fd00::7]:4747`: ",
        "warning: `weight` has no effect with `role = \"witness\"`",
        "warning: `founding_grace`",
    ]);
    said.ok();
}
