//! What a founding is told, what it asks for, and how it ends: closed vocabularies.

use quorate_proto::{
    ClusterId, DialFailure, FoundingCertificate, FoundingMessage, FoundingState, Instance,
    ReasonCode, Session,
};
use std::net::SocketAddr;

/// What can happen to a founding.
#[derive(Debug, Clone)]
pub enum FoundingInput {
    /// Time has passed. Every step fires due timers, so this only causes a step.
    Wake,
    /// What a seed resolves to now; empty with a reason when it does not.
    Resolved {
        /// Which seed, from 0.
        slot: usize,
        /// Its addresses, port included.
        addresses: Vec<SocketAddr>,
        /// What the resolver said.
        problem: Option<String>,
    },
    /// Which seed this host is.
    OwnSlot(OwnSlot),
    /// Both hellos are in on a connection; again with the same number when it was dialled again.
    SessionUp(Session),
    /// Another start of a peer came while the one whose session stands still runs, and was turned away.
    Twice(Session),
    /// A connection is gone.
    SessionDown {
        /// The peer.
        instance: Instance,
        /// The session's number.
        number: u64,
    },
    /// A [`FoundingOutput::Dial`] came to nothing.
    DialFailed {
        /// What was dialled.
        address: SocketAddr,
        /// Why.
        failure: DialFailure,
    },
    /// A founding message from the peer of a session that is up.
    Message {
        /// The peer.
        from: Instance,
        /// What it says.
        message: FoundingMessage,
    },
    /// The write with this number, and all before it, are durable.
    Persisted {
        /// Its number.
        number: u64,
    },
    /// Which committed members are live, and whether this node is voter or standby. Replaces the earlier one.
    Cluster {
        /// Instances and their addresses.
        live: Vec<(Instance, SocketAddr)>,
        /// Voters and standbys heal every 500 ms, all others every 5 s (GENESIS rule 20).
        replica: bool,
    },
    /// This life may tell an application of a share that no majority granted, good for so long; 0: no more.
    Alone {
        /// In milliseconds.
        ms: u64,
    },
    /// This node was let in, and handed the record.
    Admitted(FoundingCertificate),
}

/// Which seed a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnSlot {
    /// Not known yet: names do not resolve.
    Undecided,
    /// None of them.
    NotASeed,
    /// None of them, but for the port it would be this one: most likely a mistake.
    OtherPort {
        /// The seed, counted from 0.
        slot: usize,
        /// Where this host listens.
        port: u16,
    },
    /// This one, counted from 0.
    Slot(usize),
    /// Two of them at least, which is an error in the list.
    Several(usize, usize),
}

/// What a founding asks for. Carry out in order; nothing here waits for a `Persist` of the same step.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundingOutput {
    /// Make a session with whoever is there, or say why not.
    Dial {
        /// Where.
        address: SocketAddr,
    },
    /// Resolve all seeds anew: `OwnSlot`, and one `Resolved` each.
    Resolve,
    /// Best effort; repeated until answered or void.
    Send {
        /// To whom.
        to: Instance,
        /// What.
        message: FoundingMessage,
    },
    /// Make durable, in order of numbers, which grow by one. The marker is written after the state.
    Persist {
        /// Answered by `Persisted` with this number.
        number: u64,
        /// The whole state.
        state: FoundingState,
        /// What the marker outside the data directory shall hold, when it must be written.
        marker: Option<ClusterId>,
    },
    /// The record is durable. Put out once, and only when it was learned in this run: what the state held at
    /// the start is in [`Outcome`].
    Founded(FoundingCertificate),
    /// It is durable that a cluster of this name exists; ask to be admitted. Put out as `Founded` is.
    Join(ClusterId),
    /// This life's cluster was founded anew, from the state of other disks, by an operator's word: it is over for this one.
    FoundedAnew(FoundingCertificate),
    /// Close all connections with this life and accept none. (GENESIS rule 19 will use it.)
    Ban {
        /// Whom.
        instance: Instance,
        /// Why.
        reason: String,
    },
    /// Loud, once each time it becomes so.
    Alarm {
        /// Its entry in the catalogue.
        code: ReasonCode,
        /// The sentence, with the remedy.
        text: String,
    },
}

/// How the founding stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome<'a> {
    /// The record is durable here.
    Founded(&'a FoundingCertificate),
    /// A cluster of this name exists, durable here: this life never founds, it joins.
    Join(ClusterId),
    /// Neither; [`crate::Founding::reasons`] says why.
    Waiting,
}

/// How many founder disks may be lost safely (GENESIS rule 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margin {
    /// Founder disks that may be lost at once, whichever they are, without a second founding being possible. With 0 the next one
    /// may already make it possible.
    pub disks: u32,
    /// Whether that is alarmingly few: none, with several seeds.
    pub alarm: bool,
    /// Founder slots whose present life knows the cluster.
    pub known: u32,
    /// Founder slots in the list.
    pub slots: u32,
}
