//! Copies of a disk life at the door of a host: turned away beside the original that is connected, as the real transport does it, and
//! whenever the node says so.

use crate::shipping::CONTROL;
use crate::world::{Happening, World};
use quorate_node::Input;
use quorate_proto::{Instance, SessionEnd};

impl World {
    /// Whether a host has a connection with the disk life that comes, and that runs elsewhere: then its node is told.
    pub(crate) fn turns_away(&mut self, host: usize, comer: usize) -> bool {
        let Some(instance) = self.hosts[comer].process.as_ref().map(|process| process.instance)
        else {
            return false;
        };
        let links = self.hosts[host].process.iter().flat_map(|process| process.links.values());
        let mut others = links.filter(|link| link.instance == instance && link.peer != comer);
        let there = others.find(|link| {
            let runs = self.hosts[link.peer].process.as_ref().map(|process| process.instance);
            runs == Some(instance)
                && self.hosts[link.peer].run == link.peer_run
                && self.connects(host, link.peer)
                && self.hosts[link.peer].paused_until.is_none_or(|until| until <= self.now)
        });
        if there.is_none() {
            return false;
        }
        if let Some(process) = &mut self.hosts[host].process {
            process.copies.insert(comer);
        }
        if let Some(session) = self.session_of(comer, 0, None) {
            let run = self.hosts[host].run;
            let input = Box::new(Input::Twice(session));
            self.schedule(self.now, Happening::Arrive { host, run, input });
        }
        true
    }

    /// A host's node takes the peer of a session for a copy: the session ends, and the peer hears why.
    pub(crate) fn turn_away(&mut self, host: usize, instance: Instance, number: u64) {
        let process = self.hosts[host].process.as_ref();
        let mut links = process.into_iter().flat_map(|process| process.links.values());
        let link = links.find(|link| (link.instance, link.number) == (instance, number));
        let Some((peer, connection)) = link.map(|link| (link.peer, link.connection)) else {
            return;
        };
        let at = self.network.stream_arrival(self.now, &mut self.random, host, peer, CONTROL);
        self.lose_link(host, peer, SessionEnd::Closed);
        self.schedule(at, Happening::TurnedAway { host: peer, from: host, connection });
    }

    /// A host hears that it was turned away.
    pub(crate) fn hears_it_is_a_copy(&mut self, host: usize, from: usize, connection: u64) {
        if self.link_stands(host, from, connection) {
            self.lose_link(host, from, SessionEnd::Twice);
        }
    }
}
