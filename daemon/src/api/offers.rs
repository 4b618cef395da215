//! Offers the cluster what files of this host define: a budget or an assignment that it does not have is defined, and of one that it has it is
//! told how the file differs.
//!
//! What stays true: a definition that is committed stays as it is, whatever the files of hosts say; of several hosts that offer at once the
//! first one's is taken. What the cluster has is looked at again each minute, for it may be defined otherwise meanwhile.

use super::assignments::{self, assignment_of};
use super::budgets::{self, definition_of};
use super::committed::below;
use super::failure::Failure;
use super::loop_call;
use super::parameters::Patience;
use crate::definitions::{DropIns, of_assignment, of_budget};
use crate::doors::Doors;
use quorate_proto::{DefinitionCause, SetAssignment, SetBudget, act, limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between looks at what the cluster has.
const LOOK: Duration = Duration::from_mins(1);
/// When the cluster could not be asked.
const AGAIN: Duration = Duration::from_secs(2);

/// Offers what the files say, as they are read, until this host stops. Tells what is odd about them.
pub(crate) async fn keep(doors: Doors, mut files: watch::Receiver<Arc<DropIns>>) {
    let (mut differ, mut failed) = (Vec::new(), String::new());
    loop {
        let now = files.borrow_and_update().clone();
        let mut pause = LOOK;
        match offer(&doors, &now).await {
            Ok(found) => (differ, failed) = (found, String::new()),
            Err(failure) => {
                pause = AGAIN;
                let text = failure.page().1.error;
                if text != failed && doors.status.borrow().leader.is_some() {
                    tracing::warn!("what files define is not in the cluster yet: {text}");
                    failed = text;
                }
            }
        }
        let all = [now.problems.clone(), differ.clone()].concat();
        doors.definitions.send_replace(all);
        tokio::select! {
            changed = files.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause), if !now.are_none() => {}
            () = doors.closing.clone().asked() => return,
        }
    }
}

/// Offers all of it once. Gives what the cluster has otherwise.
async fn offer(doors: &Doors, files: &DropIns) -> Result<Vec<DefinitionCause>, Failure> {
    let patience = Patience(limits::REQUEST_DEADLINE);
    let mut differ = Vec::new();
    if !files.budgets.is_empty() {
        let pages = budgets::budgets_of(&below(doors, budgets::PREFIX, "", patience).await?);
        for (file, budget) in &files.budgets {
            match pages.iter().find(|page| page.name == budget.name) {
                Some(page) => differ.extend(of_budget(file, budget, &definition_of(page))),
                None => {
                    let offer = act::Body::OfferBudget(SetBudget { budget: budget.clone() });
                    let acted = loop_call::act(doors, offer, patience.0).await?;
                    tracing::info!("{}: {}", file.display(), acted.text);
                }
            }
        }
    }
    if !files.assignments.is_empty() {
        let keys = below(doors, assignments::PREFIX, "", patience).await?;
        let pages = assignments::assignments_of(&keys);
        for (file, assignment) in &files.assignments {
            match pages.iter().find(|page| page.name == assignment.name) {
                Some(page) => differ.extend(of_assignment(file, assignment, &assignment_of(page))),
                None => {
                    let assignment = assignment.clone();
                    let offer = act::Body::OfferAssignment(SetAssignment { assignment });
                    let acted = loop_call::act(doors, offer, patience.0).await?;
                    tracing::info!("{}: {}", file.display(), acted.text);
                }
            }
        }
    }
    Ok(differ)
}
