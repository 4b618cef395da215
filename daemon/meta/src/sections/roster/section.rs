//! The roster as a section: what can happen to it, and its records in a snapshot.
//!
//! Invariant: an epoch is part of the hash, and visible as keys, exactly when the view changed.

use super::{NotMember, Roster, TOMBSTONES, Tombstone, keys};
use crate::apply::{AppliedResult, Effects, Noted};
use crate::section::{Publish, Section};
use crate::snapshot::fields::{bounded, content, flag, string, take, word};
use crate::snapshot::record::{Records, RestoreError, put_bytes};
use quorate_proto::{
    Admit, Application, Approve, ConfState, Drain, Forget, FoundingCertificate, HealthDelta,
    HealthEpoch, HealthProposal, HealthView, Instance, Member, Message as _, Remove,
    ReportApplications, Revocation, Revoke, Role, limits,
};
use std::sync::Arc;

const MEMBER: u8 = 2;
const TOMBSTONE: u8 = 3;
const DELTA: u8 = 4;
/// A tombstone of a life that an operator took out, in the form of the others.
const REMOVED: u8 = 10;
/// A key that is refused for good.
const REVOKED: u8 = 100;
/// An application of a host.
const APPLICATION: u8 = 130;

/// What can happen to the roster.
pub(crate) enum Change<'a> {
    /// The birth of the cluster, before all else.
    Founded(&'a FoundingCertificate),
    /// The birth of a cluster from the state of an earlier one, at this Unix time in milliseconds.
    FoundedAnew(&'a FoundingCertificate, u64),
    /// The leader proposes a change of health.
    Health(&'a HealthProposal),
    /// A node comes in.
    Admit(&'a Admit),
    /// A node is taken out.
    Remove(&'a Remove),
    /// A node is taken out, and its key refused for good.
    Revoke(&'a Revoke),
    /// A node is drained, or no longer.
    Drain(&'a Drain),
    /// A node may vote.
    Approve(&'a Approve),
    /// A node is forgotten.
    Forget(&'a Forget),
    /// What hosts report of their applications.
    Applications(&'a ReportApplications),
    /// Raft's voters and learners are others, since the leader's time; 0 when the entry carries none. `why`: in the leader's words;
    /// empty when the entry carries none.
    Voters { conf: &'a ConfState, at_unix_ms: u64, why: &'a str },
}

/// The epoch that shows what was done, and the difference if there is one; or why nothing was.
type Said = Result<(HealthEpoch, Option<Arc<HealthDelta>>), NotMember>;

impl Section for Roster {
    type Command<'a> = Change<'a>;

    fn tags(&self) -> &'static [u8] {
        &[MEMBER, TOMBSTONE, DELTA, REMOVED, REVOKED, APPLICATION]
    }

    fn apply(&mut self, change: Change<'_>, publish: &mut Publish<'_>) -> Effects {
        match change {
            Change::Founded(founded) => {
                let health = self.found(founded);
                self.born(founded, health, publish)
            }
            Change::FoundedAnew(founded, at_unix_ms) => {
                let health = self.found_anew(founded, at_unix_ms);
                self.born(founded, health, publish)
            }
            Change::Health(proposal) => {
                let outcome = self.propose(proposal);
                let result = AppliedResult::Health { stale: outcome.is_none() };
                self.effects(result, outcome.flatten(), publish)
            }
            Change::Admit(admit) => {
                let (result, health) = match self.admit(admit) {
                    Ok((epoch, delta)) => (Ok(epoch), delta),
                    Err(refusal) => (Err(refusal), None),
                };
                self.effects(AppliedResult::Admitted(result), health, publish)
            }
            Change::Remove(remove) => {
                let (result, health) = match self.remove(remove) {
                    Ok((epoch, delta)) => (Ok(epoch), delta),
                    Err(refusal) => (Err(refusal), None),
                };
                self.effects(AppliedResult::Removed(result), health, publish)
            }
            Change::Revoke(revoke) => {
                let (result, health) = match self.revoke(revoke) {
                    Ok((epoch, delta)) => (Ok(epoch), delta),
                    Err(refusal) => (Err(refusal), None),
                };
                self.effects(AppliedResult::Revoked(result), health, publish)
            }
            Change::Drain(drain) => {
                let word = if drain.drained { "drained" } else { "no longer drained" };
                let said = self.drain(drain);
                let votes = |it: &&Member| it.role() == Role::Voter;
                let mut voters = self.view.members.iter().filter(votes);
                let none = drain.drained && voters.all(Member::is_drained);
                let tail = if none {
                    "; every voter is drained now, so one of them leads all the same"
                } else {
                    ""
                };
                self.noted(word, tail, said, publish)
            }
            Change::Approve(approve) => {
                let said = self.approve(approve);
                self.noted("may become a voter", "", said, publish)
            }
            Change::Forget(forget) => {
                let health = self.forget(forget);
                self.effects(AppliedResult::Void, health, publish)
            }
            Change::Applications(report) => {
                let health = self.report(report);
                self.effects(AppliedResult::Void, health, publish)
            }
            Change::Voters { conf, at_unix_ms, why } => {
                publish.hash(&conf.encode_to_vec());
                let health = self.follow(conf, at_unix_ms, why);
                self.effects(AppliedResult::Void, health, publish)
            }
        }
    }

    fn save(&self, records: &mut Records<'_>) {
        for member in &self.view.members {
            records.add(MEMBER, |out| out.extend(member.encode_to_vec()));
        }
        self.save_tombstones(TOMBSTONE, records);
        for delta in &self.deltas {
            records.add(DELTA, |out| out.extend(delta.encode_to_vec()));
        }
        self.save_tombstones(REMOVED, records);
        for revoked in &self.view.revoked {
            records.add(REVOKED, |out| out.extend(revoked.encode_to_vec()));
        }
        for application in &self.view.applications {
            records.add(APPLICATION, |out| out.extend(application.encode_to_vec()));
        }
    }

    fn load(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        match tag {
            MEMBER => self.load_member(body),
            TOMBSTONE | REMOVED => self.load_tombstone(tag, body),
            DELTA => self.load_delta(body),
            REVOKED => self.load_revoked(body),
            APPLICATION => self.load_application(body),
            kind => Err(RestoreError::Unknown { kind }),
        }
    }

    fn check(&self) -> Result<(), RestoreError> {
        let newest = self.deltas.last().map(|delta| delta.epoch);
        if newest.is_some_and(|newest| newest != self.epoch()) {
            return Err(content("the newest difference is not that of the view"));
        }
        let over = |member: &Member| self.is_tombstone(member.instance);
        if self.names.len() != self.view.members.len() || self.view.members.iter().any(over) {
            return Err(content("an instance occurs twice"));
        }
        if self
            .view
            .members
            .iter()
            .any(|member| self.revocation(member.instance, member.key).is_some())
        {
            return Err(content("a member that is revoked"));
        }
        let of_nobody = |one: &Application| self.by_instance(one.instance).is_none();
        if self.view.applications.iter().any(of_nobody) {
            return Err(content("an application of no member"));
        }
        Ok(())
    }
}

impl Roster {
    /// Publishes the birth of a cluster, with its first view.
    fn born(
        &self,
        founded: &FoundingCertificate,
        health: Option<Arc<HealthDelta>>,
        publish: &mut Publish<'_>,
    ) -> Effects {
        publish.hash(&founded.record.cluster_id().to_bytes());
        if let Some(first) = &health {
            keys::put_cluster(founded, publish);
            keys::put_epoch(self, first, publish);
        }
        Effects { result: AppliedResult::Void, health }
    }

    /// Publishes the next epoch, if there is one, and says what came of the change.
    fn effects(
        &self,
        result: AppliedResult,
        health: Option<Arc<HealthDelta>>,
        publish: &mut Publish<'_>,
    ) -> Effects {
        if let Some(delta) = &health {
            publish.hash(&delta.encode_to_vec());
            keys::put_epoch(self, delta, publish);
        }
        Effects { result, health }
    }

    /// What came of an operator's word about a member; `tail` is what else is to be said.
    fn noted(&self, word: &str, tail: &str, said: Said, publish: &mut Publish<'_>) -> Effects {
        let (result, health) = match said {
            Ok((epoch, health)) => {
                let when = match &health {
                    Some(_) => format!("at epoch {epoch}"),
                    None => "already".to_owned(),
                };
                (Ok(Noted { epoch, text: format!("{word} {when}{tail}") }), health)
            }
            Err(refusal) => (Err(refusal), None),
        };
        self.effects(AppliedResult::Noted(result), health, publish)
    }

    /// Writes what the roster has once, for the head of a snapshot.
    pub(crate) fn save_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.view.epoch.get().to_le_bytes());
        out.extend_from_slice(&self.view.at_unix_ms.to_le_bytes());
        put_bytes(out, &self.conf.encode_to_vec());
        out.push(u8::from(self.founded.is_some()));
        put_bytes(out, &self.founded().map_or_else(Vec::new, |founded| founded.encode_to_vec()));
    }

    /// Reads what [`Self::save_head`] wrote, before any record.
    pub(crate) fn load_head(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let view = self.view_to_load();
        view.epoch = HealthEpoch::new(bounded(word(body)?)?);
        view.at_unix_ms = word(body)?;
        let conf = ConfState::decode(string(body)?).map_err(|_| content("the voters"))?;
        let known = flag(body)?;
        let founded = string(body)?;
        if known {
            let founded =
                FoundingCertificate::decode(founded).map_err(|_| content("the founding record"))?;
            self.cluster_id = Some(founded.record.cluster_id());
            self.founded = Some(Arc::new(founded));
        }
        self.conf = Arc::new(conf);
        Ok(())
    }

    /// The view of a roster that is being loaded, which nobody else has yet.
    fn view_to_load(&mut self) -> &mut HealthView {
        Arc::make_mut(&mut self.view)
    }

    fn load_member(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let member = Member::decode(body).map_err(|_| content("a member"))?;
        let members = &mut self.view_to_load().members;
        let ordered = members.last().is_none_or(|last| last.name < member.name);
        if !ordered || members.len() >= limits::MEMBERS {
            return Err(content("members out of order, or too many"));
        }
        let (instance, name) = (member.instance, member.name.clone());
        members.push(member);
        self.index(instance, name);
        Ok(())
    }

    /// Those that an operator took out have a tag of their own: a version that does not know it must not take them for others.
    fn save_tombstones(&self, tag: u8, records: &mut Records<'_>) {
        for (instance, tombstone) in &self.tombstones {
            if tombstone.removed != (tag == REMOVED) {
                continue;
            }
            records.add(tag, |out| {
                out.extend_from_slice(&instance.to_bytes());
                out.extend_from_slice(&tombstone.epoch.get().to_le_bytes());
                put_bytes(out, tombstone.name.as_bytes());
            });
        }
    }

    fn load_tombstone(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        let bytes = take(body, 16)?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| RestoreError::Cut)?;
        let epoch = HealthEpoch::new(word(body)?);
        let name = String::from_utf8(string(body)?.into()).map_err(|_| content("a name"))?;
        if self.tombstones.len() >= TOMBSTONES {
            return Err(content("too many tombstones"));
        }
        self.add_tombstone(
            Instance::from_bytes(bytes),
            Tombstone { name, epoch, removed: tag == REMOVED },
        );
        Ok(())
    }

    fn load_revoked(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let revoked =
            Revocation::decode(std::mem::take(body)).map_err(|_| content("a revoked host"))?;
        let known = self.revocation(revoked.instance, revoked.key).is_some();
        if known
            || revoked.secrets.len() > limits::SECRETS
            || self.view.revoked.len() >= limits::REVOKED
        {
            return Err(content("a host is revoked twice, or too many are"));
        }
        self.view_to_load().revoked.push(revoked);
        Ok(())
    }

    fn load_application(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let one =
            Application::decode(std::mem::take(body)).map_err(|_| content("an application"))?;
        let all = &mut self.view_to_load().applications;
        let ordered = all.last().is_none_or(|last| last.place() < one.place());
        if !ordered || one.told.fault().is_some() || all.len() >= limits::APPLICATIONS {
            return Err(content("applications out of order or bounds, or too many"));
        }
        all.push(one);
        Ok(())
    }

    fn load_delta(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let delta = HealthDelta::decode(body).map_err(|_| content("a difference of health"))?;
        let last = self.deltas.last().map(|last| last.epoch.get());
        if last.is_some_and(|last| delta.epoch.get() != last.wrapping_add(1)) {
            return Err(content("differences of health out of order"));
        }
        self.push_delta(Arc::new(delta));
        Ok(())
    }
}
