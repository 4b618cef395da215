//! How long the story waits for what it tells, and how it ends when that does not come.

use super::stage::{End, Stage};
use std::time::{Duration, Instant};

/// How long each thing that is told may take: many times what it needs, even on a busy machine.
pub(super) const STEP: Duration = Duration::from_secs(10);
/// How long the table may take to show what has been told.
const SETTLE: Duration = Duration::from_millis(500);

/// Waits until the table shows what has been told, and leaves it in the transcript.
pub(super) async fn settle(stage: &mut Stage) -> Result<(), End> {
    let begun = Instant::now();
    while !stage.is_shown() {
        // It is only the look of the table: what matters was waited for before.
        if stage.next(begun + SETTLE).await?.is_none() {
            break;
        }
    }
    let table = stage.table();
    stage.screen.settle(table);
    Ok(())
}

/// The end of a story in which something did not happen.
pub(super) fn late(what: &str) -> End {
    End::Failed(format!("{what} within {} s", STEP.as_secs()))
}

/// The end of a story in which a request failed.
pub(super) fn broken(name: &str, what: &str, text: &str) -> End {
    End::Failed(format!("{what} through {name} failed: {text}"))
}
