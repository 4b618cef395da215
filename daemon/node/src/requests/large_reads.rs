//! Reads whose work grows with the keyspace, as requests: which are handed to the shell, and what their answers come to.

use crate::large_read::{Asker, LargeRead};
use crate::requests::{Origin, Requests};
use crate::sight::Sight;
use quorate_proto::{KvRequest, Moment};

impl Requests {
    /// A read of the present state, for the shell. None on a node without a state.
    pub(super) fn large_read(
        &mut self,
        sight: &Sight<'_>,
        origin: Origin,
        request: KvRequest,
        deadline: Moment,
    ) -> Option<Box<LargeRead>> {
        let state = sight.group?.meta().clone();
        let asker = match origin {
            Origin::Client(ticket) => Asker::Client(ticket),
            Origin::Forwarded(ticket) | Origin::Relayed(ticket) => Asker::Node(ticket),
            Origin::Own(_) | Origin::Holder(_) => return None,
        };
        let header = self.header(sight);
        Some(Box::new(LargeRead { asker, state, request, header, deadline }))
    }
}

#[cfg(test)]
mod tests {
    use crate::client::{ClientReply, ClientRequest};
    use crate::event::{Input, Output};
    use crate::large_read::{Answered, Asker, LargeRead};
    use crate::trial::{PATIENCE, Trial, reply};
    use quorate_proto::{
        KvError, KvRequest, PutRequest, RangeRequest, RefusalCode, RequestOp, TxnRequest,
        kv_request, kv_response, limits, request_op,
    };

    fn ask(trial: &mut Trial, ticket: u64, request: kv_request::Request) -> Vec<Output> {
        let request = ClientRequest::Kv(KvRequest { request: Some(request) });
        let deadline = trial.now + PATIENCE;
        trial.turn([Input::Client { ticket, deadline, request }])
    }

    /// All keys below `end`, from the own replica.
    fn range(end: &str) -> kv_request::Request {
        kv_request::Request::Range(RangeRequest {
            key: "a".into(),
            range_end: end.to_owned().into(),
            serializable: true,
            ..RangeRequest::default()
        })
    }

    fn filled(keys: usize) -> Trial {
        let mut trial = Trial::leading_alone();
        for number in 0..keys {
            let key = format!("a{number:05}").into();
            let put = PutRequest { key, ..PutRequest::default() };
            ask(&mut trial, 1_000 + number as u64, kv_request::Request::Put(put));
        }
        trial.durable();
        trial.pass(PATIENCE);
        trial
    }

    fn large(out: &[Output]) -> Option<&LargeRead> {
        out.iter().find_map(|output| match output {
            Output::Read(read) => Some(&**read),
            _ => None,
        })
    }

    fn keys(answered: Answered) -> usize {
        let Answered::Client(ClientReply::Kv(response)) = answered else {
            panic!("{answered:?}");
        };
        match response.response {
            Some(kv_response::Response::Range(range)) => range.kvs.len(),
            other => panic!("{other:?}"),
        }
    }

    /// So many keys in steps, as many as one transaction takes.
    fn fill(trial: &mut Trial, keys: usize) {
        for (step, begin) in (0..keys).step_by(limits::TXN_OPERATIONS).enumerate() {
            let numbers = begin..keys.min(begin + limits::TXN_OPERATIONS);
            let puts = numbers.map(|number| {
                let key = format!("a{number:05}").into();
                let put = request_op::Request::Put(PutRequest { key, ..PutRequest::default() });
                RequestOp { request: Some(put) }
            });
            let txn = TxnRequest { success: puts.collect(), ..TxnRequest::default() };
            ask(trial, 1_000 + step as u64, kv_request::Request::Txn(txn));
            trial.durable();
        }
        trial.pass(PATIENCE);
        trial.durable();
    }

    fn reads_of_all(count: usize) -> Vec<RequestOp> {
        let kv_request::Request::Range(range) = range("b") else { panic!() };
        vec![RequestOp { request: Some(request_op::Request::Range(range)) }; count]
    }

    #[test]
    fn a_write_that_reads_too_much_is_refused_and_what_reads_little_is_done() {
        let mut trial = filled(0);
        fill(&mut trial, 9_000);
        let put = PutRequest { key: "z".into(), ..PutRequest::default() };
        let put = RequestOp { request: Some(request_op::Request::Put(put)) };
        let writing = |reads| {
            let success = [vec![put.clone()], reads_of_all(reads)].concat();
            kv_request::Request::Txn(TxnRequest { success, ..TxnRequest::default() })
        };
        let commit = trial.node.status(trial.now).commit;
        let out = ask(&mut trial, 7, writing(2));
        let Some(ClientReply::Refused(refusal)) = reply(&out, 7) else { panic!("{out:?}") };
        assert_eq!(refusal.detail, KvError::WriteReadsTooMuch as u32);
        trial.durable();
        assert_eq!(trial.node.status(trial.now).commit, commit, "nothing was proposed");
        let mut out = ask(&mut trial, 8, writing(1));
        out.extend(trial.durable());
        assert!(matches!(reply(&out, 8), Some(ClientReply::Kv(_))), "{out:?}");
    }

    #[test]
    fn a_read_that_would_answer_a_million_keys_is_refused_when_it_has_its_turn() {
        let mut trial = filled(0);
        fill(&mut trial, 9_000);
        let reading = |reads| {
            let success = reads_of_all(reads);
            kv_request::Request::Txn(TxnRequest { success, ..TxnRequest::default() })
        };
        for (reads, fits) in [(111, true), (112, false)] {
            let mut out = ask(&mut trial, 7, reading(reads));
            out.extend(trial.durable());
            let read = large(&out).expect("a large read");
            assert_eq!(read.read().is_ok(), fits, "{reads} times 9,000 keys");
            let Answered::Client(answer) = read.answer() else { panic!() };
            assert!(matches!(answer, ClientReply::Refused(_)), "either is above 4 MiB");
        }
    }

    #[test]
    fn a_read_of_many_keys_is_answered_outside_of_the_turn_and_one_of_few_within() {
        let mut trial = filled(1_200);
        let out = ask(&mut trial, 7, range("b"));
        let read = large(&out).expect("a large read");
        assert_eq!(read.asker(), Asker::Client(7));
        let put = PutRequest { key: "a-later".into(), ..PutRequest::default() };
        ask(&mut trial, 8, kv_request::Request::Put(put));
        trial.durable();
        assert_eq!(keys(read.answer()), 1_200, "the state of when it was asked");
        let out = ask(&mut trial, 9, range("a00900"));
        assert!(large(&out).is_none(), "{out:?}");
        let Answered::Client(ClientReply::Refused(refusal)) = read.refused() else { panic!() };
        assert_eq!(refusal.code(), RefusalCode::Busy);
    }
}
