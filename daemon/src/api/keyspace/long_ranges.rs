//! Ranges whose answer is larger than what may come from another node at once: read in pages, at one revision.
//!
//! A replica gives such an answer as a whole; a node that is none gives the same, only later. What is gathered holds places from
//! the first page on. Knows nothing of who asked, nor of where the answers come from.

use super::paged_range::PagedRange;
use crate::api::failure::Failure;
use crate::api::holdings::take_answer;
use crate::api::loop_call::{once, wrong_kind};
use crate::api::request_id::RequestId;
use crate::doors::Doors;
use quorate_proto::{
    KvError, KvRequest, KvResponse, Message as _, RangeRequest, RangeResponse, SortOrder,
    kv_request, kv_response,
};
use std::time::Duration;
use tokio::time::Instant;

/// Keys of the first page; later ones follow what the keys of those before took.
const KEYS: i64 = 1_000;
/// Bytes that a page should have: well below what may cross.
const BYTES: usize = 2 * 1024 * 1024;

/// Whether a range can be read so: its keys must come in their own order.
pub(super) fn fits(request: &KvRequest) -> Option<&RangeRequest> {
    match &request.request {
        Some(kv_request::Request::Range(range)) if range.sort_order == SortOrder::None as i32 => {
            Some(range)
        }
        _ => None,
    }
}

/// The whole range, as one request would have read it.
pub(super) async fn read(
    doors: &Doors,
    range: RangeRequest,
    deadline: Duration,
) -> Result<KvResponse, Failure> {
    let until = Instant::now() + deadline;
    let mut pages = PagedRange::new(range, KEYS);
    loop {
        let deadline = until.saturating_duration_since(Instant::now());
        let request = KvRequest { request: Some(kv_request::Request::Range(pages.page())) };
        let answer = match once(doors, request, RequestId::default(), deadline).await {
            Err(Failure::Kv(KvError::AnswerTooLarge)) if pages.shrink() => continue,
            // It was there when the first page was read; the whole can be read again.
            Err(Failure::Kv(KvError::Compacted)) if pages.is_begun() => return Err(Failure::Busy),
            answer => range_of(answer?)?,
        };
        let bytes = answer.encoded_len();
        take_answer(&doors.room().answers, bytes).map_err(|none| Failure::of_room(none, false))?;
        let each = bytes / answer.kvs.len().max(1) + 1;
        pages.have_keys(i64::try_from(BYTES / each).unwrap_or(KEYS));
        if let Some(whole) = pages.take(answer) {
            let response = Some(kv_response::Response::Range(whole));
            return Ok(KvResponse { response });
        }
    }
}

fn range_of(answer: KvResponse) -> Result<RangeResponse, Failure> {
    match answer.response {
        Some(kv_response::Response::Range(range)) => Ok(range),
        _ => Err(wrong_kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{Channel, Stage, ask_over_grpc, refuse};
    use quorate_node::status::State;
    use quorate_node::{ClientReply, ClientRequest};
    use quorate_proto::{KeyValue, RefusalCode, ResponseHeader};

    const RANGE: &str = "/etcdserverpb.KV/Range";

    /// A leader far away with so many keys of 2,000 bytes, which writes another key with each page.
    fn far(count: usize) -> Stage {
        let mut revision = 7;
        Stage::new(State::Quorate, move |request| {
            let ClientRequest::Kv(KvRequest { request: Some(kv_request::Request::Range(range)) }) =
                request
            else {
                panic!("{request:?}");
            };
            revision += 1;
            let at = if range.revision > 0 { range.revision } else { revision };
            let all: Vec<KeyValue> = (0..count + usize::try_from(at - 8).unwrap())
                .map(|number| KeyValue {
                    key: format!("k{number:05}").into(),
                    value: vec![b'v'; 2_000].into(),
                    ..KeyValue::default()
                })
                .filter(|pair| pair.key >= range.key)
                .collect();
            let total = all.len();
            let limit = if range.limit > 0 { usize::try_from(range.limit).unwrap() } else { total };
            let kvs: Vec<KeyValue> = all.into_iter().take(limit).collect();
            if kvs.len() > 400 {
                return refuse(RefusalCode::Kv, KvError::AnswerTooLarge as u32);
            }
            let header = Some(ResponseHeader { revision, ..ResponseHeader::default() });
            let (more, count) = (kvs.len() < total, i64::try_from(total).unwrap());
            let range = RangeResponse { header, kvs, more, count };
            let response = Some(kv_response::Response::Range(range));
            ClientReply::Kv(KvResponse { response })
        })
    }

    async fn ask(stage: &Stage, limit: i64) -> Result<RangeResponse, tonic::Status> {
        let (key, range_end) = ("k".into(), "l".into());
        let range = RangeRequest { key, range_end, limit, ..RangeRequest::default() };
        let path = stage.socket();
        ask_over_grpc(Channel::Unix(&path), RANGE, range).await
    }

    #[tokio::test]
    async fn a_range_too_large_to_come_at_once_is_read_in_pages_at_one_revision() {
        let whole = ask(&far(1_500), 0).await.unwrap();
        // Two were refused for their size, and each question made another key.
        assert_eq!((whole.kvs.len(), whole.count, whole.more), (1_502, 1_502, false));
        assert!(whole.kvs.is_sorted_by(|a, b| a.key < b.key), "each once, in order");
        assert_eq!(whole.header.unwrap().revision, 10);
    }

    #[tokio::test]
    async fn a_limit_holds_over_all_pages() {
        let some = ask(&far(1_500), 777).await.unwrap();
        assert_eq!((some.kvs.len(), some.more), (777, true));
        assert_eq!(some.kvs.last().unwrap().key, "k00776");
    }
}
