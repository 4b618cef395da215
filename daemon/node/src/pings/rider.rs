//! What rides on pings and their answers until it is acknowledged: one seam for all that a leader has to tell every member, again and
//! again, without a connection or a timer of its own.
//!
//! A rider is level-triggered. With each round the leader loads what a member lacks by its last answer; the member takes it, and says in
//! its answer what it has; nothing is remembered on the way, so a lost ping costs one round. A round is loaded as a whole, because most
//! members lack the same: what is made for one is kept for the others of the round, and no longer. A voter that hears the leader answers
//! for those that do not, so an answer may also come to a node that does not lead; each rider looks for itself.
//!
//! A new rider is a file with this trait, a room in the node, and a line in the table of riders (`node/pings.rs`); its words are fields of
//! `Ping` and `Pong`. Riders know nothing of rounds, and of each other.

use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{Instance, Ping, Pong};
use std::time::Duration;

/// Loads the pings of one round, one by one.
pub(crate) type Load<'a> = Box<dyn FnMut(Instance, &mut Ping) + 'a>;

/// An answer to a ping of this node, from a member.
pub(crate) struct Answer {
    pub(crate) from: Instance,
    pub(crate) pong: Pong,
    /// How long it took; none when that is not known, or says nothing.
    pub(crate) took: Option<Duration>,
    /// The number of the newest ping that this node has sent to anybody: an answer to a later one is made up.
    pub(crate) newest: u64,
}

/// See the head of the file.
pub(crate) trait Rider {
    /// As leader: a round of pings begins. What it gives puts onto each ping what its receiver lacks.
    fn load<'a>(&'a mut self, sight: &Sight<'a>, turn: &mut Turn) -> Load<'a>;

    /// A ping of the leader that this node believes is here: takes off what rode on it.
    fn take(&mut self, sight: &Sight<'_>, turn: &mut Turn, ping: &mut Ping);

    /// Somebody's ping is answered: says what this node has.
    fn answer(&mut self, sight: &Sight<'_>, to: Instance, pong: &mut Pong);

    /// A member's answer is here, also when this node does not lead.
    fn acknowledged(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &mut Answer);

    /// The leader is another one, or in another term: it knows of no acknowledgement.
    fn begin(&mut self);

    /// Forgets who is no member any more.
    fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool);
}
