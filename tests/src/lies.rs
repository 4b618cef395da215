//! Hosts that lie: a stranger that holds the secret, or a member without a vote. They tell a node what others really said,
//! again or changed, and what nobody ever said (`forgeries`).
//!
//! A connection shows whose it is, so nobody speaks in the name of another: all that a liar says comes from itself. Voters
//! and standbys do not lie, as Raft trusts those who vote. What is damaged, and whether anything is, shows in the checks.

use crate::forgeries::Forger;
use crate::network::Door;
use crate::world::{SimEvent, World};
use bytes::Bytes;
use quorate_node::Input;
use quorate_proto::{
    ClusterName, Generation, Instance, Lane, NodeKey, NodeName, Role, Session, SessionEnd,
    founders_digest,
};
use std::net::SocketAddr;
use std::time::Duration;

/// Frames, and packets of gossip, that liars have overheard and may repeat.
const OVERHEARD: usize = 64;
/// One in so many is kept, so that they reach back for a while.
const KEPT_OF: u64 = 5;
/// Most lies at a time.
const LIES: u64 = 24;
/// A stranger's connection lasts up to so long after its lies, in milliseconds.
const STAYS: u64 = 1_500;

/// What was really said, the newest at the end.
#[derive(Debug, Default)]
pub(crate) struct Overheard {
    said: u64,
    pub(crate) frames: Vec<(Lane, Bytes)>,
    pub(crate) packets: Vec<Bytes>,
}

impl Overheard {
    /// A frame was sent.
    pub(crate) fn frame(&mut self, lane: Lane, bytes: &Bytes) {
        if self.counts() {
            keep(&mut self.frames, (lane, bytes.clone()));
        }
    }

    /// A packet of gossip was sent.
    pub(crate) fn packet(&mut self, bytes: &Bytes) {
        if self.counts() {
            keep(&mut self.packets, bytes.clone());
        }
    }

    fn counts(&mut self) -> bool {
        self.said += 1;
        self.said.is_multiple_of(KEPT_OF)
    }
}

fn keep<T>(kept: &mut Vec<T>, one: T) {
    if kept.len() >= OVERHEARD {
        kept.remove(0);
    }
    kept.push(one);
}

impl World {
    /// Somebody tells one node a number of lies.
    pub fn lie(&mut self) {
        let hosts = self.hosts.len() as u64;
        let whom = usize::try_from(self.random.below(hosts)).unwrap_or(0);
        if self.hosts[whom].process.is_none() {
            return;
        }
        let member = self.random.percent(50).then(|| self.member_without_a_vote(whom)).flatten();
        let count = self.random.between(1, LIES);
        match member {
            Some(liar) => {
                self.note(|| format!("n{} lies to n{}", liar + 1, whom + 1));
                self.liars.insert(liar);
                let Some(process) = &self.hosts[liar].process else { return };
                let name = (process.instance, process.generation);
                self.tell_lies(whom, name, count);
            }
            None => {
                self.note(|| format!("a stranger lies to n{}", whom + 1));
                self.stranger_lies(whom, count);
            }
        }
    }

    /// A host that is connected with another, and that nobody's view has as voter or standby.
    fn member_without_a_vote(&self, whom: usize) -> Option<usize> {
        let votes = |instance: Instance| {
            let views = self.hosts.iter().filter_map(|host| host.process.as_ref());
            let mut views = views.map(|process| process.node.status(self.now).view);
            views.any(|view| {
                let member = view.members.iter().find(|member| member.instance == instance);
                member.is_none_or(|member| member.role() != Role::Member)
            })
        };
        let process = self.hosts[whom].process.as_ref()?;
        let liars = process.links.values().filter(|link| !votes(link.instance));
        liars.map(|link| link.peer).min()
    }

    /// A stranger comes, lies, and goes again.
    fn stranger_lies(&mut self, whom: usize, count: u64) {
        let (instance, generation) =
            (Instance::from_bytes(self.random.bytes16()), Generation::new(1));
        let boot_nonce = self.random.draw();
        let number = self.hosts.len() as u64 + self.random.below(50);
        let run = self.hosts[whom].run;
        let cluster = ClusterName::new("sim").expect("a valid name");
        let (seeds, mode) = (self.hosts[whom].seeds.clone(), self.setup.mode.to_string());
        let Some(process) = &mut self.hosts[whom].process else { return };
        process.last_session += 1;
        let mut key = [0; 32];
        key[..16].copy_from_slice(&instance.to_bytes());
        let session = Session {
            number: process.last_session,
            instance,
            generation,
            boot_nonce,
            name: NodeName::new(&format!("stranger{number}")).expect("a valid name"),
            digest: founders_digest(&cluster, &seeds, &mode),
            cluster,
            key: NodeKey::from_bytes(key),
            address: SocketAddr::from(([10, 9, 9, 9], 4747)),
            advertised: true,
            dialled: None,
            cluster_id: None,
            seeds: Vec::new(),
            moved: false,
            voters: 0,
            software: String::new(),
            levels: quorate_proto::Levels::HERE,
            source: None,
        };
        let session_number = session.number;
        self.give(whom, Input::SessionUp(session));
        self.tell_lies(whom, (instance, generation), count);
        let stays = Duration::from_millis(self.random.below(STAYS));
        let (number, end) = (session_number, SessionEnd::Closed);
        let gone = Box::new(Input::SessionDown { instance, number, end });
        self.schedule(self.now + stays, SimEvent::Arrive { host: whom, run, input: gone });
    }

    fn tell_lies(&mut self, whom: usize, liar: (Instance, Generation), count: u64) {
        for _ in 0..count {
            let Some(process) = &self.hosts[whom].process else { return };
            let status = process.node.status(self.now);
            let forger = Forger {
                liar: liar.0,
                generation: liar.1,
                cluster_id: process.cluster_id.unwrap_or_default(),
                whom: process.instance,
                term: status.term,
                commit: status.commit,
                view: status.view,
            };
            if let Some(input) = forger.lie(&mut self.random, &self.overheard) {
                self.give(whom, input);
            }
        }
    }

    /// One of the two addresses of a host is cut, if there is a host that has two.
    pub fn shut_one_address(&mut self) {
        let mut hosts = self.hosts.iter();
        let Some(host) = hosts.position(|host| host.leaves_from.is_some()) else { return };
        let second = self.random.percent(50);
        let door: Door = (host, second);
        let which = if second { "second" } else { "first" };
        self.note(|| format!("the {which} address of n{} is cut", host + 1));
        self.network.shut(door);
    }
}
