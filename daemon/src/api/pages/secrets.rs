//! Which secrets this host has, by their fingerprints, and how far a change of the cluster's has come.

use crate::words::time::rfc3339;
use quorate_node::SecretStatus;
use quorate_proto::SecretLackKind;
use serde::{Deserialize, Serialize};

/// `secret` of `/v1/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretPage {
    /// The one that this host uses on all of its links; none while they are being replaced.
    pub(crate) uses: Option<String>,
    /// Those that it accepts.
    pub(crate) accepts: Vec<String>,
    /// The newest change; none when there was none.
    pub(crate) change: Option<SecretChangePage>,
    /// Who is not ready for the next step, or for its return.
    pub(crate) lacking: Vec<SecretLackPage>,
    /// Live hosts whose secret file has a secret that was dropped: it is to be removed from there.
    #[serde(default)]
    pub(crate) leftover: Vec<String>,
    /// This host is one of them, as it says itself.
    #[serde(default)]
    pub(crate) has_dropped: bool,
}

/// A change of the secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretChangePage {
    pub(crate) from: String,
    pub(crate) to: String,
    /// `accept`, `use`, `dropped` or `given-up`.
    pub(crate) step: String,
    /// When it came to that step.
    pub(crate) since: String,
}

/// A host that is not ready.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretLackPage {
    pub(crate) name: String,
    /// As committed: who is not alive is not waited for.
    pub(crate) state: String,
    /// `accept`, `use`, or `silent`: it has not said.
    pub(crate) lacks: String,
}

impl SecretPage {
    /// The newest change, where it is over and the secret file of this host has its two secrets and no third one: what it would be changed for
    /// has been done.
    pub(crate) fn is_over(&self) -> Option<String> {
        let change = self.change.as_ref().filter(|change| change.step == "dropped")?;
        let (from, to, since) = (&change.from, &change.to, &change.since);
        let others = self.accepts.iter().filter(|one| *one != from && *one != to).count();
        let has_old = self.has_dropped || self.accepts.contains(from);
        (has_old && others == 0 && self.accepts.contains(to)).then(|| {
            format!(
                "the change from {from} to {to} is over since {since}: the old secret is dropped, and this host has no third one to change to"
            )
        })
    }

    pub(crate) fn of(status: &SecretStatus) -> Self {
        let change = status.change.as_ref().map(|change| SecretChangePage {
            from: quorate_proto::Fingerprint::new(change.from).to_string(),
            to: quorate_proto::Fingerprint::new(change.to).to_string(),
            step: change.step().word().to_owned(),
            since: rfc3339(change.at_unix_ms),
        });
        let lacking = status.lacking.iter().map(|(name, state, kind)| SecretLackPage {
            name: name.clone(),
            state: state.word().to_owned(),
            lacks: match kind {
                SecretLackKind::Silent => "silent",
                SecretLackKind::Accept => "accept",
                SecretLackKind::Use => "use",
            }
            .to_owned(),
        });
        Self {
            uses: status.uses.map(|uses| uses.to_string()),
            accepts: status.accepts.iter().map(ToString::to_string).collect(),
            change,
            lacking: lacking.collect(),
            leftover: status.leftover.clone(),
            has_dropped: status.has_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_over_for_a_host_whose_file_has_its_two_secrets_and_no_third_one() {
        let page = |step: &str, accepts: &[&str], has_dropped| SecretPage {
            accepts: accepts.iter().map(|&one| one.to_owned()).collect(),
            change: Some(SecretChangePage {
                from: "a".to_owned(),
                to: "b".to_owned(),
                step: step.to_owned(),
                since: "2026-11-29T22:00:00Z".to_owned(),
            }),
            has_dropped,
            ..SecretPage::default()
        };
        let text = page("dropped", &["b"], true).is_over().expect("it is over");
        assert!(text.contains("from a to b is over since 2026-11-29T22:00:00Z"), "{text}");
        assert!(page("dropped", &["b", "a"], false).is_over().is_some(), "it hears of it now");
        assert_eq!(page("dropped", &["b", "c"], true).is_over(), None, "there is a third one");
        assert_eq!(page("dropped", &["b"], false).is_over(), None, "nobody asks for that change");
        assert_eq!(page("use", &["b", "a"], false).is_over(), None);
        assert_eq!(SecretPage::default().is_over(), None);
    }
}
