//! What operators have said and what lasts until they take it back, as reasons: everybody who asks `quorate why` is to hear of it.

use crate::groups::Group;
use crate::node::Node;
use quorate_proto::{Moment, OperatorCause, Reason};

impl Node {
    /// Hosts that are drained; on replicas also that the autopilot is paused.
    pub(super) fn operators_words(&self, now: Moment) -> Vec<Reason> {
        let wall_ms = self.turn.wall_ms;
        // The leader's wall clock, by this node's own.
        let since = |at_unix_ms: u64| {
            let ago = wall_ms.saturating_sub(at_unix_ms).saturating_mul(1000);
            Moment::from_micros(now.as_micros().saturating_sub(ago))
        };
        let drained = self.health.view().members.iter().filter_map(|member| {
            let drained = member.drained.as_ref()?;
            let (name, reason) = (member.name.clone(), drained.reason.clone());
            Some(Reason::of(&OperatorCause::Drained { name, reason }, since(drained.since_unix_ms)))
        });
        let pause = self.group.as_ref().map(Group::meta).and_then(|meta| meta.autopilot_pause());
        let paused = pause.map(|pause| {
            let cause = OperatorCause::AutopilotPaused { reason: pause.reason.clone() };
            Reason::of(&cause, since(pause.at_unix_ms))
        });
        let known = self.secret_in_strange_hands(since);
        drained.chain(paused).chain(known).collect()
    }
}
