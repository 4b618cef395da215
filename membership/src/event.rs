//! What a detector is told, and what it wants done.

use crate::verdicts::Opinion;
use bytes::Bytes;
use quorate_proto::{Card, DetectorMessage, Generation, Goodbye, Instance, Session, SessionEnd};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What a detector is told.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectorInput {
    /// Time has come.
    Wake,
    /// A gossip packet of the session with `from`.
    Datagram {
        /// The session's peer.
        from: Instance,
        /// The packet.
        bytes: Bytes,
    },
    /// A message of the session with `from`.
    Message {
        /// The session's peer.
        from: Instance,
        /// The message.
        message: DetectorMessage,
    },
    /// A session stands.
    SessionUp(Session),
    /// A session ended.
    SessionDown {
        /// Its peer.
        instance: Instance,
        /// Its number.
        number: u64,
        /// How it ended.
        end: SessionEnd,
    },
    /// An authentic frame came on the session with this peer.
    Heard {
        /// The session's peer.
        instance: Instance,
    },
    /// The peers that are pinged directly from now on; replaces the earlier set.
    Expect(Vec<Instance>),
    /// Who may be asked to confirm a suspicion, the leader first; replaces the earlier list.
    Confirmers(Vec<Instance>),
    /// How long a directly pinged peer may be silent before it is a suspicion; replaces what was said before.
    Patience {
        /// All that are not named, and those whom others ask about.
        others: Duration,
        /// By peer.
        of: BTreeMap<Instance, Duration>,
    },
    /// This node says of another that it hears it: it is asked first when we do not.
    Vouched {
        /// Of whom.
        subject: Instance,
        /// Who says it.
        by: Instance,
    },
    /// This generation of this instance has ended, by its own word.
    Farewell {
        /// Who.
        instance: Instance,
        /// Which start of it.
        generation: Generation,
        /// Who said it.
        by: Goodbye,
    },
    /// Our own new card.
    Card(Card),
    /// A member of the cluster or a seed that answered: looked for as long as it is not forgotten.
    Known {
        /// Who.
        instance: Instance,
        /// Newest start known of it.
        generation: Generation,
        /// Where to find it.
        address: SocketAddr,
    },
    /// Removed or superseded: no more is wanted of it.
    Forget(Instance),
    /// We are stopping.
    Leave,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectorOutput {
    /// Send a gossip packet.
    Datagram {
        /// To whom.
        to: Instance,
        /// Where it was last.
        address: SocketAddr,
        /// The packet, at most `limits::GOSSIP_PACKET` bytes.
        bytes: Bytes,
    },
    /// Send a message on the control lane.
    Send {
        /// To whom.
        to: Instance,
        /// The message.
        message: DetectorMessage,
    },
    /// A verdict changed.
    Verdict(Opinion),
    /// Gossip says that somebody is there at this address: what waits for it need not wait longer.
    IsThere {
        /// The address.
        address: SocketAddr,
    },
    /// Look whether somebody is (back) at this address.
    Dial {
        /// The address.
        address: SocketAddr,
    },
}
