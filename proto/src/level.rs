//! Feature levels: the committed number that says which commands the cluster may use, and the range that one program can run.
//!
//! Invariant: a level is never taken back, and what it brought is never changed. A program of a later version may use what a level
//! brought only where that level is committed, so that every member can go on, also with the program that it had before.
//!
//! A new command, or a new rule for what an entry of the log does, makes a new level: [`FeatureLevel::HIGHEST`] of the version that
//! brings it is one more than that of the last release, and [`LEVELS`] says what it is. Within one release there is one new level at most.

use std::fmt;

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureLevel(u32);

impl FeatureLevel {
    /// What all programs know that do not speak of levels, and what stands while nothing is committed.
    pub const BASE: Self = Self(1);
    /// The lowest that this program can run.
    pub const LOWEST: Self = Self(1);
    /// The highest that this program can run.
    pub const HIGHEST: Self = Self(2);

    /// A level by its number; 0 is said by who does not know of levels.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        if number == 0 { Self::BASE } else { Self(number) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// As a founding record has it, whose bytes make the cluster's id: the first level is not said, for programs that do not speak of levels
    /// read and write the record without it.
    #[must_use]
    pub const fn in_record(self) -> u32 {
        if self.0 == Self::BASE.0 { 0 } else { self.0 }
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What each level brought, for people; one line each, from the first on.
pub const LEVELS: &[(FeatureLevel, &str)] = &[
    (FeatureLevel(1), "the keyspace, health, members that come, go and are removed"),
    (
        FeatureLevel(2),
        "feature levels themselves, the change of the secret, drained hosts, the autopilot's pause, why hosts vote, revoked hosts, writes that happen once under their names, budgets, assignments, and applications",
    ),
];

const _: () = assert!(LEVELS.len() == FeatureLevel::HIGHEST.0 as usize);

/// The levels that one program can run, as it says itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Levels {
    /// The lowest.
    #[prost(uint32, tag = "1")]
    lowest: u32,
    /// The highest.
    #[prost(uint32, tag = "2")]
    highest: u32,
}

impl Levels {
    /// Those of this program.
    pub const HERE: Self = Self::new(FeatureLevel::LOWEST, FeatureLevel::HIGHEST);
    /// Those of a program that does not speak of levels.
    pub const BASE: Self = Self::new(FeatureLevel::BASE, FeatureLevel::BASE);

    /// A range.
    #[must_use]
    pub const fn new(lowest: FeatureLevel, highest: FeatureLevel) -> Self {
        Self { lowest: lowest.0, highest: highest.0 }
    }

    /// What a peer said; nothing: it does not speak of levels.
    #[must_use]
    pub fn said(said: Option<Self>) -> Self {
        said.unwrap_or(Self::BASE)
    }

    /// The lowest.
    #[must_use]
    pub fn lowest(&self) -> FeatureLevel {
        FeatureLevel::new(self.lowest)
    }

    /// The highest.
    #[must_use]
    pub fn highest(&self) -> FeatureLevel {
        FeatureLevel::new(self.highest)
    }

    /// Whether a program with these can run a cluster at this level.
    #[must_use]
    pub fn contains(&self, level: FeatureLevel) -> bool {
        (self.lowest()..=self.highest()).contains(&level)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lowest() == self.highest() {
            true => write!(f, "feature level {}", self.highest()),
            false => write!(f, "feature levels {} to {}", self.lowest(), self.highest()),
        }
    }
}
