//! What one room tells the others. A room never calls another: it says what happened, and the node hands that on, in order, from one table
//! (`node/hand_on.rs`).
//!
//! Handed on as soon as the room that spoke is done, before anything else happens in the turn. Knows nothing of who listens.

use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{CopyNotice, HealthEpoch, HealthUpdate, Instance, Relayed};

/// See the head of the file.
#[derive(Debug)]
pub(crate) enum News {
    /// Something for the detector of who is alive.
    Detector(DetectorInput),
    /// Something for the founding.
    Founding(FoundingInput),
    /// The leader's ping brought what this node lacks of the view.
    HealthPushed(HealthUpdate),
    /// A voter that this node asked vouches for a leader, and passes on what this node lacks.
    Vouched { by: Instance, relayed: Relayed },
    /// What the leader says of copies of the log came through a voter.
    CopiesTold(Vec<CopyNotice>),
    /// There may be a quorum again, of which the local feed does not know.
    QuorateAgain,
    /// A member without a link to this leader acknowledges an epoch through a voter.
    AcknowledgedThrough { member: Instance, epoch: HealthEpoch },
    /// Whoever is not let in, or does not know who leads, asks now.
    AskToJoin,
    /// There is evidence that the leader is gone.
    LeaderGone(Instance),
    /// This voter's turn to campaign has come, and it does not lead.
    ElectionDue,
    /// A majority of the voters has not answered this leader: it leads no more.
    Resigned,
    /// The detector holds a host for dead while this node leads; `was_heard` if others said so, and this node heard it itself.
    Condemned { instance: Instance, was_heard: bool },
    /// A start of a host is over: it answers nothing any more.
    Silenced(Instance),
    /// A host that was alive was committed as gone, or as another start of itself.
    HostGone(Instance),
}
