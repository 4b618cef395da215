//! One request: who asked, what for, how far it is, and whose place it takes.
//!
//! A request is in exactly one stage. Each kind of asker has places of its own, so that neither local waits nor local requests take those
//! of other nodes. Knows nothing of the others, nor of how a request is moved on.

use quorate_meta::{KeyRange, Meta, Space};
use quorate_proto::{
    Act, Admit, HealthEpoch, Instance, KvRequest, Moment, RenewShares, WriteName, kv_request,
};

/// Local reads and writes under way at a time. A fleet's own programs need tens; a thousand clients with several each fit.
const LOCAL_REQUESTS: usize = 8_192;
/// Local waits for an epoch at a time. They may last for an hour, so they have places apart.
pub const LOCAL_WAITS: usize = 1_024;
/// Requests of other nodes at a time. The transport lets fewer in; who asks to be let in is among them.
const PEER_REQUESTS: usize = 1_024;

/// Whose places a request takes. At the bound the asker is told that this node is busy, and the others go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Local,
    LocalWait,
    Peer,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Local, Self::LocalWait, Self::Peer];

    pub(crate) fn of(origin: Origin, work: &Work) -> Self {
        match (origin, work) {
            (Origin::Client(_), Work::WaitAll(_) | Work::WaitHere(_)) => Self::LocalWait,
            (Origin::Client(_), _) => Self::Local,
            (_, _) => Self::Peer,
        }
    }

    pub(crate) fn bound(self) -> usize {
        match self {
            Self::Local => LOCAL_REQUESTS,
            Self::LocalWait => LOCAL_WAITS,
            Self::Peer => PEER_REQUESTS,
        }
    }

    /// The word in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Local => "requests",
            Self::LocalWait => "waits",
            Self::Peer => "peer-requests",
        }
    }

    /// What a refused asker is told is too many.
    pub(crate) fn crowd(self) -> &'static str {
        match self {
            Self::Local => "requests of programs on this host are under way",
            Self::LocalWait => "waits for an epoch are under way at this node",
            Self::Peer => "requests of other nodes are under way at this node",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Write(KvRequest),
    Read(KvRequest),
    Admit(Box<Admit>),
    /// Until every live node has acknowledged the epoch.
    WaitAll(HealthEpoch),
    /// Until this node has seen the epoch.
    WaitHere(HealthEpoch),
    /// What an operator asks of the cluster.
    Act(Act),
    /// A host asks for its shares to be renewed: a read of its grants, and when it came to the leader.
    Renew(RenewShares, Option<Moment>),
}

impl Work {
    /// Whether it reads quorate's own keys, whose revisions are counted apart: no client's key is lost with them.
    pub(crate) fn reads_own_keys(&self) -> bool {
        let Self::Read(KvRequest { request: Some(kv_request::Request::Range(range)) }) = self
        else {
            return false;
        };
        KeyRange::new(&range.key, &range.range_end).space() == Space::System
    }
}

/// Who gets the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Client(u64),
    /// Another node, which asks this one as leader.
    Forwarded(u64),
    /// Another node without a link to the leader: this one may ask the leader for it.
    Relayed(u64),
    /// This node's own half that asks to be let in: it leads, and admits itself.
    Own(u64),
    /// This node's own half that holds shares of budgets.
    Holder(u64),
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody to ask yet. `tried`: the leader and term that turned it away.
    Waiting { tried: Option<(Instance, u64)> },
    /// Asked of a leader, under a ticket of this ask's own: only its answer counts. `to` is the leader, or the voter in
    /// between.
    Forwarded { to: Instance, leader: Instance, ask: u64 },
    /// This node leads and it is in hand: queued, read or waited for.
    Serving,
    /// Proposed by this node in this term.
    Proposed { term: u64 },
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) origin: Origin,
    pub(crate) work: Work,
    pub(crate) deadline: Moment,
    pub(crate) stage: Stage,
    /// What keeps the leader from an act for now, for who asked.
    pub(super) waits_for: Option<String>,
    /// Under which a write happens once; none of what is no write, and of a write that an older node forwards.
    pub(crate) name: Option<WriteName>,
    /// It came when the cluster was known to run a level at which a name has every write happen once.
    pub(crate) once: bool,
    /// Its origin has asked for it before, and does not know what came of it.
    pub(crate) again: bool,
    /// An ask or a proposal of it from here may have happened, and nobody here can tell.
    pub(crate) lost: bool,
    /// When that was asked or proposed which may have happened; none while nothing may.
    pub(crate) asked: Option<Moment>,
    /// When it leaves the leader that it was asked of, and that leads no more.
    pub(crate) leaves_at: Option<Moment>,
}

impl Request {
    /// A request that nobody was asked yet.
    pub(crate) fn new(origin: Origin, work: Work, deadline: Moment) -> Self {
        let stage = Stage::Waiting { tried: None };
        Self {
            origin,
            work,
            deadline,
            stage,
            waits_for: None,
            name: None,
            once: false,
            again: false,
            lost: false,
            asked: None,
            leaves_at: None,
        }
    }

    /// The same of a write with a name.
    pub(crate) fn named(self, name: Option<WriteName>, again: bool) -> Self {
        Self { name, again, ..self }
    }

    pub(crate) fn is_write(&self) -> bool {
        match &self.work {
            Work::Write(_) => true,
            Work::Act(act) => !act.only_asks(),
            _ => false,
        }
    }

    /// Whether it may be asked again although nobody can tell what came of it: it happens once all the same, or it is an act that done twice
    /// is as done once.
    pub(super) fn may_be_asked_again(&self) -> bool {
        match &self.work {
            Work::Act(act) => act.may_be_asked_again(),
            _ => self.once && self.name.is_some(),
        }
    }

    /// Whether it may have happened, or may happen yet, although nobody here can tell.
    pub(super) fn is_of_unknown_fate(&self) -> bool {
        if self.lost {
            return true;
        }
        let write = self.is_write() || matches!(self.work, Work::Admit(_));
        write && matches!(self.stage, Stage::Proposed { .. } | Stage::Forwarded { .. })
    }
}

/// Sorts a keyspace request.
pub(crate) fn work_of(request: KvRequest) -> Work {
    if Meta::is_read_only(&request) { Work::Read(request) } else { Work::Write(request) }
}
