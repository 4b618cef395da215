//! A majority is lost for good: what this node holds, and its part of a plan to found the cluster anew.
//!
//! Invariants: nothing is begun while this node knows a leader with a majority, nor when it holds anything else than the plan says. It begins
//! anew once. Who did not agree to the plan by which the cluster was founded anew stops, and keeps its data, but not while its own side has a
//! majority, nor before it has had the time to find one; who has no data, because no cluster has let it in, joins then. Knows nothing of how a plan is made, nor of disks.

use crate::event::{BeginAnew, Output};
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{
    FoundingCertificate, Holding, MemberCause, Moment, Reason, RecoveryAnswer, RecoveryAsk,
    RecoveryOrder, Role, recovery_ask,
};
use std::time::Duration;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// The plan by which this node follows whoever founds.
    agreed: Option<u64>,
    /// It begins anew when its stop is over.
    begins: bool,
    /// Since when this node is left behind without a majority, and by what its cluster was founded anew.
    left: Option<(Moment, Box<FoundingCertificate>)>,
}

/// How long a host that was left behind looks for a majority on its own side before it stops: every start begins without one, and whoever
/// was only cut off must not be ended host by host. Nothing is committed on its side meanwhile.
const LEFT_BEHIND: Duration = Duration::from_secs(30);
/// How often it looks whether it has one.
const LOOK: Duration = Duration::from_secs(1);

/// What this node holds.
pub(crate) fn holding(sight: &Sight<'_>, quorate: bool, acknowledged: u64) -> Holding {
    let config = sight.config;
    let about = Holding {
        name: config.name.to_string(),
        instance: config.instance,
        generation: config.generation,
        quorate,
        role: sight.role().unwrap_or(Role::Member).into(),
        acknowledged,
        ..Holding::default()
    };
    let Some(group) = sight.group else { return about };
    let (status, meta) = (group.replica().status(), group.meta());
    Holding {
        term: status.term,
        commit: status.commit,
        last: status.last,
        last_term: group.replica().last_term(),
        applied: meta.applied(),
        state_hash: meta.state_hash(),
        revision: meta.revision().get(),
        voters: status.conf.voters,
        voters_outgoing: status.conf.voters_outgoing,
        ..about
    }
}

impl Recovery {
    /// Answers; an order is carried out if nothing speaks against it. Gives whether this node must stop now, to begin anew.
    pub(crate) fn asked(
        &mut self,
        turn: &mut Turn,
        holding: Holding,
        ask: &RecoveryAsk,
    ) -> (RecoveryAnswer, bool) {
        let order = match &ask.body {
            Some(recovery_ask::Body::Survey(_)) => {
                return (RecoveryAnswer { holding, refused: String::new() }, false);
            }
            Some(recovery_ask::Body::Order(order)) => order,
            None => {
                let refused = "its version does not know what is asked".to_owned();
                return (RecoveryAnswer { holding, refused }, false);
            }
        };
        if let Some(refused) = self.refusal(order, &holding) {
            return (RecoveryAnswer { holding, refused }, false);
        }
        if order.founds {
            let last = (holding.last, holding.last_term);
            self.begin(turn, BeginAnew::Found { plan: order.plan, last });
        } else {
            self.agreed = Some(order.plan);
        }
        (RecoveryAnswer { holding, refused: String::new() }, self.begins)
    }

    fn refusal(&self, order: &RecoveryOrder, holding: &Holding) -> Option<String> {
        if self.begins {
            return Some("it begins anew already".to_owned());
        }
        if let Some((_, founded)) = &self.left {
            let cluster_id = founded.record.cluster_id();
            return Some(format!(
                "its cluster was founded anew before, as {cluster_id}, and it stops soon"
            ));
        }
        if holding.quorate {
            return Some("it knows a leader with a majority: nothing is lost".to_owned());
        }
        if order.holding != *holding {
            return Some("it holds something else than when the plan was made".to_owned());
        }
        let replica = holding.applied > 0;
        (order.founds && !replica).then(|| "it has no copy of the state".to_owned())
    }

    fn begin(&mut self, turn: &mut Turn, anew: BeginAnew) {
        self.begins = true;
        turn.out.push(Output::BeginAnew(anew));
    }

    /// The cluster of this node was founded anew by others. Gives whether this node must stop now, to join them.
    pub(crate) fn founded_anew(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        quorate: bool,
        founded: FoundingCertificate,
    ) -> bool {
        let plan = founded.lineage.map(|lineage| lineage.plan);
        if self.begins || quorate {
            // With a majority nothing was lost, and two clusters of one name are told as that.
            self.left = None;
            return false;
        }
        if plan.is_some() && plan == self.agreed {
            self.begin(turn, BeginAnew::Join(Box::new(founded)));
            return true;
        }
        self.left.get_or_insert_with(|| (turn.now, Box::new(founded)));
        self.look_again(sight, turn, quorate)
    }

    /// That this node was left behind, while it looks for a majority.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let (since, founded) = self.left.as_ref()?;
        let (cluster_id, by) = (founded.record.cluster_id(), founders(founded));
        let seconds = LEFT_BEHIND.as_secs();
        Some(Reason::of(&MemberCause::LeftBehind { cluster_id, by, seconds }, *since))
    }

    /// Stops what was left behind for too long, and forgets that it was where there is a majority after all. Who was never let in holds
    /// nothing that could be kept: it follows the others. Gives whether this node must stop now, to join them.
    pub(crate) fn look_again(&mut self, sight: &Sight<'_>, turn: &mut Turn, quorate: bool) -> bool {
        if self.begins || quorate {
            self.left = None;
        }
        let Some((since, founded)) = &self.left else { return false };
        if turn.now.since(*since) < LEFT_BEHIND {
            turn.timers.arm(Timer::LeftBehind, turn.now + LOOK);
            return false;
        }
        if sight.group.is_none() && sight.health.view().members.is_empty() {
            let founded = founded.clone();
            self.begin(turn, BeginAnew::Join(founded));
            return true;
        }
        turn.out.push(Output::Halt { reason: left_behind(sight, founded), again: false });
        false
    }
}

fn founders(founded: &FoundingCertificate) -> Vec<String> {
    founded.record.voters.iter().map(|voter| voter.name.clone()).collect()
}

/// Why a host stops that comes back after its cluster was founded anew, and what to do.
fn left_behind(sight: &Sight<'_>, founded: &FoundingCertificate) -> String {
    let (cluster, name) = (founded.record.cluster_id(), &sight.config.name);
    let by = founders(founded);
    format!(
        "this cluster had lost its majority and was founded anew, as {cluster}, on {}, without what the disk of {name} holds. This daemon stops \
         and keeps its data. To join the new cluster with a new disk, on this host: `quorate reset --set-aside --cluster {}`, which keeps \
         the data beside it, then `systemctl start quorate`",
        by.join(", "),
        sight.config.cluster
    )
}

#[cfg(test)]
mod tests;
