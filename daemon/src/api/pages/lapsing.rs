//! What hosts hold that are gone: nobody else can have it before it has lapsed, or its use was ended from outside.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A grant of a host that is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LapsingPage {
    pub(crate) host: String,
    pub(crate) instance: String,
    /// `down`: it does not answer; `left`: it said goodbye; `removed`: it is no member any more.
    pub(crate) state: String,
    /// The epoch since when it is so; 0 of one that is no member any more.
    #[serde(default)]
    pub(crate) since_epoch: u64,
    /// Where other nodes reached it; null where nobody knows.
    pub(crate) address: Option<SocketAddr>,
    /// Of the grant.
    pub(crate) number: u64,
    /// Of a budget: so much of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<u64>,
    /// Of an assignment: which item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<String>,
}
