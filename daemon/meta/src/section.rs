//! The seam between the state of `__meta` and the kinds of record in it. Each kind is a [`Section`]; what comes with being one (keys,
//! watches, a share of the hash, a place in snapshots) is written here and in `snapshot`, once for all of them.
//!
//! The duties of a section: it is changed by `apply` and `load` alone. What it becomes is a function of what it was and of the command.
//! All that it changed is told to [`Publish`], because replicas compare nothing but the hash. What `save` wrote, `load` and `check` take
//! back; what they took from elsewhere never makes `apply` panic.
//!
//! Three choices, and why:
//! - The hash takes in what changed, not the command. A command that is void then leaves no trace but its index, and logs that were
//!   written before there were sections have the hash that they had.
//! - The tags of a section are the kinds of its records in a snapshot; it may have several. The roster's three are older than the seam,
//!   and snapshots that hold them must be read for ever.
//! - A section has a type of its own for its commands. So `Meta::apply` alone knows whose each command of the log is, and no section is
//!   handed one that it does not know.
//!
//! Knows no section, and no command of the log.

use crate::apply::Effects;
use crate::snapshot::record::{Records, RestoreError};
use crate::space::changes::KeyChange;
use crate::space::edit::{Edit, Keep};
use crate::space::keyspace::Keyspace;
use crate::state_hash::StateHash;
use crate::{KeyRange, SYSTEM_PREFIX, Space};
use bytes::Bytes;

/// Revisions of the system space that are kept: as many as there are kept epochs.
const HISTORY: i64 = 256;

/// One kind of record; see the head of this file.
pub(crate) trait Section {
    /// What can happen to it.
    type Command<'a>
    where
        Self: Sized;

    /// The kinds of its records in a snapshot, in the order in which they come. A number is never used again for anything else.
    fn tags(&self) -> &'static [u8];

    /// Carries out a command, or says why not. Reads no clock: a time comes with the command.
    fn apply(&mut self, command: Self::Command<'_>, publish: &mut Publish<'_>) -> Effects
    where
        Self: Sized;

    /// Writes all that it holds, in the order of its tags. The snapshot's writer holds all of it at once, so a section has thousands of
    /// records, not millions.
    fn save(&self, records: &mut Records<'_>);

    /// Takes one record of a snapshot. It comes from a disk or another node, and nothing in it is believed. Its tag is one of this
    /// section's, and none that comes later in their order was taken before.
    fn load(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError>;

    /// Judges the whole when every record is loaded: what no single one shows.
    fn check(&self) -> Result<(), RestoreError>;
}

/// What a command makes visible. All of its keys share one revision of the system space.
pub(crate) struct Publish<'a> {
    edit: Edit<'a>,
    hash: &'a mut StateHash,
}

impl Publish<'_> {
    /// Makes part of the hash what changed and stands in no key, or not whole. It comes before all keys of the command.
    pub(crate) fn hash(&mut self, change: &[u8]) {
        self.hash.bytes(change);
    }

    /// The same for a number.
    pub(crate) fn number(&mut self, change: u64) {
        self.hash.word(change);
    }

    /// Writes a key, and makes it part of the hash. Its name is what follows `__meta/`.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        let key = [SYSTEM_PREFIX, name.as_bytes()].concat();
        self.edit.put(&key, value.as_bytes(), Keep::default());
    }

    /// Deletes a key, and makes that part of the hash.
    pub(crate) fn delete(&mut self, name: &str) {
        let key = Bytes::from([SYSTEM_PREFIX, name.as_bytes()].concat());
        self.edit.delete(&KeyRange::single(&key));
    }

    /// Deletes all keys that begin with this, which ends with a `/`.
    pub(crate) fn delete_below(&mut self, name: &str) {
        let key = Bytes::from([SYSTEM_PREFIX, name.as_bytes()].concat());
        // Behind `/` comes `0`.
        let end = Bytes::from([&key[..key.len() - 1], b"0"].concat());
        self.edit.delete(&KeyRange::new(&key, &end));
    }
}

/// Carries out a command of a section and publishes what it changed.
pub(crate) fn carry_out<S: Section>(
    section: &mut S,
    command: S::Command<'_>,
    system: &mut Keyspace,
    hash: &mut StateHash,
) -> (Effects, Vec<KeyChange>) {
    let mut publish = Publish { edit: Edit::new(Space::System, system), hash };
    let effects = section.apply(command, &mut publish);
    let Publish { edit, hash } = publish;
    let changes = edit.commit(hash);
    let oldest = system.revision - HISTORY;
    if oldest > system.compacted.max(0) {
        // Nothing to do when it is refused: it is below the newest revision and above the last compaction.
        let _ = system.compact(oldest);
        system.scrub(usize::MAX);
    }
    (effects, changes)
}
