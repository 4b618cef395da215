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
    pub(super) fn of(status: &SecretStatus) -> Self {
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
        }
    }
}
