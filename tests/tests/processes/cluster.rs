//! Several hosts with one secret and one list of seeds, and what is true of all of them together.

use super::host::{Host, quorate};
use super::place::{free_address, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Hosts `n1`, `n2`, ...; they end and their files go when it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    // Before the directory, so that the daemons end before their files do.
    pub(crate) hosts: Vec<Host>,
    pub(crate) seeds: Vec<String>,
    pub(crate) secret: PathBuf,
    pub(crate) dir: TempDir,
}

/// A new secret in a file.
pub(crate) fn new_secret(path: &Path) {
    let made = quorate(&["secret", "new"]).output().expect("the command line runs");
    fs::write(path, made.stdout).expect("a file for the secret");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

impl Cluster {
    /// So many hosts, all of them seeds; nothing runs yet.
    pub(crate) fn of(count: usize) -> Self {
        let dir = TempDir::with_prefix("quorate-").expect("a directory");
        let secret = dir.path().join("secret");
        new_secret(&secret);
        let mut cluster = Self { hosts: Vec::new(), seeds: Vec::new(), secret, dir };
        for number in 1..=count {
            let listen = free_address();
            cluster.seeds.push(listen.to_string());
            cluster.hosts.push(Host::new(cluster.dir.path(), &format!("n{number}"), listen));
        }
        for host in &cluster.hosts {
            host.configure(&cluster.seeds, &cluster.secret, "");
        }
        cluster
    }

    /// So many hosts that run and are one cluster.
    pub(crate) fn running(count: usize) -> Self {
        let mut cluster = Self::of(count);
        cluster.start_all();
        cluster.is_whole();
        cluster
    }

    /// One more host, which is no seed; it does not run yet.
    pub(crate) fn add(&mut self, name: &str) -> &mut Host {
        let host = Host::new(self.dir.path(), name, free_address());
        host.configure(&self.seeds, &self.secret, "");
        self.hosts.push(host);
        self.hosts.last_mut().expect("it was just added")
    }

    pub(crate) fn start_all(&mut self) {
        self.hosts.iter_mut().for_each(Host::start);
    }

    pub(crate) fn running_hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.child.is_some())
    }

    /// Waits until every running host is quorate in one cluster, names one leader, has all running hosts as alive
    /// and nothing unapplied. Gives the cluster's id.
    #[track_caller]
    pub(crate) fn is_whole(&self) -> String {
        until("every host is quorate in one cluster with all running hosts alive", || {
            let mut ids = BTreeSet::new();
            let mut leaders = BTreeSet::new();
            for host in self.running_hosts() {
                let status = host.status()?;
                let alive = names_in_state(&status, "alive");
                let mut running: Vec<_> =
                    self.running_hosts().map(|host| host.name.clone()).collect();
                running.sort();
                if status["state"] != "quorate" || alive != running {
                    return Err(format!("{} says {status}", host.name));
                }
                ids.extend(status["cluster_id"].as_str().map(str::to_owned));
                leaders.insert(status["leader"].to_string());
            }
            assert_eq!(ids.len(), 1, "one birth: {ids:?}");
            match leaders.len() {
                1 => Ok(ids.pop_first().expect("there is one")),
                _ => Err(format!("leaders {leaders:?}")),
            }
        })
    }

    /// The number of the host that leads, as all running hosts say.
    #[track_caller]
    pub(crate) fn leader(&self) -> usize {
        until("all running hosts name one leader that runs", || {
            let mut leaders = BTreeSet::new();
            for host in self.running_hosts() {
                leaders.insert(host.status()?["leader"].as_str().unwrap_or_default().to_owned());
            }
            let found = self.hosts.iter().position(|host| {
                host.child.is_some() && leaders.len() == 1 && leaders.contains(&host.name)
            });
            found.ok_or_else(|| format!("{leaders:?}"))
        })
    }

    /// What a host says of a member.
    #[track_caller]
    pub(crate) fn sees(&self, host: usize, name: &str, key: &str, wanted: &str) -> Value {
        let what = format!("sees {name} with {key} {wanted}");
        let status = self.hosts[host].status_when(&what, |status| {
            member(status, name).is_some_and(|member| member[key] == wanted)
        });
        member(&status, name).expect("it was there a moment ago").clone()
    }
}

/// A member of a status, by name.
pub(crate) fn member<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["members"].as_array()?.iter().find(|member| member["name"] == name)
}

/// Names of the members in a state, sorted.
pub(crate) fn names_in_state(status: &Value, state: &str) -> Vec<String> {
    names_with(status, "state", state)
}

/// Names of the members where a field has a value, sorted.
pub(crate) fn names_with(status: &Value, key: &str, wanted: &str) -> Vec<String> {
    let members = status["members"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = members
        .iter()
        .filter(|member| member[key] == wanted)
        .filter_map(|member| member["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}
