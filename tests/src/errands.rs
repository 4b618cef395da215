//! What travels beside the frames: forwarded requests with their answers. One whose connection is lost is answered as
//! lost.

use crate::shipping::REQUEST;
use crate::world::{Happening, World};
use quorate_node::{ForwardFailure, Input};
use quorate_proto::{Instance, Message as _};
use std::net::SocketAddr;
use std::time::Duration;

impl World {
    pub(crate) fn forward(
        &mut self,
        host: usize,
        ticket: u64,
        to: Instance,
        address: SocketAddr,
        request: quorate_proto::ForwardRequest,
    ) {
        self.mix(&[&request.encode_to_vec()]);
        let run = self.hosts[host].run;
        let Some(process) = &self.hosts[host].process else { return };
        let me = process.instance;
        let Some(link) = process.links.values().find(|link| link.instance == to) else {
            self.dial(host, address, false);
            let input =
                Box::new(Input::ForwardAnswered { ticket, answer: Err(ForwardFailure::NotSent) });
            let at = self.now + Duration::from_millis(2);
            self.schedule(at, Happening::Arrive { host, run, input });
            return;
        };
        let peer = link.peer;
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
}
