//! A leader that is to lead only where nobody else can, because an operator drained it or because it is a witness, hands leadership over as
//! soon as there is a voter that leads readily and has the log.
//!
//! Level-triggered: it also leads on while there is nobody else, and hands over when there is. Knows nothing of who gets it.

use super::duty::{Duty, Will};
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;
use std::time::Duration;

/// While another voter lives that has not caught up, its progress is looked at this often: nobody tells of it.
const CATCHING_UP: Duration = Duration::from_millis(50);

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Reluctant;

impl Duty for Reluctant {
    fn begin(&mut self) {}

    fn look(&mut self, sight: &Sight<'_>, _group: &Group, _warnings: &Warnings, will: &mut Will) {
        will.ready_one_leads = sight.yields_to_another();
        will.look_at = will.ready_one_leads.then(|| sight.now + CATCHING_UP);
    }
}
