//! What this host holds of an assignment as a stream: what it is, then each time that it is another. An id says nothing: the first line is
//! always what is.

use super::{Lines, event, tell};
use crate::api::failure::usage;
use crate::api::pages::HeldPage;
use crate::api::parameters::Parameters;
use crate::doors::Doors;
use crate::doors::feed::ToldBefore;
use crate::doors::feed::newest::Following;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use quorate_node::Items;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemsQuery {
    name: String,
}

/// `/v1/assignments/watch`: what this host's application holds of an assignment.
pub(crate) async fn items(
    State(doors): State<Arc<Doors>>,
    Parameters(ItemsQuery { name }): Parameters<ItemsQuery>,
) -> Response {
    if name.is_empty() {
        return usage("name: the assignment to follow");
    }
    let following = doors.feeds.items.follow(&name);
    let (started, before) = (doors.started, doors.feeds.told_before.clone());
    tell(&doors, Held { following, name, started, lines: 0, before })
}

struct Held {
    following: Following<Items>,
    name: String,
    started: crate::clock::Started,
    lines: u64,
    /// What an earlier start of the daemon told.
    before: Arc<ToldBefore>,
}

impl Lines for Held {
    async fn next(&mut self) -> Option<Event> {
        let items = self.following.next().await?;
        self.lines += 1;
        let mut page = HeldPage::of(&self.name, items.as_deref(), self.started);
        page.keep_what_was_told(&self.before, self.started);
        Some(event(self.lines.to_string(), &page))
    }
}
