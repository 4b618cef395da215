//! The change of the cluster's secret: which one by which, by their fingerprints, and how far it has come.
//!
//! Invariant: a change goes from accept to use to drop, one step a command, or is given up before the old secret is dropped; what was
//! dropped is never changed to again, as long as it is remembered. Whether the hosts are ready for a step is the leader's to know.

mod refusal;

pub use refusal::SecretRefusal;

use super::json::Json;
use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::snapshot::fields::content;
use crate::snapshot::record::{Records, RestoreError};
use quorate_proto::{Fingerprint, Message as _, SecretChange, SecretStep, TakeSecretStep, limits};
use std::sync::Arc;

const CHANGE: u8 = 95;

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Secrets {
    change: Arc<SecretChange>,
}

impl Secrets {
    pub(crate) fn change(&self) -> &Arc<SecretChange> {
        &self.change
    }

    fn take(&mut self, step: &TakeSecretStep) -> Result<(), SecretRefusal> {
        let now = &*self.change;
        let same = now.from == step.from && now.to == step.to;
        let follows = match (now.step(), step.step()) {
            (SecretStep::Accept | SecretStep::Use, SecretStep::Accept) => false,
            (_, SecretStep::Accept) if step.from == step.to => return Err(SecretRefusal::Same),
            (_, SecretStep::Accept) if now.is_dropped(Fingerprint::new(step.to)) => {
                return Err(SecretRefusal::Dropped);
            }
            (_, SecretStep::Accept) => true,
            (SecretStep::Accept, SecretStep::Use | SecretStep::GivenUp)
            | (SecretStep::Use, SecretStep::Drop | SecretStep::GivenUp) => same,
            _ => false,
        };
        if !follows {
            return Err(SecretRefusal::Overtaken);
        }
        let mut dropped = now.dropped.clone();
        if step.step() == SecretStep::Drop {
            dropped.push(step.from);
            let extra = dropped.len().saturating_sub(limits::DROPPED_SECRETS);
            dropped.drain(..extra);
        }
        self.change = Arc::new(SecretChange {
            version: now.version + 1,
            from: step.from,
            to: step.to,
            step: step.step,
            at_unix_ms: step.at_unix_ms,
            epoch: step.epoch,
            dropped,
        });
        Ok(())
    }

    fn json(&self) -> String {
        let mut json = Json::object();
        json.text("from", &Fingerprint::new(self.change.from).to_string());
        json.text("to", &Fingerprint::new(self.change.to).to_string());
        json.text("step", self.change.step().word());
        json.number("version", self.change.version);
        json.number("at_unix_ms", self.change.at_unix_ms);
        json.finish()
    }
}

impl Section for Secrets {
    type Command<'a> = &'a TakeSecretStep;

    fn tags(&self) -> &'static [u8] {
        &[CHANGE]
    }

    fn apply(&mut self, step: &TakeSecretStep, publish: &mut Publish<'_>) -> Effects {
        let result = self.take(step);
        if result.is_ok() {
            publish.hash(&self.change.encode_to_vec());
            publish.put("secret", &self.json());
        }
        Effects { result: AppliedResult::Secret(result), health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        if self.change.version > 0 {
            records.add(CHANGE, |out| out.extend(self.change.encode_to_vec()));
        }
    }

    fn load(&mut self, _tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        let change = SecretChange::decode(std::mem::take(body))
            .map_err(|_| content("a change of the secret"))?;
        let counted = (1..1 << 62).contains(&change.version);
        if self.change.version > 0 || !counted || change.dropped.len() > limits::DROPPED_SECRETS {
            return Err(content("a change of the secret"));
        }
        self.change = Arc::new(change);
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
    use quorate_proto::FoundingCertificate;

    fn step(meta: &mut Meta, from: u64, to: u64, step: SecretStep) -> Result<(), SecretRefusal> {
        let step = TakeSecretStep { from, to, step: step.into(), at_unix_ms: 7, epoch: 3 };
        match meta.carry_out(|sections| &mut sections.secrets, &step).0.result {
            AppliedResult::Secret(result) => result,
            other => panic!("{other:?}"),
        }
    }

    fn changed() -> Meta {
        let mut meta = Meta::from_founding(&FoundingCertificate::default());
        for next in [SecretStep::Accept, SecretStep::Use, SecretStep::Drop] {
            step(&mut meta, 1, 2, next).expect("it follows");
        }
        meta
    }

    #[test]
    fn a_change_takes_its_steps_in_order_and_ends_with_the_old_secret_dropped() {
        use SecretStep::{Accept, Drop, GivenUp, Use};
        let mut meta = Meta::from_founding(&FoundingCertificate::default());
        let overtaken = Err(SecretRefusal::Overtaken);
        for early in [Use, Drop, GivenUp] {
            assert_eq!(step(&mut meta, 1, 2, early), overtaken, "{early:?} comes first");
        }
        step(&mut meta, 1, 2, Accept).expect("nothing is under way");
        assert_eq!(step(&mut meta, 1, 2, Drop), overtaken, "it is used by nobody yet");
        assert_eq!(step(&mut meta, 1, 3, Accept), overtaken, "one at a time");
        step(&mut meta, 1, 2, Use).expect("it follows");
        assert_eq!(step(&mut meta, 1, 3, Drop), overtaken, "another change");
        step(&mut meta, 1, 2, Drop).expect("it follows");
        assert_eq!(step(&mut meta, 1, 2, GivenUp), overtaken, "it is over");
        let change = meta.secret_change();
        assert_eq!((change.version, change.step(), &change.dropped[..]), (3, Drop, &[1][..]));
    }

    #[test]
    fn what_was_dropped_is_not_changed_to_again_and_what_was_given_up_may_be() {
        let mut meta = changed();
        assert_eq!(step(&mut meta, 2, 1, SecretStep::Accept), Err(SecretRefusal::Dropped));
        assert_eq!(step(&mut meta, 2, 2, SecretStep::Accept), Err(SecretRefusal::Same));
        for next in [SecretStep::Accept, SecretStep::GivenUp, SecretStep::Accept] {
            step(&mut meta, 2, 3, next).expect("it follows");
        }
    }

    #[test]
    fn as_many_dropped_secrets_are_remembered_as_there_may_be() {
        let mut meta = changed();
        for from in 2..40 {
            for next in [SecretStep::Accept, SecretStep::Use, SecretStep::Drop] {
                step(&mut meta, from, from + 1, next).expect("it follows");
            }
        }
        let dropped = &meta.secret_change().dropped;
        assert_eq!((dropped.len(), dropped.last()), (limits::DROPPED_SECRETS, Some(&39)));
    }

    #[test]
    fn a_change_comes_back_from_a_snapshot_and_a_state_without_one_writes_none() {
        let mut meta = changed();
        let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
        assert!(restored == meta);
        for twin in [&mut meta, &mut restored] {
            step(twin, 2, 3, SecretStep::Accept).expect("it follows");
        }
        assert_eq!(restored.state_hash(), meta.state_hash());
        let none = Meta::from_founding(&FoundingCertificate::default());
        let mut plain = Secrets::default();
        let mut out = Vec::new();
        plain.save(&mut Records::new(plain.tags(), &mut out));
        assert!(out.is_empty() && none.secret_change().version == 0);
        let record = meta.secret_change().encode_to_vec();
        plain.load(CHANGE, &mut &record[..]).expect("the first one");
        assert!(plain.load(CHANGE, &mut &record[..]).is_err(), "there is one");
    }
}
