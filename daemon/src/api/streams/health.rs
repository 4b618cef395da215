//! The feed of health as a stream. An id is understood by the feed, also in another run of the daemon.

use super::{Lines, event, last_event_id, tell};
use crate::api::pages::HealthPage;
use crate::doors::Doors;
use crate::doors::feed::health::{Feed, HealthSubscription};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use std::sync::Arc;

/// `/v1/health/watch`: the newest view, then one line an epoch; a line too when quorum is lost or back.
pub(crate) async fn health(State(doors): State<Arc<Doors>>, headers: HeaderMap) -> Response {
    let subscription = match last_event_id(&headers) {
        Some(id) => doors.feeds.health.resume(id),
        None => doors.feeds.health.subscribe(),
    };
    tell(&doors, Views { subscription, feed: doors.feeds.health.clone() })
}

struct Views {
    subscription: HealthSubscription,
    feed: Feed,
}

impl Lines for Views {
    async fn next(&mut self) -> Option<Event> {
        let line = self.subscription.next().await?;
        Some(event(self.feed.id(&line), &HealthPage::of(&line)))
    }
}
