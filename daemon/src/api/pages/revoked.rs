//! Hosts that are revoked, as `quorate status`, `members` and `revoke` read them.

use crate::words::time::rfc3339;
use quorate_node::Status;
use serde::{Deserialize, Serialize};

/// One of `revoked` of `/v1/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RevokedPage {
    /// The name that it had.
    pub(crate) name: String,
    pub(crate) instance: String,
    /// The key that every host refuses.
    pub(crate) key: String,
    /// The epoch since which it is so.
    pub(crate) epoch: u64,
    pub(crate) at: String,
    /// The host that answers accepts a secret that is known there: it has to be changed.
    pub(crate) secret_known: bool,
}

impl RevokedPage {
    pub(super) fn all(status: &Status) -> Vec<Self> {
        let accepted: Vec<u64> = status.secrets.accepts.iter().map(|one| one.get()).collect();
        let page = |one: &quorate_proto::Revocation| Self {
            name: one.name.clone(),
            instance: one.instance.to_string(),
            key: one.key.to_string(),
            epoch: one.epoch.get(),
            at: rfc3339(one.at_unix_ms),
            secret_known: one.knows_one_of(&accepted),
        };
        status.view.revoked.iter().map(page).collect()
    }
}
