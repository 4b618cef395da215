//! Which seed this host is: own addresses and names, port included, against what the seeds resolve to.
//!
//! Invariant: a host never takes a slot that another host may have: several matches are an error, and so is a name that leads to this
//! host and to others; an unresolved seed leaves the question open. Loopback addresses are never dialled towards seeds that are not loopback (Debian gives a
//! host's own name 127.0.1.1).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

/// What a host knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnHost {
    /// The UDP address it listens on.
    pub(crate) listen: SocketAddr,
    /// The address it tells others to use.
    pub(crate) advertise: Option<SocketAddr>,
    /// Addresses of its interfaces.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its names, lower case: host name as set, and the node's name.
    pub(crate) names: Vec<String>,
}

/// A seed and what its name says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedSeed {
    /// As in the config: `host:port`.
    pub(crate) seed: String,
    /// Its addresses; empty when it does not resolve.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Why it does not.
    pub(crate) problem: Option<String>,
}

/// A seed that is this host but for the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NearMiss {
    /// The seed, counted from 0.
    pub(crate) slot: usize,
    /// The sentence, with the remedy.
    pub(crate) text: String,
}

/// Which seed a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SlotMatch {
    /// No match yet, and some names do not resolve: ask again.
    Undecided {
        /// Which, and why.
        unresolved: Vec<String>,
    },
    /// None of them.
    NotASeed {
        /// A seed that is this host but for the port: most likely a mistake.
        near: Option<NearMiss>,
    },
    /// This one, counted from 0.
    Slot(usize),
    /// More than one, or one that other hosts are, too: a mistake that must be mended before this host may found.
    Several {
        /// The first two; twice the same where it is one that leads to several hosts.
        slots: (usize, usize),
        /// The sentence, with the remedy.
        problem: String,
    },
}

impl OwnHost {
    /// This host, with its interfaces as they are now.
    ///
    /// # Errors
    /// When the system does not tell the interfaces.
    pub(crate) fn of_this_machine(
        listen: SocketAddr,
        advertise: Option<SocketAddr>,
        names: &[&str],
    ) -> std::io::Result<Self> {
        let addresses = addresses_of_interfaces()?;
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok(Self { listen, advertise, addresses, names })
    }

    /// The same host with its interfaces as they are now: hosts are renumbered.
    pub(crate) fn seen_again(mut self) -> Self {
        match addresses_of_interfaces() {
            Ok(addresses) => self.addresses = addresses,
            Err(error) => tracing::debug!(%error, "the addresses of the interfaces are not known"),
        }
        self
    }

    /// Whether it is one of this host's addresses, as far as they are known here.
    pub(crate) fn has_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if self.advertise.is_some_and(|own| own.ip().to_canonical() == ip) {
            return true;
        }
        if self.listen.ip().is_unspecified() {
            return ip.is_loopback() || self.addresses.iter().any(|own| own.to_canonical() == ip);
        }
        self.listen.ip().to_canonical() == ip
    }

    fn has_port(&self, port: u16) -> bool {
        self.listen.port() == port || self.advertise.is_some_and(|own| own.port() == port)
    }

    /// Whether a seed names this host, port aside.
    fn is_host_of(&self, seed: &ResolvedSeed) -> bool {
        let (host, _) = split(&seed.seed);
        self.names.iter().any(|name| name == host)
            || seed.addresses.iter().any(|address| self.has_address(address.ip()))
    }
}

/// The addresses of a seed that is this host which are not this host's, although another one of their family is. Behind address
/// translation none is known here, and IPv6 addresses come late: neither says anything.
pub(crate) fn elsewhere(own: &OwnHost, seed: &ResolvedSeed) -> Vec<IpAddr> {
    if !own.listen.ip().is_unspecified() {
        return Vec::new();
    }
    let (here, there): (Vec<IpAddr>, Vec<IpAddr>) =
        seed.addresses.iter().map(SocketAddr::ip).partition(|ip| own.has_address(*ip));
    there.into_iter().filter(|ip| here.iter().any(|own| own.is_ipv4() == ip.is_ipv4())).collect()
}

fn addresses_of_interfaces() -> std::io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.iter().map(|interface| interface.ip()).collect())
}

/// Which of the seeds this host is. Pure.
pub(crate) fn match_slot(own: &OwnHost, seeds: &[ResolvedSeed]) -> SlotMatch {
    let mine = |(_, seed): &(usize, &ResolvedSeed)| own.is_host_of(seed);
    let matches: Vec<usize> = (0..seeds.len())
        .filter(|slot| own.has_port(split(&seeds[*slot].seed).1) && own.is_host_of(&seeds[*slot]))
        .collect();
    let unresolved = || {
        let open = seeds.iter().filter(|seed| seed.addresses.is_empty());
        open.map(|seed| {
            let why = seed.problem.as_deref().unwrap_or("it has no address");
            format!("`{}` does not resolve: {why}", seed.seed)
        })
        .collect::<Vec<_>>()
    };
    match matches.as_slice() {
        [slot] => match elsewhere(own, &seeds[*slot]).as_slice() {
            [] => SlotMatch::Slot(*slot),
            others => SlotMatch::Several {
                slots: (*slot, *slot),
                problem: leads_elsewhere(&seeds[*slot].seed, others),
            },
        },
        [] if seeds.iter().any(|seed| seed.addresses.is_empty()) => {
            SlotMatch::Undecided { unresolved: unresolved() }
        }
        [] => SlotMatch::NotASeed {
            near: seeds.iter().enumerate().find(mine).map(|(slot, seed)| NearMiss {
                slot,
                text: format!(
                    "seed `{}` is this host, but this node listens on port {}: if it is meant to be that seed, make \
                     `listen` and `seeds` name the same port",
                    seed.seed,
                    own.listen.port()
                ),
            }),
        },
        several @ [first, second, ..] => {
            let names: Vec<_> = several.iter().map(|slot| format!("`{}`", seeds[*slot].seed)).collect();
            SlotMatch::Several {
                slots: (*first, *second),
                problem: format!(
                    "seeds {} are all this host, and each founder is one host: name each host once, or mend what the \
                     names resolve to (`getent ahosts NAME`)",
                    names.join(" and ")
                ),
            }
        }
    }
}

fn leads_elsewhere(seed: &str, others: &[IpAddr]) -> String {
    let others: Vec<String> = others.iter().map(ToString::to_string).collect();
    format!(
        "seed `{seed}` leads to this host and also to {}: a seed is one host. If those are other hosts (one DNS name for all seeds), name each \
         of them in `seeds`; if they are this host's, too, its interfaces do not have them",
        others.join(", ")
    )
}

/// What may be dialled, by seed: loopback addresses only when no seed has any other.
pub(crate) fn dialable(seeds: &[ResolvedSeed]) -> Vec<Vec<SocketAddr>> {
    let loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
    let all_loopback = seeds.iter().flat_map(|seed| &seed.addresses).all(loopback);
    let keep = |address: &&SocketAddr| all_loopback || !loopback(address);
    seeds.iter().map(|seed| seed.addresses.iter().filter(keep).copied().collect()).collect()
}

/// Asks the system what a seed resolves to. Blocks: for a thread of its own.
pub(crate) fn resolve(seed: &str) -> ResolvedSeed {
    let (host, port) = split(seed);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let (addresses, problem) = match (bare, port).to_socket_addrs() {
        Ok(found) => {
            let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
            let mut addresses: Vec<SocketAddr> = found.map(canonical).collect();
            addresses.sort_unstable();
            addresses.dedup();
            let problem = addresses.is_empty().then(|| "the name has no address".to_owned());
            (addresses, problem)
        }
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    ResolvedSeed { seed: seed.to_owned(), addresses, problem }
}

/// Host and port of a checked seed.
fn split(seed: &str) -> (&str, u16) {
    let (host, port) = seed.rsplit_once(':').unwrap_or((seed, ""));
    (host, port.parse().unwrap_or(crate::config::PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnHost {
        OwnHost {
            listen: "0.0.0.0:4747".parse().expect("valid"),
            advertise: None,
            addresses: vec![
                "127.0.0.1".parse().expect("valid"),
                "10.0.0.2".parse().expect("valid"),
            ],
            names: vec!["f2".into()],
        }
    }

    fn seeds(list: &[(&str, &[&str])]) -> Vec<ResolvedSeed> {
        let resolved = |(seed, addresses): &(&str, &[&str])| ResolvedSeed {
            seed: (*seed).into(),
            addresses: addresses.iter().map(|text| text.parse().expect("valid")).collect(),
            problem: addresses.is_empty().then(|| "no such name".into()),
        };
        list.iter().map(resolved).collect()
    }

    #[test]
    fn a_host_finds_its_slot_by_address_or_name_and_port() {
        let list = seeds(&[("a:4747", &["10.0.0.1:4747"]), ("b:4747", &["10.0.0.2:4747"])]);
        assert_eq!(match_slot(&own(), &list), SlotMatch::Slot(1));
        let list = seeds(&[("a:4747", &["10.0.0.1:4747"]), ("f2:4747", &["192.0.2.7:4747"])]);
        assert_eq!(match_slot(&own(), &list), SlotMatch::Slot(1), "behind address translation");
        let list = seeds(&[("f1:4747", &["10.0.0.1:4747"]), ("f3:4747", &["10.0.0.3:4747"])]);
        assert_eq!(match_slot(&own(), &list), SlotMatch::NotASeed { near: None });
    }

    #[test]
    fn debians_loopback_address_for_the_own_name_is_matched_but_never_dialled() {
        let list = seeds(&[("f1:4747", &["10.0.0.1:4747"]), ("f2:4747", &["127.0.1.1:4747"])]);
        assert_eq!(match_slot(&own(), &list), SlotMatch::Slot(1));
        assert_eq!(dialable(&list), [vec!["10.0.0.1:4747".parse().expect("valid")], vec![]]);
    }

    #[test]
    fn several_nodes_on_one_machine_are_told_apart_by_port() {
        let list = seeds(&[
            ("127.0.0.1:7001", &["127.0.0.1:7001"]),
            ("127.0.0.1:7002", &["127.0.0.1:7002"]),
        ]);
        let mut own = own();
        own.listen = "127.0.0.1:7002".parse().expect("valid");
        assert_eq!(match_slot(&own, &list), SlotMatch::Slot(1));
        assert_eq!(dialable(&list).concat().len(), 2, "all on loopback: dialled");
    }

    #[test]
    fn a_wrong_port_is_named_as_the_likely_mistake() {
        let list = seeds(&[("f1:4747", &["10.0.0.1:4747"]), ("f2:4748", &["10.0.0.2:4748"])]);
        let SlotMatch::NotASeed { near: Some(near) } = match_slot(&own(), &list) else {
            panic!("the port differs");
        };
        assert!(near.text.contains("`f2:4748`") && near.text.contains("4747"), "{near:?}");
    }

    #[test]
    fn two_slots_for_one_host_are_an_error() {
        let list = seeds(&[("f2:4747", &["10.0.0.2:4747"]), ("b:4747", &["10.0.0.2:4747"])]);
        let SlotMatch::Several { slots: (0, 1), problem } = match_slot(&own(), &list) else {
            panic!("both are this host");
        };
        assert!(problem.contains("`f2:4747` and `b:4747`"), "{problem}");
    }

    #[test]
    fn nobody_takes_the_place_of_a_seed_whose_name_leads_to_other_hosts_too() {
        let list = seeds(&[("all:4747", &["10.0.0.1:4747", "10.0.0.2:4747", "10.0.0.3:4747"])]);
        let SlotMatch::Several { slots: (0, 0), problem } = match_slot(&own(), &list) else {
            panic!("each of the three would found a cluster of its own");
        };
        assert!(
            problem.contains("10.0.0.1, 10.0.0.3") && problem.contains("`all:4747`"),
            "{problem}"
        );
        // An address of the other family may come late, and behind address translation none is known.
        let late = seeds(&[("b:4747", &["10.0.0.2:4747", "[2001:db8::2]:4747"])]);
        assert_eq!(match_slot(&own(), &late), SlotMatch::Slot(0));
        let translated = seeds(&[("f2:4747", &["192.0.2.7:4747", "192.0.2.8:4747"])]);
        assert_eq!(match_slot(&own(), &translated), SlotMatch::Slot(0));
    }

    #[test]
    fn while_names_do_not_resolve_the_question_stays_open() {
        let list = seeds(&[("f1:4747", &["10.0.0.1:4747"]), ("f9:4747", &[])]);
        assert!(matches!(match_slot(&own(), &list), SlotMatch::Undecided { .. }));
        let list = seeds(&[("f2:4747", &[]), ("f9:4747", &[])]);
        assert_eq!(match_slot(&own(), &list), SlotMatch::Slot(0), "the own name is enough");
    }

    #[test]
    fn a_node_behind_a_forwarded_port_matches_by_what_it_advertises() {
        let list = seeds(&[("a:9000", &["198.51.100.1:9000"])]);
        let mut own = own();
        own.advertise = Some("198.51.100.1:9000".parse().expect("valid"));
        assert_eq!(match_slot(&own, &list), SlotMatch::Slot(0));
    }
}
