//! The feed of health as a stream, which goes on behind the line with an id, whichever host told that one.

use super::{Lines, event, last_event_id, tell};
use crate::api::health_id::{cluster, id, seen};
use crate::api::pages::HealthPage;
use crate::doors::Doors;
use crate::doors::feed::health::HealthSubscription;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use std::sync::Arc;

/// `/v1/health/watch`: the newest view, then one line an epoch; a line too when quorum is lost or back.
pub(crate) async fn health(State(doors): State<Arc<Doors>>, headers: HeaderMap) -> Response {
    let feed = &doors.feeds.health;
    let subscription = match last_event_id(&headers) {
        None => feed.subscribe(),
        Some(id) => match seen(id, cluster(&doors)) {
            Some(seen) => feed.resume(seen.epoch),
            None => feed.begin_anew(),
        },
    };
    tell(&doors, Views { subscription, doors: Arc::clone(&doors) })
}

struct Views {
    subscription: HealthSubscription,
    doors: Arc<Doors>,
}

impl Lines for Views {
    async fn next(&mut self) -> Option<Event> {
        let line = self.subscription.next().await?;
        Some(event(id(&line, cluster(&self.doors)), &HealthPage::of(&line)))
    }
}
