//! Bounds that both ends of a wire must agree on. Each says why it is what it is.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Oldest protocol version that this build speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// Newest protocol version that this build speaks.
pub const PROTOCOL_MAX: u32 = 1;

/// Most seeds in a config (GENESIS rule 3): a founding round among more is slower and no safer.
pub const MAX_SEEDS: usize = 7;

/// Largest SWIM packet: below QUIC's 1162-byte datagram right after the handshake.
pub const GOSSIP_PACKET: usize = 1100;
/// Largest card in gossip, so that several fit into a packet.
pub const CARD: usize = 400;

/// Largest frame on the control lane: a full health view of 1,000 members fits with room to spare.
pub const CONTROL_FRAME: usize = 1024 * 1024;
/// Largest frame on the log lane: one Raft append of `RAFT_MESSAGE` plus one oversized entry.
pub const LOG_FRAME: usize = 4 * 1024 * 1024;
/// Largest forwarded request or answer to one.
pub const REQUEST_FRAME: usize = 4 * 1024 * 1024;
/// Largest chunk on the bulk lane.
pub const BULK_CHUNK: usize = 256 * 1024;
/// Largest hello.
pub const HELLO: usize = 8 * 1024;

/// Largest client request, as in etcd ("request is too large").
pub const CLIENT_REQUEST: usize = 1536 * 1024;
/// Longest id that a client gives a write: a UUID as text fits, and a name of a unit or a job beside a number.
pub const REQUEST_ID: usize = 64;
/// Most operations in one branch of a transaction, as in etcd.
pub const TXN_OPERATIONS: usize = 128;
/// Most bytes of answer to one range that crosses nodes; a larger range needs `limit`.
pub const RANGE_ANSWER: usize = 4 * 1024 * 1024 - 64 * 1024;
/// How far ahead of ours a term or an epoch may be that somebody names. No honest node was away for so many elections or
/// changes (49 days of one each millisecond), and nobody can drive the numbers to their end in fewer than 2^32 frames.
pub const NUMBER_STEP: u64 = 1 << 32;
/// Highest number that a run of a node gives to a write: counting on from there never overflows.
pub const NUMBERS: u64 = 1 << 62;
/// Most elements in all lists of one control frame or request: several views of all members at once, or a hundred full
/// transactions. A frame that is full of the shortest ones would otherwise take a hundred times its length in memory.
pub const LIST_ELEMENTS: usize = 16 * 1024;
/// Bytes of an append for each entry in it, at least: the shortest command makes one of more than twenty.
pub const ENTRY_BYTES: usize = 16;
/// Most hosts that all nodes are warned of at once; more than that are one mistake.
pub const WARNINGS: usize = 16;
/// Most members of one cluster.
pub const MEMBERS: usize = 1_000;

/// Most nodes whose acknowledgements one voter passes on to the leader at a time; the others' come a round later.
pub const RELAYED: usize = 64;

/// Most faulty copies of the log that a leader tells of at a time: more than there are voters.
pub const COPY_NOTICES: usize = 16;

/// Most secrets of one host: the one in use, and one that it is changed to or from.
pub const SECRETS: usize = 2;
/// Most secrets that are remembered as dropped: a change a month for a year, and a few more.
pub const DROPPED_SECRETS: usize = 16;
/// Most hosts that are named at a time as not ready for a step of a change of the secret; the others follow them.
pub const SECRET_LACKS: usize = 64;
/// Hosts that are revoked. None is ever forgotten, so no more than that are revoked.
pub const REVOKED: usize = 256;

/// Most budgets of one cluster; each has a grant for each host in its scope.
pub const BUDGETS: usize = 64;
/// Most classes of one budget: each counts as a budget of its own.
pub const BUDGET_CLASSES: usize = 16;
/// Longest name of a budget, and of a budget and a class together: it is a part of keys and of file names.
pub const BUDGET_NAME: usize = 64;
/// Largest budget: what a thousand hosts hold of it adds up without overflow, and JSON numbers stay exact.
pub const BUDGET_MOST: u64 = 1_000_000_000_000;
/// Milliseconds that a share may be used behind a renewal. Below a second a slow disk would end it, and nobody waits for an hour.
pub const BUDGET_TTL_MS: RangeInclusive<u64> = 1_000..=3_600_000;
/// The same where nothing is said. A host that stands still for three seconds renews in time, and what a dead one has is free within five.
pub const BUDGET_TTL_DEFAULT_MS: u64 = 4_000;
/// Longest such time of a budget whose holders may use the whole alone: whoever comes back waits for so long.
pub const BUDGET_LOCAL_TTL_MS: u64 = 60_000;
/// Most others that a host cuts off before it uses a budget alone.
pub const BUDGET_LOCAL_FENCES: usize = 16;

/// How often a share or an item is renewed that may be used for so long behind each renewal: eight times within it, though no more often
/// than needed where that is short. So whoever stands still for less than the rest loses nothing.
#[must_use]
pub fn renewed_each(ttl: Duration) -> Duration {
    const OFTEN_ENOUGH: Duration = Duration::from_millis(400);
    (ttl / 8).max(OFTEN_ENOUGH).min(ttl / 3)
}
/// Most labels that a host must have to share a budget.
pub const BUDGET_SCOPE: usize = 8;
/// Longest name, and longest value, of such a label: as in `host.toml`.
pub const BUDGET_LABEL: usize = 63;

/// Most applications of one host.
pub const HOST_APPLICATIONS: usize = 64;
/// Longest name of an application: it is a part of keys.
pub const APPLICATION_NAME: usize = 63;
/// Most endpoints of an application on one host, ...
pub const ENDPOINTS: usize = 8;
/// ... and the longest of them: a long name of a host, and a port.
pub const ENDPOINT: usize = 128;
/// Most labels of an application on one host, ...
pub const APPLICATION_LABELS: usize = 8;
/// ... and the longest name, and longest value, of one: as in `host.toml`.
pub const APPLICATION_LABEL: usize = 63;
/// Most bytes of an application without the reason of its state. Every host keeps it, and it travels with each of its changes.
pub const APPLICATION: usize = 384;
/// Longest reason of an application's state that travels: the beginning of a check's last word.
pub const APPLICATION_REASON: usize = 120;
/// What each element in the lists of an application counts at least, in bytes: it takes as much memory.
pub const APPLICATION_ELEMENT: usize = 64;
/// What a view adds to what a host reports of an application, at most: host, disk life, start, epoch, time, and the words for a host that keeps
/// it down.
pub const APPLICATION_RECORD: usize = 192;
/// All applications of a cluster together, by these counts: with a full view of `MEMBERS` they fit into a frame of the control lane, and their
/// elements into those that one may have.
pub const APPLICATIONS_COST: usize = 512 * 1024;
/// Most applications of all hosts together.
pub const APPLICATIONS: usize = APPLICATIONS_COST / APPLICATION_RECORD;
/// What the reports in one entry of the log count together, at most: the epoch that they lead to fits into a frame. A full host has as much.
pub const REPORTED_COST: usize = 96 * 1024;
/// Most assignments of one cluster. A leader looks at all items of all of them in one turn of its loop, also when a host that held many comes
/// back: with 63,000 items such turns took up to a second, and hosts that lived counted as down.
pub const ASSIGNMENTS: usize = 32;
/// Most items of one assignment. A host that is left alone holds all items of all of them, and hears of them in one answer
/// (`REQUEST_FRAME`).
pub const ITEMS: usize = 128;
/// Longest name of an item, for the same reason.
pub const ITEM_NAME: usize = 32;
/// What an item takes in such an answer at most, beside its name.
const ITEM_BYTES: usize = 24;

/// Raft frames for a group that is not started yet, held until the founding is durable (GENESIS rule 13).
pub const HELD_RAFT_FRAMES: usize = 64;
/// How long a client's request may wait when it does not say.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// Longest reason text that travels.
pub const REASON: usize = 200;

const _: () = assert!(CLIENT_REQUEST * 2 < REQUEST_FRAME);
const _: () =
    assert!(ASSIGNMENTS * (ITEMS * (ITEM_NAME + ITEM_BYTES) + 2 * BUDGET_NAME) < REQUEST_FRAME);
const _: () = assert!(CARD * 2 < GOSSIP_PACKET);
const _: () = assert!(APPLICATIONS_COST + REPORTED_COST < CONTROL_FRAME / 2 + CONTROL_FRAME / 8);
const _: () = assert!(APPLICATIONS < LIST_ELEMENTS / 2);
const _: () = assert!(
    HOST_APPLICATIONS * (APPLICATION + APPLICATION_REASON + 8 + APPLICATION_RECORD)
        <= REPORTED_COST
);
const _: () = assert!(
    HOST_APPLICATIONS * (1 + ENDPOINTS + APPLICATION_LABELS) * APPLICATION_ELEMENT <= REPORTED_COST
);
