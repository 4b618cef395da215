//! What became of a command that was applied, as the answer to whoever asked for it.
//!
//! A function of the result and of what the leader knows now. Knows nothing of requests, nor of who waits.

use crate::answers::{acted, kv_refusal};
use crate::requests::first_answers::outcome_of;
use crate::requests::renewals::{assignment_refused, budget_refused, changed};
use crate::sight::Sight;
use crate::told::words_of;
use quorate_meta::{AdmitRefusal, AppliedResult, Noted, RemoveRefusal, RevokeRefusal};
use quorate_proto::{Admitted, HealthEpoch, Refusal, RefusalCode, forward_answer};

/// None for what nobody waits for.
pub(super) fn outcome_of_result(
    sight: &Sight<'_>,
    result: AppliedResult,
) -> Option<forward_answer::Outcome> {
    Some(match result {
        AppliedResult::Kv(Ok(response)) => forward_answer::Outcome::Kv(response),
        AppliedResult::Kv(Err(error)) => forward_answer::Outcome::Refused(kv_refusal(error)),
        AppliedResult::Before(first) => outcome_of(first),
        AppliedResult::Admitted(Ok(epoch)) => {
            forward_answer::Outcome::Admitted(admitted(sight, epoch))
        }
        AppliedResult::Admitted(Err(refusal)) => {
            forward_answer::Outcome::Refused(admit_refusal(&refusal))
        }
        AppliedResult::Removed(result) => {
            departed(sight, "removed", result.map_err(RevokeRefusal::Remove))
        }
        AppliedResult::Revoked(result) => departed(sight, "revoked", result),
        AppliedResult::Level(level) => {
            let text = format!("the cluster runs feature level {level}");
            let epoch = sight.health.view().epoch;
            forward_answer::Outcome::Acted(acted(sight.own_term(), epoch, text))
        }
        AppliedResult::Secret(Ok(())) => {
            let epoch = sight.health.view().epoch;
            let change = sight.group.map(|group| group.meta().secret_change().clone());
            let text = change.map(|change| words_of(&change)).unwrap_or_default();
            forward_answer::Outcome::Acted(acted(sight.own_term(), epoch, text))
        }
        AppliedResult::Secret(Err(refusal)) => {
            let (code, text) = (RefusalCode::NotNow.into(), refusal.to_string());
            forward_answer::Outcome::Refused(Refusal { code, detail: 0, text })
        }
        AppliedResult::Noted(Ok(Noted { epoch, text })) => {
            forward_answer::Outcome::Acted(acted(sight.own_term(), epoch, text))
        }
        AppliedResult::Steered { steer, changed } => {
            let word = if steer.paused { "paused" } else { "goes on" };
            let already = if changed { "" } else { " already" };
            let (epoch, text) = (sight.health.view().epoch, format!("{word}{already}"));
            forward_answer::Outcome::Acted(acted(sight.own_term(), epoch, text))
        }
        AppliedResult::Noted(Err(refusal)) => {
            let (code, text) = (RefusalCode::NotFound.into(), refusal.to_string());
            forward_answer::Outcome::Refused(Refusal { code, detail: 0, text })
        }
        AppliedResult::Budget(result) => changed(sight, result.map_err(|no| budget_refused(&no))),
        AppliedResult::Assignment(result) => {
            changed(sight, result.map_err(|no| assignment_refused(&no)))
        }
        AppliedResult::Health { .. } | AppliedResult::Void => return None,
    })
}

/// What an admitted node is told.
fn admitted(sight: &Sight<'_>, epoch: HealthEpoch) -> Admitted {
    let leader = Some(sight.config.instance);
    Admitted { founded: sight.founding.state().founded.clone(), epoch, leader }
}

fn admit_refusal(refusal: &AdmitRefusal) -> Refusal {
    let code = match refusal {
        AdmitRefusal::NameTaken { .. } => RefusalCode::NameTaken,
        AdmitRefusal::Superseded { .. } | AdmitRefusal::Removed { .. } | AdmitRefusal::Revoked => {
            RefusalCode::Superseded
        }
        _ => RefusalCode::Other,
    };
    Refusal { code: code.into(), detail: 0, text: refusal.to_string() }
}

/// What became of a member that was to go for good.
fn departed(
    sight: &Sight<'_>,
    how: &str,
    result: Result<HealthEpoch, RevokeRefusal>,
) -> forward_answer::Outcome {
    let refusal = match result {
        Ok(epoch) => {
            let text = format!("{how} at epoch {epoch}");
            return forward_answer::Outcome::Acted(acted(sight.own_term(), epoch, text));
        }
        Err(refusal) => refusal,
    };
    let code = match refusal {
        RevokeRefusal::Remove(RemoveRefusal::NotMember) => RefusalCode::NotFound,
        RevokeRefusal::Remove(RemoveRefusal::Last) | RevokeRefusal::Full => RefusalCode::NotNow,
    };
    let text = refusal.to_string();
    forward_answer::Outcome::Refused(Refusal { code: code.into(), detail: 0, text })
}
