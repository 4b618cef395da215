//! Whether an operator paused the autopilot, since when and what for: `__meta/autopilot`.
//!
//! Invariant: nothing is kept, and no key is there, before somebody pauses it for the first time. What a pause keeps from being done is the
//! leader's business.

use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::sections::json::Json;
use crate::snapshot::fields::content;
use crate::snapshot::record::{Records, RestoreError};
use quorate_proto::{Message as _, Steer};

const STEERED: u8 = 70;

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Steering {
    /// The last word of an operator.
    last: Option<Steer>,
}

impl Steering {
    /// The pause that lasts.
    pub(crate) fn pause(&self) -> Option<&Steer> {
        self.last.as_ref().filter(|last| last.paused)
    }
}

impl Section for Steering {
    type Command<'a> = &'a Steer;

    fn tags(&self) -> &'static [u8] {
        &[STEERED]
    }

    fn apply(&mut self, steer: &Steer, publish: &mut Publish<'_>) -> Effects {
        let paused = self.pause().is_some();
        let changed = steer.paused != paused || (paused && self.last.as_ref() != Some(steer));
        if changed {
            let mut json = Json::object();
            json.flag("paused", steer.paused);
            json.text("reason", &steer.reason);
            json.number("at_unix_ms", steer.at_unix_ms);
            publish.put("autopilot", &json.finish());
            self.last = Some(steer.clone());
        }
        let result = AppliedResult::Steered { steer: steer.clone(), changed };
        Effects { result, health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        if let Some(last) = &self.last {
            records.add(STEERED, |out| out.extend(last.encode_to_vec()));
        }
    }

    fn load(&mut self, _tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        let steer = Steer::decode(body).map_err(|_| content("a word about the autopilot"))?;
        if self.last.replace(steer).is_some() {
            return Err(content("two words about the autopilot"));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), RestoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{AppliedResult, Meta};
    use quorate_proto::{Command, CommandBody, FoundingCertificate, Steer};

    fn steer(meta: &mut Meta, paused: bool, at_unix_ms: u64) -> bool {
        let steer = Steer { paused, reason: "a new rack".to_owned(), at_unix_ms };
        let entry = Command::to_entry(1, CommandBody::Steer(steer));
        match meta.apply(meta.applied() + 1, &entry).expect("it is known").result {
            AppliedResult::Steered { changed, .. } => changed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pause_lasts_through_snapshots_until_it_is_ended() {
        let mut meta = Meta::from_founding(&FoundingCertificate::default());
        assert_eq!(meta.autopilot_pause(), None);
        assert!(!steer(&mut meta, false, 1), "it goes on already");
        assert!(steer(&mut meta, true, 5));
        let restored = Meta::restore(meta.chunks()).expect("it was just written");
        assert!(restored == meta);
        let pause = restored.autopilot_pause().expect("it lasts");
        assert_eq!((pause.reason.as_str(), pause.at_unix_ms), ("a new rack", 5));
        assert!(steer(&mut meta, false, 6));
        assert_eq!(meta.autopilot_pause(), None);
        assert!(Meta::restore(meta.chunks()).expect("it was just written") == meta);
    }
}
