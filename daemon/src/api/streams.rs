//! Server-sent events: a feed as a stream of lines that a client can resume with `Last-Event-ID`.
//!
//! A slow client costs one line of memory: the next line is fetched when the one before is taken. A stream ends when its
//! door closes; of each door there are only so many.

use super::failure::{Failure, failed};
use super::pages::{EventPage, HealthPage};
use crate::clock;
use crate::doors::crowds::Held;
use crate::doors::{Closing, Doors};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// A comment this often tells a client that the stream lives, and the daemon that the client does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

type Line = Result<Event, Infallible>;

/// `/v1/health/watch`: the newest view, then one line an epoch; a line too when quorum is lost or back.
pub(super) async fn health(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Line>>, Response> {
    let place = place(&doors).ok_or_else(|| failed(&Failure::Busy))?;
    let subscription = match last_event_id(&headers) {
        Some(id) => doors.feed.resume(id),
        None => doors.feed.subscribe(),
    };
    let (feed, closing) = (doors.feed.clone(), doors.closing.clone());
    let lines = stream::unfold((subscription, feed, closing, place), async |held| {
        let (mut subscription, feed, closing, place) = held;
        let line = until_closing(&closing, subscription.next()).await?;
        let event = event(feed.id(&line), &HealthPage::of(&line));
        Some((Ok(event), (subscription, feed, closing, place)))
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// `/v1/events/watch`: all events that are kept, then each as it comes.
pub(super) async fn events(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Line>>, Response> {
    let place = place(&doors).ok_or_else(|| failed(&Failure::Busy))?;
    let run = doors.started.wall_unix_ms;
    // An id of another run of the daemon says nothing about this one's events: show all that there are.
    let seen = last_event_id(&headers)
        .and_then(|id| id.split_once('-'))
        .filter(|(_, of_run)| of_run.parse() == Ok(run))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0);
    let subscription = doors.events.subscribe_after(seen);
    let closing = doors.closing.clone();
    let lines = stream::unfold((subscription, run, closing, place), async |held| {
        let (mut subscription, run, closing, place) = held;
        let line = until_closing(&closing, subscription.next()).await?;
        let event = event(format!("{}-{run}", line.number), &EventPage::of(&line));
        Some((Ok(event), (subscription, run, closing, place)))
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// A place for one more stream at this door, held as long as the stream lasts.
fn place(doors: &Doors) -> Option<Held> {
    doors.crowds.at(doors.unix).watches.take(1, clock::now())
}

/// The next line, also while the door closes, as long as there is one.
async fn until_closing<T>(closing: &Closing, next: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::select! {
        biased;
        line = next => line,
        () = closing.clone().asked() => None,
    }
}

fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id").and_then(|id| id.to_str().ok())
}

fn event(id: String, page: &impl serde::Serialize) -> Event {
    let text = serde_json::to_string(page).expect("pages have text keys only");
    Event::default().id(id).data(text)
}
