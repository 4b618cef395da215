//! The shared vocabulary of quorate: identifiers, ordered numbers, wire messages, hashes and limits.
//!
//! Everything here can be encoded, decoded and compared; nothing here acts. Messages are prost structs
//! written in Rust (no `.proto` files and no code generator: the tag numbers in the attributes are the
//! wire format). Two rules keep the wire evolvable: tags are never reused, and unknown fields are skipped.
//!
//! Knows nothing of clocks, sockets, files, gossip libraries or consensus libraries.

mod acts;
mod address;
mod anew;
mod applications;
mod assignments;
mod budgets;
mod card;
mod command;
mod dissent;
mod elements;
mod envelope;
mod epochs;
mod fences;
mod founding;
mod hash;
mod health;
mod hello;
mod id;
mod kv;
mod kv_error;
mod label;
mod lane;
mod level;
pub mod limits;
mod lineage;
mod moment;
mod named_write;
mod order;
mod ping;
mod raft;
mod reason;
mod recovery;
mod renewals;
mod request;
mod revoked;
mod scope;
mod secrets;
mod session;
mod warnings;
mod witness;

pub use acts::{
    Act, Acted, AskAutopilot, AutopilotHost, AutopilotReport, ChangeSecret, DrainHost,
    DropAssignment, DropBudget, PromoteHost, RaiseFeatures, RemoveHost, RevokeHost, SetAssignment,
    SetBudget, SteerAutopilot, TransferLeadership, act, nobody_named,
};
pub use address::Address;
pub use applications::{
    Application, ApplicationChange, ApplicationGone, ApplicationReport, ApplicationState,
    HostApplications, ReportApplications, is_host_port,
};
pub use assignments::{
    Assignment, AssignmentRecord, ChangeItems, DefineAssignment, ItemChange, ItemGrant, ItemHolder,
    ItemState, ItemStep, Rebalance, RemoveAssignment,
};
pub use budgets::{
    Budget, BudgetMode, BudgetRecord, ChangeGrants, Class, DefineBudget, Grant, QuorumLoss,
    RemoveBudget,
};
pub use card::Card;
pub use command::{
    Admit, Approve, Command, CommandBody, Drain, Forget, HealthProposal, RaiseLevel, Remove,
    StateChange, Steer,
};
pub use dissent::{
    ConfirmAnswer, ConfirmAsk, DetectorMessage, Dissent, LifeAnswer, LifeProbe, Verdict,
    VerdictReport, detector_message,
};
pub use envelope::{Envelope, EnvelopeBody, EnvelopeError, RaftFrame};
pub use fences::{FreeGrant, FreeItem};
pub use founding::{
    Accept, Accepted, AcceptedRecord, Answer, Ask, Ballot, Confirm, Confirmed, Exists,
    FounderVoter, FoundingCertificate, FoundingMessage, FoundingProof, FoundingRecord,
    FoundingState, Nack, Prepare, Promise, ProofVote, StateError, Waiver, founding_message,
};
pub use hash::{Digest, founders_digest, raft_id, sha256, short_hash};
pub use health::{
    Drained, Goodbye, HealthChange, HealthDelta, HealthUpdate, HealthView, Member, MemberState,
    Role,
};
pub use hello::{Hello, HelloKind};
pub use id::{
    ClusterId, ClusterName, Generation, GroupId, Instance, NameError, NodeKey, NodeName, RaftId,
};
pub use kv::{
    CompactionRequest, CompactionResponse, Compare, CompareResult, CompareTarget,
    DeleteRangeRequest, DeleteRangeResponse, KeyValue, KvRequest, KvResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, RequestOp, ResponseHeader, ResponseOp, SortOrder,
    SortTarget, TxnRequest, TxnResponse, compare, kv_request, kv_response, request_op, response_op,
};
pub use kv_error::KvError;
pub use label::Label;
pub use lane::{Frame, FrameKind, Lane, Supersede};
pub use level::{FeatureLevel, LEVELS, Levels};
pub use lineage::Lineage;
pub use moment::Moment;
pub use named_write::{ClientName, NamedWrite, Numbered, WriteName, write_name};
pub use order::{HealthEpoch, Revision};
pub use ping::{CopyFault, CopyNotice, Ping, Pong, Relayed, RelayedAcknowledgement};
pub use prost::Message;
pub use raft::{
    ConfChange, ConfChangeKind, ConfChangeSet, ConfState, Entry, EntryKind, HardState, MessageKind,
    RaftMessage, SnapshotAnnouncement, SnapshotMetadata,
};
pub use reason::{
    Adoption, ApplicationCause, AssignmentCause, BudgetCause, Cause, Copied, CopyCause,
    DaemonCause, DefinitionCause, FenceCause, FoundingCause, Hindrance, InScope, Known, LinkCause,
    MemberCause, MissingSeed, MissingVoter, OddSecret, OperatorCause, PlaceTrouble, Presence,
    Reason, ReasonCode, SeedTrouble, SlowPart, SlowlyJudged, Trouble, WitnessCause,
};
pub use recovery::{Holding, RecoveryAnswer, RecoveryAsk, RecoveryOrder, recovery_ask};
pub use renewals::{
    ItemRenewed, ItemsKnown, ItemsRenewed, RenewShares, ShareRenewed, ShareUse, SharesRenewed,
};
pub use request::{
    Admitted, ForwardAnswer, ForwardRequest, NotLeader, Refusal, RefusalCode, WaitEpoch, Waited,
    forward_answer, forward_request,
};
pub use revoked::{Revocation, Revoke, change_the_secret, revoked_text};
pub use secrets::{
    ChosenSecrets, Fingerprint, SecretChange, SecretLack, SecretLackKind, SecretNews, SecretStep,
    SecretsHeld, TakeSecretStep,
};
pub use session::{CannotSend, DialFailure, Session, SessionEnd};
pub use warnings::{Choice, CopyGuess, Warning, WarningKind, Warnings};
pub use witness::{WITNESS, is_witness, witness_label};
