//! The hash of the applied state: one number that two replicas compare. The frames of a snapshot are tied together with another one.
//!
//! Not cryptographic: it finds faults, not attackers. Defined by its words alone, so it is the same on every
//! machine and in every version; changing it is a change of the snapshot format.

/// Odd constants with well mixed bits (from the digits of pi and of the golden ratio).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: u64 = 0x2437_54a3_c0ac_29b7;

/// A hash that absorbs words and byte strings, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateHash(u64);

impl StateHash {
    /// Nothing absorbed yet.
    pub(crate) const START: Self = Self(0x13198a2e_03707344);

    /// A hash that stood at this value.
    pub(crate) const fn at(value: u64) -> Self {
        Self(value)
    }

    /// The value now.
    pub(crate) const fn value(self) -> u64 {
        self.0
    }

    /// Absorbs a number.
    pub(crate) fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word.wrapping_mul(STEP)) * u128::from(MIX);
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded.rotate_left(23).wrapping_add(word ^ STEP);
    }

    /// Absorbs a signed number.
    pub(crate) fn signed(&mut self, number: i64) {
        self.word(number.cast_unsigned());
    }

    /// Absorbs a byte string, its length first, so that no two strings run together.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }
}
