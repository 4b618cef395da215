//! Copies of a disk life at the door of a host: turned away beside the original that is connected, as the real transport does it, and
//! whenever the node says so.

use crate::world::{SimEvent, World};
use quorate_node::Input;
use quorate_proto::{Instance, SessionEnd};

impl World {
    /// The session that a host has with the disk life that comes, if that still runs where it is connected.
    pub(crate) fn still_runs(&self, host: usize, comer: usize) -> Option<u64> {
        let instance = self.hosts[comer].process.as_ref()?.instance;
        let link = self.hosts[host].process.as_ref()?.link_to(instance)?;
        let there = &self.hosts[link.peer];
        let runs = there.process.as_ref().is_some_and(|process| process.instance == instance)
            && there.run == link.peer_run
            && self.connects(host, link.peer, link.connection)
            && there.paused_until.is_none_or(|until| until <= self.now);
        runs.then_some(link.session)
    }

    /// A host turned a connection away beside the one that it has with the same disk life: its node is told.
    pub(crate) fn meets_a_copy(&mut self, host: usize, comer: usize) {
        if let Some(process) = &mut self.hosts[host].process {
            process.copies.insert(comer);
        }
        if let Some(session) = self.session_of(comer, 0, None) {
            let run = self.hosts[host].run;
            let input = Box::new(Input::Twice(session));
            self.schedule(self.now, SimEvent::Arrive { host, run, input });
        }
    }

    /// A host's node takes the peer of a session for a copy: the session ends, and the peer hears why.
    pub(crate) fn turn_away(&mut self, host: usize, instance: Instance, number: u64) {
        let process = self.hosts[host].process.as_ref();
        let link = process.and_then(|process| process.link_to(instance));
        if let Some(link) = link.filter(|link| link.session == number) {
            self.close(host, link.peer, link.connection, SessionEnd::Twice);
        }
    }
}
