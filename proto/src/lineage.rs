//! From which earlier cluster one comes that was founded anew. What binds it to a record is in `anew.rs`.

use crate::ClusterId;

/// Where a cluster that was founded anew comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Lineage {
    /// The earlier cluster.
    #[prost(message, required, tag = "1")]
    pub from: ClusterId,
    /// Hash of what was decided: which state is taken along, and who is left behind.
    #[prost(fixed64, tag = "2")]
    pub plan: u64,
}
