//! What travels beside the frames: forwarded requests with their answers. One that finds no connection waits for it, as
//! in the transport, until its deadline; one whose connection is lost is answered as lost.

use crate::shell::REQUEST;
use crate::world::{SimEvent, World};
use quorate_node::{ForwardFailure, Input};
use quorate_proto::{ForwardRequest, Instance, Message as _, Moment};
use std::net::SocketAddr;
use std::time::Duration;

/// How often a request that waits for a connection looks for it.
const LOOK: Duration = Duration::from_millis(50);

/// A request that is not handed over yet.
#[derive(Debug)]
pub(crate) struct Errand {
    host: usize,
    run: u64,
    ticket: u64,
    to: Instance,
    address: SocketAddr,
    deadline: Moment,
    request: ForwardRequest,
}

impl World {
    pub(crate) fn forward(
        &mut self,
        host: usize,
        ticket: u64,
        to: Instance,
        address: SocketAddr,
        deadline: Moment,
        request: ForwardRequest,
    ) {
        self.mix(&[&request.encode_to_vec()]);
        let run = self.hosts[host].run;
        self.hand_over(Errand { host, run, ticket, to, address, deadline, request });
    }

    /// Writes a request onto the connection that stands; as long as there is none, it is dialled for and waited.
    pub(crate) fn hand_over(&mut self, errand: Errand) {
        let Errand { host, run, ticket, to, address, deadline, .. } = errand;
        let Some(process) =
            self.hosts[host].process.as_ref().filter(|_| self.hosts[host].run == run)
        else {
            return;
        };
        let me = process.instance;
        let Some(link) = process.link_to(to) else {
            if self.now >= deadline {
                let answer = Err(ForwardFailure::NotSent);
                self.give(host, Input::ForwardAnswered { ticket, answer });
                return;
            }
            self.dial(host, address, false);
            let at = deadline.min(self.now + LOOK);
            self.schedule(at, SimEvent::Errand(Box::new(errand)));
            return;
        };
        let input = Input::ForwardAnswered { ticket, answer: Err(ForwardFailure::Lost) };
        let lost = SimEvent::Arrive { host, run, input: Box::new(input) };
        let (peer, request) = (link.peer, errand.request);
        self.schedule(deadline, lost);
        self.next_forward += 1;
        let there = self.next_forward;
        self.forwards.insert((peer, there), (host, run, ticket));
        let peer_run = self.hosts[peer].run;
        self.ship(
            host,
            peer,
            peer_run,
            REQUEST,
            Input::Forwarded { from: me, ticket: there, request },
        );
    }

    /// The stream of a request is reset, which its receiver sees.
    pub(crate) fn withdraw(&mut self, host: usize, run: u64, ticket: u64) {
        let asked = self.forwards.iter().find(|(_, origin)| **origin == (host, run, ticket));
        if let Some(there) = asked.map(|(there, _)| *there) {
            self.forwards.remove(&there);
            let (peer, ticket) = there;
            let peer_run = self.hosts[peer].run;
            self.ship(host, peer, peer_run, REQUEST, Input::AskerGone { ticket });
        }
    }
}
