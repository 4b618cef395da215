//! Renewals of shares at the leader: reads of the grants of one host, behind the round of all reads of their turn; and what is told of a
//! budget or an assignment that was changed.
//!
//! Knows nothing of what is granted, nor of when a renewal is answered once it is confirmed.

use crate::answers::acted;
use crate::news::{News, ShareNews};
use crate::requests::{Requests, Stage, Work};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_meta::{AssignmentRefusal, BudgetRefusal};
use quorate_proto::{Refusal, RefusalCode, RenewShares, forward_answer};

impl Requests {
    /// A renewal came to the leader: it waits for a round that begins behind it.
    pub(super) fn serve_renewal(&mut self, turn: &mut Turn, id: u64, ask: RenewShares) {
        self.reword(id, Work::Renew(ask, Some(turn.now)));
        self.set_stage(id, Stage::Serving);
        self.serving.fresh_reads.push(id);
    }
}

/// What is told of a renewal for which the leader is confirmed; none of what is no renewal.
pub(super) fn confirmed(request: u64, work: &Work) -> Option<News> {
    let Work::Renew(ask, Some(came)) = work else { return None };
    let (ask, came) = (ask.clone(), *came);
    Some(News::Shares(ShareNews::RenewalConfirmed { request, ask, came }))
}

/// What is told of a change of a budget, or of an assignment.
pub(super) fn changed(
    sight: &Sight<'_>,
    result: Result<String, Refusal>,
) -> forward_answer::Outcome {
    match result {
        Ok(text) => {
            forward_answer::Outcome::Acted(acted(sight.own_term(), sight.health.view().epoch, text))
        }
        Err(refusal) => forward_answer::Outcome::Refused(refusal),
    }
}

pub(super) fn budget_refused(refusal: &BudgetRefusal) -> Refusal {
    refused(
        matches!(refusal, BudgetRefusal::Unknown(_) | BudgetRefusal::UnknownHolder(_)),
        refusal.to_string(),
    )
}

pub(super) fn assignment_refused(refusal: &AssignmentRefusal) -> Refusal {
    let unknown =
        matches!(refusal, AssignmentRefusal::Unknown(_) | AssignmentRefusal::UnknownItem { .. });
    refused(unknown, refusal.to_string())
}

fn refused(unknown: bool, text: String) -> Refusal {
    let code = if unknown { RefusalCode::NotFound } else { RefusalCode::NotNow };
    Refusal { code: code.into(), detail: 0, text }
}
