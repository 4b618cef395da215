//! The change of the cluster's secret while it runs, as it is agreed on and told: by fingerprints alone. No secret is in any message.

use crate::{Instance, limits};
use std::fmt;

/// Tells secrets apart and gives nothing away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, as it travels; nobody's is 0.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads the form that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How far a change of the secret has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SecretStep {
    /// There was none, or one that is not known here.
    None = 0,
    /// Every host is to accept the new secret; the old one is used.
    Accept = 1,
    /// The new one is used; the old one is still accepted.
    Use = 2,
    /// The old one is dropped: the change is over.
    Drop = 3,
    /// The change was given up: the old one is used.
    GivenUp = 4,
}

impl SecretStep {
    /// The stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Accept => "accept",
            Self::Use => "use",
            Self::Drop => "dropped",
            Self::GivenUp => "given-up",
        }
    }
}

/// The newest change of the secret, as it is committed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SecretChange {
    /// Counts the steps of all changes; 0 = there was none.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// The fingerprint of the old secret.
    #[prost(fixed64, tag = "2")]
    pub from: u64,
    /// That of the new one.
    #[prost(fixed64, tag = "3")]
    pub to: u64,
    /// How far it has come.
    #[prost(enumeration = "SecretStep", tag = "4")]
    pub step: i32,
    /// Wall clock of the leader at that step, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "5")]
    pub at_unix_ms: u64,
    /// The fingerprints of the secrets that were dropped last, the newest one last. At most `limits::DROPPED_SECRETS`.
    #[prost(fixed64, repeated, tag = "6")]
    pub dropped: Vec<u64>,
    /// The newest health epoch at the leader when it took that step; 0 where it did not say. Who was alive then was ready for the step.
    #[prost(uint64, tag = "100")]
    pub epoch: u64,
}

impl SecretChange {
    /// Whether a change is under way.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.step(), SecretStep::Accept | SecretStep::Use)
    }

    /// Whether one that a host holds under this fingerprint is accepted no more.
    #[must_use]
    pub fn is_dropped(&self, secret: Fingerprint) -> bool {
        self.dropped.contains(&secret.get())
    }

    /// What a host does that has these secrets, in the order of its file.
    #[must_use]
    pub fn chosen(&self, file: &[Fingerprint]) -> ChosenSecrets {
        let mut accepted: Vec<Fingerprint> =
            file.iter().copied().filter(|secret| !self.is_dropped(*secret)).collect();
        if accepted.is_empty() {
            // It is refused with it, and told so: better than to be silent.
            accepted.extend(file.first());
        }
        let wanted = match self.step() {
            SecretStep::None => None,
            SecretStep::Accept | SecretStep::GivenUp => Some(self.from),
            SecretStep::Use | SecretStep::Drop => Some(self.to),
        };
        if let Some(place) = accepted.iter().position(|secret| Some(secret.get()) == wanted) {
            accepted[..=place].rotate_right(1);
        }
        let leaves = matches!(self.step(), SecretStep::Use) && wanted.is_some();
        let given_up = (leaves && accepted.len() > 1).then(|| Fingerprint::new(self.from));
        ChosenSecrets { accepted, given_up }
    }
}

/// Of the secrets that a host has, those that it accepts; it uses the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenSecrets {
    /// Accepted.
    pub accepted: Vec<Fingerprint>,
    /// Still accepted, but links under it are to be replaced.
    pub given_up: Option<Fingerprint>,
}

/// What one host has of secrets, as it tells the leader.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SecretsHeld {
    /// The newest [`SecretChange`] that it carries out.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// The fingerprints of those that it accepts. At most `limits::SECRETS`.
    #[prost(fixed64, repeated, tag = "2")]
    pub accepts: Vec<u64>,
    /// That of the one which it uses; 0 while links stand under one that is to be given up.
    #[prost(fixed64, tag = "3")]
    pub uses: u64,
    /// Its secret file has one that was dropped: it does not count, and is to be removed.
    #[prost(bool, tag = "100")]
    pub has_dropped: bool,
}

impl SecretsHeld {
    /// Within the bounds that an honest host keeps.
    #[must_use]
    pub fn is_in_bounds(&self) -> bool {
        self.accepts.len() <= limits::SECRETS
    }
}

/// What a host lacks for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SecretLackKind {
    /// It has not told the leader what it has.
    Silent = 0,
    /// It does not accept the new secret.
    Accept = 1,
    /// It does not use it on all of its links yet.
    Use = 2,
}

/// A host that is not ready.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SecretLack {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// What it lacks.
    #[prost(enumeration = "SecretLackKind", tag = "2")]
    pub kind: i32,
}

/// What the leader tells of the change.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SecretNews {
    /// The newest one.
    #[prost(message, required, tag = "1")]
    pub change: SecretChange,
    /// Who is not ready, those that are away included. At most `limits::SECRET_LACKS`.
    #[prost(message, repeated, tag = "2")]
    pub lacking: Vec<SecretLack>,
    /// Who is away and has said before that it accepts the new secret, for the next leader. At most `limits::SECRET_LACKS`.
    #[prost(message, repeated, tag = "100")]
    pub prepared: Vec<Instance>,
    /// Whose secret file has one that was dropped. At most `limits::SECRET_LACKS`.
    #[prost(message, repeated, tag = "101")]
    pub leftover: Vec<Instance>,
}

/// A step of a change, proposed by the leader.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TakeSecretStep {
    /// The fingerprint of the old secret.
    #[prost(fixed64, tag = "1")]
    pub from: u64,
    /// That of the new one.
    #[prost(fixed64, tag = "2")]
    pub to: u64,
    /// Which step. It follows the one before it, or is void.
    #[prost(enumeration = "SecretStep", tag = "3")]
    pub step: i32,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "4")]
    pub at_unix_ms: u64,
    /// The newest health epoch at the leader.
    #[prost(uint64, tag = "100")]
    pub epoch: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(step: SecretStep) -> SecretChange {
        let dropped = if step == SecretStep::Drop { vec![1] } else { vec![] };
        let step = step.into();
        SecretChange { version: 1, from: 1, to: 2, step, dropped, ..SecretChange::default() }
    }

    /// What is accepted, the one in use first; and what is given up.
    fn chosen(step: SecretStep, file: &[u64]) -> (Vec<u64>, Option<u64>) {
        let file: Vec<Fingerprint> = file.iter().copied().map(Fingerprint::new).collect();
        let chosen = change(step).chosen(&file);
        (
            chosen.accepted.into_iter().map(Fingerprint::get).collect(),
            chosen.given_up.map(Fingerprint::get),
        )
    }

    #[test]
    fn each_step_says_which_of_two_secrets_is_used_whatever_their_order_in_the_file() {
        for file in [[1, 2], [2, 1]] {
            assert_eq!(chosen(SecretStep::Accept, &file), (vec![1, 2], None));
            assert_eq!(chosen(SecretStep::Use, &file), (vec![2, 1], Some(1)));
            assert_eq!(chosen(SecretStep::Drop, &file), (vec![2], None));
            assert_eq!(chosen(SecretStep::GivenUp, &file), (vec![1, 2], None));
            assert_eq!(chosen(SecretStep::None, &file), (file.to_vec(), None));
        }
    }

    #[test]
    fn a_host_with_one_secret_uses_that_one_also_when_it_was_dropped() {
        for step in [SecretStep::Accept, SecretStep::Use, SecretStep::Drop] {
            assert_eq!(chosen(step, &[1]), (vec![1], None));
            assert_eq!(chosen(step, &[3]), (vec![3], None), "one that nobody speaks of");
        }
    }

    #[test]
    fn a_fingerprint_reads_what_it_writes_and_nothing_else() {
        let fingerprint = Fingerprint::new(0x00ab_cdef_0123_4567);
        assert_eq!(fingerprint.to_string(), "00abcdef01234567");
        assert_eq!(Fingerprint::parse("00abcdef01234567"), Some(fingerprint));
        for text in ["", "abcdef01234567", "+0abcdef01234567", "00abcdef0123456g"] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
