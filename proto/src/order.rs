//! Numbers that only grow, each with its own type so that they cannot be mixed up.
//!
//! Each is also a one-field prost message, so that other messages can hold it typed.

macro_rules! ordered {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
        #[prost(skip_debug)]
        pub struct $name {
            #[prost(uint64, tag = "1")]
            number: u64,
        }

        impl $name {
            /// Zero: before the first.
            pub const ZERO: Self = Self { number: 0 };

            /// The number as a typed value.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self { number }
            }

            /// The bare number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.number
            }

            /// The next number; none behind the last, which only a number that came from a wire can be.
            #[must_use]
            pub const fn next(self) -> Option<Self> {
                match self.number.checked_add(1) {
                    Some(number) => Some(Self { number }),
                    None => None,
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.number)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.number)
            }
        }
    };
}

ordered! {
    /// Numbers the changes of a keyspace; etcd's meaning: a fresh store is at 1.
    Revision
}
ordered! {
    /// Numbers the committed views of who is alive; grows by one with each committed change.
    HealthEpoch
}
