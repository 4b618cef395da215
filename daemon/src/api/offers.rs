//! Offers the cluster what files of this host define: a budget or an assignment that it does not have is defined, and of one that it has it is
//! told how the file differs.
//!
//! What stays true: a definition that is committed stays as it is, whatever the files of hosts say; of several hosts that offer at once the
//! first one's is taken. What the cluster had since the files were read is not offered again before they are read anew: who removes it means
//! it. What the cluster has is looked at again each minute, for it may be defined otherwise meanwhile. One that is refused keeps no other back.

use super::assignments::{self, assignment_of};
use super::budgets::{self, definition_of};
use super::committed::below;
use super::failure::Failure;
use super::loop_call;
use super::parameters::Patience;
use crate::definitions::{DropIns, of_assignment, of_budget};
use crate::doors::Doors;
use quorate_proto::{DefinitionCause, SetAssignment, SetBudget, act, limits};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between looks at what the cluster has.
const LOOK: Duration = Duration::from_mins(1);
/// When the cluster could not be asked.
const AGAIN: Duration = Duration::from_secs(2);

/// Offers what the files say, as they are read, until this host stops. Tells what is odd about them.
pub(crate) async fn keep(doors: Doors, mut files: watch::Receiver<Arc<DropIns>>) {
    let (mut differ, mut failed, mut there) = (Vec::new(), String::new(), There::default());
    loop {
        if files.has_changed().unwrap_or(false) {
            there = There::default();
        }
        let now = files.borrow_and_update().clone();
        let mut pause = LOOK;
        let (found, failure) = offer(&doors, &now, &mut there).await;
        differ = found.unwrap_or(differ);
        match failure {
            None => failed.clear(),
            Some(failure) => {
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

/// What the cluster had since the files were read: budgets, and assignments.
#[derive(Debug, Default)]
struct There {
    budgets: BTreeSet<String>,
    assignments: BTreeSet<String>,
}

/// Offers all of it once. Gives what the cluster has otherwise, if that could be asked, and the last that failed.
async fn offer(
    doors: &Doors,
    files: &DropIns,
    there: &mut There,
) -> (Option<Vec<DefinitionCause>>, Option<Failure>) {
    let patience = Patience(limits::REQUEST_DEADLINE);
    let (mut differ, mut failed) = (Vec::new(), None);
    if !files.budgets.is_empty() {
        let pages = match below(doors, budgets::PREFIX, "", patience).await {
            Ok(keys) => budgets::budgets_of(&keys),
            Err(failure) => return (None, Some(failure)),
        };
        there.budgets.extend(pages.iter().map(|page| page.name.clone()));
        for (file, budget) in &files.budgets {
            match pages.iter().find(|page| page.name == budget.name) {
                Some(page) => differ.extend(of_budget(file, budget, &definition_of(page))),
                None if there.budgets.contains(&budget.name) => {}
                None => {
                    let offer = act::Body::OfferBudget(SetBudget { budget: budget.clone() });
                    match offered(doors, file, offer, patience).await {
                        Ok(()) => _ = there.budgets.insert(budget.name.clone()),
                        Err(failure) => failed = Some(failure),
                    }
                }
            }
        }
    }
    if !files.assignments.is_empty() {
        let pages = match below(doors, assignments::PREFIX, "", patience).await {
            Ok(keys) => assignments::assignments_of(&keys),
            Err(failure) => return (None, Some(failure)),
        };
        there.assignments.extend(pages.iter().map(|page| page.name.clone()));
        for (file, assignment) in &files.assignments {
            match pages.iter().find(|page| page.name == assignment.name) {
                Some(page) => differ.extend(of_assignment(file, assignment, &assignment_of(page))),
                None if there.assignments.contains(&assignment.name) => {}
                None => {
                    let assignment = assignment.clone();
                    let name = assignment.name.clone();
                    let offer = act::Body::OfferAssignment(SetAssignment { assignment });
                    match offered(doors, file, offer, patience).await {
                        Ok(()) => _ = there.assignments.insert(name),
                        Err(failure) => failed = Some(failure),
                    }
                }
            }
        }
    }
    (Some(differ), failed)
}

/// Offers one.
async fn offered(
    doors: &Doors,
    file: &Path,
    offer: act::Body,
    patience: Patience,
) -> Result<(), Failure> {
    let acted = loop_call::act(doors, offer, patience.0).await?;
    tracing::info!("{}: {}", file.display(), acted.text);
    Ok(())
}
