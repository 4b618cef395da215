//! What one room tells the others. A room never calls another: it says what happened, and the node hands that on, in order, from one table
//! (`node/hand_on.rs`).
//!
//! Handed on as soon as the room that spoke is done, before anything else happens in the turn. Knows nothing of who listens.

use crate::client::{Acknowledgement, FencedAlone, ItemRelease};
use quorate_membership::{DetectorInput, FoundingInput};
use quorate_proto::{
    Act, Admit, Choice, CopyNotice, ForwardAnswer, HealthEpoch, HealthUpdate, Instance, Moment,
    RecoveryAsk, Relayed, RenewShares, SharesRenewed, Warning, WarningKind,
};
use std::net::SocketAddr;

/// See the head of the file.
#[derive(Debug)]
pub(crate) enum News {
    /// Something for the detector of who is alive.
    Detector(DetectorInput),
    /// Something for the founding.
    Founding(FoundingInput),
    /// Whom to ask to be let in is known now.
    AskToJoin,
    /// This node leads and has news about itself: it asks itself.
    AsksItself { ticket: u64, admit: Box<Admit>, deadline: Moment },
    /// Whoever was asked named a leader, or said that it is one; or knows none.
    LeaderByAnswer(Option<Instance>),
    /// This node is in, at this epoch.
    LetIn(HealthEpoch),
    /// Something that an operator should look at is new here.
    Warned(Warning),
    /// The leader listens to this start of a life that runs twice.
    Chosen(Choice),
    /// A host asks for a name that is another's.
    NameHeld { kind: WarningKind, asker: Box<Admit> },
    /// A life gets the name that it asked for.
    NameGiven(Instance),
    /// A node asked this leader to be let in, by its own session.
    JoinerAsked { ticket: u64, from: Instance, admit: Box<Admit>, deadline: Moment },
    /// An operator asks something of the cluster, and this node leads.
    ActAsked { request: u64, act: Act },
    /// Somebody asks what this node holds, or has it carry out its part of a plan to found the cluster anew: another node, or a
    /// program on this host.
    AskedToRecover { by_node: bool, ticket: u64, ask: RecoveryAsk },
    /// A program on this host asks what it would mean that the founding does without some seeds, or has it do so.
    AskedToWaive { ticket: u64, without: Vec<String>, shown: Option<Vec<Instance>> },
    /// A request to be let in has its place here, and this node leads.
    JoinerWaits { request: u64, admit: Box<Admit> },
    /// This node's own request to be let in has its answer, from this node.
    JoinAnswered { ticket: u64, answer: ForwardAnswer },
    /// A node that was asked said where another is reached.
    AddressNamed { instance: Instance, address: SocketAddr },
    /// A node that was asked named a newer leader, and there is no replica here that would know.
    LeaderNamed { leader: Instance, term: u64 },
    /// Raft did not take a command that no request waits for.
    NotProposed { ticket: u64 },
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
    /// Of shares of budgets.
    Shares(ShareNews),
    /// A host that was alive was committed as gone, or as another start of itself.
    HostGone(Instance),
}

/// What is told of shares of budgets.
#[derive(Debug)]
pub(crate) enum ShareNews {
    /// A majority has confirmed this leader since a host asked for its shares to be renewed.
    RenewalConfirmed { request: u64, ask: RenewShares, came: Moment },
    /// This node asks for its shares to be renewed.
    Asked { ticket: u64, ask: RenewShares, deadline: Moment },
    /// What came of that.
    Answered { ticket: u64, answer: Option<SharesRenewed> },
    /// An application on this host says what it uses of its share.
    Acknowledged { ticket: u64, use_of: Acknowledgement },
    /// A fence has succeeded that this host waits for.
    Fenced { ticket: u64, fenced: FencedAlone },
    /// An application on this host says that it has let an item go.
    Released { ticket: u64, release: ItemRelease },
}
