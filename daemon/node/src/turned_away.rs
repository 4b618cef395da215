//! Who turns this host away because its disk runs elsewhere too, for the operator of this host.
//!
//! Which of the two is the copy is guessed: data that were made on another machine were copied or moved. Where nothing tells
//! that, it is guessed by how many others listen; but a host whose data were made here is never called the copy: it may be the
//! original, that was off when its copy came. Only members have a word in this, as nobody else can have met the original. Bounded.

use crate::boot::{MadeOn, NodeConfig};
use crate::names::is_at;
use crate::sight::Sight;
use crate::told::Event;
use crate::turn::Turn;
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

    /// A dial was answered with: the disk of this host runs elsewhere.
    pub(crate) fn taken_for_a_copy_at(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        quorate: bool,
        address: SocketAddr,
    ) {
        let mut members = sight.health.view().members.iter();
        let by = members.find(|member| is_at(member, address));
        if let Some(by) = by.map(|member| member.instance) {
            self.taken_for_a_copy(sight, turn, quorate, by);
        }
    }

    /// A member says so. Anybody else has no word in this.
    pub(crate) fn taken_for_a_copy(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        quorate: bool,
        by: Instance,
    ) {
        let me = sight.config.instance;
        let member = sight.health.member(by).is_some() && by != me;
        if member
            && self.note(turn.now, by)
            && let Some(reason) = self.reason(sight, quorate)
        {
            turn.event(Event::Wrong { kind: "clone", reason, host: Some(sight.host(me)) });
        }
    }

    /// Members that do not listen to this host. Who listens to it again has a session with it that stands.
    fn deaf_members(&self, sight: &Sight<'_>) -> impl Iterator<Item = (Instance, Moment)> {
        let (now, peers) = (sight.now, sight.peers);
        let recent = self.by.iter().filter(move |(_, (_, last))| now.since(*last) < TOLD);
        let deaf = recent.filter(move |(by, _)| peers.up_for(now, **by) < LISTENS);
        deaf.map(|(by, (since, _))| (*by, *since))
    }

    /// Where the copy is, as far as this host can tell. `quorate`: it is in the cluster, and that has a leader.
    pub(crate) fn where_the_copy_is(&self, sight: &Sight<'_>, quorate: bool) -> Copied {
        if sight.config.made_on == MadeOn::Another {
            return Copied::Moved;
        }
        let listening = sight.other_voters().filter(|voter| sight.peers.session(*voter).is_some());
        let deaf = self.deaf_members(sight).filter(|(by, _)| sight.is_known_replica(*by)).count();
        if quorate && deaf <= listening.count() {
            return Copied::There;
        }
        if sight.config.made_on == MadeOn::This { Copied::Unclear } else { Copied::Here }
    }

    /// Why an operator should look at this host: others take it for a copy.
    pub(crate) fn reason(&self, sight: &Sight<'_>, quorate: bool) -> Option<Reason> {
        let deaf: Vec<_> = self.deaf_members(sight).collect();
        let since = deaf.iter().map(|(_, since)| *since).min()?;
        let names: Vec<String> = deaf.iter().map(|(by, _)| sight.health.name(*by)).collect();
        let copy = self.where_the_copy_is(sight, quorate);
        let minutes = crate::clones::KEPT.as_secs() / 60;
        let cluster = sight.config.cluster.to_string();
        Some(Reason::of(&CopyCause::TurnedAway { by: names, copy, minutes, cluster }, since))
    }
}

/// Says once that the data of this host came from another machine.
pub(crate) fn tell_of_moved_data(config: &NodeConfig, turn: &mut Turn) {
    if config.made_on != MadeOn::Another {
        return;
    }
    turn.event(Event::DataMoved { cluster: config.cluster.clone() });
}
