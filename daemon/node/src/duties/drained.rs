//! A leader that an operator drained hands leadership over, as soon as there is a voter that is not drained and can take it.
//!
//! Level-triggered: it also leads on while there is nobody else, and hands over when there is. Knows nothing of who gets it.

use super::duty::{Duty, Will};
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Drained;

impl Duty for Drained {
    fn begin(&mut self) {}

    fn look(&mut self, sight: &Sight<'_>, _group: &Group, _warnings: &Warnings, will: &mut Will) {
        will.undrained_leads = sight.yields_to_another();
    }
}
