//! Requests to the keyspace, whatever they came in as: asked at once where one answer holds it all, else in pages. Beside it are the
//! keys as JSON, which the command line reads too.

pub(super) mod json;
mod long_ranges;
pub(crate) mod paged_range;
pub(crate) mod pages;

use super::failure::Failure;
use super::holdings;
use super::loop_call::once;
use super::request_id::RequestId;
use crate::doors::Doors;
use quorate_proto::{KvError, KvRequest, KvResponse, Message as _, kv_request};
use std::time::{Duration, Instant};

/// Asks the keyspace. A write that comes again under its id gets the first answer; elsewhere an id says nothing.
pub(crate) async fn ask(
    doors: &Doors,
    request: kv_request::Request,
    id: RequestId,
    deadline: Duration,
) -> Result<KvResponse, Failure> {
    if !doors.keyspace {
        return Err(Failure::Closed);
    }
    let request = KvRequest { request: Some(request) };
    let range = long_ranges::fits(&request).cloned();
    let begun = Instant::now();
    let answer = match (once(doors, request, id, deadline).await, range) {
        (Err(Failure::Kv(KvError::AnswerTooLarge)), Some(range)) => {
            return long_ranges::read(doors, range, deadline.saturating_sub(begun.elapsed())).await;
        }
        (answer, _) => answer?,
    };
    let room = holdings::take_answer(&doors.room().answers, answer.encoded_len());
    room.map_err(|none| Failure::of_room(none, answer.tells_of_a_change()))?;
    Ok(answer)
}
