//! The events as a stream. An id names the run of the daemon, for each run counts its events anew.

use super::{Lines, event, last_event_id, tell};
use crate::api::pages::EventPage;
use crate::doors::Doors;
use crate::doors::feed::Subscription;
use crate::doors::feed::events::EventLine;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use std::sync::Arc;

/// `/v1/events/watch`: all events that are kept, then each as it comes.
pub(crate) async fn events(State(doors): State<Arc<Doors>>, headers: HeaderMap) -> Response {
    let run = doors.started.wall_unix_ms;
    // An id of another run of the daemon says nothing about this one's events: show all that there are.
    let seen = last_event_id(&headers)
        .and_then(|id| id.split_once('-'))
        .filter(|(_, of_run)| of_run.parse() == Ok(run))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0);
    tell(&doors, Events { subscription: doors.feeds.events.subscribe_after(seen), run })
}

struct Events {
    subscription: Subscription<EventLine>,
    run: u64,
}

impl Lines for Events {
    async fn next(&mut self) -> Option<Event> {
        let line = self.subscription.next().await?;
        let page = EventPage::of(&line, self.run);
        Some(event(page.id.clone(), &page))
    }
}
