//! The feature level of the cluster: which commands may be proposed.
//!
//! Invariant: it never falls. While nothing has raised it, it is [`FeatureLevel::BASE`] and leaves no trace in the state: a program from
//! before there were levels has the same hash and the same snapshot. Whether it may rise is the leader's decision.

use super::json::Json;
use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::snapshot::fields::{content, word, word32};
use crate::snapshot::record::{Records, RestoreError};
use quorate_proto::{FeatureLevel, RaiseLevel};

const LEVEL: u8 = 90;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    level: FeatureLevel,
    since_unix_ms: u64,
}

impl Level {
    pub(crate) fn empty() -> Self {
        Self { level: FeatureLevel::BASE, since_unix_ms: 0 }
    }

    /// The committed level.
    pub(crate) fn level(&self) -> FeatureLevel {
        self.level
    }

    /// Since when, by the wall clock of the leader that raised it; 0 for the first one.
    pub(crate) fn since_unix_ms(&self) -> u64 {
        self.since_unix_ms
    }
}

impl Section for Level {
    type Command<'a> = &'a RaiseLevel;

    fn tags(&self) -> &'static [u8] {
        &[LEVEL]
    }

    fn apply(&mut self, raise: &RaiseLevel, publish: &mut Publish<'_>) -> Effects {
        let level = FeatureLevel::new(raise.level);
        if level > self.level {
            *self = Self { level, since_unix_ms: raise.at_unix_ms };
            let mut json = Json::object();
            json.number("level", u64::from(level.get()));
            json.number("since_unix_ms", self.since_unix_ms);
            publish.put("level", &json.finish());
        }
        Effects { result: AppliedResult::Level(self.level), health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        if self.level > FeatureLevel::BASE {
            records.add(LEVEL, |out| {
                out.extend_from_slice(&self.level.get().to_le_bytes());
                out.extend_from_slice(&self.since_unix_ms.to_le_bytes());
            });
        }
    }

    fn load(&mut self, _tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        let level = FeatureLevel::new(word32(body)?);
        if level <= self.level {
            return Err(content("the feature level"));
        }
        *self = Self { level, since_unix_ms: word(body)? };
        Ok(())
    }

    fn check(&self) -> Result<(), RestoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Meta;
    use quorate_proto::{Command, CommandBody, FoundingCertificate};

    fn raise(meta: &mut Meta, level: u32) -> AppliedResult {
        let raise = RaiseLevel { level, at_unix_ms: 7 };
        let entry = Command::to_entry(1, CommandBody::RaiseLevel(raise));
        meta.apply(meta.applied() + 1, &entry).expect("a command").result
    }

    #[test]
    fn a_level_rises_and_never_falls() {
        let mut meta = Meta::from_founding(&FoundingCertificate::default());
        assert_eq!(meta.level(), FeatureLevel::BASE);
        for (asked, stands) in [(1, 1), (0, 1), (3, 3), (2, 3), (3, 3), (4, 4)] {
            let result = raise(&mut meta, asked);
            assert_eq!(result, AppliedResult::Level(FeatureLevel::new(stands)), "{asked}");
            assert_eq!(meta.level(), FeatureLevel::new(stands));
        }
    }

    #[test]
    fn one_that_does_not_rise_leaves_no_trace_but_its_index() {
        let born = || Meta::from_founding(&FoundingCertificate::default());
        let (mut raised, mut nothing) = (born(), born());
        raise(&mut raised, 1);
        nothing.apply_nothing(nothing.applied() + 1);
        assert_eq!(raised.state_hash(), nothing.state_hash());
        let bytes = |meta: &Meta| meta.chunks().collect::<Vec<_>>();
        assert_eq!(bytes(&raised), bytes(&nothing), "and none in a snapshot");
    }

    #[test]
    fn a_level_comes_back_from_a_snapshot_and_is_a_key() {
        let mut meta = Meta::from_founding(&FoundingCertificate::default());
        let (hash, revision) = (meta.state_hash(), meta.system_revision());
        raise(&mut meta, 2);
        assert_ne!(meta.state_hash(), hash);
        assert!(meta.system_revision() > revision);
        let restored = Meta::restore(meta.chunks()).expect("it was just written");
        assert_eq!(restored, meta);
        assert_eq!(restored.level().get(), 2);
    }

    #[test]
    fn a_level_that_is_none_in_a_snapshot_is_refused() {
        let load = |level: u32| {
            let body = [&level.to_le_bytes()[..], &[0; 8]].concat();
            Level::empty().load(LEVEL, &mut &body[..])
        };
        assert!(load(0).is_err() && load(1).is_err() && load(2).is_ok());
        assert!(Level::empty().load(LEVEL, &mut &[2, 0, 0, 0][..]).is_err());
    }
}
