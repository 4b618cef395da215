//! A host whose name changes while its disk has one: renamed by hand, or a copy of another host's machine.

use super::cluster::Cluster;
use super::place::until;
use rustix::process::Signal;

#[test]
fn a_host_that_was_renamed_is_refused_with_both_names_and_comes_back_under_its_old_one() {
    let mut cluster = Cluster::running(3);
    let note = cluster.hosts[1].file("data/life/name");
    until("the name is noted", || note.exists().then_some(()).ok_or_else(String::new));
    cluster.hosts[1].stop(Signal::TERM);
    let renamed = "name = \"n9\"\n";
    let before = std::fs::read_to_string(cluster.hosts[1].file("host.toml")).expect("written");
    cluster.hosts[1].write("host.toml", &before.replace("name = \"n2\"\n", renamed));
    cluster.hosts[1].refuses().names(&["`n2`", "`n9`", "quorate reset --set-aside --cluster acme"]);
    cluster.hosts[1].write("host.toml", &before);
    cluster.hosts[1].start();
    cluster.sees(0, "n2", "state", "alive");
}
