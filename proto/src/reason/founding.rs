//! Why there is no cluster here yet, or two: what a founding finds, in words.

use super::known::{self, Known};
use super::odd_secret::{OddSecret, other_secret};
use super::{Cause, ReasonCode, begin_anew, list};
use crate::{CannotSend, ClusterId, DialFailure, Instance};
use std::net::SocketAddr;

/// What is between this host and one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum SeedTrouble {
    /// Its name has no address; what the resolver says.
    Unresolved { problem: String },
    /// Dials of these addresses, of which there is one at least, fail alike. `odd` counts only where the secrets differ.
    Dial { addresses: Vec<SocketAddr>, failure: DialFailure, odd: OddSecret },
}

/// A seed that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSeed {
    /// Its host: the seed without the port.
    pub host: String,
    /// For how many seconds; 0 where that is not counted.
    pub seconds: u64,
    /// What is known of why.
    pub known: Known,
}

/// Why this host does not know which seed it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum PlaceTrouble {
    /// Two seeds lead to this host; twice the same one where its name leads to other hosts, too.
    Both { first: String, second: String },
    /// Names do not resolve.
    Unknown,
    /// The port is not that of the seed.
    OtherPort { seed: String, port: u16 },
    /// It is none, and none can be reached.
    Nowhere,
    /// Two seeds have one address.
    OneAddress { first: String, second: String, address: SocketAddr },
}

/// What a founding finds wrong. `cluster` is the configured name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum FoundingCause {
    /// A seed cannot be reached. `host` is the seed without its port.
    Seed { seed: String, host: String, cluster: String, trouble: SeedTrouble },
    /// Two clusters have the name: each with its id and the hosts met that are in it, the own one first. `inside`: this node is in that one.
    TwoClusters { cluster: String, clusters: Vec<(ClusterId, Vec<String>)>, inside: bool },
    /// The data are of another cluster.
    OtherData { found: String, cluster: String },
    /// The marker knows a cluster, and the data are gone. `only_seed`: no other host is named in `seeds`.
    Marker { marker: ClusterId, cluster: String, only_seed: bool },
    /// A cluster is known, and this node is not in it.
    Joining { cluster_id: ClusterId, cluster: String },
    /// One disk life runs twice.
    Twin { life: Instance, at: SocketAddr, cluster: String },
    /// Several lives claim one seed.
    Contested { seed: String, lives: Vec<String> },
    /// A peer has another list or mode.
    OtherSeeds {
        name: String,
        address: SocketAddr,
        theirs: Vec<String>,
        ours: Vec<String>,
        mode: String,
    },
    /// This host does not know which seed it is.
    Place(PlaceTrouble),
    /// Rounds came to nothing.
    Stuck { heard: usize, seeds: usize, rounds: u32, there: Vec<String> },
    /// The founding is under way.
    UnderWay { heard: usize, seeds: usize, grace_seconds: u64 },
    /// Too few seeds are there.
    TooFew {
        heard: usize,
        seeds: usize,
        needed: usize,
        missing: Vec<MissingSeed>,
        /// Those that the founding would do without on an operator's word; empty where it would not.
        without: Vec<String>,
    },
    /// No founder disk may be lost.
    Margin { known: u32, seeds: u32, missing: Vec<MissingSeed> },
}

impl Cause for FoundingCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Seed { trouble, .. } => match trouble {
                SeedTrouble::Unresolved { .. } => ReasonCode::Unresolved,
                SeedTrouble::Dial { failure, .. } => of_dial(failure),
            },
            Self::TwoClusters { .. } => ReasonCode::TwoClusters,
            Self::OtherData { .. } => ReasonCode::OtherData,
            Self::Marker { .. } => ReasonCode::Marker,
            Self::Joining { .. } => ReasonCode::Joining,
            Self::Twin { .. } => ReasonCode::Clone,
            Self::OtherSeeds { .. } => ReasonCode::OtherSeeds,
            Self::Place(_) | Self::Contested { .. } => ReasonCode::OwnSlot,
            Self::Stuck { .. } => ReasonCode::FoundingStuck,
            Self::UnderWay { .. } => ReasonCode::Founding,
            Self::TooFew { .. } => ReasonCode::TooFew,
            Self::Margin { .. } => ReasonCode::Margin,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Seed { seed, .. } | Self::Contested { seed, .. } => Some(seed.clone()),
            Self::Twin { life, .. } => Some(life.short()),
            Self::OtherSeeds { name, .. } => Some(name.clone()),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Seed { seed, trouble, .. } => match trouble {
                SeedTrouble::Unresolved { problem } => {
                    format!("seed `{seed}` does not resolve: {problem}")
                }
                SeedTrouble::Dial { addresses, failure, .. } => {
                    let addresses: Vec<String> =
                        addresses.iter().map(ToString::to_string).collect();
                    format!("seed `{seed}` ({}): {failure}", list(&addresses))
                }
            },
            Self::TwoClusters { cluster, clusters, inside } => {
                two_clusters(cluster, clusters, *inside)
            }
            Self::OtherData { found, cluster } => format!(
                "the founding state on disk is of cluster `{found}`, the config says `{cluster}`"
            ),
            Self::Marker { marker, .. } => format!(
                "this host was in cluster {marker} and its data is gone; it only rejoins, it never founds"
            ),
            Self::Joining { cluster_id, .. } => {
                format!("cluster {cluster_id} exists; this node asks to be let in")
            }
            Self::Twin { life, at, .. } => format!(
                "disk life {} runs twice, once at {at}: a copied data directory or a cloned machine",
                life.short()
            ),
            Self::Contested { seed, lives } => format!(
                "several hosts are seed `{seed}`: {}; its name leads to each of them, and nobody promises anything before it leads to one",
                lives.join(" and ")
            ),
            Self::OtherSeeds { name, address, theirs, ours, mode, .. } if theirs == ours => {
                format!(
                    "{name} at {address} has the same seeds but another `founding` mode (here `{mode}`)"
                )
            }
            Self::OtherSeeds { name, address, theirs, ours, .. } => format!(
                "{name} at {address} has other seeds: there [{}], here [{}]",
                list(theirs),
                list(ours)
            ),
            Self::Place(trouble) => trouble.text(),
            Self::Stuck { heard, seeds, rounds, .. } => format!(
                "{heard} of {seeds} seeds are here, but {rounds} rounds of the founding came to nothing; it goes on trying"
            ),
            Self::UnderWay { heard, seeds, .. } => {
                format!("{heard} of {seeds} seeds are here; the founding is under way")
            }
            Self::TooFew { heard, seeds, needed, missing, .. } => {
                let who: Vec<String> = missing
                    .iter()
                    .map(|seed| format!("{} (for {} s)", seed.host, seed.seconds))
                    .collect();
                // More than a majority is needed in that mode alone.
                let mode = if *needed > seeds / 2 + 1 { " (`founding = \"durable\"`)" } else { "" };
                format!(
                    "{heard} of {seeds} seeds are here, {needed} are needed{mode}; missing: {}",
                    list(&who)
                )
            }
            Self::Margin { known, seeds, .. } => format!(
                "only {known} of {seeds} seeds know the cluster: if one founder disk is lost now, the others could found a second one"
            ),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Seed { host, cluster, trouble, .. } => seed_remedy(host, cluster, trouble),
            Self::TwoClusters { clusters, .. } => give_one_up(clusters),
            Self::OtherData { found, cluster } => format!(
                "on this host: set `cluster = \"{found}\"` in quorate.toml if these data are right; if `{cluster}` is: stop quorate \
                 here, run `quorate reset --cluster {found}` here, start it"
            ),
            Self::Marker { cluster, only_seed: true, .. } => format!(
                "`seeds` names no other host. If this host was the only one, the cluster is gone for good: stop quorate here, run \
                 `quorate reset --cluster {cluster}` here, and start it: a new one is founded. If there were others, start them: this host \
                 rejoins"
            ),
            Self::Marker { cluster, .. } => format!(
                "start the other hosts of the cluster; if it is gone for good: {}",
                begin_anew(cluster)
            ),
            Self::Joining { cluster, .. } => format!(
                "none needed while its hosts run; if that cluster is gone for good: {}",
                begin_anew(cluster)
            ),
            Self::Twin { cluster, .. } => format!(
                "on the host that has the copy: `systemctl stop quorate`, `quorate reset --cluster {cluster}`, `systemctl start quorate`"
            ),
            Self::Contested { .. } => {
                "a name in `seeds` is one host: where one name leads to several, name each of them in `seeds`, on every host, and there: \
                 `systemctl restart quorate`; or, on the host that the name must not lead to: `systemctl stop quorate`"
                    .to_owned()
            }
            Self::OtherSeeds { name, .. } => format!(
                "make `seeds` and `founding` the same on every host, order included (compare {name} with this host); where they changed: \
                 `systemctl restart quorate`"
            ),
            Self::Place(trouble) => trouble.remedy(),
            Self::Stuck { there, .. } => format!(
                "on {}: `quorate why`; one whose disk does not answer, or that is heard but does not hear, holds it up: stop \
                 quorate on that one",
                list(there)
            ),
            Self::UnderWay { grace_seconds, .. } => {
                format!("none needed; a seed that is missing is waited for {grace_seconds} s")
            }
            Self::TooFew { heard, needed, missing, without, .. } => {
                too_few_remedy(needed.saturating_sub(*heard), missing, without)
            }
            Self::Margin { missing, .. } if missing.is_empty() => {
                "start the seeds that are missing and keep their disks, or take those that will never come off `seeds` on every host"
                    .to_owned()
            }
            Self::Margin { missing, .. } => format!(
                "{}, and keep the disks there; or take those that will never come off `seeds` on every host",
                bring(missing, "").join("; ")
            ),
        }
    }
}

/// `needed`: how many of the missing ones are enough.
fn too_few_remedy(needed: usize, missing: &[MissingSeed], without: &[String]) -> String {
    let some = if needed < missing.len() { format!("{needed} of ") } else { String::new() };
    let mut remedy = bring(missing, &some).join("; ");
    if !without.is_empty() {
        let hosts = without.join(" --without ");
        remedy.push_str(&format!("; where none will ever come: `quorate found --without {hosts}` here, which says what that means, and asks"));
    }
    remedy
}

/// How missing seeds come: what is told of those of which something is known, and a start of the others, of which `some` are enough.
fn bring(missing: &[MissingSeed], some: &str) -> Vec<String> {
    let hosts = || missing.iter().map(|seed| (seed.host.as_str(), seed.known));
    let mut steps = known::steps(hosts());
    let unknown = known::unknown(hosts());
    // With others beside them, or for one alone, "1 of" says nothing.
    let some = if unknown.len() == missing.len() { some } else { "" };
    if !unknown.is_empty() {
        steps.push(format!("on {some}{}: `systemctl start quorate`", list(&unknown)));
    }
    steps
}

/// The entry for a dial that came to nothing.
pub(super) fn of_dial(failure: &DialFailure) -> ReasonCode {
    match failure {
        DialFailure::NoAnswer | DialFailure::Myself => ReasonCode::NoAnswer,
        DialFailure::OneWay => ReasonCode::OneWay,
        DialFailure::OtherSecret { .. } => ReasonCode::OtherSecret,
        DialFailure::OtherCluster { .. } => ReasonCode::OtherCluster,
        DialFailure::Protocol { .. } => ReasonCode::Protocol,
        DialFailure::Twice => ReasonCode::Twice,
        DialFailure::Revoked => ReasonCode::Revoked,
        DialFailure::Copy { .. } => ReasonCode::Clone,
        DialFailure::Handshake { .. } => ReasonCode::Handshake,
        DialFailure::CannotSend(CannotSend::Family { .. }) => ReasonCode::OtherFamily,
        DialFailure::CannotSend(CannotSend::NoRoute { .. }) => ReasonCode::NoRoute,
    }
}

fn seed_remedy(host: &str, cluster: &str, trouble: &SeedTrouble) -> String {
    let (addresses, failure, odd) = match trouble {
        SeedTrouble::Unresolved { .. } => {
            return format!("check `getent ahosts {host}`, DNS or /etc/hosts on this host");
        }
        SeedTrouble::Dial { addresses, failure, odd } => (addresses, failure, odd),
    };
    match failure {
        DialFailure::NoAnswer | DialFailure::Myself => format!(
            "on {host}: `systemctl start quorate`; if it runs there, open UDP port {} between the hosts (both ways); if {host} \
             itself does not answer: power, cable",
            addresses.first().map_or(4747, SocketAddr::port)
        ),
        DialFailure::OneWay => {
            super::links::let_in(host, addresses.first().map_or(4747, SocketAddr::port))
        }
        DialFailure::OtherSecret { .. } => other_secret(host, *odd),
        DialFailure::OtherCluster { theirs, ours } => format!(
            "take {host} out of `seeds`, or set the same `cluster` name in quorate.toml here and on {host}; then \
             `systemctl restart quorate` where it changed. A host that has data of the name that it had ends then: there \
             `quorate reset --cluster {theirs}` (on {host}) or `quorate reset --cluster {ours}` (here), and `systemctl start quorate`"
        ),
        DialFailure::Protocol { .. } => {
            format!("install versions of quorate that are closer together here and on {host}")
        }
        DialFailure::Copy { .. } => format!(
            "find out which host has the copy; stop quorate there, and run `quorate reset --cluster {cluster}` there"
        ),
        DialFailure::Twice => format!(
            "`quorate why` on {host} says where; stop quorate on the host that has the copy, and run `quorate reset --cluster \
             {cluster}` there"
        ),
        DialFailure::Revoked => crate::revoked_text(cluster),
        DialFailure::Handshake { .. } => format!("see `journalctl -u quorate` here and on {host}"),
        DialFailure::CannotSend(why) => {
            let unspecified = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
            why.remedy(host, addresses.first().copied().unwrap_or(unspecified))
        }
    }
}

fn two_clusters(name: &str, clusters: &[(ClusterId, Vec<String>)], inside: bool) -> String {
    let each: Vec<String> = clusters
        .iter()
        .map(|(id, hosts)| match hosts.as_slice() {
            [] => id.to_string(),
            hosts => format!("{id} ({})", list(hosts)),
        })
        .collect();
    let stance = if inside { "this node stays in the first" } else { "not joining either" };
    format!("two clusters named `{name}` exist: {}; {stance}", each.join(" and "))
}

fn give_one_up(clusters: &[(ClusterId, Vec<String>)]) -> String {
    let each: Vec<String> = clusters
        .iter()
        .map(|(id, hosts)| {
            let hosts = if hosts.is_empty() { String::new() } else { format!(" ({})", list(hosts)) };
            format!(
                "to give up {id}: `systemctl stop quorate` on all its hosts{hosts}, then `quorate reset --set-aside --cluster {id}` on each, which keeps \
                 the data beside it, and only then start them"
            )
        })
        .collect();
    format!("decide which one lives; {}", each.join("; "))
}

impl PlaceTrouble {
    fn text(&self) -> String {
        match self {
            Self::Both { first, second } if first == second => {
                format!(
                    "seed `{first}` leads to this host and to other addresses, which its interfaces do not have"
                )
            }
            Self::Both { first, second } => {
                format!("this host is both seed `{first}` and seed `{second}`")
            }
            Self::Unknown => {
                "it is not known yet which of the seeds this host is: names do not resolve"
                    .to_owned()
            }
            Self::OtherPort { seed, port } => format!(
                "seed `{seed}` is this host, but this node listens on port {port}, so it is not that seed"
            ),
            Self::Nowhere => {
                "this host is not among the seeds (by address and port), and no seed can be reached"
                    .to_owned()
            }
            Self::OneAddress { first, second, address } => {
                format!("seeds `{first}` and `{second}` are one address, {address}")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Both { first, second } if first == second => {
                "a name in `seeds` is one host: where one name leads to several, name each of them in `seeds`, on every host, and there: \
                 `systemctl restart quorate`"
            }
            Self::Both { .. } | Self::OneAddress { .. } => {
                "name each founder once in `seeds`, on every host, and there: `systemctl restart quorate`"
            }
            Self::Unknown => {
                "repair name resolution on this host, or write addresses into `seeds` on every host"
            }
            Self::OtherPort { .. } => {
                "if it is meant to be that seed, give `listen` and `seeds` the same port on every host, and there: \
                 `systemctl restart quorate`"
            }
            Self::Nowhere => {
                "start quorate on the seeds; if this host should be one, compare its addresses and the port of `listen` (4747 unless \
                 set) with `seeds`: `quorate check-config` shows both"
            }
        }
        .to_owned()
    }
}
