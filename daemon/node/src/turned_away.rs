//! Who turns this host away because its disk runs elsewhere too, for the operator of this host.
//!
//! Which of the two is the copy is guessed: data that were made on another machine were copied or moved. Where nothing tells
//! that, it is guessed by how many others listen; but a host whose data were made here is never called the copy: it may be the
//! original, that was off when its copy came. Only members have a word in this, as nobody else can have met the original. Bounded.

use crate::boot::MadeOn;
use crate::names::is_at;
use crate::node::Node;
use crate::status::State;
use quorate_proto::{Copied, CopyCause, Instance, Moment, Reason};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// It is told of for so long after it was turned away last: it dials every few seconds.
const TOLD: Duration = Duration::from_secs(30);

/// Who turns this host away has a session with it for moments: one that has stood for so long is listened to.
const LISTENS: Duration = Duration::from_secs(1);

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
    pub(crate) fn taken_for_a_copy_at(&mut self, address: SocketAddr) {
        let mut members = self.health.view().members.iter();
        let by = members.find(|member| is_at(member, address));
        if let Some(by) = by.map(|member| member.instance) {
            self.taken_for_a_copy(by);
        }
    }

    /// A member says so. Anybody else has no word in this.
    pub(crate) fn taken_for_a_copy(&mut self, by: Instance) {
        let member = self.health.member(by).is_some() && by != self.config.instance;
        if member
            && self.turned_away.note(self.turn.now, by)
            && let Some(reason) = self.turned_away_reason(self.turn.now)
        {
            self.event_of("clone", &reason, self.config.instance);
        }
    }

    /// Members that do not listen to this host. Who listens to it again has a session with it that stands.
    fn deaf_members(&self, now: Moment) -> impl Iterator<Item = (Instance, Moment)> {
        let recent =
            self.turned_away.by.iter().filter(move |(_, (_, last))| now.since(*last) < TOLD);
        let listens = move |by| self.peers.up_for(now, by) >= LISTENS;
        let deaf = recent.filter(move |(by, _)| !listens(**by));
        deaf.map(|(by, (since, _))| (*by, *since))
    }

    /// Where the copy is, as far as this host can tell.
    pub(crate) fn where_the_copy_is(&self, now: Moment) -> Copied {
        if self.config.made_on == MadeOn::Another {
            return Copied::Moved;
        }
        let listening =
            self.sight().other_voters().filter(|voter| self.peers.session(*voter).is_some());
        let deaf =
            self.deaf_members(now).filter(|(by, _)| self.sight().is_known_replica(*by)).count();
        if self.state() == State::Quorate && deaf <= listening.count() {
            return Copied::There;
        }
        if self.config.made_on == MadeOn::This { Copied::Unclear } else { Copied::Here }
    }

    /// Says once that the data of this host came from another machine.
    pub(crate) fn tell_of_moved_data(&mut self) {
        if self.config.made_on != MadeOn::Another {
            return;
        }
        let text = format!(
            "the data of this host were made on another machine, so they were moved or copied here (or the birth directory of this host \
             was erased). If they are a copy, and the host that they come from will run again: stop quorate here, run `quorate reset \
             --cluster {}` here and on no other host, and start it with a name of its own",
            self.config.cluster
        );
        self.turn.event("moved", text, true);
    }

    /// Why an operator should look at this host: others take it for a copy.
    pub(crate) fn turned_away_reason(&self, now: Moment) -> Option<Reason> {
        let deaf: Vec<_> = self.deaf_members(now).collect();
        let since = deaf.iter().map(|(_, since)| *since).min()?;
        let names: Vec<String> = deaf.iter().map(|(by, _)| self.health.name(*by)).collect();
        let (copy, minutes) = (self.where_the_copy_is(now), crate::clones::KEPT.as_secs() / 60);
        let cluster = self.config.cluster.to_string();
        Some(Reason::of(&CopyCause::TurnedAway { by: names, copy, minutes, cluster }, since))
    }
}
