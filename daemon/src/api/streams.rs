//! Server-sent events: what happens as a stream of lines that a client can resume with `Last-Event-ID`.
//!
//! A slow client costs one line of memory: the next line is fetched when the one before is taken. A stream ends when its
//! door closes; of each door there are only so many. What a new stream tells is a [`Lines`] of its own; places, closing and signs of
//! life are the same for all.
//!
//! No stream goes through the loop, so [`crate::doors::Call`] has no word for one: the loop publishes into the rings of
//! [`crate::doors::feed`] whoever listens, and a subscriber reads there at its own pace. Through the loop, it would have to wait for a
//! subscriber, or keep a queue for each.

mod events;
mod health;
mod items;
mod shares;

pub(super) use events::events;
pub(super) use health::health;
pub(super) use items::items;
pub(super) use shares::share;

use super::failure::{Failure, failed};
use crate::clock;
use crate::doors::Doors;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::convert::Infallible;
use std::time::Duration;

/// A comment this often tells a client that the stream lives, and the daemon that the client does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What a stream tells.
trait Lines: Send + 'static {
    /// The next line; none when there will be no more. May be dropped while it waits, without losing a line.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// A stream of these lines, for as long as the door is open. It holds one of the door's places, or is refused.
fn tell(doors: &Doors, lines: impl Lines) -> Response {
    let Some(place) = doors.crowd().watches.take(1, clock::now()) else {
        return failed(&Failure::Busy);
    };
    let held = (lines, doors.closing.clone(), place);
    let told = stream::unfold(held, async |(mut lines, closing, place)| {
        // The next line, also while the door closes, as long as there is one.
        let line = tokio::select! {
            biased;
            line = lines.next() => line,
            () = closing.clone().asked() => None,
        };
        Some((Ok::<_, Infallible>(line?), (lines, closing, place)))
    });
    Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id").and_then(|id| id.to_str().ok())
}

fn event(id: String, page: &impl serde::Serialize) -> Event {
    let text = serde_json::to_string(page).expect("pages have text keys only");
    Event::default().id(id).data(text)
}
