//! A persistent map that knows how many bytes of memory its entries take, about.
//!
//! Invariant: `bytes` is the sum over all entries. It is a function of the entries alone, so that it is the same on
//! every replica, whether the entries were applied or came with a snapshot. Changes go through [`Weighed::insert`],
//! [`Weighed::replace`] and [`Weighed::remove`] only; reading is the map's own.

use bytes::Bytes;
use imbl::OrdMap;
use std::borrow::Borrow;
use std::mem;
use std::ops::Deref;

/// What one entry takes beside its bytes: its place in the map, the heads of its allocations, and the change that names it.
const PER_ENTRY: u64 = 200;

/// The part of a key or of what it leads to that has no fixed size, in bytes.
pub(crate) trait Body {
    fn bytes(&self) -> usize;
}

impl Body for Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Body for (Bytes, i64) {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl<T: Body> Body for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Body::bytes)
    }
}

fn weight(key: &impl Body, value: &impl Body) -> u64 {
    PER_ENTRY + (key.bytes() + value.bytes()) as u64
}

/// See the head of this file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weighed<K: Ord, V> {
    entries: OrdMap<K, V>,
    bytes: u64,
}

impl<K: Ord + Clone + Body, V: Clone + Body> Weighed<K, V> {
    /// Nothing.
    pub(crate) fn new() -> Self {
        Self { entries: OrdMap::new(), bytes: 0 }
    }

    /// Bytes of all entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of one entry; 0 when it is not there.
    pub(crate) fn bytes_of(&self, key: &K) -> u64 {
        self.entries.get(key).map_or(0, |value| weight(key, value))
    }

    /// Adds an entry, or puts another value in its place; gives the one before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (same, new) = (key.bytes(), weight(&key, &value));
        let old = self.entries.insert(key, value);
        let before = old.as_ref().map_or(0, |old| PER_ENTRY + (same + old.bytes()) as u64);
        self.bytes = self.bytes - before + new;
        old
    }

    /// Puts another value, made of the one that is there, in its place: in one search, which is most of what a put of a known key costs.
    /// Gives the key, the new value and the one before; none when the key is not there.
    pub(crate) fn replace<Q: Ord + ?Sized>(
        &mut self,
        key: &Q,
        new: impl FnOnce(&V) -> V,
    ) -> Option<(&K, &V, V)>
    where
        K: Borrow<Q>,
    {
        let (key, value) = self.entries.get_key_value_mut(key)?;
        let new = new(value);
        let old = mem::replace(value, new);
        self.bytes = self.bytes - old.bytes() as u64 + value.bytes() as u64;
        Some((key, value, old))
    }

    /// Takes an entry out; gives its value.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.entries.remove(key)?;
        self.bytes -= weight(key, &old);
        Some(old)
    }
}

impl<K: Ord, V> Deref for Weighed<K, V> {
    type Target = OrdMap<K, V>;

    fn deref(&self) -> &OrdMap<K, V> {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::edit::{Edit, Keep};
    use crate::space::keyspace::Keyspace;
    use crate::state_hash::StateHash;
    use crate::{KeyRange, Space};

    fn recount<K: Ord + Clone + Body, V: Clone + Body>(map: &Weighed<K, V>) -> u64 {
        map.iter().map(|(key, value)| weight(key, value)).sum()
    }

    #[test]
    fn the_bytes_that_are_counted_are_those_of_a_full_recount_after_every_change() {
        let mut hash = StateHash::at(7);
        let mut random = |below: u64| {
            hash.word(1);
            hash.value() % below
        };
        let mut keyspace = Keyspace::new();
        for round in 0..5_000 {
            let mut edit = Edit::new(Space::Users, &mut keyspace);
            for _ in 0..=random(3) {
                let key = "k".repeat(1 + usize::try_from(random(40)).expect("it is small"));
                let value = "v".repeat(usize::try_from(random(300)).expect("it is small"));
                let keep = Keep { value: random(5) == 0, lease: false };
                match random(6) {
                    0 => drop(edit.delete(&KeyRange::new(&key.into(), &"kkkkkkkkkkkk".into()))),
                    1 => drop(edit.delete(&KeyRange::single(&key.into()))),
                    _ => drop(edit.put(key.as_bytes(), value.as_bytes(), keep)),
                }
            }
            edit.commit(&mut StateHash::at(0));
            if random(50) == 0 {
                let _ = keyspace.compact(keyspace.revision - 20);
            }
            keyspace.scrub(usize::try_from(random(8)).expect("it is small"));
            assert_eq!(keyspace.present.bytes(), recount(&keyspace.present), "round {round}");
            assert_eq!(keyspace.past.bytes(), recount(&keyspace.past), "round {round}");
        }
        keyspace.compact(keyspace.revision).expect("there is something to compact");
        keyspace.scrub(usize::MAX);
        assert_eq!(keyspace.past.bytes(), 0, "no history is left");
    }
}
