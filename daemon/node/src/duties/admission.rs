//! Letting nodes in: the leader's answer to who asks.
//!
//! A name belongs to one live instance. A wiped host comes back under its name as a new instance: the leader
//! supersedes the old one once it is committed as down or left, which the detector sees to within a second (`names` judges
//! that). An old instance that still answers makes the new one a clone: refused, named. Knows nothing of how a joiner asks (`join.rs`).

use crate::names::Claim;
use crate::node::Node;
use crate::requests::{Origin, Stage, Work};
use quorate_proto::{Admit, CommandBody, Instance, Moment, Refusal, RefusalCode};
use std::time::Duration;

/// How long an asked leader waits for the old holder of a name to be found dead.
const CHALLENGE: Duration = Duration::from_millis(2_500);
/// Most askers that wait at the leader at once; more are told to ask again.
const MAX_WAITING: usize = 64;

/// An asker at the leader.
#[derive(Debug)]
struct Asker {
    request: u64,
    admit: Admit,
    since: Moment,
}

/// Who waits for the leader's look. At most `MAX_WAITING`.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    askers: Vec<Asker>,
}

impl Node {
    /// A joiner asks this leader. What TLS proved replaces what the joiner says of itself.
    pub(crate) fn admit_asked(
        &mut self,
        ticket: u64,
        from: Instance,
        mut admit: Admit,
        deadline: Moment,
    ) {
        let origin = Origin::Forwarded(ticket);
        let Some(session) = self.peers.session(from).filter(|_| admit.instance == from) else {
            let text = "a node can only ask for itself, on its own session".to_owned();
            let refusal = Refusal { code: RefusalCode::Other.into(), detail: 0, text };
            self.answer(origin, Err(refusal));
            return;
        };
        admit.key = session.key;
        admit.generation = session.generation;
        admit.name = session.name.to_string();
        admit.address = Some(session.address.into());
        admit.supersede = None;
        self.accept(origin, Work::Admit(Box::new(admit)), deadline);
    }

    /// This node leads: the asker waits for its look at it.
    pub(crate) fn look_at_asker(&mut self, request: u64, admit: Admit) {
        if self.admission.askers.len() >= MAX_WAITING {
            let text = "too many nodes ask to be let in at once; ask again";
            return self.refuse(request, RefusalCode::Busy, text);
        }
        self.requests.set_stage(request, Stage::Here);
        self.admission.askers.push(Asker { request, admit, since: self.turn.now });
        self.turn.duties_due = true;
    }

    /// This node no longer leads: whoever asks is sent to who does. True when somebody waited.
    pub(crate) fn forget_askers(&mut self) -> bool {
        !std::mem::take(&mut self.admission.askers).is_empty()
    }

    /// The leader looks at who asks: proposes, waits for a name to be free, or refuses.
    pub(crate) fn settle_admissions(&mut self) {
        let mut askers = std::mem::take(&mut self.admission.askers);
        askers.retain_mut(|asker| !self.settle_asker(asker));
        askers.append(&mut self.admission.askers);
        askers.retain(|asker| self.requests.contains(asker.request));
        self.admission.askers = askers;
    }

    /// True when the asker was answered, or its admission proposed.
    fn settle_asker(&mut self, asker: &mut Asker) -> bool {
        if let Some(refusal) = self.sight().tombstone_of(asker.admit.instance) {
            self.refuse(asker.request, refusal.code(), &refusal.text);
            return true;
        }
        let Some(group) = &self.group else { return true };
        let known = group.meta().member(asker.admit.instance).cloned();
        // A founder that was told apart from others of its name keeps the name that it got.
        let apart = asker.admit.instance.told_apart(&asker.admit.name);
        if let Some(known) = known.as_ref().filter(|known| known.name == apart) {
            asker.admit.name.clone_from(&known.name);
        }
        let holder = group.meta().member_by_name(&asker.admit.name).cloned();
        let other = holder.filter(|holder| holder.instance != asker.admit.instance);
        if let Some(holder) = other {
            let patience_is_over = self.turn.now.since(asker.since) >= CHALLENGE;
            match self.claim(&holder, &asker.admit, patience_is_over) {
                Claim::Succeeds => asker.admit.supersede = Some(holder.instance),
                Claim::Later => return false,
                Claim::Refused(text) => {
                    self.refuse(asker.request, RefusalCode::NameTaken, &text);
                    return true;
                }
            }
        }
        if let Some(known) = known {
            // Where it is reached is judged for itself: it may have been met at one of several addresses.
            asker.admit.address.clone_from(&known.address);
        }
        asker.admit.at_unix_ms = self.turn.wall_ms;
        self.propose_for(asker.request, CommandBody::Admit(asker.admit.clone()));
        true
    }
}
