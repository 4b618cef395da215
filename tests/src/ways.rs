//! Whether packets pass between two hosts: on the way that a dial would take, and on that of a connection that stands. A
//! host that has two addresses is reached at either, and its own dials leave from the second.

use crate::network::Door;
use crate::world::World;
use std::net::SocketAddr;

impl World {
    /// The addresses between which a connection runs that one host makes with another at this address.
    pub(crate) fn doors(&self, host: usize, peer: usize, address: SocketAddr) -> [Door; 2] {
        let second = self.hosts[peer].leaves_from == Some(address);
        [(host, self.hosts[host].leaves_from.is_some()), (peer, second)]
    }

    /// Whether somebody answers a dial.
    pub(crate) fn answers(&self, host: usize, peer: usize, address: SocketAddr) -> bool {
        let place = &self.hosts[peer];
        place.process.is_some()
            && self.network.connects(host, peer, self.doors(host, peer, address))
            && place.paused_until.is_none_or(|until| until <= self.now)
    }

    /// Whether the handshakes of a host that runs come in at another whose own do not come there: who has lost a link dials.
    pub(crate) fn knocks(&self, from: usize, host: usize) -> bool {
        let place = &self.hosts[from];
        place.process.is_some()
            && place.paused_until.is_none_or(|until| until <= self.now)
            && self.network.passes(from, host)
            && !self.network.passes(host, from)
    }

    /// Whether packets from one host pass to another over a connection of which that one has its half.
    pub(crate) fn passes(&self, from: usize, host: usize, connection: u64) -> bool {
        let process = self.hosts[host].process.as_ref();
        let link = process.and_then(|process| process.links.get(&connection));
        link.is_some_and(|link| self.network.passes_through(from, host, link.doors))
    }

    /// The same, both ways.
    pub(crate) fn connects(&self, host: usize, peer: usize, connection: u64) -> bool {
        self.passes(peer, host, connection) && self.network.passes(host, peer)
    }
}
