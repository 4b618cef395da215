//! The leader raises the feature level once every member could run a higher one for a day.
//!
//! A day in which a new version can be taken back: as long as the level stands, a downgrade is a plain restart. A cluster is born at the
//! highest level of its founders, as it has nothing to go back to. Who is away counts: what it runs must be known.
//! Whoever can run a level can run those below it: a reach that falls keeps its day, one that rises begins it anew.

use super::duty::{Duty, Will};
use crate::groups::Group;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_proto::{CommandBody, FeatureLevel, Moment, RaiseLevel};
use std::time::Duration;

/// For so long every member could run the level before it rises by itself.
pub(crate) const PROVED: Duration = Duration::from_hours(24);

/// How far the level could rise, and since when.
#[derive(Debug, Default)]
pub(crate) struct Raising {
    able: Option<(FeatureLevel, Moment)>,
}

impl Raising {
    /// To which level, and when, if all stays as it is.
    pub(crate) fn planned(&self) -> Option<(FeatureLevel, Moment)> {
        self.able.map(|(level, since)| (level, since + PROVED))
    }
}

impl Duty for Raising {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn look(&mut self, sight: &Sight<'_>, group: &Group, _warnings: &Warnings, will: &mut Will) {
        let reach = sight.reach().level;
        if reach <= group.meta().level() {
            self.able = None;
            return;
        }
        let known = self.able.filter(|(level, _)| *level >= reach);
        let (_, since) = *self.able.insert((reach, known.map_or(sight.now, |(_, since)| since)));
        if sight.now.since(since) < PROVED {
            return;
        }
        let raise = RaiseLevel { level: reach.get(), at_unix_ms: sight.wall_ms };
        will.propose.push(CommandBody::RaiseLevel(raise));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Output;
    use crate::told::Event;
    use crate::trial::Trial;
    use quorate_proto::Levels;

    const A_SECOND: Duration = Duration::from_secs(1);

    fn level(trial: &Trial) -> u32 {
        trial.node.group.as_ref().expect("it is a replica").meta().level().get()
    }

    /// A leader that was born with a program of the first level, and runs the one of today from now on.
    fn upgraded() -> Trial {
        let mut trial = Trial::leading_alone_with(Levels::BASE);
        trial.node.config.levels = Levels::HERE;
        trial
    }

    /// So much time passes in one step, and then the node looks again.
    fn pass(trial: &mut Trial, span: Duration) -> Vec<Output> {
        let mut out = trial.pass(A_SECOND);
        trial.now = trial.now + span.saturating_sub(2 * A_SECOND);
        out.extend(trial.pass(A_SECOND));
        for _ in 0..3 {
            out.extend(trial.durable());
        }
        out
    }

    #[test]
    fn a_cluster_begins_at_the_highest_level_of_its_founders_without_a_word() {
        let mut trial = Trial::leading_alone();
        let out = pass(&mut trial, 5 * A_SECOND);
        assert_eq!(level(&trial), FeatureLevel::HIGHEST.get());
        let told = |one: &Output| matches!(one, Output::Event(Event::Level { .. }));
        assert!(!out.iter().any(told), "{out:?}");
    }

    #[test]
    fn nothing_is_raised_while_somebody_comes_in_who_may_run_another_program() {
        let mut trial = upgraded();
        pass(&mut trial, PROVED - Duration::from_secs(10));
        trial.asks_to_come_in(2);
        assert!(trial.node.requests.is_admitting());
        trial.pass(Duration::from_secs(20));
        assert_eq!(level(&trial), 1, "its admission is not decided");
    }

    #[test]
    fn the_level_rises_by_itself_when_every_member_could_for_a_day() {
        let mut trial = upgraded();
        pass(&mut trial, PROVED - Duration::from_mins(1));
        assert_eq!(level(&trial), 1);
        let out = pass(&mut trial, Duration::from_mins(2));
        assert_eq!(level(&trial), FeatureLevel::HIGHEST.get());
        let told = |one: &&Output| matches!(one, Output::Event(Event::Level { .. }));
        assert_eq!(out.iter().filter(told).count(), 1);
    }

    #[test]
    fn a_day_counts_from_when_the_last_one_could() {
        let mut trial = upgraded();
        pass(&mut trial, PROVED - Duration::from_mins(1));
        trial.node.config.levels = Levels::BASE;
        pass(&mut trial, Duration::from_mins(2));
        trial.node.config.levels = Levels::HERE;
        pass(&mut trial, PROVED - Duration::from_mins(1));
        assert_eq!(level(&trial), 1);
    }

    /// A program that can run a level that nobody can today.
    const HIGHER: Levels =
        Levels::new(FeatureLevel::LOWEST, FeatureLevel::new(FeatureLevel::HIGHEST.get() + 1));

    #[test]
    fn a_day_counts_on_for_a_lower_level_that_everybody_could_run_all_along() {
        let mut trial = upgraded();
        trial.node.config.levels = HIGHER;
        pass(&mut trial, PROVED - Duration::from_mins(1));
        trial.node.config.levels = Levels::HERE;
        pass(&mut trial, Duration::from_mins(2));
        assert_eq!(level(&trial), FeatureLevel::HIGHEST.get());
    }

    #[test]
    fn a_day_counts_anew_for_a_higher_level_that_somebody_could_not_run_before() {
        let mut trial = upgraded();
        pass(&mut trial, PROVED - Duration::from_mins(1));
        trial.node.config.levels = HIGHER;
        pass(&mut trial, Duration::from_mins(2));
        assert_eq!(level(&trial), 1);
    }
}
