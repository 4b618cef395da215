//! Names and identities: cluster, node, instance, generation, cluster id, Raft id, node key.
//!
//! An `Instance` is one data directory from creation to loss. A `Generation` counts its starts. Names are
//! for people; instances and keys are for machines. The all-zero value of each id means "nobody".

use std::fmt;
use std::sync::Arc;

/// A Raft group: `__meta`, which every cluster has, or a log. It stands in every frame, record and file of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

impl GroupId {
    /// The group whose voters are the cluster's.
    pub const META: Self = Self(0);

    /// The group with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number; 0 is `__meta`.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for GroupId {
    /// `__meta`, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::META => f.write_str("__meta"),
            Self(number) => number.fmt(f),
        }
    }
}

/// Defines a fixed-size identity that is kept as big-endian words, so that it is `Copy`, ordered and a
/// prost message by itself.
macro_rules! wide_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $($word:ident = $tag:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
        #[prost(skip_debug)]
        pub struct $name {
            $(#[prost(fixed64, tag = $tag)] $word: u64,)+
        }

        impl $name {
            /// The identity with these bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                let mut words = bytes.chunks_exact(8).map(|word| {
                    u64::from_be_bytes(word.try_into().expect("chunks of eight bytes"))
                });
                Self { $($word: words.next().expect("as many words as fields")),+ }
            }

            /// The bytes of this identity.
            #[must_use]
            pub fn to_bytes(self) -> [u8; $bytes] {
                let mut bytes = [0; $bytes];
                let words = [$(self.$word),+];
                for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
                    place.copy_from_slice(&word.to_be_bytes());
                }
                bytes
            }

            /// Reads the form that `Display` writes.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                if !text.is_ascii() {
                    return None;
                }
                let digits: String = text.chars().filter(|c| *c != '-').collect();
                if digits.len() != $bytes * 2 {
                    return None;
                }
                let mut bytes = [0; $bytes];
                for (i, place) in bytes.iter_mut().enumerate() {
                    *place = u8::from_str_radix(&digits[i * 2..i * 2 + 2], 16).ok()?;
                }
                Some(Self::from_bytes(bytes))
            }

            /// Whether this is the all-zero value, which nobody has.
            #[must_use]
            pub fn is_nobody(self) -> bool {
                self == Self::default()
            }

            /// The first eight hexadecimal digits, for people.
            #[must_use]
            pub fn short(self) -> String {
                let mut text = self.to_string();
                text.truncate(8);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }
    };
}

wide_id! {
    /// One data directory from creation to loss ("disk life" in GENESIS): a random 128-bit number.
    Instance, 16, high = "1", low = "2"
}
wide_id! {
    /// Hash of the founding record; it *is* the cluster id.
    ClusterId, 16, high = "1", low = "2"
}
wide_id! {
    /// A node's Ed25519 public key.
    NodeKey, 32, first = "1", second = "2", third = "3", fourth = "4"
}

impl std::str::FromStr for Instance {
    type Err = NoInstance;

    /// As it is shown: 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NoInstance> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self::from_bytes(number.to_be_bytes())).ok_or(NoInstance)
    }
}

/// A text is not the number of a disk life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an instance is 32 hexadecimal digits, as `quorate members -o json` shows them")]
pub struct NoInstance;

impl Instance {
    /// The name of a founder where another one has the same: hosts that are all called `localhost` found a cluster together.
    #[must_use]
    pub fn told_apart(self, name: &str) -> String {
        format!("{name}-{}", self.short())
    }
}

/// Durable counter of the starts of an instance; GENESIS's boot counter. The first start is 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
#[prost(skip_debug)]
pub struct Generation {
    #[prost(uint64, tag = "1")]
    number: u64,
}

impl Generation {
    /// The generation with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self { number }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.number
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.number)
    }
}

/// A voter's or standby's id inside Raft; a function of cluster id and instance, never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RaftId(std::num::NonZeroU64);

impl RaftId {
    /// The id with this number; none for zero.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match std::num::NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for RaftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for RaftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no valid name: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit"
)]
pub struct NameError {
    /// The text that was refused, cut to 80 characters.
    pub found: String,
}

fn check_name(text: &str) -> Result<Arc<str>, NameError> {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let valid = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| plain(b) || *b == b'-')
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain);
    if valid { Ok(text.into()) } else { Err(NameError { found: text.chars().take(80).collect() }) }
}

macro_rules! label_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// When the text is no DNS label (RFC 1123, lower case).
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name(text).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label_name! {
    /// A node's name: a DNS label, by default the host's name.
    NodeName
}
label_name! {
    /// A cluster's name: a DNS label.
    ClusterName
}
