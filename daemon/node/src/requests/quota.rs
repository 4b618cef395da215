//! The most bytes that the users' keyspace may take: at the bound nothing is put any more, until something was deleted.
//!
//! The leader decides before it proposes, never the state machine: replicas of other versions, and a log that is played
//! again, must come to the same state. So what is on its way when the bound is reached comes on top: as much as doors and peers may hold, some 128 MiB. Every
//! replica sees the bound reached in its own state and says so; it ends with its cause.

use crate::groups::Group;
use crate::sight::Sight;
use crate::status::Bound;
use crate::told::Event;
use crate::turn::Turn;
use quorate_meta::Meta;
use quorate_proto::{KvError, KvRequest, MemberCause, Moment, Reason};

/// Fits into a small host's memory beside what else runs there; more is no coordination.
const KEYSPACE_BYTES: u64 = 512 * 1024 * 1024;

/// The bound, and what became of it.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u64,
    /// Since when it is reached, once that was told.
    full: Option<Moment>,
    /// Requests that this node refused for it.
    refused: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { limit: KEYSPACE_BYTES, full: None, refused: 0 }
    }
}

impl Quota {
    /// Refuses what the leader need not propose.
    pub(super) fn check(&mut self, sight: &Sight<'_>, request: &KvRequest) -> Result<(), KvError> {
        let Some(group) = sight.group else { return Ok(()) };
        group.meta().check(request)?;
        if group.meta().writes_and_reads_too_much(request) {
            return Err(KvError::WriteReadsTooMuch);
        }
        if group.meta().keyspace_bytes() >= self.limit && Meta::puts(request) {
            self.refused += 1;
            return Err(KvError::NoSpace);
        }
        Ok(())
    }

    /// Another bound, in tests.
    #[cfg(test)]
    pub(super) fn limit_to(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Tells when the bound is reached, and when there is some room again: who deletes and puts at the bound is not told of each.
    pub(crate) fn watch(&mut self, sight: &Sight<'_>, turn: &mut Turn) {
        let bytes = sight.group.map_or(0, |group| group.meta().keyspace_bytes());
        let told = self.full.is_some();
        let full = bytes >= if told { self.limit / 16 * 15 } else { self.limit };
        if full == told {
            return;
        }
        self.full = full.then_some(turn.now);
        turn.event(Event::KeyspaceFull(full));
    }

    /// Why nothing is put.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let limit = self.limit / 1024 / 1024;
        self.full.map(|since| Reason::of(&MemberCause::KeyspaceFull { limit }, since))
    }

    /// How many bytes the replica's state takes of those that it may; nothing on a node that is no replica.
    pub(crate) fn bounds(&self, group: Option<&Group>) -> impl Iterator<Item = Bound> {
        let Self { limit, refused, .. } = *self;
        group.into_iter().flat_map(move |group| {
            let history = group.meta().history_bytes();
            [
                Bound {
                    word: "keyspace-bytes",
                    used: group.meta().keyspace_bytes(),
                    limit,
                    refused,
                },
                Bound {
                    word: "history-bytes",
                    used: history,
                    limit: crate::duties::history::HISTORY_BYTES,
                    refused: 0,
                },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientReply;
    use crate::trial::{PATIENCE, Trial, put_request, reply};
    use quorate_proto::{
        Compare, DeleteRangeRequest, ReasonCode, RequestOp, TxnRequest, kv_request, request_op,
    };

    /// Asks, and gives the error with which it is refused.
    fn ask(trial: &mut Trial, request: kv_request::Request) -> Option<KvError> {
        let request = KvRequest { request: Some(request) };
        let (client, mut out) = trial.asks(request, PATIENCE);
        for _ in 0..3 {
            out.extend(trial.durable());
        }
        match reply(&out, client) {
            Some(ClientReply::Kv(_)) => None,
            Some(ClientReply::Refused(refusal)) => {
                KvError::try_from(i32::try_from(refusal.detail).expect("a number")).ok()
            }
            other => panic!("not answered: {other:?}"),
        }
    }

    fn put(name: &str) -> kv_request::Request {
        put_request(name).request.expect("a put")
    }

    fn delete(name: &'static str) -> DeleteRangeRequest {
        DeleteRangeRequest { key: name.into(), ..DeleteRangeRequest::default() }
    }

    fn txn(operation: request_op::Request) -> kv_request::Request {
        let compare = vec![Compare { key: "a".into(), ..Compare::default() }];
        let failure = vec![RequestOp { request: Some(operation) }];
        kv_request::Request::Txn(TxnRequest { compare, failure, ..TxnRequest::default() })
    }

    fn is_told(trial: &Trial) -> bool {
        let status = trial.node.status(trial.now);
        status.reasons.iter().any(|reason| reason.code == ReasonCode::KeyspaceFull)
    }

    fn bound(trial: &Trial) -> (bool, u64) {
        let bounds = trial.node.status(trial.now).bounds;
        let bound = bounds.iter().find(|it| it.word == "keyspace-bytes").expect("it is a replica");
        (bound.used >= bound.limit, bound.refused)
    }

    #[test]
    fn a_full_keyspace_refuses_puts_says_so_and_takes_them_again_after_a_deletion() {
        let mut trial = Trial::leading_alone();
        trial.node.requests.quota.limit = 600;
        for name in ["a", "b", "c"] {
            assert!(!is_told(&trial));
            assert_eq!(ask(&mut trial, put(name)), None);
        }
        assert!(is_told(&trial), "three keys are 603 bytes");
        let nested = request_op::Request::Put(quorate_proto::PutRequest {
            key: "d".into(),
            ..quorate_proto::PutRequest::default()
        });
        assert_eq!(ask(&mut trial, put("d")), Some(KvError::NoSpace));
        assert_eq!(ask(&mut trial, txn(nested)), Some(KvError::NoSpace));
        assert_eq!(bound(&trial), (true, 2));
        let range = quorate_proto::RangeRequest { key: "a".into(), ..Default::default() };
        assert_eq!(ask(&mut trial, kv_request::Request::Range(range)), None, "reads go on");
        let deletion = txn(request_op::Request::DeleteRange(delete("z")));
        assert_eq!(ask(&mut trial, deletion), None, "what puts nothing goes on");
        assert_eq!(ask(&mut trial, kv_request::Request::DeleteRange(delete("a"))), None);
        assert!(!is_told(&trial), "it ends with its cause");
        assert_eq!(ask(&mut trial, put("d")), None);
    }

    #[test]
    fn who_deletes_and_puts_at_the_bound_is_not_told_of_each() {
        let mut trial = Trial::leading_alone();
        trial.node.requests.quota.limit = 800;
        for name in ["a", "b", "c", "d"] {
            assert_eq!(ask(&mut trial, put(name)), None);
        }
        assert!(is_told(&trial), "four keys are 804 bytes");
        assert_eq!(ask(&mut trial, kv_request::Request::DeleteRange(delete("a"))), None);
        assert!(!is_told(&trial), "603 are well below");
        trial.node.requests.quota.limit = 610;
        assert_eq!(ask(&mut trial, put("a")), None);
        assert!(is_told(&trial));
        assert_eq!(ask(&mut trial, kv_request::Request::DeleteRange(delete("a"))), None);
        assert!(is_told(&trial), "603 of 610: there is room for one, which is no news");
        assert_eq!(ask(&mut trial, put("a")), None, "and it is taken");
        assert_eq!(ask(&mut trial, kv_request::Request::DeleteRange(delete("a"))), None);
        assert_eq!(ask(&mut trial, kv_request::Request::DeleteRange(delete("b"))), None);
        assert!(!is_told(&trial));
    }
}
