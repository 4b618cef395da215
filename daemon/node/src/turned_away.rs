//! Who turns this host away because its disk runs elsewhere too, for the operator of this host.
//!
//! Which of the two is the copy cannot be known here: it is guessed by how many others listen. Only members have a word in this, as
//! nobody else can have met the original. Bounded.

use crate::event::Output;
use crate::names::places_of;
use crate::node::Node;
use crate::status::{Reason, State};
use quorate_proto::{DialFailure, Instance, Moment};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// It is told of for so long after it was turned away last: it dials every few seconds.
const TOLD: Duration = Duration::from_secs(30);

/// See the head of the file. Since when and when last; members only, so at most `limits::MEMBERS`.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    by: BTreeMap<Instance, (Moment, Moment)>,
}

impl TurnedAway {
    /// True when nobody had turned this host away of late.
    fn note(&mut self, now: Moment, by: Instance) -> bool {
        self.by.retain(|_, (_, last)| now.since(*last) < TOLD);
        let first = self.by.is_empty();
        self.by.entry(by).or_insert((now, now)).1 = now;
        first
    }
}

impl Node {
    /// A dial was answered with: the disk of this host runs elsewhere.
    pub(crate) fn taken_for_a_copy_at(&mut self, address: SocketAddr, out: &mut Vec<Output>) {
        let mut members = self.health.view.members.iter();
        let by = members.find(|member| places_of(member).any(|place| place == address));
        if let Some(by) = by.map(|member| member.instance) {
            self.taken_for_a_copy(by, out);
        }
    }

    /// A member says so. Anybody else has no word in this.
    pub(crate) fn taken_for_a_copy(&mut self, by: Instance, out: &mut Vec<Output>) {
        let member = self.health.member(by).is_some() && by != self.config.instance;
        if member
            && self.turned_away.note(self.now, by)
            && let Some(reason) = self.turned_away_reason(self.now)
        {
            self.event("clone", format!("{}; {}", reason.text, reason.remedy), true, out);
        }
    }

    /// Members that do not listen to this host. Who listens to it again has a session with it that stands.
    fn deaf_members(&self, now: Moment) -> impl Iterator<Item = (Instance, Moment)> {
        let recent =
            self.turned_away.by.iter().filter(move |(_, (_, last))| now.since(*last) < TOLD);
        let deaf = recent.filter(|(by, _)| self.peers.session(**by).is_none());
        deaf.map(|(by, (since, _))| (*by, *since))
    }

    /// Whether this host has the copy, as far as it can tell: without a quorum, or with more voters that turn it away than listen
    /// to it.
    pub(crate) fn is_probably_a_copy(&self, now: Moment) -> bool {
        let listening = self.other_voters().filter(|voter| self.peers.session(*voter).is_some());
        let deaf = self.deaf_members(now).filter(|(by, _)| self.is_known_replica(*by)).count();
        self.state() != State::Quorate || deaf > listening.count()
    }

    /// Why an operator should look at this host: others take it for a copy.
    pub(crate) fn turned_away_reason(&self, now: Moment) -> Option<Reason> {
        let deaf: Vec<_> = self.deaf_members(now).collect();
        let since = deaf.iter().map(|(_, since)| *since).min()?;
        let names: Vec<String> = deaf.iter().map(|(by, _)| self.health.name(*by)).collect();
        let (listens, cluster) =
            (if names.len() == 1 { "does" } else { "do" }, &self.config.cluster);
        let guess = match self.is_probably_a_copy(now) {
            true => "most likely this one",
            false => "most likely the other, as the others listen to this one",
        };
        Some(Reason {
            code: "turned-away",
            subject: None,
            text: format!(
                "{} {listens} not listen to this host: {}",
                names.join(", "),
                DialFailure::Twice
            ),
            remedy: format!(
                "find out which host has the copy ({guess}). If it is this one: stop quorate here, run `quorate reset --cluster \
                 {cluster}` here and on no other host, and start it with a name of its own. If it is the other: stop quorate there, and \
                 restart it here until it is let in, which may take {} minutes: each restart counts one up",
                crate::clones::KEPT.as_secs() / 60
            ),
            since,
        })
    }
}
