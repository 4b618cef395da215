//! Answers as they travel: an error of the keyspace as a refusal, an act that was done, and the header of an answer.
//!
//! Knows nothing of who asked.

use quorate_proto::{
    Acted, HealthEpoch, KvError, KvResponse, Refusal, RefusalCode, ResponseHeader, kv_response,
};

/// A keyspace error as it travels.
pub(crate) fn kv_refusal(error: KvError) -> Refusal {
    Refusal {
        code: RefusalCode::Kv.into(),
        detail: u32::try_from(i32::from(error)).unwrap_or(0),
        text: error.text().to_owned(),
    }
}

/// An answer that no frame between nodes carries. Of what changed something it must be said that it happened.
pub(crate) fn too_large(changed: bool) -> Refusal {
    let mut refusal = kv_refusal(KvError::AnswerTooLarge);
    if changed {
        refusal.code = RefusalCode::DoneTooLarge.into();
        refusal.text = format!("the write was done, but: {}", refusal.text);
    }
    refusal
}

/// The revision that an answer names, 0 when none.
pub(crate) fn revision(response: &KvResponse) -> u64 {
    let header = match &response.response {
        Some(kv_response::Response::Range(range)) => &range.header,
        Some(kv_response::Response::Put(put)) => &put.header,
        Some(kv_response::Response::DeleteRange(delete)) => &delete.header,
        Some(kv_response::Response::Txn(txn)) => &txn.header,
        Some(kv_response::Response::Compact(compact)) => &compact.header,
        None => return 0,
    };
    header.as_ref().map_or(0, |header| u64::try_from(header.revision).unwrap_or(0))
}

/// Completes the header of an answer, whose revision stays.
pub(crate) fn put_header(mut response: KvResponse, of: ResponseHeader) -> KvResponse {
    let header = match &mut response.response {
        Some(kv_response::Response::Range(range)) => &mut range.header,
        Some(kv_response::Response::Put(put)) => &mut put.header,
        Some(kv_response::Response::DeleteRange(delete)) => &mut delete.header,
        Some(kv_response::Response::Txn(txn)) => &mut txn.header,
        Some(kv_response::Response::Compact(compact)) => &mut compact.header,
        None => return response,
    };
    let revision = header.map_or(0, |header| header.revision);
    *header = Some(ResponseHeader { revision, ..of });
    response
}

/// An act that the leader did in this term.
pub(crate) fn acted(term: u64, epoch: HealthEpoch, text: String) -> Acted {
    Acted { epoch, text, term, autopilot: None }
}
