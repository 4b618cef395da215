//! Keys that a simulated host refuses because their hosts were revoked.

use crate::world::World;
use quorate_proto::{DialFailure, NodeKey, SessionEnd};

impl World {
    /// What the transport does: cuts every link with a peer of this key, and says why.
    pub(crate) fn revoke(&mut self, host: usize, key: NodeKey, name: &str) {
        self.note(|| format!("n{} refuses the key of {name}", host + 1));
        let Some(process) = &mut self.hosts[host].process else { return };
        process.revoked.push(key);
        let links: Vec<(usize, u64)> =
            process.links.values().map(|link| (link.peer, link.connection)).collect();
        for (peer, connection) in links {
            let theirs = self.hosts[peer].process.as_ref().map(|process| process.key);
            if theirs == Some(key) {
                self.close(host, peer, connection, SessionEnd::Revoked);
            }
        }
    }

    /// How a dial ends when one of the two refuses the other's key.
    pub(crate) fn revoked_dial(&self, host: usize, peer: usize) -> Option<DialFailure> {
        if self.refuses(peer, host) {
            return Some(DialFailure::Revoked);
        }
        let reason = "its key was revoked".to_owned();
        self.refuses(host, peer).then_some(DialFailure::Handshake { reason })
    }

    fn refuses(&self, host: usize, peer: usize) -> bool {
        let theirs = self.hosts[peer].process.as_ref().map(|process| process.key);
        let process = self.hosts[host].process.as_ref();
        process.zip(theirs).is_some_and(|(process, key)| process.revoked.contains(&key))
    }
}
