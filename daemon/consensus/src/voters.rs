//! Changes of the voters: what may be proposed, what an entry says, and whether a change that was proposed took place.
//!
//! raft-rs answers Ok and appends an empty entry when a change comes at the wrong time. Only the entry that is committed
//! at the place of the proposal tells, so the place is remembered.

use crate::convert;

use quorate_proto::{ConfChangeKind, ConfChangeSet, ConfState, Message as _};
use raft::eraftpb as rs;
use std::collections::BTreeSet;

/// Changes that wait for their entry to be committed. raft-rs empties all but the first anyway.
const MAX_AWAITED: usize = 16;

/// What raft-rs would panic on.
pub(crate) fn check(conf: &ConfState) -> Result<(), &'static str> {
    let distinct = |ids: &[u64]| {
        let set: BTreeSet<u64> = ids.iter().copied().collect();
        (set.len() == ids.len() && !set.contains(&0)).then_some(set)
    };
    let (Some(voters), Some(learners), Some(outgoing), Some(next)) = (
        distinct(&conf.voters),
        distinct(&conf.learners),
        distinct(&conf.voters_outgoing),
        distinct(&conf.learners_next),
    ) else {
        return Err("an id is zero or twice in one list");
    };
    if !learners.is_disjoint(&voters) || !learners.is_disjoint(&outgoing) {
        return Err("an id is voter and learner");
    }
    if conf.auto_leave && outgoing.is_empty() {
        return Err("it is to be left, but is not joint");
    }
    if !next.is_subset(&outgoing) || !next.is_disjoint(&voters) {
        return Err("a later learner is no outgoing voter");
    }
    if voters.is_empty() && !(learners.is_empty() && outgoing.is_empty()) {
        return Err("there are no voters");
    }
    Ok(())
}

/// Reads the data of a conf-change entry; empty data leaves the joint state.
pub(crate) fn decode(data: &[u8]) -> Option<rs::ConfChangeV2> {
    convert::changes_to_raft(ConfChangeSet::decode(data).ok()?).ok()
}

/// Whether the changes take this replica's vote.
pub(crate) fn takes_vote_of(set: &ConfChangeSet, me: u64) -> bool {
    set.changes
        .iter()
        .any(|change| change.node_id == me && change.kind != ConfChangeKind::AddVoter as i32)
}

/// The entry that carries the changes, for `step(MsgPropose)`.
pub(crate) fn entry(set: &ConfChangeSet) -> rs::Entry {
    rs::Entry {
        entry_type: rs::EntryType::EntryConfChangeV2,
        data: set.encode_to_vec().into(),
        ..Default::default()
    }
}

/// Proposed changes, by the place that their entry got.
#[derive(Debug, Default)]
pub(crate) struct Awaited(Vec<(u64, u64, ConfChangeSet)>);

impl Awaited {
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_AWAITED
    }

    pub(crate) fn remember(&mut self, index: u64, term: u64, set: ConfChangeSet) {
        self.0.push((index, term, set));
    }

    /// The changes whose place is now committed and that did not take place there.
    pub(crate) fn settle(&mut self, index: u64, term: u64, took_place: bool) -> Vec<ConfChangeSet> {
        let mut refused = Vec::new();
        self.0.retain(|(at, of, set)| {
            if *at == index && !(took_place && *of == term) {
                refused.push(set.clone());
            }
            *at > index
        });
        refused
    }

    /// A snapshot jumped over everything up to `index`: what became of those changes shows in the voters.
    pub(crate) fn forget_up_to(&mut self, index: u64) {
        self.0.retain(|(at, _, _)| *at > index);
    }
}
