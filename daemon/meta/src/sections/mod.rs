//! What the state holds beside the users' keys: one section for each kind of record.
//!
//! The order of the sections is that of their records in a snapshot, and never changes; a new one comes last.

pub(crate) mod assignments;
pub(crate) mod budgets;
pub(crate) mod holder;
mod json;
pub(crate) mod level;
mod numbers;
pub(crate) mod roster;
pub(crate) mod secrets;
pub(crate) mod sessions;
mod steering;
#[cfg(test)]
pub(crate) mod trial;

use crate::section::Section;
use crate::snapshot::record::{Records, RestoreError};
use assignments::Assignments;
use budgets::Budgets;
use level::Level;
use roster::Roster;
use secrets::Secrets;
use sessions::Sessions;
use steering::Steering;

/// What is told of a definition that was offered, where one of its name is there.
const THERE: &str = "one of this name is there; nothing was changed";

/// All sections.
#[derive(Clone, PartialEq)]
pub(crate) struct Sections {
    pub(crate) roster: Roster,
    pub(crate) level: Level,
    pub(crate) secrets: Secrets,
    pub(crate) steering: Steering,
    pub(crate) sessions: Sessions,
    pub(crate) budgets: Budgets,
    pub(crate) assignments: Assignments,
    #[cfg(test)]
    pub(crate) trial: trial::Trial,
}

impl Sections {
    pub(crate) fn empty() -> Self {
        Self {
            roster: Roster::empty(),
            level: Level::empty(),
            secrets: Secrets::default(),
            steering: Steering::default(),
            sessions: Sessions::empty(),
            budgets: Budgets::default(),
            assignments: Assignments::default(),
            #[cfg(test)]
            trial: trial::Trial::empty(),
        }
    }

    fn each(&self) -> impl Iterator<Item = &dyn Section> {
        let all = [
            &self.roster as &dyn Section,
            &self.level,
            &self.secrets,
            &self.steering,
            &self.sessions,
            &self.budgets,
            &self.assignments,
            #[cfg(test)]
            &self.trial,
        ];
        all.into_iter()
    }

    fn each_mut(&mut self) -> impl Iterator<Item = &mut dyn Section> {
        let all = [
            &mut self.roster as &mut dyn Section,
            &mut self.level,
            &mut self.secrets,
            &mut self.steering,
            &mut self.sessions,
            &mut self.budgets,
            &mut self.assignments,
            #[cfg(test)]
            &mut self.trial,
        ];
        all.into_iter()
    }

    /// The kinds of record of all sections, in the order in which they come.
    fn tags(&self) -> impl Iterator<Item = u8> {
        self.each().flat_map(|section| section.tags().iter().copied())
    }

    /// The place of a kind of record in that order; none when no section has it.
    pub(crate) fn place_of(&self, tag: u8) -> Option<usize> {
        self.tags().position(|known| known == tag)
    }

    /// Writes the records of all sections.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        for section in self.each() {
            section.save(&mut Records::new(section.tags(), out));
        }
    }

    /// Hands a record to the section whose it is.
    pub(crate) fn load(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        let owner = self.each_mut().find(|section| section.tags().contains(&tag));
        owner.ok_or(RestoreError::Unknown { kind: tag })?.load(tag, body)
    }

    /// Judges all sections when every record is loaded.
    pub(crate) fn check(&self) -> Result<(), RestoreError> {
        self.each().try_for_each(Section::check)
    }
}
