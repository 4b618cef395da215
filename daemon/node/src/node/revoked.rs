//! Hosts that are revoked: when the room is asked, and what operators hear of what such a host knows.

use crate::node::Node;
use crate::sight::sight;
use quorate_proto::{Moment, OperatorCause, Reason};

impl Node {
    /// The shell refuses every key that is revoked by now.
    pub(super) fn refuse_the_revoked(&mut self) {
        self.revoked.refuse(&sight!(self), &mut self.turn);
    }

    /// Hosts that were revoked, and know a secret that this host accepts.
    pub(super) fn secret_in_strange_hands(&self, since: impl Fn(u64) -> Moment) -> Option<Reason> {
        let accepted = self.secrets.accepted();
        let revoked = self.health.view().revoked.iter();
        let known: Vec<_> = revoked.filter(|one| one.knows_one_of(accepted)).collect();
        let newest = known.last()?;
        let names = known.iter().map(|one| one.name.clone()).collect();
        let cause = OperatorCause::RevokedSecret { names, epoch: newest.epoch.get() };
        Some(Reason::of(&cause, since(newest.at_unix_ms)))
    }
}
