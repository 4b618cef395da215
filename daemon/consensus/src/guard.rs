//! The doorman: refuses what raft-rs would panic on or obey wrongly. A panic is the death of the node, so nothing that
//! a peer can write may reach one.
//!
//! A sender outside the own configuration is let in on purpose: a replica that was away may not know yet who was added or
//! promoted, and could never catch up if it refused them. Who may connect at all is the transport's question.

use crate::convert::ConvertError;
use crate::voters;
use quorate_proto::{
    ConfState, Entry, EntryKind, MessageKind, RaftMessage, SnapshotMetadata, limits,
};

/// No log gets here; above it, raft-rs's arithmetic on indexes would overflow.
const MAX_INDEX: u64 = 1 << 62;
/// Reads that wait for a majority at the leader; the node batches, so more than a few are a mistake somewhere.
pub(crate) const MAX_READS: usize = 4096;

/// Why a message was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// This replica lost entries that it had acknowledged, says the leader that it voted for: that one was told where the log
    /// ends, and says so again. If it is so, this replica must stop, and never start again under this id.
    #[error(
        "the leader knows that entry {commit} was acknowledged here, but the log ends at {last}"
    )]
    LogLost {
        /// What the leader says.
        commit: u64,
        /// What is here.
        last: u64,
    },
    /// A peer of this leader has lost entries that it acknowledged, and said so twice: it must not go on under its id.
    #[error("replica {peer:016x} acknowledged entry {had}, and its log ends at {has}")]
    PeerLost {
        /// Who.
        peer: u64,
        /// What it acknowledged to this leader.
        had: u64,
        /// Where its log ends.
        has: u64,
    },
    /// A number without a meaning.
    #[error(transparent)]
    Unknown(#[from] ConvertError),
    /// For another replica.
    #[error("a message for replica {0:016x}")]
    NotForUs(u64),
    /// From nobody, or from ourselves.
    #[error("a message from replica {0:016x}, which cannot be")]
    Sender(u64),
    /// Zero, or far above ours.
    #[error("term {found} cannot be; ours is {ours}")]
    Term {
        /// The message's.
        found: u64,
        /// Ours.
        ours: u64,
    },
    /// Two leaders of one term, or one beside ourselves.
    #[error("replica {from:016x} acts as leader of term {term}, which has another")]
    SecondLeader {
        /// Who.
        from: u64,
        /// When.
        term: u64,
    },
    /// Entries with holes, falling terms or contents that cannot be.
    #[error("entries that cannot be: {0}")]
    Entries(&'static str),
    /// Different entries where ours are committed.
    #[error("entry {0} contradicts what is committed")]
    Contradiction(u64),
    /// An answer about entries that we do not have.
    #[error("an acknowledgement of entry {index}; our log ends at {last}")]
    FalseAck {
        /// Acknowledged.
        index: u64,
        /// Ours.
        last: u64,
    },
    /// A snapshot whose metadata contradicts itself.
    #[error("a snapshot that cannot be: {0}")]
    Snapshot(&'static str),
    /// Well-formed, but nothing that a replica asks of this one.
    #[error("a message out of place: {0}")]
    OutOfPlace(&'static str),
}

/// What the doorman knows of this replica.
pub(crate) struct Standing<'a> {
    pub(crate) me: u64,
    pub(crate) term: u64,
    pub(crate) last: u64,
    pub(crate) committed: u64,
    pub(crate) leads: bool,
    /// 0 = unknown.
    pub(crate) leader: u64,
    pub(crate) conf: &'a ConfState,
    pub(crate) reads: usize,
}

/// Judges a message.
pub(crate) fn check(
    message: &RaftMessage,
    at: &Standing<'_>,
    term_at: impl Fn(u64) -> Option<u64>,
) -> Result<(), GuardError> {
    let kind = MessageKind::try_from(message.kind)
        .ok()
        .filter(|kind| *kind != MessageKind::Unknown)
        .ok_or(ConvertError::Message(message.kind))?;
    check_envelope(kind, message, at)?;
    let carries = message.snapshot.is_some();
    if carries != (kind == MessageKind::Snapshot) {
        return Err(GuardError::Snapshot("it is missing, or in a message of another kind"));
    }
    match kind {
        MessageKind::Append => check_append(message, at, term_at),
        MessageKind::Heartbeat => check_heartbeat(message, at),
        MessageKind::Snapshot => {
            message.snapshot.as_ref().map_or(Ok(()), |metadata| check_snapshot(metadata, message))
        }
        MessageKind::AppendResponse => check_ack(message, at),
        // A late one is ignored further in; an early one cannot be, since only who acknowledged in a term is called.
        MessageKind::TimeoutNow if message.term > at.term => {
            Err(GuardError::OutOfPlace("a call to campaign, of a later term"))
        }
        MessageKind::ReadIndex => {
            check_read(message)?;
            let full = at.reads >= MAX_READS;
            if full { Err(GuardError::OutOfPlace("one read too many")) } else { Ok(()) }
        }
        MessageKind::ReadIndexResponse => check_read(message),
        _ => Ok(()),
    }
}

fn check_envelope(
    kind: MessageKind,
    message: &RaftMessage,
    at: &Standing<'_>,
) -> Result<(), GuardError> {
    if message.to != at.me {
        return Err(GuardError::NotForUs(message.to));
    }
    if message.from == 0 || message.from == at.me {
        return Err(GuardError::Sender(message.from));
    }
    let termless = kind == MessageKind::ReadIndex;
    if (message.term == 0) != termless || message.term > at.term.saturating_add(limits::NUMBER_STEP)
    {
        return Err(GuardError::Term { found: message.term, ours: at.term });
    }
    let leads = matches!(
        kind,
        MessageKind::Append
            | MessageKind::Heartbeat
            | MessageKind::Snapshot
            | MessageKind::TimeoutNow
            | MessageKind::ReadIndexResponse
    );
    let rival = at.leads || (at.leader != 0 && at.leader != message.from);
    if leads && message.term == at.term && rival {
        return Err(GuardError::SecondLeader { from: message.from, term: message.term });
    }
    let may_carry = matches!(
        kind,
        MessageKind::Append | MessageKind::ReadIndex | MessageKind::ReadIndexResponse
    );
    if !may_carry && !message.entries.is_empty() {
        return Err(GuardError::Entries("in a message that carries none"));
    }
    Ok(())
}

fn check_append(
    message: &RaftMessage,
    at: &Standing<'_>,
    term_at: impl Fn(u64) -> Option<u64>,
) -> Result<(), GuardError> {
    if message.log_term == 0 && message.index != 0 {
        return Err(GuardError::Entries("they follow an entry without a term"));
    }
    if message.log_term > message.term {
        return Err(GuardError::Entries("they follow an entry of a later term"));
    }
    check_order(message)?;
    if message.index > MAX_INDEX {
        return Err(GuardError::Entries("they follow one that no log reaches"));
    }
    for entry in &message.entries {
        check_entry(entry)?;
        // A late message of an earlier leader may well differ; raft-rs ignores it.
        let differs = || term_at(entry.index).is_some_and(|term| term != entry.term);
        if message.term >= at.term && entry.index <= at.committed && differs() {
            return Err(GuardError::Contradiction(entry.index));
        }
    }
    Ok(())
}

/// Entries begin right behind `index`, have no holes, and their terms do not fall. Also asked before sending.
pub(crate) fn check_order(message: &RaftMessage) -> Result<(), GuardError> {
    let (mut index, mut term) = (message.index, message.log_term.max(1));
    for entry in &message.entries {
        if index.checked_add(1) != Some(entry.index) {
            return Err(GuardError::Entries("there is a hole"));
        }
        if entry.term < term || entry.term > message.term {
            return Err(GuardError::Entries("their terms fall, or are above the message's"));
        }
        (index, term) = (entry.index, entry.term);
    }
    Ok(())
}

fn check_entry(entry: &Entry) -> Result<(), GuardError> {
    let kind = EntryKind::try_from(entry.kind).map_err(|_| ConvertError::Entry(entry.kind))?;
    if kind == EntryKind::ConfChange && voters::decode(&entry.data).is_none() {
        return Err(GuardError::Entries("a change of voters cannot be read"));
    }
    Ok(())
}

fn check_heartbeat(message: &RaftMessage, at: &Standing<'_>) -> Result<(), GuardError> {
    if message.commit <= at.last {
        return Ok(());
    }
    let conf = at.conf;
    let lists = [&conf.voters, &conf.learners, &conf.voters_outgoing];
    let unborn = conf.voters.is_empty();
    let known = unborn || lists.iter().any(|list| list.contains(&message.from));
    if known && message.term >= at.term && message.commit <= MAX_INDEX {
        // A leader's heartbeat never names more than this replica acknowledged to it. Whether that was so is answered by a
        // question: see `replica/losses.rs`.
        return Ok(());
    }
    Err(GuardError::OutOfPlace(
        "a heartbeat beyond our log, of an earlier term or a stranger, or beyond any log",
    ))
}

fn check_ack(message: &RaftMessage, at: &Standing<'_>) -> Result<(), GuardError> {
    if message.request_snapshot != 0 {
        return Err(GuardError::OutOfPlace("a snapshot asked for in an answer"));
    }
    let counts = at.leads && message.term == at.term && !message.reject;
    if counts && message.index > at.last {
        return Err(GuardError::FalseAck { index: message.index, last: at.last });
    }
    Ok(())
}

fn check_snapshot(metadata: &SnapshotMetadata, message: &RaftMessage) -> Result<(), GuardError> {
    let far = metadata.index > MAX_INDEX;
    if far || metadata.index == 0 || metadata.term == 0 || metadata.term > message.term {
        return Err(GuardError::Snapshot("its position"));
    }
    if metadata.conf_state.voters.is_empty() {
        return Err(GuardError::Snapshot("it has no voters"));
    }
    voters::check(&metadata.conf_state).map_err(GuardError::Snapshot)
}

fn check_read(message: &RaftMessage) -> Result<(), GuardError> {
    match message.entries.as_slice() {
        [entry] if !entry.data.is_empty() => check_entry(entry),
        _ => Err(GuardError::Entries("a read has exactly one, and it is not empty")),
    }
}
