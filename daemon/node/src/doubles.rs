//! Disk lives that run twice: a copied data directory, a cloned machine, an older copy that was brought back.
//!
//! Whoever was there first is listened to; the one that came is not, and is told of: once as an event, and as a reason for as
//! long as it comes again. Nobody is ever told to erase the data of the host that is in the cluster. Bounded; more copies
//! than there is room for are one mistake.

use crate::event::Output;
use crate::node::Node;
use crate::status::Reason;
use quorate_proto::{Instance, Moment, Session};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// So long a copy is told of after it came last; it dials every few seconds.
const TOLD_FOR: Duration = Duration::from_secs(60);
const MAX_DOUBLES: usize = 16;

#[derive(Debug)]
struct Double {
    name: String,
    at: SocketAddr,
    text: String,
    since: Moment,
    last: Moment,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    /// By disk life and start.
    seen: BTreeMap<(Instance, u64), Double>,
}

impl Node {
    /// A copy of a disk life that runs came, and was turned away or is not listened to.
    pub(crate) fn came_twice(&mut self, session: &Session, out: &mut Vec<Output>) {
        let own = session.instance == self.config.instance;
        let known = self.peers.session(session.instance).map(|standing| standing.address);
        let known = known.or_else(|| self.peers.address(session.instance));
        let there = known.map_or_else(String::new, |address| format!(" at {address}"));
        let text = if own {
            format!("a copy of this node's disk runs at {}, as {}", session.address, session.name)
        } else {
            format!(
                "one disk runs twice: {} at {} came as instance {}, which runs{there} already, and is not listened to",
                session.name, session.address, session.instance
            )
        };
        self.told_twice(session, text, out);
    }

    /// An older copy of a disk life came, whose later start is known.
    pub(crate) fn came_from_the_past(&mut self, session: &Session, out: &mut Vec<Output>) {
        let text = format!(
            "an older copy of a disk came back: {} at {} came as start {} of instance {}, of which a later start is known, and \
             is not listened to",
            session.name,
            session.address,
            session.generation.get(),
            session.instance
        );
        self.told_twice(session, text, out);
    }

    fn told_twice(&mut self, session: &Session, text: String, out: &mut Vec<Output>) {
        let now = self.now;
        let seen = &mut self.doubles.seen;
        seen.retain(|_, double| now.since(double.last) < TOLD_FOR);
        let key = (session.instance, session.boot_nonce);
        if let Some(double) = seen.get_mut(&key) {
            double.last = now;
            return;
        }
        if seen.len() >= MAX_DOUBLES {
            return;
        }
        let (name, at) = (session.name.to_string(), session.address);
        seen.insert(key, Double { name, at, text: text.clone(), since: now, last: now });
        self.event("clone", text, true, out);
    }

    /// Why an operator should look at hosts that run copies.
    pub(crate) fn double_reasons(&self) -> impl Iterator<Item = Reason> {
        let now = self.now;
        let fresh = self.doubles.seen.values().filter(move |one| now.since(one.last) < TOLD_FOR);
        fresh.map(|double| Reason {
            code: "clone",
            subject: Some(double.name.clone()),
            text: double.text.clone(),
            remedy: format!(
                "find out which of the two is the copy (most likely the one at {}, which came later); stop quorate there, run \
                 `quorate reset --cluster {}` on it and on no other host, and start it with a name of its own",
                double.at, self.config.cluster
            ),
            since: double.since,
        })
    }
}
