//! The whole state of `__meta` at one applied index.
//!
//! Invariants: entries are applied once each, in order; the state, its hash included, is a function of them
//! and of the founding record alone. A clone is cheap and no longer changes, so it can be read and written
//! to disk elsewhere while this one goes on.

use crate::apply::{Applied, AppliedResult, Effects, UnknownCommand};
use crate::request::check;
use crate::request::execute::execute;
use crate::request::operations::{Operation, operations};
use crate::section::Section;
use crate::sections::Sections;
use crate::sections::roster::Change;
use crate::sections::sessions::Done;
use crate::sections::{assignments, budgets};
use crate::space::edit::Edit;
use crate::space::keyspace::Keyspace;
use crate::state_hash::StateHash;
use crate::{FirstAnswer, KeyChange, Space, section};
use bytes::Bytes;
use quorate_proto::{
    ClusterId, Command, CommandBody, ConfState, FeatureLevel, FoundingCertificate, HealthDelta,
    HealthEpoch, HealthUpdate, HealthView, KvError, KvRequest, KvResponse, Message as _,
    NamedWrite, RaiseLevel, Revision, SecretChange, Steer, WriteName,
};
use std::fmt;
use std::sync::Arc;

/// Index at which every founder's log begins (GENESIS rule 14): the founding state stands there.
const GENESIS_INDEX: u64 = 1;
/// Compacted changes whose memory is given back with each entry: more than an ordinary entry adds, so that
/// scrubbing catches up, and little enough that a batch of hundreds of entries does not stall the replica.
const SCRUB_PER_ENTRY: usize = 16;
/// The same for a compaction: about 10 ms, so that what it frees is free at once unless it frees very many.
const SCRUB_PER_COMPACTION: usize = 8_192;

/// A range over so many keys is looked at within a tenth of a millisecond.
const MANY_KEYS: usize = 1_000;
/// A hundred bytes each, beside what they hold.
const MOST_KEYS_OF_AN_ANSWER: usize = 1_000_000;
/// Every replica does what a write reads in its log's turn: a millisecond of it.
const MOST_READ_BY_A_WRITE: usize = 10_000;

/// See the head of this file.
#[derive(Clone, PartialEq)]
pub struct Meta {
    pub(crate) applied: u64,
    pub(crate) hash: StateHash,
    pub(crate) users: Keyspace,
    pub(crate) system: Keyspace,
    pub(crate) sections: Sections,
}

impl Meta {
    /// The state that every founder starts from; a function of the founding record alone.
    #[must_use]
    pub fn from_founding(founded: &FoundingCertificate) -> Self {
        let mut meta = Self::empty();
        meta.applied = GENESIS_INDEX;
        meta.carry_out(|sections| &mut sections.roster, Change::Founded(founded));
        let level = founded.record.level();
        if level > FeatureLevel::BASE {
            // No clock is read at a birth.
            let raise = RaiseLevel { level: level.get(), at_unix_ms: 0 };
            meta.carry_out(|sections| &mut sections.level, &raise);
        }
        meta
    }

    /// The state of a joiner before its snapshot.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            applied: 0,
            hash: StateHash::START,
            users: Keyspace::new(),
            system: Keyspace::new(),
            sections: Sections::empty(),
        }
    }

    /// Applies an entry that holds a [`Command`].
    ///
    /// # Errors
    /// When it holds none that this version knows. Then nothing is changed, and nothing behind it may be applied either: a replica that
    /// passed over what others carry out would have another state.
    ///
    /// # Panics
    /// When the entry is not behind all that were applied: a mistake of the caller that would lose writes.
    pub fn apply(&mut self, index: u64, data: &Bytes) -> Result<Applied, UnknownCommand> {
        let Ok(Command { ticket, body: Some(body) }) = Command::decode(data.clone()) else {
            return Err(UnknownCommand { index });
        };
        if matches!(&body, CommandBody::Write(write) if !write.name.is_sound()) {
            return Err(UnknownCommand { index });
        }
        self.advance(index);
        let (effects, changes) = match &body {
            CommandBody::Kv(request) => self.apply_kv(request),
            CommandBody::Write(write) => self.apply_once(write),
            CommandBody::Health(proposal) => {
                self.carry_out(|sections| &mut sections.roster, Change::Health(proposal))
            }
            CommandBody::Admit(admit) => {
                self.carry_out(|sections| &mut sections.roster, Change::Admit(admit))
            }
            CommandBody::Remove(remove) => {
                self.carry_out(|sections| &mut sections.roster, Change::Remove(remove))
            }
            CommandBody::Revoke(revoke) => {
                self.carry_out(|sections| &mut sections.roster, Change::Revoke(revoke))
            }
            CommandBody::RaiseLevel(raise) => self.carry_out(|sections| &mut sections.level, raise),
            CommandBody::Secret(step) => self.carry_out(|sections| &mut sections.secrets, step),
            CommandBody::Drain(drain) => {
                self.carry_out(|sections| &mut sections.roster, Change::Drain(drain))
            }
            CommandBody::Approve(approve) => {
                self.carry_out(|sections| &mut sections.roster, Change::Approve(approve))
            }
            CommandBody::Forget(forget) => {
                self.carry_out(|sections| &mut sections.roster, Change::Forget(forget))
            }
            CommandBody::Applications(report) => {
                self.carry_out(|sections| &mut sections.roster, Change::Applications(report))
            }
            CommandBody::Steer(steer) => self.carry_out(|sections| &mut sections.steering, steer),
            CommandBody::DefineBudget(define) => {
                self.change_budgets(budgets::Change::Define(define))
            }
            CommandBody::RemoveBudget(remove) => {
                self.change_budgets(budgets::Change::Remove(remove))
            }
            CommandBody::ChangeGrants(change) => {
                self.change_budgets(budgets::Change::Grants(change))
            }
            CommandBody::DefineAssignment(define) => {
                self.change_assignments(assignments::Change::Define(define))
            }
            CommandBody::RemoveAssignment(remove) => {
                self.change_assignments(assignments::Change::Remove(remove))
            }
            CommandBody::ChangeItems(change) => {
                self.change_assignments(assignments::Change::Items(change))
            }
            CommandBody::OfferBudget(offer) => self.change_budgets(budgets::Change::Offer(offer)),
            CommandBody::OfferAssignment(offer) => {
                self.change_assignments(assignments::Change::Offer(offer))
            }
            CommandBody::FreeGrant(free) => self.free_grant(free),
            CommandBody::FreeItem(free) => self.free_item(free),
        };
        Ok(Applied::of(ticket, effects, changes))
    }

    /// Applies an entry that holds nothing, like a new leader's first.
    ///
    /// # Panics
    /// As [`Self::apply`].
    pub fn apply_nothing(&mut self, index: u64) {
        self.advance(index);
    }

    /// Applies a change of voters and learners: roles follow. The time is the leader's, in milliseconds since 1970; 0 when
    /// the entry carries none. So are the words that say why.
    ///
    /// # Panics
    /// As [`Self::apply`].
    pub fn apply_voters(
        &mut self,
        index: u64,
        conf: &ConfState,
        at_unix_ms: u64,
        why: &str,
    ) -> Option<Arc<HealthDelta>> {
        self.advance(index);
        let change = Change::Voters { conf, at_unix_ms, why };
        self.carry_out(|sections| &mut sections.roster, change).0.health
    }

    fn advance(&mut self, index: u64) {
        assert!(index > self.applied, "entry {index} was applied after {}", self.applied);
        self.applied = index;
        self.hash.word(index);
        self.users.scrub(SCRUB_PER_ENTRY);
    }

    /// A client's write happens once under its name. This is the only place that sees to it, whoever proposes it and however often.
    fn apply_once(&mut self, write: &NamedWrite) -> (Effects, Vec<KeyChange>) {
        if let Some(first) = self.first_answer(&write.name) {
            let effects = Effects { result: AppliedResult::Before(first), health: None };
            return (effects, Vec::new());
        }
        let (effects, changes) = self.apply_kv(&write.request);
        if let AppliedResult::Kv(result) = &effects.result {
            let done = Done { write, result, changed: !changes.is_empty() };
            self.carry_out(|sections| &mut sections.sessions, done);
        }
        (effects, changes)
    }

    fn apply_kv(&mut self, request: &KvRequest) -> (Effects, Vec<KeyChange>) {
        let compacted = self.users.compacted;
        let (result, changes) = match check::check(request) {
            Err(error) => (Err(error), Vec::new()),
            // Only reads can concern the system space.
            Ok(Space::System) => (self.read(request), Vec::new()),
            Ok(Space::Users) => {
                let mut edit = Edit::new(Space::Users, &mut self.users);
                let result = execute(&mut edit, request);
                (result, edit.commit(&mut self.hash))
            }
        };
        if self.users.compacted != compacted {
            self.hash.signed(self.users.compacted);
            self.users.scrub(SCRUB_PER_COMPACTION);
        }
        (Effects { result: AppliedResult::Kv(result), health: None }, changes)
    }

    /// Hands a command to the section whose it is.
    pub(crate) fn carry_out<S: Section>(
        &mut self,
        whose: fn(&mut Sections) -> &mut S,
        command: S::Command<'_>,
    ) -> (Effects, Vec<KeyChange>) {
        section::carry_out(whose(&mut self.sections), command, &mut self.system, &mut self.hash)
    }

    /// What a write of this name was answered when it was applied; none when it was not, as far as the state remembers.
    #[must_use]
    pub fn first_answer(&self, name: &WriteName) -> Option<FirstAnswer> {
        self.sections.sessions.first_answer(name)
    }

    /// The leaders' time, in milliseconds, as far as the writes told it. A leader counts on from here.
    #[must_use]
    pub fn clock_ms(&self) -> u64 {
        self.sections.sessions.clock_ms()
    }

    /// How many writes are remembered by their names, how many bytes they take, and how many were forgotten before their time.
    #[must_use]
    pub fn remembered(&self) -> [u64; 3] {
        self.sections.sessions.figures()
    }

    /// Index of the last applied entry; 0 before a snapshot.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// One number for the whole state: two replicas that applied the same entries have the same one.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.hash.value()
    }

    /// Revision of the users' keyspace.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision::new(self.users.revision.unsigned_abs())
    }

    /// Up to where the users' history is compacted; 0 before the first compaction.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        Revision::new(u64::try_from(self.users.compacted).unwrap_or(0))
    }

    /// How many keys the users have, as they are now.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.users.present.len() as u64
    }

    /// Bytes of memory that the users' keys take, about, as they are now.
    #[must_use]
    pub fn keyspace_bytes(&self) -> u64 {
        self.users.present.bytes()
    }

    /// Bytes of memory that the users' history takes, about: what was replaced or deleted and is not yet forgotten.
    #[must_use]
    pub fn history_bytes(&self) -> u64 {
        self.users.past.bytes()
    }

    /// Up to where the users' history should be compacted when it takes more than `most` bytes: far enough, or as far as
    /// one compaction frees at once. None when all of it is compacted.
    #[must_use]
    pub fn excess_history(&self, most: u64) -> Option<Revision> {
        let until = self.users.excess(most, SCRUB_PER_COMPACTION)?;
        Some(Revision::new(until.unsigned_abs()))
    }

    /// Revision of quorate's own records.
    #[must_use]
    pub fn system_revision(&self) -> Revision {
        Revision::new(self.system.revision.unsigned_abs())
    }

    /// The committed feature level.
    #[must_use]
    pub fn level(&self) -> FeatureLevel {
        self.sections.level.level()
    }

    /// Since when, in milliseconds since 1970 by the leader that raised it; 0 while nobody has.
    #[must_use]
    pub fn level_since_unix_ms(&self) -> u64 {
        self.sections.level.since_unix_ms()
    }

    /// The newest committed health epoch.
    #[must_use]
    pub fn epoch(&self) -> HealthEpoch {
        self.sections.roster.epoch()
    }

    /// Answers a request that changes nothing from the state as it is. The header holds only the revision.
    ///
    /// # Errors
    /// etcd's, and `Unspecified` when the request could change something.
    pub fn read(&self, request: &KvRequest) -> Result<KvResponse, KvError> {
        let space = check::check(request)?;
        if !check::is_read_only(request) {
            return Err(KvError::Unspecified);
        }
        // A cheap copy, so that reads and writes share one way through a request.
        let mut keyspace = self.keyspace(space).clone();
        execute(&mut Edit::new(space, &mut keyspace), request)
    }

    /// Whether a read looks at so many keys that it takes longer than a turn of a loop should. Looks at no more of them itself.
    #[must_use]
    pub fn reads_many(&self, request: &KvRequest) -> bool {
        self.looks_at(request, MANY_KEYS)
    }

    /// Whether a write also reads or compares so many keys that applying it would hold up the log, in whichever branches. What it
    /// deletes does not count: that is done once.
    #[must_use]
    pub fn writes_and_reads_too_much(&self, request: &KvRequest) -> bool {
        self.looks_at(request, MOST_READ_BY_A_WRITE)
    }

    /// Whether the keys of an answer alone, of whatever size they are, would take more memory than any answer may.
    #[must_use]
    pub fn reads_too_much(&self, request: &KvRequest) -> bool {
        let mut left = MOST_KEYS_OF_AN_ANSWER;
        operations(request, &mut |operation| {
            let Operation::Range(range) = operation else { return };
            let keyspace = self.keyspace(operation.range().space());
            let most = match usize::try_from(range.limit) {
                _ if range.count_only || operation.range().as_single().is_some() => 1,
                Ok(limit @ 1..) => limit,
                _ => usize::MAX,
            };
            let past = if range.revision > 0 { keyspace.past.len() } else { 0 };
            let keys = operation.range().bounds().map_or(0, |bounds| {
                keyspace.present.range::<_, [u8]>(bounds).take(left.min(most)).count()
            });
            left = left.saturating_sub((keys + past).min(most));
        });
        left == 0
    }

    fn looks_at(&self, request: &KvRequest, most: usize) -> bool {
        let (mut left, mut past) = (most, false);
        operations(request, &mut |operation| {
            if operation.writes() {
                return;
            }
            let range = operation.range();
            let keyspace = self.keyspace(range.space());
            left -= match range.bounds() {
                _ if range.as_single().is_some() => left.min(1),
                Some(bounds) => keyspace.present.range::<_, [u8]>(bounds).take(left).count(),
                None => 0,
            };
            // How much of the past a range holds is known only when it was looked at.
            let at_revision = matches!(operation, Operation::Range(range) if range.revision > 0);
            past |= at_revision && range.as_single().is_none() && keyspace.past.len() > most;
        });
        left == 0 || past
    }

    /// Whether a request cannot change anything, whichever branches it takes.
    #[must_use]
    pub fn is_read_only(request: &KvRequest) -> bool {
        check::is_read_only(request)
    }

    /// Whether a request puts a key in one of the branches that it may take.
    #[must_use]
    pub fn puts(request: &KvRequest) -> bool {
        check::puts(request)
    }

    /// Refuses what can be refused before proposing: sizes, keys, the prefix `__meta/`, the rules of
    /// transactions.
    ///
    /// # Errors
    /// The error that applying would give.
    pub fn check(&self, request: &KvRequest) -> Result<(), KvError> {
        check::check(request).map(drop)
    }

    pub(crate) fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Users => &self.users,
            Space::System => &self.system,
        }
    }

    /// The newest change of the cluster's secret.
    #[must_use]
    pub fn secret_change(&self) -> &Arc<SecretChange> {
        self.sections.secrets.change()
    }

    /// The autopilot's pause, as an operator said it; none while it works.
    #[must_use]
    pub fn autopilot_pause(&self) -> Option<&Steer> {
        self.sections.steering.pause()
    }

    /// All nodes at the newest epoch.
    #[must_use]
    pub fn view(&self) -> Arc<HealthView> {
        self.sections.roster.view().clone()
    }

    /// The differences from an epoch to the newest, oldest first; none when they are no longer all kept, so
    /// that the whole view must be sent.
    #[must_use]
    pub fn deltas_since(&self, epoch: HealthEpoch) -> Option<Vec<Arc<HealthDelta>>> {
        self.sections.roster.deltas_since(epoch)
    }

    /// What a node that has `epoch` must be sent; none when it has the newest.
    #[must_use]
    pub fn update_since(&self, epoch: HealthEpoch) -> Option<HealthUpdate> {
        self.sections.roster.update_since(epoch)
    }

    /// The founding record and its proof.
    #[must_use]
    pub fn founded(&self) -> Option<&FoundingCertificate> {
        self.sections.roster.founded()
    }

    /// The cluster id.
    #[must_use]
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.sections.roster.cluster_id()
    }
}

impl fmt::Debug for Meta {
    /// The figures, not the keys: there may be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta")
            .field("applied", &self.applied)
            .field("hash", &format_args!("{:016x}", self.hash.value()))
            .field("revision", &self.users.revision)
            .field("keys", &self.users.present.len())
            .field("epoch", &self.sections.roster.epoch())
            .field("members", &self.sections.roster.view().members.len())
            .finish_non_exhaustive()
    }
}
