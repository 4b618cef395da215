//! Why there is no cluster yet, told apart and with the step that helps, and which of it is loud.

use super::{Founding, FoundingOutput as Output, OwnSlot, WaitingReason};
use crate::seeds::Seed;
use quorate_proto::{CannotSend, DialFailure, Moment};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Ballots that came to nothing before the founding counts as stuck: collisions of proposers end within a few.
const STUCK: u32 = 8;

impl Founding {
    /// Every reason why this node is in no cluster yet; empty when it is in one, unless two of the name exist.
    #[must_use]
    pub fn reasons(&self, now: Moment) -> Vec<WaitingReason> {
        let mut reasons = Vec::new();
        self.two_clusters(&mut reasons);
        if self.is_founded_durably() {
            return reasons;
        }
        self.own_troubles(&mut reasons);
        self.clones(&mut reasons);
        if !self.state.knows_cluster() {
            self.other_lists(&mut reasons);
            self.own_place(&mut reasons);
        }
        for (slot, seed) in self.seeds.iter() {
            if self.slot() != Some(slot) && !self.is_reached(slot, seed) {
                reasons.extend(self.unreached(slot, seed));
            }
        }
        if !self.state.knows_cluster() {
            self.count_of_seeds(now, &mut reasons);
        }
        reasons
    }

    fn reset_command(&self) -> String {
        format!("quorate reset --cluster {}", self.config.cluster)
    }

    fn two_clusters(&self, reasons: &mut Vec<WaitingReason>) {
        if self.rivals.is_empty() {
            return;
        }
        let Some(known) = self.state.known_genesis() else { return };
        let others: Vec<String> = self.rivals.iter().map(ToString::to_string).collect();
        let stance =
            if self.state.founded.is_some() { "this node stays in" } else { "not joining" };
        reasons.push(WaitingReason {
            code: "two-clusters",
            subject: None,
            text: format!(
                "two clusters named `{}` exist: {known} and {}; {stance} {}",
                self.config.cluster,
                others.join(", "),
                if self.state.founded.is_some() { "the first" } else { "either" },
            ),
            remedy: format!(
                "decide which one lives; on every host of the other one run `{}`",
                self.reset_command()
            ),
            since: self.known_since.unwrap_or(self.started),
        });
    }

    fn own_troubles(&self, reasons: &mut Vec<WaitingReason>) {
        let reset = self.reset_command();
        if self.unfit {
            reasons.push(WaitingReason {
                code: "other-data",
                subject: None,
                text: format!(
                    "the founding state on disk is of cluster `{}`, the config says `{}`",
                    self.state.cluster, self.config.cluster
                ),
                remedy: format!("set the right `cluster` name, or begin anew with `{reset}`"),
                since: self.started,
            });
        }
        let known = self.state.known_genesis();
        if let Some(marker) = self.lost_data {
            reasons.push(WaitingReason {
                code: "marker",
                subject: None,
                text: format!(
                    "this host was in cluster {marker} and its data is gone; it only rejoins, it never founds"
                ),
                remedy: format!(
                    "start the other hosts of the cluster; if the cluster is gone for good, run `{reset}`"
                ),
                since: self.started,
            });
        } else if let Some(genesis) = known.filter(|_| self.rivals.is_empty()) {
            reasons.push(WaitingReason {
                code: "joining",
                subject: None,
                text: format!("cluster {genesis} exists; this node asks to be let in"),
                remedy: format!(
                    "none needed while its hosts run; if that cluster is gone for good, run `{reset}`"
                ),
                since: self.known_since.unwrap_or(self.started),
            });
        }
    }

    fn clones(&self, reasons: &mut Vec<WaitingReason>) {
        for (life, clone) in &self.hearing.clones {
            reasons.push(WaitingReason {
                code: "clone",
                subject: Some(life.short()),
                text: clone.text.clone(),
                remedy: format!(
                    "stop quorate on the copy, run `{}` there, start it",
                    self.reset_command()
                ),
                since: clone.since,
            });
        }
        for (slot, (lives, since)) in &self.hearing.contested {
            let name = self.seeds.get(*slot).map(|seed| seed.name.clone());
            let who: Vec<String> = lives.iter().map(|life| self.describe(*life)).collect();
            reasons.push(WaitingReason {
                code: "clone",
                text: format!(
                    "several hosts claim to be seed `{}`: {}; nobody promises until one is gone",
                    name.clone().unwrap_or_default(),
                    who.join(" and ")
                ),
                subject: name,
                remedy: "stop quorate on the host that the name must not point to".to_owned(),
                since: *since,
            });
        }
    }

    fn describe(&self, life: quorate_proto::Instance) -> String {
        if life == self.config.me.instance {
            return format!("this node ({})", life.short());
        }
        self.peers.get(&life).map_or_else(
            || life.short(),
            |peer| format!("{} at {} ({})", peer.session.name, peer.session.address, life.short()),
        )
    }

    fn other_lists(&self, reasons: &mut Vec<WaitingReason>) {
        for peer in self.peers.values() {
            let session = &peer.session;
            if session.digest == self.config.digest || peer.knows.is_some() {
                continue;
            }
            let text = if session.seeds == self.config.seeds {
                format!(
                    "{} at {} has the same seeds but another `founding` mode (here `{}`)",
                    session.name, session.address, self.config.mode
                )
            } else {
                format!(
                    "{} at {} has other seeds: there [{}], here [{}]",
                    session.name,
                    session.address,
                    session.seeds.join(", "),
                    self.config.seeds.join(", ")
                )
            };
            reasons.push(WaitingReason {
                code: "other-seeds",
                subject: Some(session.name.to_string()),
                text,
                remedy: "make `seeds` and `founding` the same on every host, order included, and restart quorate"
                    .to_owned(),
                since: peer.up_since,
            });
        }
    }

    fn own_place(&self, reasons: &mut Vec<WaitingReason>) {
        let name = |slot: usize| self.seeds.get(slot).map_or("?", |seed| seed.name.as_str());
        let same = self.seeds.same_address();
        let (text, remedy) = match self.own_slot {
            OwnSlot::Several(first, second) => (
                format!("this host is both seed `{}` and seed `{}`", name(first), name(second)),
                "name each founder once in `seeds`",
            ),
            OwnSlot::Undecided => (
                "it is not known yet which of the seeds this host is: names do not resolve".to_owned(),
                "repair name resolution on this host, or write addresses into `seeds`",
            ),
            OwnSlot::OtherPort { slot, port } => (
                format!(
                    "seed `{}` is this host, but this node listens on port {port}, so it is not that seed",
                    name(slot)
                ),
                "if it is meant to be that seed, give `listen` and `seeds` the same port on every host, and restart quorate",
            ),
            OwnSlot::NotASeed if self.hears_no_seed() => (
                "this host is not among the seeds (by address and port), and no seed can be reached".to_owned(),
                "start quorate on the seeds; if this host should be one, compare its addresses and the port of `listen` (4747 unless set) with `seeds`: `quorate check-config` shows both",
            ),
            _ if same.is_some() => {
                let (first, second, address) = same.unwrap_or((0, 0, ([0, 0, 0, 0], 0).into()));
                (
                    format!("seeds `{}` and `{}` are one address, {address}", name(first), name(second)),
                    "name each founder once in `seeds`",
                )
            }
            OwnSlot::NotASeed | OwnSlot::Slot(_) => return,
        };
        let (subject, since) = (None, self.started);
        let remedy = remedy.to_owned();
        reasons.push(WaitingReason { code: "own-slot", subject, text, remedy, since });
    }

    fn hears_no_seed(&self) -> bool {
        self.seeds.iter().all(|(slot, seed)| !self.is_reached(slot, seed))
    }

    fn is_reached(&self, slot: usize, seed: &Seed) -> bool {
        self.hearing.fresh.contains_key(&slot)
            || self.hearing.contested.contains_key(&slot)
            || seed.addresses.iter().any(|address| self.stands_at(*address))
    }

    fn unreached(&self, slot: usize, seed: &Seed) -> Option<WaitingReason> {
        let subject = Some(seed.name.clone());
        let name = &seed.name;
        if let Some((problem, since)) = &seed.unresolved {
            return Some(WaitingReason {
                code: "unresolved",
                subject,
                text: format!("seed `{name}` does not resolve: {problem}"),
                remedy: format!(
                    "check `getent ahosts {}`, DNS or /etc/hosts on this host",
                    host_of(name)
                ),
                since: *since,
            });
        }
        let most = seed.failures.values().map(|(failure, _)| telling(failure)).max()?;
        let (address, (failure, _)) =
            seed.failures.iter().find(|(_, (failure, _))| telling(failure) == most)?;
        let (code, remedy) = self.dial_remedy(slot, *address, failure)?;
        let alike = || seed.failures.iter().filter(|(_, (other, _))| is_alike(failure, other));
        let addresses: Vec<String> = alike().map(|(address, _)| address.to_string()).collect();
        let since = alike().map(|(_, (_, since))| *since).min()?;
        let text = format!("seed `{name}` ({}): {failure}", addresses.join(", "));
        Some(WaitingReason { code, subject, text, remedy, since })
    }

    fn dial_remedy(
        &self,
        slot: usize,
        address: SocketAddr,
        failure: &DialFailure,
    ) -> Option<(&'static str, String)> {
        let name = self.seeds.get(slot).map_or("?", |seed| host_of(&seed.name));
        Some(match failure {
            DialFailure::NoAnswer => (
                "no-answer",
                format!(
                    "start quorate on {name}; if it runs, open UDP port {} between the hosts (both ways)",
                    address.port()
                ),
            ),
            DialFailure::OtherSecret { .. } => (
                "other-secret",
                format!(
                    "copy the secret file to {name}; compare with `quorate secret fingerprint` on both"
                ),
            ),
            DialFailure::OtherCluster { .. } => (
                "other-cluster",
                format!(
                    "set the same `cluster` name here and on {name}, or take {name} out of `seeds`"
                ),
            ),
            DialFailure::Protocol { .. } => (
                "protocol",
                format!("install versions of quorate that are closer together here and on {name}"),
            ),
            DialFailure::Twice => (
                "twice",
                format!(
                    "`quorate why` on {name} says where; stop quorate on the host that has the copy, and run `quorate reset \
                     --cluster {}` there",
                    self.config.cluster
                ),
            ),
            DialFailure::Handshake { .. } => {
                ("handshake", format!("see `journalctl -u quorate` here and on {name}"))
            }
            DialFailure::CannotSend(why) => {
                let code = match why {
                    CannotSend::Family { .. } => "other-family",
                    CannotSend::NoRoute { .. } => "no-route",
                };
                (code, why.remedy(name, address))
            }
            DialFailure::Myself => return None,
        })
    }

    fn count_of_seeds(&self, now: Moment, reasons: &mut Vec<WaitingReason>) {
        let heard = self.hearing.fresh.len();
        if heard >= self.quorum && self.attempts >= STUCK {
            reasons.push(WaitingReason {
                code: "founding-stuck",
                subject: None,
                text: format!(
                    "{heard} of {} seeds are here, but {} rounds of the founding came to nothing; it goes on trying",
                    self.slots, self.attempts
                ),
                remedy: "on each seed: `quorate why`; one whose disk does not answer, or that is heard but does not hear, \
                         holds it up: stop quorate on that one"
                    .to_owned(),
                since: self.hearing.enough_since.unwrap_or(now),
            });
            return;
        }
        if self.proposal.is_some() || heard >= self.quorum {
            let text =
                format!("{heard} of {} seeds are here; the founding is under way", self.slots);
            let since = self.hearing.enough_since.unwrap_or(now);
            let remedy = format!(
                "none needed; a seed that is missing is waited for {} s",
                self.config.grace.as_secs()
            );
            reasons.push(WaitingReason { code: "founding", subject: None, text, remedy, since });
            return;
        }
        let missing: Vec<(String, Moment)> = self
            .seeds
            .iter()
            .filter(|(slot, _)| !self.hearing.fresh.contains_key(slot))
            .map(|(_, seed)| (seed.name.clone(), seed.missing_since))
            .collect();
        let since = missing.iter().map(|(_, since)| *since).min().unwrap_or(self.started);
        let who: Vec<String> = missing
            .iter()
            .map(|(name, since)| format!("{name} (for {} s)", now.since(*since).as_secs()))
            .collect();
        reasons.push(WaitingReason {
            code: "too-few",
            subject: None,
            text: format!(
                "{heard} of {} seeds are here, {} are needed; missing: {}",
                self.slots,
                self.quorum,
                who.join(", ")
            ),
            remedy: format!(
                "start quorate on {} of the missing seeds",
                self.quorum.saturating_sub(heard)
            ),
            since,
        });
    }

    /// Raises each loud condition once when it becomes so.
    pub(super) fn raise_alarms(&mut self, now: Moment, out: &mut Vec<Output>) {
        let mut loud = Vec::new();
        let mut reasons = Vec::new();
        self.two_clusters(&mut reasons);
        if !self.is_founded_durably() {
            self.own_troubles(&mut reasons);
            self.clones(&mut reasons);
            if !self.state.knows_cluster() {
                self.other_lists(&mut reasons);
            }
        }
        for reason in reasons.into_iter().filter(|reason| reason.code != "joining") {
            loud.push((reason.code, format!("{}; {}", reason.text, reason.remedy)));
        }
        if let Some(margin) = self.margin()
            && self.margin_alarm_time().is_some_and(|time| time <= now)
        {
            loud.push(("margin", format!(
                "only {} of {} founder slots know the cluster, so no founder disk may be lost: a second founding would be possible; \
                 start the missing seeds, keep their disks",
                margin.known, margin.slots,
            )));
        }
        for (code, text) in &loud {
            if !self.alarms.contains(&(*code, text.clone())) {
                out.push(Output::Alarm { code, text: text.clone() });
            }
        }
        self.alarms = loud.into_iter().collect::<BTreeSet<_>>();
    }
}

/// How much a failure tells of the host that a seed names, where its addresses failed in different ways: what the host said
/// itself, then that it said nothing, then that it could not be asked.
fn telling(failure: &DialFailure) -> u8 {
    match failure {
        DialFailure::CannotSend(CannotSend::Family { .. }) => 0,
        DialFailure::CannotSend(CannotSend::NoRoute { .. }) => 1,
        DialFailure::Myself => 2,
        DialFailure::NoAnswer => 3,
        DialFailure::Handshake { .. } => 4,
        DialFailure::Twice => 5,
        DialFailure::Protocol { .. } => 6,
        DialFailure::OtherCluster { .. } => 7,
        DialFailure::OtherSecret { .. } => 8,
    }
}

/// Whether two addresses of one seed failed in the same way, so that one sentence tells of both.
fn is_alike(one: &DialFailure, other: &DialFailure) -> bool {
    let family = |failure: &DialFailure| {
        matches!(failure, DialFailure::CannotSend(CannotSend::Family { .. }))
    };
    one == other || (family(one) && family(other))
}

/// The host in `host[:port]`, for commands.
fn host_of(seed: &str) -> &str {
    match seed.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.ends_with(':') => {
            host.trim_start_matches('[').trim_end_matches(']')
        }
        _ => seed,
    }
}
