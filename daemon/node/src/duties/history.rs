//! The leader forgets old revisions of the users' keyspace, so that endless writes do not fill the memory.
//!
//! Clients may read and watch at any of the newest revisions; further back only as far as nobody compacted. The leader
//! proposes, the log decides: all replicas forget the same. What history takes is a function of the state.

use super::duty::{Duty, Will};
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_meta::Meta;
use quorate_proto::{CommandBody, CompactionRequest, KvRequest, Moment, kv_request};
use std::time::Duration;

/// Revisions that stay readable as long as they take few bytes: minutes of history at thousands of writes a second, for
/// a client that resumes a watch.
const KEPT_REVISIONS: u64 = 100_000;
/// Most bytes of history: the newest 100,000 overwrites of 256-byte values fit. Beyond it the oldest go.
pub(crate) const HISTORY_BYTES: u64 = 64 * 1024 * 1024;
/// What is left of a history that grew beyond its bytes, so that not every write makes a compaction.
const KEPT_BYTES: u64 = HISTORY_BYTES / 4 * 3;
/// A compaction that was not applied by then came to nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Up to where the leader has asked to forget, and when.
#[derive(Debug, Default)]
pub(crate) struct History {
    asked: Option<(u64, Moment)>,
}

impl Duty for History {
    fn begin(&mut self) {
        self.asked = None;
    }

    fn is_in_each_turn(&self) -> bool {
        true
    }

    /// Proposes a compaction once there is too much history.
    fn look(&mut self, sight: &Sight<'_>, group: &Group, _warnings: &Warnings, will: &mut Will) {
        let meta = group.meta();
        if self.asked.is_some_and(|asked| is_under_way(asked, meta, sight.now)) {
            return;
        }
        let Some(until) = to_forget(meta) else { return };
        self.asked = Some((until, sight.now));
        let request = CompactionRequest {
            revision: i64::try_from(until).unwrap_or(i64::MAX),
            physical: false,
        };
        let request = Some(kv_request::Request::Compact(request));
        will.propose.push(CommandBody::Kv(KvRequest { request }));
    }
}

fn is_under_way((until, since): (u64, Moment), meta: &Meta, now: Moment) -> bool {
    meta.compacted().get() < until && now.since(since) < PATIENCE
}

/// Up to which revision; none when there is little.
fn to_forget(meta: &Meta) -> Option<u64> {
    if meta.history_bytes() > HISTORY_BYTES {
        return meta.excess_history(KEPT_BYTES).map(|until| until.get());
    }
    let (revision, compacted) = (meta.revision().get(), meta.compacted().get());
    let many = revision.saturating_sub(compacted) >= 2 * KEPT_REVISIONS;
    many.then(|| revision - KEPT_REVISIONS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientReply;
    use crate::trial::{PATIENCE, Trial, put_request, reply};

    /// Overwrites one key with a value of so many bytes.
    fn overwrite(trial: &mut Trial, bytes: usize) {
        let mut request = put_request("k");
        if let Some(kv_request::Request::Put(put)) = &mut request.request {
            put.value = vec![b'x'; bytes].into();
        }
        let (client, mut out) = trial.asks(request, PATIENCE);
        for _ in 0..3 {
            out.extend(trial.durable());
        }
        assert!(matches!(reply(&out, client), Some(ClientReply::Kv(_))), "{out:?}");
    }

    fn meta(trial: &Trial) -> &Meta {
        trial.node.group.as_ref().expect("it is a replica").meta()
    }

    #[test]
    fn large_values_are_forgotten_by_their_bytes_and_the_newest_stay() {
        let mut trial = Trial::leading_alone();
        let one = 1_000_000;
        for _ in 0..150 {
            overwrite(&mut trial, one);
            let bytes = meta(&trial).history_bytes();
            assert!(bytes <= HISTORY_BYTES + 2 * one as u64, "{bytes} bytes of history");
        }
        let meta = meta(&trial);
        let kept = meta.revision().get() - meta.compacted().get();
        assert!(
            (KEPT_BYTES / one as u64 - 1..=HISTORY_BYTES / one as u64 + 2).contains(&kept),
            "{kept}"
        );
    }

    #[test]
    fn little_values_are_not_forgotten_by_their_bytes() {
        let mut trial = Trial::leading_alone();
        for _ in 0..500 {
            overwrite(&mut trial, 256);
        }
        assert_eq!(meta(&trial).compacted().get(), 0);
        let all = meta(&trial).history_bytes() / 499 * KEPT_REVISIONS;
        assert!(all < KEPT_BYTES, "the kept revisions fit: {all} bytes");
    }
}
