//! The leader forgets old revisions of the users' keyspace, so that endless writes do not fill the memory.
//!
//! Clients may read and watch at any of the newest revisions; further back only as far as nobody compacted.

use crate::node::Node;
use quorate_proto::{CommandBody, CompactionRequest, KvRequest, kv_request};

/// Revisions that stay readable at least: minutes of history at thousands of writes a second, for a client that
/// resumes a watch. At 256-byte values this is some 50 MiB.
const KEPT_REVISIONS: u64 = 100_000;

impl Node {
    /// Proposes a compaction once twice the kept history has piled up. Called while this node leads.
    pub(crate) fn forget_history(&mut self) {
        let Some(group) = &self.group else { return };
        let (revision, compacted) = (group.meta.revision().get(), group.meta.compacted().get());
        let since = compacted.max(self.history_asked);
        if revision.saturating_sub(since) < 2 * KEPT_REVISIONS {
            return;
        }
        let until = revision - KEPT_REVISIONS;
        self.history_asked = until;
        let request = CompactionRequest {
            revision: i64::try_from(until).unwrap_or(i64::MAX),
            physical: false,
        };
        let request = Some(kv_request::Request::Compact(request));
        let ticket = self.requests.new_ticket();
        self.enqueue_proposal(ticket, CommandBody::Kv(KvRequest { request }));
    }
}
