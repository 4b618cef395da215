//! Who turns this host away because its disk runs elsewhere too, for the operator of this host.
//!
//! Which of the two is the copy cannot be known here: most likely the one that is turned away, because it came later. Bounded.

use crate::event::Output;
use crate::node::Node;
use crate::status::Reason;
use quorate_proto::{Address, DialFailure, Moment, limits};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// It is told of for so long after it was turned away last: it dials every few seconds.
const TOLD: Duration = Duration::from_secs(30);

/// See the head of the file. By address, since when and when last; at most `limits::MEMBERS`.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    by: BTreeMap<SocketAddr, (Moment, Moment)>,
}

impl TurnedAway {
    /// True when nobody had turned this host away of late.
    fn note(&mut self, now: Moment, address: SocketAddr) -> bool {
        self.by.retain(|_, (_, last)| now.since(*last) < TOLD);
        let first = self.by.is_empty();
        if self.by.len() < limits::MEMBERS || self.by.contains_key(&address) {
            self.by.entry(address).or_insert((now, now)).1 = now;
        }
        first
    }
}

impl Node {
    /// Somebody answered at this address that the disk of this host runs elsewhere.
    pub(crate) fn taken_for_a_copy(&mut self, address: SocketAddr, out: &mut Vec<Output>) {
        if self.turned_away.note(self.now, address)
            && let Some(reason) = self.turned_away_reason(self.now)
        {
            self.event("clone", format!("{}; {}", reason.text, reason.remedy), true, out);
        }
    }

    /// Why an operator should look at this host: others take it for a copy.
    pub(crate) fn turned_away_reason(&self, now: Moment) -> Option<Reason> {
        // Who listens to it again has a session with it that stands.
        let stands = |address| self.peers.sessions().any(|session| session.address == address);
        let recent = self.turned_away.by.iter().filter(|(_, (_, last))| now.since(*last) < TOLD);
        let by: Vec<_> = recent.filter(|(address, _)| !stands(**address)).collect();
        let since = by.iter().map(|(_, (since, _))| *since).min()?;
        let who: Vec<String> = by.iter().map(|(address, _)| self.who_is_at(**address)).collect();
        let (listens, cluster) = (if who.len() == 1 { "does" } else { "do" }, &self.config.cluster);
        Some(Reason {
            code: "turned-away",
            subject: None,
            text: format!(
                "{} {listens} not listen to this host: {}",
                who.join(", "),
                DialFailure::Twice
            ),
            remedy: format!(
                "find out which host has the copy, most likely this one. If so: stop quorate here, run `quorate reset --cluster \
                 {cluster}` here and on no other host, and start it with a name of its own. If this is the original: stop quorate on \
                 the host with the copy; this one is let in within {} minutes",
                crate::clones::KEPT.as_secs() / 60
            ),
            since,
        })
    }

    fn who_is_at(&self, address: SocketAddr) -> String {
        let there = |place: Option<&Address>| place.and_then(Address::socket) == Some(address);
        let mut members = self.health.view.members.iter();
        let member = members.find(|one| there(one.address.as_ref()) || there(one.also_at.as_ref()));
        member.map_or_else(|| address.to_string(), |member| member.name.clone())
    }
}
