//! A set of keys made of ranges, merged as they come, so that asking for a key stays cheap however many
//! ranges a request names.
//!
//! Invariant: the ranges are not empty, do not touch, and are ordered by their start.

use crate::KeyRange;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// See the head of this file. Each start leads to its exclusive end; none = no end.
#[derive(Debug, Default)]
pub(crate) struct KeySet(BTreeMap<Bytes, Option<Bytes>>);

impl KeySet {
    /// Adds the keys of a range.
    pub(crate) fn insert(&mut self, range: &KeyRange) {
        let Some((Bound::Included(start), end)) = range.bounds() else { return };
        let end = match end {
            // The key right behind a single one.
            Bound::Included(last) => Some([last, &[0]].concat().into()),
            Bound::Excluded(end) => Some(Bytes::copy_from_slice(end)),
            Bound::Unbounded => None,
        };
        self.add(Bytes::copy_from_slice(start), end);
    }

    /// Adds all keys of another set.
    pub(crate) fn extend(&mut self, other: Self) {
        for (start, end) in other.0 {
            self.add(start, end);
        }
    }

    /// Whether the key is in the set.
    pub(crate) fn contains(&self, key: &Bytes) -> bool {
        let below = self.0.range::<Bytes, _>(..=key).next_back();
        below.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| key < end))
    }

    fn add(&mut self, mut start: Bytes, mut end: Option<Bytes>) {
        let reaches = |end: &Option<Bytes>, key: &Bytes| end.as_ref().is_none_or(|end| end >= key);
        if let Some((before, its_end)) = self.0.range::<Bytes, _>(..=&start).next_back()
            && reaches(its_end, &start)
        {
            start = before.clone();
        }
        while let Some((next, its_end)) = self.0.range::<Bytes, _>(&start..).next() {
            if !reaches(&end, next) {
                break;
            }
            end = match (end, its_end.clone()) {
                (Some(a), Some(b)) => Some(a.max(b)),
                _ => None,
            };
            let next = next.clone();
            self.0.remove(&next);
        }
        self.0.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_knows_its_keys_whatever_ranges_it_was_made_of() {
        // Every sequence of three ranges over a small alphabet, against one test per range.
        let texts = ["a", "b", "c", "d"];
        let range = |a: usize, b: usize| {
            let end = match b {
                4 => "\0",
                5 => "",
                _ => texts[b],
            };
            KeyRange::new(&Bytes::from(texts[a]), &Bytes::from(end))
        };
        let ranges: Vec<_> = (0..4).flat_map(|a| (0..6).map(move |b| range(a, b))).collect();
        for first in &ranges {
            for second in &ranges {
                for third in &ranges {
                    let chosen = [first, second, third];
                    let mut set = KeySet::default();
                    chosen.iter().for_each(|range| set.insert(range));
                    for key in ["Z", "a", "a\0", "aa", "b", "b\0", "c", "cc", "d", "e"] {
                        let wanted = chosen.iter().any(|range| range.contains(key.as_bytes()));
                        assert_eq!(set.contains(&Bytes::from(key)), wanted, "{key} in {chosen:?}");
                    }
                }
            }
        }
    }
}
