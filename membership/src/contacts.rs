//! What is known of how to reach each node: address, generation, name, session, and when to probe again.
//!
//! Bounded: no more than `limits::MEMBERS` nodes. When full, a node that only gossip spoke of makes room for
//! one that the cluster's table or a session speaks of; a stranger beyond that is not taken up.

use quorate_proto::{Card, Generation, Instance, Moment, Session, limits};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    /// The newest start of it that a session or the cluster's table spoke of; gossip's word alone is no proof.
    pub(crate) generation: Generation,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) name: Option<String>,
    /// What its newest card says that it runs.
    pub(crate) card: Option<Card>,
    /// Number and generation of the session that stands.
    pub(crate) session: Option<(u64, Generation)>,
    /// The cluster's table or a session spoke of it, not only gossip.
    pub(crate) known: bool,
    /// When it is dialled or announced to next, if it is not alive or not in gossip.
    pub(crate) next_probe: Moment,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    entries: BTreeMap<Instance, Contact>,
}

impl Contacts {
    pub(crate) fn get(&self, instance: Instance) -> Option<&Contact> {
        self.entries.get(&instance)
    }

    pub(crate) fn get_mut(&mut self, instance: Instance) -> Option<&mut Contact> {
        self.entries.get_mut(&instance)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Instance, &mut Contact)> {
        self.entries.iter_mut().map(|(instance, contact)| (*instance, contact))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Instance, &Contact)> {
        self.entries.iter().map(|(instance, contact)| (*instance, contact))
    }

    pub(crate) fn remove(&mut self, instance: Instance) {
        self.entries.remove(&instance);
    }

    /// The entry of a node that is spoken of; none when there is no room. A node that had to give way is
    /// returned, for its other traces to be removed.
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        instance: Instance,
        known: bool,
    ) -> (Option<&mut Contact>, Option<Instance>) {
        let mut gone = None;
        if !self.entries.contains_key(&instance) && self.entries.len() >= limits::MEMBERS {
            let rumour = self.entries.iter().find(|(_, c)| !c.known && c.session.is_none());
            gone = rumour.map(|(instance, _)| *instance).filter(|_| known);
            match gone {
                Some(rumour) => drop(self.entries.remove(&rumour)),
                None => return (None, None),
            }
        }
        let entry = self.entries.entry(instance).or_insert_with(|| Contact {
            generation: Generation::default(),
            address: None,
            name: None,
            card: None,
            session: None,
            known,
            next_probe: now,
        });
        entry.known |= known;
        (Some(entry), gone)
    }

    /// The newest start of a node that a session or the cluster's table spoke of.
    pub(crate) fn proven(&self, instance: Instance) -> Option<Generation> {
        let generation = self.get(instance)?.generation;
        (generation > Generation::default()).then_some(generation)
    }

    /// What a person calls this node.
    pub(crate) fn name(&self, instance: Instance) -> String {
        let name = self.get(instance).and_then(|contact| contact.name.clone());
        name.unwrap_or_else(|| instance.short())
    }

    /// The generation that whatever comes from this node now belongs to.
    pub(crate) fn speaking(&self, instance: Instance) -> Option<Generation> {
        let contact = self.get(instance)?;
        Some(contact.session.map_or(contact.generation, |(_, generation)| generation))
    }
}

impl Contact {
    pub(crate) fn learn_session(&mut self, session: &Session) {
        self.generation = self.generation.max(session.generation);
        self.address = Some(session.address);
        self.name = Some(session.name.to_string());
        self.session = Some((session.number, session.generation));
    }
}
