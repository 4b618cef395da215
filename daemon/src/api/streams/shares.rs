//! One share of this host as a stream: what it is, then each time that it is another. An id says nothing: the first line is always what is.

use super::{Lines, event, tell};
use crate::api::failure::usage;
use crate::api::pages::SharePage;
use crate::api::parameters::Parameters;
use crate::doors::Doors;
use crate::doors::feed::newest::Following;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use quorate_node::Share;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareQuery {
    name: String,
}

/// `/v1/budgets/watch`: what this host's application may use of a budget.
pub(crate) async fn share(
    State(doors): State<Arc<Doors>>,
    Parameters(ShareQuery { name }): Parameters<ShareQuery>,
) -> Response {
    if name.is_empty() {
        return usage("name: the budget to follow");
    }
    let following = doors.feeds.shares.follow(&name);
    tell(&doors, Shares { following, name, started: doors.started, lines: 0 })
}

struct Shares {
    following: Following<Share>,
    name: String,
    started: crate::clock::Started,
    lines: u64,
}

impl Lines for Shares {
    async fn next(&mut self) -> Option<Event> {
        let share = self.following.next().await?;
        self.lines += 1;
        let page = SharePage::of(&self.name, share.as_deref(), self.started);
        Some(event(self.lines.to_string(), &page))
    }
}
