//! Hosts with different secrets: which of them is the odd one out, and what helps.

use std::collections::BTreeMap;

/// Which of two hosts with different secrets is the odd one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddSecret {
    /// This one: all seeds that answer have the same other secret.
    Here,
    /// The other: this host has sessions with further seeds.
    There,
    /// Nothing tells.
    Unclear,
}

impl OddSecret {
    /// Where the odd one is, of this host and one with the secret `theirs`: with whom fewer agree. `ours`: how many have this host's
    /// secret, itself included; `others`: the fingerprints of all hosts that have another.
    #[must_use]
    pub fn of<'a>(theirs: &str, ours: usize, others: impl Iterator<Item = &'a str>) -> Self {
        let mut groups = BTreeMap::new();
        for fingerprint in others {
            *groups.entry(fingerprint).or_insert(0_usize) += 1;
        }
        let largest = groups.values().max().copied().unwrap_or(0);
        let alone = groups.values().filter(|count| **count == largest).count() == 1;
        let agreed = groups.get(theirs).copied().unwrap_or(0);
        if ours > largest {
            Self::There
        } else if ours < largest && alone && agreed == largest && theirs != UNKNOWN {
            Self::Here
        } else {
            Self::Unclear
        }
    }
}

/// The fingerprint of a host that shows none: it may be anybody's.
const UNKNOWN: &str = "unknown";

/// Who must get which file, and the restart without which nothing changes.
pub(super) fn other_secret(host: &str, odd: OddSecret) -> String {
    let compare = "compare with `quorate secret fingerprint` on both";
    match odd {
        OddSecret::Here => format!(
            "this host is the odd one out: copy the secret file from {host} to this host, then here: `systemctl restart quorate`; {compare}"
        ),
        OddSecret::There => format!(
            "{host} is the odd one out: copy the secret file of this host to {host}, then on {host}: `systemctl restart quorate`; {compare}"
        ),
        OddSecret::Unclear => format!(
            "{compare}; copy the secret file from the one that is right to the other (here or {host}), and there: \
             `systemctl restart quorate`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::OddSecret::{self, Here, There, Unclear};

    #[test]
    fn the_odd_secret_is_that_of_fewer_hosts_and_unclear_where_as_many_have_each() {
        let odd = |theirs, ours, others: &[&'static str]| {
            OddSecret::of(theirs, ours, others.iter().copied())
        };
        assert_eq!(odd("a", 1, &["a"]), Unclear, "one against one");
        assert_eq!(odd("a", 2, &["a"]), There);
        assert_eq!(odd("a", 1, &["a", "a"]), Here);
        assert_eq!(odd("a", 2, &["a", "a"]), Unclear, "two against two");
        assert_eq!(odd("a", 2, &["a", "a", "a"]), Here, "it has met one of its own");
        assert_eq!(odd("a", 1, &["a", "b"]), Unclear, "three secrets");
        assert_eq!(odd("b", 1, &["a", "a", "b"]), Unclear, "that one is odd too");
        assert_eq!(odd("a", 1, &["a", "a", "b", "b"]), Unclear);
        assert_eq!(odd("unknown", 1, &["unknown", "unknown"]), Unclear);
    }
}
