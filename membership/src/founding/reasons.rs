//! Why there is no cluster yet, told apart and with the step that helps, and which of it is loud.

use super::hearing::Peer;
use super::{Founding, FoundingOutput as Output, OwnSlot};
use crate::seeds::Seed;
use quorate_proto::{
    CannotSend, ClusterId, DialFailure, FoundingCause, Known, MissingSeed, Moment, OddSecret,
    PlaceTrouble, Reason, ReasonCode, SeedTrouble,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Ballots that came to nothing before the founding counts as stuck: collisions of proposers end within a few.
const STUCK: u32 = 8;

impl Founding {
    /// Every reason why this node is in no cluster yet; empty when it is in one, unless two of the name exist.
    #[must_use]
    pub fn reasons(&self, now: Moment) -> Vec<Reason> {
        if self.is_founded_durably() {
            return self.standing_reasons();
        }
        let mut reasons = Vec::new();
        self.two_clusters(&mut reasons);
        self.own_troubles(&mut reasons);
        self.clones(&mut reasons);
        self.other_lists(&mut reasons);
        if !self.state.knows_cluster() {
            self.own_place(&mut reasons);
        }
        for (slot, seed) in self.seeds.iter() {
            if self.slot() != Some(slot) && !self.is_reached(slot, seed) {
                reasons.extend(self.unreached(seed));
            }
        }
        if !self.state.knows_cluster() {
            self.count_of_seeds(now, &mut reasons);
        }
        reasons
    }

    /// What is wrong also for who is in a cluster: two of one name, lists that differ, seeds that refuse.
    #[must_use]
    pub fn standing_reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        self.two_clusters(&mut reasons);
        self.other_lists(&mut reasons);
        reasons.extend(self.seeds_that_refuse());
        reasons
    }

    /// Seeds that answer, but not as they should: also a member that came back with another secret.
    fn seeds_that_refuse(&self) -> impl Iterator<Item = Reason> {
        let outside = self
            .seeds
            .iter()
            .filter(|(slot, seed)| self.slot() != Some(*slot) && !self.is_reached(*slot, seed));
        let told = outside.filter_map(|(_, seed)| self.unreached(seed));
        // Silence is told by the margin, and by who is down.
        told.filter(|reason| reason.code != ReasonCode::NoAnswer)
    }

    fn cluster(&self) -> String {
        self.config.cluster.to_string()
    }

    /// The hosts met here that are in a cluster, for people.
    fn hosts_of(&self, cluster_id: ClusterId) -> Vec<String> {
        let peers = self.peers.values().filter(|peer| peer.knows == Some(cluster_id));
        peers.map(|peer| format!("{} at {}", peer.session.name, peer.session.address)).collect()
    }

    fn two_clusters(&self, reasons: &mut Vec<Reason>) {
        if self.rivals.is_empty() {
            return;
        }
        let Some(known) = self.state.known_cluster() else { return };
        let inside = self.state.founded.is_some();
        let all = std::iter::once(known).chain(self.rivals.iter().copied());
        let clusters = all.map(|cluster_id| {
            let mut hosts = self.hosts_of(cluster_id);
            if inside && cluster_id == known {
                hosts.insert(0, "this host".to_owned());
            }
            (cluster_id, hosts)
        });
        // Who is inside is done once nobody of the other is met any more; who is outside waits for a decision.
        let met = clusters.filter(|(_, hosts)| !inside || !hosts.is_empty());
        let clusters: Vec<_> = met.collect();
        if inside && clusters.len() < 2 {
            return;
        }
        let cause = FoundingCause::TwoClusters { cluster: self.cluster(), clusters, inside };
        reasons.push(Reason::of(&cause, self.known_since.unwrap_or(self.started)));
    }

    fn own_troubles(&self, reasons: &mut Vec<Reason>) {
        let cluster = self.cluster();
        if self.unfit {
            let found = self.state.cluster.clone();
            let cause = FoundingCause::OtherData { found, cluster: cluster.clone() };
            reasons.push(Reason::of(&cause, self.started));
        }
        let known = self.state.known_cluster();
        if let Some(marker) = self.lost_data {
            let cause = FoundingCause::Marker { marker, cluster, only_seed: self.slots == 1 };
            reasons.push(Reason::of(&cause, self.started));
        } else if let Some(cluster_id) = known.filter(|_| self.rivals.is_empty()) {
            let cause = FoundingCause::Joining { cluster_id, cluster };
            reasons.push(Reason::of(&cause, self.known_since.unwrap_or(self.started)));
        }
    }

    fn clones(&self, reasons: &mut Vec<Reason>) {
        for (life, clone) in &self.hearing.clones {
            let (life, at, cluster) = (*life, clone.at, self.cluster());
            reasons.push(Reason::of(&FoundingCause::Twin { life, at, cluster }, clone.since));
        }
        for (slot, (lives, since)) in &self.hearing.contested {
            let seed = self.seeds.get(*slot).map(|seed| seed.name.clone()).unwrap_or_default();
            let lives = lives.iter().map(|life| self.describe(*life)).collect();
            reasons.push(Reason::of(&FoundingCause::Contested { seed, lives }, *since));
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

    /// Peers with another list or mode. Before the birth they found nothing together; behind it the lists are to be made one.
    pub(super) fn other_lists(&self, reasons: &mut Vec<Reason>) {
        let knows = self.state.knows_cluster();
        for peer in self.peers.values() {
            let session = &peer.session;
            // Who is in a cluster founds none any more, and one of another cluster has another list by right.
            let apart =
                if knows { peer.knows != self.state.known_cluster() } else { peer.knows.is_some() };
            if session.digest == self.config.digest || apart {
                continue;
            }
            let cause = FoundingCause::OtherSeeds {
                name: session.name.to_string(),
                address: session.address,
                theirs: session.seeds.clone(),
                ours: self.config.seeds.clone(),
                mode: self.config.mode.to_string(),
            };
            reasons.push(Reason::of(&cause, peer.up_since));
        }
    }

    fn own_place(&self, reasons: &mut Vec<Reason>) {
        let name =
            |slot: usize| self.seeds.get(slot).map_or("?", |seed| seed.name.as_str()).to_owned();
        let trouble = match self.own_slot {
            OwnSlot::Several(first, second) => {
                PlaceTrouble::Both { first: name(first), second: name(second) }
            }
            // A start that has not looked yet knows of no trouble.
            OwnSlot::Undecided if !self.looked_up => return,
            OwnSlot::Undecided => PlaceTrouble::Unknown,
            OwnSlot::OtherPort { slot, port } => PlaceTrouble::OtherPort { seed: name(slot), port },
            OwnSlot::NotASeed if self.hears_no_seed() => PlaceTrouble::Nowhere,
            OwnSlot::NotASeed | OwnSlot::Slot(_) => match self.seeds.same_address() {
                Some((first, second, address)) => {
                    PlaceTrouble::OneAddress { first: name(first), second: name(second), address }
                }
                None => return,
            },
        };
        reasons.push(Reason::of(&FoundingCause::Place(trouble), self.started));
    }

    fn hears_no_seed(&self) -> bool {
        self.seeds.iter().all(|(slot, seed)| !self.is_reached(slot, seed))
    }

    pub(super) fn is_reached(&self, slot: usize, seed: &Seed) -> bool {
        self.hearing.fresh.contains_key(&slot)
            || self.hearing.contested.contains_key(&slot)
            || seed.addresses.iter().any(|address| self.stands_at(*address))
    }

    pub(super) fn unreached(&self, seed: &Seed) -> Option<Reason> {
        let (trouble, since) = if let Some((problem, since)) = &seed.unresolved {
            (SeedTrouble::Unresolved { problem: problem.clone() }, *since)
        } else {
            let failure = most_telling(seed)?;
            // Of copies more is told by those that watch for them.
            if matches!(failure, DialFailure::Myself | DialFailure::Copy { .. }) {
                return None;
            }
            let alike = || seed.failures.iter().filter(|(_, (other, _))| is_alike(failure, other));
            let addresses = alike().map(|(address, _)| *address).collect();
            let since = alike().map(|(_, (_, since))| *since).min()?;
            let odd = self.odd_secret(failure);
            let failure = failure.clone();
            (SeedTrouble::Dial { addresses, failure, odd }, since)
        };
        let (seed, host) = (seed.name.clone(), host_of(&seed.name).to_owned());
        let cause = FoundingCause::Seed { seed, host, cluster: self.cluster(), trouble };
        Some(Reason::of(&cause, since))
    }

    /// A seed that is missing, with what is known of why.
    pub(super) fn missing_seed(&self, slot: usize, seed: &Seed) -> MissingSeed {
        let host = host_of(&seed.name).to_owned();
        MissingSeed { host, seconds: 0, known: self.known_of(slot, seed) }
    }

    fn known_of(&self, slot: usize, seed: &Seed) -> Known {
        let at = |peer: &&Peer| seed.addresses.contains(&peer.session.address);
        if self.has_no_place(slot) {
            Known::Told(ReasonCode::OwnSlot)
        } else if self.hearing.contested.contains_key(&slot) {
            Known::Told(ReasonCode::Clone)
        } else if let Some(peer) = self.peers.values().find(at) {
            let known = self.state.known_cluster();
            let rival = known.is_some() && peer.knows.is_some() && peer.knows != known;
            match peer.session.digest != self.config.digest {
                _ if rival => Known::Told(ReasonCode::TwoClusters),
                true => Known::Told(ReasonCode::OtherSeeds),
                false => Known::Runs,
            }
        } else if let Some(known) =
            seed.failures.values().find_map(|(failure, _)| known_of(failure))
        {
            known
        } else {
            let told = self.unreached(seed).map(|reason| reason.code);
            // It may be off, or nothing came of asking it yet.
            let told = told.filter(|code| *code != ReasonCode::NoAnswer);
            told.map_or(Known::Nothing, Known::Told)
        }
    }

    /// Whether this slot is one of those that `own-slot` is about: it cannot be heard before that is mended.
    fn has_no_place(&self, slot: usize) -> bool {
        let twice = self.seeds.same_address();
        let twice = twice.is_some_and(|(first, second, _)| [first, second].contains(&slot));
        twice
            || match self.own_slot {
                OwnSlot::Several(first, second) => [first, second].contains(&slot),
                OwnSlot::OtherPort { slot: own, .. } => own == slot,
                OwnSlot::Undecided | OwnSlot::NotASeed | OwnSlot::Slot(_) => false,
            }
    }

    /// Why there is no session with the seed at this address, where its host shows that it runs: a member may have come back with other
    /// files.
    #[must_use]
    pub fn refused_at(&self, address: SocketAddr) -> Option<(&str, ReasonCode)> {
        let seeds = self.seeds.iter().map(|(_, seed)| seed);
        let seed = seeds.into_iter().find(|seed| seed.failures.contains_key(&address))?;
        let code = self.unreached(seed)?.code;
        let known = [
            ReasonCode::OtherSecret,
            ReasonCode::OtherCluster,
            ReasonCode::Protocol,
            ReasonCode::OneWay,
        ];
        let refused = known.contains(&code);
        (refused && !self.stands_at(address)).then_some((seed.name.as_str(), code))
    }

    /// Whose secret is the odd one, as far as the seeds tell. A seed counts once, however many addresses it has.
    fn odd_secret(&self, failure: &DialFailure) -> OddSecret {
        let DialFailure::OtherSecret { theirs, .. } = failure else { return OddSecret::Unclear };
        let outside = || self.seeds.iter().filter(|(slot, _)| self.slot() != Some(*slot));
        let ours = 1 + outside().filter(|(slot, seed)| self.is_reached(*slot, seed)).count();
        let others = outside().filter_map(|(_, seed)| {
            seed.failures.values().find_map(|(failure, _)| match failure {
                DialFailure::OtherSecret { theirs, .. } => Some(theirs.as_str()),
                _ => None,
            })
        });
        OddSecret::of(theirs, ours, others)
    }

    fn count_of_seeds(&self, now: Moment, reasons: &mut Vec<Reason>) {
        let (heard, seeds) = (self.hearing.fresh.len(), self.slots);
        let since = self.hearing.enough_since.unwrap_or(now);
        let names = |fresh: bool| {
            let seeds = self.seeds.iter();
            seeds.filter(move |(slot, _)| self.hearing.fresh.contains_key(slot) == fresh)
        };
        if heard >= self.quorum && self.attempts >= STUCK {
            let there = names(true).map(|(_, seed)| host_of(&seed.name).to_owned()).collect();
            let cause = FoundingCause::Stuck { heard, seeds, rounds: self.attempts, there };
            reasons.push(Reason::of(&cause, since));
            return;
        }
        if self.proposal.is_some() || heard >= self.quorum {
            let grace_seconds = self.config.grace.as_secs();
            reasons
                .push(Reason::of(&FoundingCause::UnderWay { heard, seeds, grace_seconds }, since));
            return;
        }
        let since = names(false).map(|(_, seed)| seed.missing_since).min().unwrap_or(self.started);
        let missing = names(false).map(|(slot, seed)| {
            let seconds = now.since(seed.missing_since).as_secs();
            MissingSeed { seconds, ..self.missing_seed(slot, seed) }
        });
        let missing: Vec<MissingSeed> = missing.collect();
        let without: Vec<String> = missing.iter().map(|seed| seed.host.clone()).collect();
        let may = self.may_waive(&without).is_ok();
        let without = if may { without } else { Vec::new() };
        let needed = self.quorum;
        let cause = FoundingCause::TooFew { heard, seeds, needed, missing, without };
        reasons.push(Reason::of(&cause, since));
    }

    /// Raises each loud condition once when it becomes so.
    pub(super) fn raise_alarms(&mut self, now: Moment, out: &mut Vec<Output>) {
        let mut loud = Vec::new();
        let mut reasons = Vec::new();
        self.two_clusters(&mut reasons);
        if !self.is_founded_durably() {
            self.own_troubles(&mut reasons);
            self.clones(&mut reasons);
        }
        self.other_lists(&mut reasons);
        for reason in reasons.into_iter().filter(|reason| reason.code != ReasonCode::Joining) {
            // Which of their hosts are met at a moment is no news.
            let key = match reason.code {
                ReasonCode::TwoClusters => self.rivals.iter().map(ToString::to_string).collect(),
                _ => reason.text.clone(),
            };
            loud.push((key, reason));
        }
        if self.margin_alarm_time().is_some_and(|time| time <= now) {
            loud.extend(self.margin_reason().map(|reason| (reason.text.clone(), reason)));
        }
        let mut standing = BTreeSet::new();
        for (key, reason) in loud {
            let alarm = (reason.code, key);
            if !self.alarms.contains(&alarm) {
                out.push(Output::Alarm { code: reason.code, text: reason.in_one_line() });
            }
            standing.insert(alarm);
        }
        self.alarms = standing;
    }
}

/// The failure that tells most of the host that a seed names.
pub(super) fn most_telling(seed: &Seed) -> Option<&DialFailure> {
    let most = seed.failures.values().map(|(failure, _)| telling(failure)).max()?;
    seed.failures.values().map(|(failure, _)| failure).find(|failure| telling(failure) == most)
}

/// How much a failure tells of the host that a seed names, where its addresses failed in different ways: what the host said
/// itself, then that it said nothing, then that it could not be asked.
fn telling(failure: &DialFailure) -> u8 {
    match failure {
        DialFailure::CannotSend(CannotSend::Family { .. }) => 0,
        DialFailure::CannotSend(CannotSend::NoRoute { .. }) => 1,
        DialFailure::Myself => 2,
        DialFailure::NoAnswer => 3,
        DialFailure::OneWay => 4,
        DialFailure::Handshake { .. } => 5,
        DialFailure::Twice => 6,
        DialFailure::Copy { .. } => 7,
        DialFailure::Protocol { .. } => 8,
        DialFailure::OtherCluster { .. } => 9,
        DialFailure::OtherSecret { .. } => 10,
        DialFailure::Revoked => 11,
    }
}

/// What a dial says of a seed that no reason of its own does.
fn known_of(failure: &DialFailure) -> Option<Known> {
    match failure {
        DialFailure::Copy { .. } => Some(Known::Told(ReasonCode::Clone)),
        DialFailure::Myself => Some(Known::Runs),
        _ => None,
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
pub(super) fn host_of(seed: &str) -> &str {
    match seed.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.ends_with(':') => {
            host.trim_start_matches('[').trim_end_matches(']')
        }
        _ => seed,
    }
}
