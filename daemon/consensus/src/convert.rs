//! Between our messages and raft-rs's, field by field, without copying data.
//!
//! Invariant: neither parser nor writer of raft-rs's codec runs here, and a number that raft-rs has no name for becomes
//! an error. Whether a message makes sense is the guard's question.

use quorate_proto::{
    ConfChangeKind, ConfChangeSet, ConfState, Entry, EntryKind, HardState, MessageKind,
    RaftMessage, SnapshotMetadata,
};
use raft::eraftpb as rs;

/// A number that has no meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// Kind of a message.
    #[error("unknown kind of message {0}")]
    Message(i32),
    /// Kind of an entry.
    #[error("unknown kind of entry {0}")]
    Entry(i32),
    /// Kind of a conf change, or its transition.
    #[error("unknown kind of conf change {0}")]
    Change(i32),
}

pub(crate) fn message_to_raft(message: RaftMessage) -> Result<rs::Message, ConvertError> {
    let kind = MessageKind::try_from(message.kind).ok();
    let kind = kind.and_then(kind_to_raft).ok_or(ConvertError::Message(message.kind))?;
    let entries: Result<Vec<_>, _> = message.entries.into_iter().map(entry_to_raft).collect();
    let mut converted = rs::Message {
        msg_type: kind,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: entries?.into(),
        commit: message.commit,
        commit_term: message.commit_term,
        request_snapshot: message.request_snapshot,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.context,
        priority: message.priority,
        ..Default::default()
    };
    if let Some(metadata) = message.snapshot {
        converted.set_snapshot(snapshot_to_raft(metadata));
    }
    Ok(converted)
}

/// None for the kinds that never travel: proposals are not forwarded.
pub(crate) fn message_from_raft(mut message: rs::Message) -> Option<RaftMessage> {
    let kind = kind_from_raft(message.msg_type)?;
    let snapshot = message.snapshot.take().map(snapshot_from_raft);
    let entries: Option<Vec<_>> =
        message.entries.into_vec().into_iter().map(entry_from_raft).collect();
    Some(RaftMessage {
        kind: kind as i32,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: entries?,
        commit: message.commit,
        commit_term: message.commit_term,
        snapshot,
        request_snapshot: message.request_snapshot,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.context,
        priority: message.priority,
    })
}

pub(crate) fn entry_to_raft(entry: Entry) -> Result<rs::Entry, ConvertError> {
    let kind = EntryKind::try_from(entry.kind).map_err(|_| ConvertError::Entry(entry.kind))?;
    let entry_type = match kind {
        EntryKind::Normal => rs::EntryType::EntryNormal,
        EntryKind::ConfChange => rs::EntryType::EntryConfChangeV2,
    };
    let Entry { term, index, data, context, .. } = entry;
    Ok(rs::Entry { entry_type, term, index, data, context, ..Default::default() })
}

/// None for the older kind of conf change, which nobody here writes.
pub(crate) fn entry_from_raft(entry: rs::Entry) -> Option<Entry> {
    let kind = match entry.entry_type {
        rs::EntryType::EntryNormal => EntryKind::Normal,
        rs::EntryType::EntryConfChangeV2 => EntryKind::ConfChange,
        rs::EntryType::EntryConfChange => return None,
    };
    let rs::Entry { term, index, data, context, .. } = entry;
    Some(Entry { kind: kind as i32, term, index, data, context })
}

pub(crate) fn hard_state_to_raft(state: HardState) -> rs::HardState {
    let HardState { term, vote, commit } = state;
    rs::HardState { term, vote, commit, ..Default::default() }
}

pub(crate) fn hard_state_from_raft(state: &rs::HardState) -> HardState {
    HardState { term: state.term, vote: state.vote, commit: state.commit }
}

pub(crate) fn conf_to_raft(conf: ConfState) -> rs::ConfState {
    let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = conf;
    rs::ConfState {
        voters,
        learners,
        voters_outgoing,
        learners_next,
        auto_leave,
        ..Default::default()
    }
}

/// Sorted, so that equal sets are equal bytes everywhere.
pub(crate) fn conf_from_raft(conf: rs::ConfState) -> ConfState {
    let sorted = |mut ids: Vec<u64>| {
        ids.sort_unstable();
        ids
    };
    ConfState {
        voters: sorted(conf.voters),
        learners: sorted(conf.learners),
        voters_outgoing: sorted(conf.voters_outgoing),
        learners_next: sorted(conf.learners_next),
        auto_leave: conf.auto_leave,
    }
}

pub(crate) fn snapshot_to_raft(metadata: SnapshotMetadata) -> rs::Snapshot {
    let mut inner =
        rs::SnapshotMetadata { index: metadata.index, term: metadata.term, ..Default::default() };
    inner.set_conf_state(conf_to_raft(metadata.conf_state));
    let mut snapshot = rs::Snapshot::default();
    snapshot.set_metadata(inner);
    snapshot
}

pub(crate) fn snapshot_from_raft(mut snapshot: rs::Snapshot) -> SnapshotMetadata {
    let mut inner = snapshot.metadata.take().unwrap_or_default();
    let conf_state = conf_from_raft(inner.conf_state.take().unwrap_or_default());
    SnapshotMetadata { conf_state, index: inner.index, term: inner.term }
}

pub(crate) fn changes_to_raft(set: ConfChangeSet) -> Result<rs::ConfChangeV2, ConvertError> {
    let transition = match set.transition {
        0 => rs::ConfChangeTransition::Auto,
        1 => rs::ConfChangeTransition::Implicit,
        2 => rs::ConfChangeTransition::Explicit,
        other => return Err(ConvertError::Change(other)),
    };
    let mut changes = Vec::with_capacity(set.changes.len());
    for change in set.changes {
        let kind = ConfChangeKind::try_from(change.kind);
        let change_type = match kind.map_err(|_| ConvertError::Change(change.kind))? {
            ConfChangeKind::AddVoter => rs::ConfChangeType::AddNode,
            ConfChangeKind::Remove => rs::ConfChangeType::RemoveNode,
            ConfChangeKind::AddLearner => rs::ConfChangeType::AddLearnerNode,
        };
        let node_id = change.node_id;
        changes.push(rs::ConfChangeSingle { change_type, node_id, ..Default::default() });
    }
    let context = set.context;
    Ok(rs::ConfChangeV2 { transition, changes: changes.into(), context, ..Default::default() })
}

fn kind_to_raft(kind: MessageKind) -> Option<rs::MessageType> {
    use rs::MessageType as To;
    Some(match kind {
        MessageKind::Unknown => return None,
        MessageKind::Append => To::MsgAppend,
        MessageKind::AppendResponse => To::MsgAppendResponse,
        MessageKind::RequestVote => To::MsgRequestVote,
        MessageKind::RequestVoteResponse => To::MsgRequestVoteResponse,
        MessageKind::Snapshot => To::MsgSnapshot,
        MessageKind::Heartbeat => To::MsgHeartbeat,
        MessageKind::HeartbeatResponse => To::MsgHeartbeatResponse,
        MessageKind::TimeoutNow => To::MsgTimeoutNow,
        MessageKind::ReadIndex => To::MsgReadIndex,
        MessageKind::ReadIndexResponse => To::MsgReadIndexResp,
        MessageKind::RequestPreVote => To::MsgRequestPreVote,
        MessageKind::RequestPreVoteResponse => To::MsgRequestPreVoteResponse,
    })
}

fn kind_from_raft(kind: rs::MessageType) -> Option<MessageKind> {
    use rs::MessageType as From;
    Some(match kind {
        From::MsgAppend => MessageKind::Append,
        From::MsgAppendResponse => MessageKind::AppendResponse,
        From::MsgRequestVote => MessageKind::RequestVote,
        From::MsgRequestVoteResponse => MessageKind::RequestVoteResponse,
        From::MsgSnapshot => MessageKind::Snapshot,
        From::MsgHeartbeat => MessageKind::Heartbeat,
        From::MsgHeartbeatResponse => MessageKind::HeartbeatResponse,
        From::MsgTimeoutNow => MessageKind::TimeoutNow,
        From::MsgReadIndex => MessageKind::ReadIndex,
        From::MsgReadIndexResp => MessageKind::ReadIndexResponse,
        From::MsgRequestPreVote => MessageKind::RequestPreVote,
        From::MsgRequestPreVoteResponse => MessageKind::RequestPreVoteResponse,
        From::MsgPropose
        | From::MsgTransferLeader
        | From::MsgHup
        | From::MsgBeat
        | From::MsgUnreachable
        | From::MsgSnapStatus
        | From::MsgCheckQuorum => return None,
    })
}
