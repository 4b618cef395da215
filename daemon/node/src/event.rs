//! Everything that can happen to a node, and everything it can ask for: the closed vocabulary of `Node::turn`.
//!
//! The shell's duties, in order, for the outputs of one turn:
//! 1. start `Persist`s in the order given, each confirmed later by one `Input::Persisted`;
//! 2. carry out everything else in the order given. Nothing in the list has to wait for a `Persist` in the
//!    same list: what must wait for the disk is put out only after its `Persisted` came in.

use crate::client::{ClientReply, ClientRequest, ForwardFailure};
use crate::large_read::LargeRead;
use crate::shares::{Items, Share};
use crate::told::Event;
use bytes::Bytes;
use quorate_consensus::LogRecord;
pub use quorate_membership::OwnSlot;
use quorate_meta::Meta;
use quorate_proto::{
    ApplicationReport, ClusterId, DialFailure, ForwardAnswer, ForwardRequest, FoundingCertificate,
    FoundingState, Frame, Generation, GroupId, HealthDelta, HealthView, Instance, Lane, Moment,
    NodeKey, RaftMessage, SecretChange, SecretsHeld, Session, SessionEnd, SnapshotMetadata,
};
use std::net::SocketAddr;
use std::sync::Arc;

/// What the shell tells a node.
#[derive(Debug)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum Input {
    /// Time has passed; due timers fire. Every turn fires them, so this only causes a turn.
    Wake,
    /// Both hellos are in on a new connection.
    SessionUp(Session),
    /// Another start of a peer came while the one that is connected still runs, and was turned away.
    Twice(Session),
    /// A connection is gone. `number` is the session's.
    SessionDown { instance: Instance, number: u64, end: SessionEnd },
    /// A `Output::Dial` came to nothing.
    DialFailed { address: SocketAddr, failure: DialFailure },
    /// A frame on an ordered lane, from the peer of a session that is up.
    Frame { from: Instance, lane: Lane, bytes: Bytes },
    /// A SWIM packet.
    Datagram { from: Instance, bytes: Bytes },
    /// Frames of the log lane to this peer were given up (bounds, expiry, connection lost).
    Undelivered { to: Instance },
    /// `quorate farewell` said that this start has ended.
    Farewell { instance: Instance, generation: Generation, boot_nonce: u64, key: NodeKey },
    /// What a seed resolves to now; empty with a reason when it does not.
    Resolved { slot: usize, addresses: Vec<SocketAddr>, problem: Option<String> },
    /// Which seed this host is, by its addresses and names.
    OwnSlot(OwnSlot),
    /// A `Output::Persist` with this number, and all before it, are durable.
    Persisted { number: u64 },
    /// The snapshot asked for by `Output::TakeSnapshot` is durable.
    SnapshotTaken { group: GroupId, metadata: SnapshotMetadata },
    /// It could not be written (no room): it is asked for again later.
    SnapshotNotTaken { group: GroupId },
    /// A snapshot came over the bulk lane, was checked, and is durable beside the log. `message` is the Raft
    /// message that announced it.
    SnapshotReceived {
        group: GroupId,
        from: Instance,
        message: RaftMessage,
        image: Box<Meta>,
        file: u64,
    },
    /// The file of this snapshot cannot be read any more: it is of no use to anybody, and another must be taken.
    SnapshotUnreadable { group: GroupId, index: u64, term: u64 },
    /// How an `Output::SendSnapshot` ended: exactly one for each. `ok` means that it is durable there and that the
    /// peer's node was told of it.
    SnapshotSent { group: GroupId, to: Instance, ok: bool },
    /// A local client asks. Answered by exactly one `Output::Reply` with the ticket, at the deadline at last.
    Client { ticket: u64, deadline: Moment, request: ClientRequest },
    /// The local client is gone; no reply is needed any more.
    ClientGone { ticket: u64 },
    /// The node that forwarded this request does not wait for its answer any more.
    AskerGone { ticket: u64 },
    /// Another node forwards a request. Answered by exactly one `Output::ForwardReply`.
    Forwarded { from: Instance, ticket: u64, request: ForwardRequest },
    /// The answer to an `Output::Forward`, or why there is none.
    ForwardAnswered { ticket: u64, answer: Result<ForwardAnswer, ForwardFailure> },
    /// Which secrets this host has, and how far it carries out what `Output::Secrets` said last.
    SecretsHeld(SecretsHeld),
    /// What runs on this host, all of it, and how it is.
    Applications(Vec<ApplicationReport>),
    /// The disk is (no longer) too full for new proposals.
    DiskFull(bool),
    /// The process is asked to stop: hand over leadership, say goodbye, then `Output::Stopped`.
    Stop,
    /// The same, but not while that would leave too few voters, for half a minute at most. Asked again, or with `Stop`, it goes on.
    StopInTurn,
}

/// How a node begins anew after its cluster has lost its majority for good.
#[derive(Debug, Clone, PartialEq)]
pub enum BeginAnew {
    /// It founds the cluster anew from all that its log holds, which ends in `last`: index and term. `plan` is the hash of the plan.
    Found {
        /// See the variant.
        plan: u64,
        /// See the variant.
        last: (u64, u64),
    },
    /// It joins the cluster that was founded anew.
    Join(Box<FoundingCertificate>),
}

/// Something that must be durable before the node relies on it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum Write {
    /// The founding state, replaced whole. With `marker`, the marker outside the data directory is written
    /// *after* it, before the write counts as done.
    Founding { state: Box<FoundingState>, marker: Option<ClusterId> },
    /// Records of a group's log. The first write of a log is a `Reset`.
    Log { group: GroupId, records: Vec<LogRecord> },
    /// The snapshot that was received into this file counts from now on: raft has taken it, and the log behind it begins there.
    Snapshot { group: GroupId, file: u64, metadata: Box<SnapshotMetadata> },
}

/// What a node asks of the shell.
#[derive(Debug)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum Output {
    /// Make durable, in order of numbers, which grow by one.
    Persist { number: u64, write: Write },
    /// Hand a frame to the peer's outbox; dial the address when no connection stands.
    Send { to: Instance, address: SocketAddr, frame: Frame },
    /// Hand a SWIM packet over; dial the address when no connection stands.
    SendDatagram { to: Instance, address: SocketAddr, bytes: Bytes },
    /// Make a session with whoever is at this address (`SessionUp`), or say why not (`DialFailed`). A session
    /// that stands already with that address is reported again, as `SessionUp` with its own number.
    Dial { address: SocketAddr },
    /// Somebody is there at this address, as gossip has it: what waits for a connection with it is dialled for at once
    /// and not after the pause. If nothing waits, nothing is done.
    IsThere { address: SocketAddr },
    /// Resolve all seeds anew; `OwnSlot`, and one `Resolved` each.
    ResolveSeeds,
    /// Close every connection with this instance and accept none until further notice.
    Ban { instance: Instance, reason: String },
    /// The same for whoever speaks for this instance with this key; with another key it goes on.
    RefuseKey { instance: Instance, key: NodeKey, reason: String },
    /// Close every connection with whoever has this key, and accept none from now on: the host of this name had it, and is revoked.
    Revoke { key: NodeKey, name: String },
    /// Close the session of this number: its peer is a copy of a disk life that runs elsewhere, and is to hear that.
    TurnAway { instance: Instance, number: u64 },
    /// The change of the secret is here: accept and use what it says of the secrets of this host, and say so (`SecretsHeld`).
    Secrets(Arc<SecretChange>),
    /// From now on the hello carries this cluster id.
    KnowsCluster(ClusterId),
    /// Ask the leader on the request lane.
    Forward {
        ticket: u64,
        to: Instance,
        address: SocketAddr,
        deadline: Moment,
        request: ForwardRequest,
    },
    /// Nobody waits for this forward's answer any more: the leader may stop working on it. No `ForwardAnswered` is needed.
    Withdraw { ticket: u64 },
    /// Answer a forwarded request.
    ForwardReply { ticket: u64, answer: ForwardAnswer },
    /// Answer this read elsewhere, and tell its asker: its work grows with the keyspace.
    Read(Box<LargeRead>),
    /// Answer a local client.
    Reply { ticket: u64, reply: ClientReply },
    /// Write this state as a snapshot file; a cheap clone that no longer changes.
    TakeSnapshot { group: GroupId, metadata: SnapshotMetadata, image: Box<Meta> },
    /// Stream the durable snapshot that `message` names to a peer on the bulk lane.
    SendSnapshot { group: GroupId, to: Instance, address: SocketAddr, message: RaftMessage },
    /// The snapshot that was received into this file is not taken: the file may go.
    DropSnapshot { file: u64 },
    /// A new view of health, for every local subscriber. `delta` is absent when epochs were skipped.
    Health { view: Arc<HealthView>, delta: Option<Arc<HealthDelta>>, quorate: bool },
    /// What this host's applications may use of a budget is another than before, or may be used for longer.
    Share(Share),
    /// The same of the items of an assignment that this host holds.
    Items(Items),
    /// This host knows what it is granted: of what no share was told, there is none.
    SharesKnown,
    /// Something that an operator may want to read: one journal line and one line of `quorate events`.
    Event(Event),
    /// The founding record is durable (for the shell's own files and the journal).
    Founded(Box<FoundingCertificate>),
    /// Once the stop that is under way is over: begin anew in a new disk life, and keep the data that are here beside it.
    BeginAnew(BeginAnew),
    /// Everything that `Input::Stop` asked for is done.
    Stopped,
    /// The node must not go on: exit with this text. Unless another start may go better (`again`), do not restart on the same data.
    Halt { reason: String, again: bool },
    /// This program cannot run the cluster's feature level: exit with this text, and do not start the same program again.
    Unfit { reason: String },
}
