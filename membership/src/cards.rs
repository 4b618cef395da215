//! The cards that ride on gossip: which is newest of each node, and which of them the owner has not seen yet.
//!
//! The gossip library calls the reader while it works through a packet and gives no way back to it, so the
//! store is shared with it behind a lock that is never contended: one thread drives both.

use crate::codec::SwimId;
use quorate_proto::{Card, Generation, Instance, Message as _, limits};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a card is about and how new it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CardKey {
    instance: Instance,
    age: (Generation, u64),
}

impl foca::Invalidates for CardKey {
    fn invalidates(&self, other: &Self) -> bool {
        self.instance == other.instance && self.age >= other.age
    }
}

#[derive(Debug, Default)]
struct Contents {
    newest: BTreeMap<Instance, (Generation, u64)>,
    unseen: BTreeMap<Instance, Card>,
}

/// The owner's side.
#[derive(Debug, Clone)]
pub(crate) struct CardStore {
    me: Instance,
    contents: Arc<Mutex<Contents>>,
}

impl CardStore {
    pub(crate) fn new(me: Instance) -> Self {
        Self { me, contents: Arc::default() }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Newer cards of others since the last call.
    pub(crate) fn take_unseen(&self) -> Vec<Card> {
        std::mem::take(&mut self.contents().unseen).into_values().collect()
    }

    pub(crate) fn forget(&self, instance: Instance) {
        let mut contents = self.contents();
        contents.newest.remove(&instance);
        contents.unseen.remove(&instance);
    }

    /// Takes a card off the network; its key when it is news and shall be passed on.
    fn receive(&self, card: Card) -> Option<CardKey> {
        if card.instance == self.me || card.instance.is_nobody() {
            return None;
        }
        let age = (card.generation, card.version);
        let mut contents = self.contents();
        let known = contents.newest.get(&card.instance).copied();
        // Full means more nodes than a cluster may have: strangers' cards are not worth more room.
        let room = known.is_some() || contents.newest.len() < limits::MEMBERS;
        if !room || known.is_some_and(|known| known >= age) {
            return None;
        }
        contents.newest.insert(card.instance, age);
        let key = CardKey { instance: card.instance, age };
        contents.unseen.insert(card.instance, card);
        Some(key)
    }
}

impl foca::BroadcastHandler<SwimId> for CardStore {
    type Key = CardKey;
    type Error = std::convert::Infallible;

    fn receive_item(
        &mut self,
        bytes: &[u8],
        sender: Option<&SwimId>,
    ) -> Result<Option<CardKey>, Self::Error> {
        // A card that cannot be read is skipped, not an error: the rest of its packet is good.
        if bytes.len() > limits::CARD {
            return Ok(None);
        }
        let Ok(card) = Card::decode(bytes) else { return Ok(None) };
        if sender.is_none() {
            let age = (card.generation, card.version);
            return Ok(Some(CardKey { instance: card.instance, age }));
        }
        Ok(self.receive(card))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_card_of_each_node_is_news_once_and_an_older_one_never() {
        let number = |number: u8| Instance::from_bytes([number; 16]);
        let card = |of: u8, generation: u64, version: u64| Card {
            instance: number(of),
            generation: Generation::new(generation),
            version,
            ..Card::default()
        };
        let store = CardStore::new(number(1));
        let news = |card: Card| store.receive(card).is_some();
        assert!(news(card(2, 1, 1)) && news(card(2, 1, 2)) && news(card(3, 1, 1)));
        assert!(!news(card(2, 1, 2)) && !news(card(2, 1, 1)), "known already");
        assert!(!news(card(1, 9, 9)) && !news(Card::default()), "its own, and nobody's");
        assert_eq!(store.take_unseen(), [card(2, 1, 2), card(3, 1, 1)]);
        assert!(news(card(2, 2, 0)), "a later start begins anew");
        assert_eq!(store.take_unseen(), [card(2, 2, 0)]);
    }
}
