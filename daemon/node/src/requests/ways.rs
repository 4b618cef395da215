//! What the way of a request hangs on beyond the floor: whether there is a voter around a link that is cut, whether the leader gave up,
//! and which epoch all live nodes have.
//!
//! Knows nothing of the requests.

use crate::campaign::Campaign;
use crate::leadership::Leader;
use crate::pings::health::Push;
use crate::pings::relay::Relay;
use crate::requests::request::Origin;
use crate::sight::Sight;
use quorate_proto::{ForwardRequest, HealthEpoch, Instance, forward_request};

/// See the head of the file.
#[derive(Clone, Copy)]
pub(crate) struct Ways<'a> {
    pub(crate) sight: Sight<'a>,
    pub(crate) relay: &'a Relay,
    pub(crate) campaign: &'a Campaign,
    pub(crate) push: &'a Push,
}

impl Ways<'_> {
    /// The other node that is asked as leader: unless it was silent for so long that this node shows no quorum, or there is reason to
    /// think that it is gone. What is handed to a dead leader is of unknown fate; what waits for the next one is not. A voter that hears
    /// it knows better.
    pub(super) fn leader(&self) -> Option<Leader> {
        let leader =
            self.sight.leadership.leader().filter(|_| self.relay.is_quorate(&self.sight))?;
        let gone =
            || !self.sight.seems_alive(leader.instance) || self.campaign.gave_up(leader.instance);
        let other = leader.instance != self.sight.config.instance;
        (other && (!gone() || self.leads_around())).then_some(leader)
    }

    /// Whom a request is asked of: the leader, or, at its origin and without a link to the leader, the voter in between.
    pub(super) fn whom_to_ask(&self, leader: Instance, origin: Origin) -> Instance {
        let at_origin = matches!(origin, Origin::Client(_) | Origin::Holder(_));
        at_origin.then(|| self.relay.relay(&self.sight)).flatten().unwrap_or(leader)
    }

    /// Whether a voter leads around the link to the leader, which is cut.
    pub(super) fn leads_around(&self) -> bool {
        self.relay.relay(&self.sight).is_some()
    }

    /// Whether this node and the leader do not hear each other.
    pub(super) fn is_cut_off(&self) -> bool {
        self.relay.is_cut_off(&self.sight)
    }

    /// Whether this node hands a member's request on to the leader, as long as it hears that itself (`Requests::advance`).
    pub(super) fn hands_on(&self, from: Instance, request: &ForwardRequest) -> bool {
        let member = self.sight.health.member(from).is_some();
        let admit = matches!(request.body, Some(forward_request::Body::Admit(_)));
        request.relay && member && !admit
    }

    /// The newest epoch that every live node has acknowledged.
    pub(super) fn acknowledged_by_all(&self) -> HealthEpoch {
        self.push.acknowledged_by_all(&self.sight)
    }
}
