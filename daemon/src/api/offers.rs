//! Offers the cluster what files of this host define: a budget or an assignment that it does not have is defined, and of one that it has it is
//! told how the file differs. What is refused is told, too.
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
use crate::clock;
use crate::definitions::{DropIns, of_assignment, of_budget};
use crate::doors::Doors;
use quorate_proto::{DefinitionCause, Moment, SetAssignment, SetBudget, act, limits};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between looks at what the cluster has.
const LOOK: Duration = Duration::from_mins(1);
/// How long the leader may take for each.
const PATIENCE: Patience = Patience(limits::REQUEST_DEADLINE);
/// When the cluster could not be asked.
const AGAIN: Duration = Duration::from_secs(2);

/// Offers what the files say, as they are read, until this host stops. Tells what is odd about them.
pub(crate) async fn keep(doors: Doors, mut files: watch::Receiver<Arc<DropIns>>) {
    let (mut odd, mut failed, mut there) = (Vec::new(), String::new(), There::default());
    loop {
        let now = files.borrow_and_update().clone();
        let mut pause = LOOK;
        let (found, failure) = offer(&doors, &now, &mut there, &odd).await;
        odd = found.unwrap_or(odd);
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
        let all = [now.problems.clone(), odd.clone()].concat();
        doors.definitions.send_modify(|before| *before = since(before, all, clock::now()));
        tokio::select! {
            changed = files.changed() => match changed {
                Ok(()) => {
                    there = There::default();
                    odd.retain(|cause| !matches!(cause, DefinitionCause::Refused { .. }));
                }
                Err(_) => return,
            },
            () = tokio::time::sleep(pause), if !now.are_none() => {}
            () = doors.closing.clone().asked() => return,
        }
    }
}

/// Each with the moment since when it is so: what is as before has been so since then.
fn since(
    before: &[(DefinitionCause, Moment)],
    all: Vec<DefinitionCause>,
    now: Moment,
) -> Vec<(DefinitionCause, Moment)> {
    let known = |cause: &DefinitionCause| before.iter().find(|(one, _)| one == cause);
    let dated = |cause: DefinitionCause| {
        let since = known(&cause).map_or(now, |(_, since)| *since);
        (cause, since)
    };
    all.into_iter().map(dated).collect()
}

/// What the cluster had since the files were read: the prefix of its kind, and its name.
type There = BTreeSet<(&'static str, String)>;

/// Offers all of it once. Gives what the cluster has otherwise or does not take, if that could be asked, and the last that failed. `before`: what
/// was odd about the same files at the last look.
async fn offer(
    doors: &Doors,
    files: &DropIns,
    there: &mut There,
    before: &[DefinitionCause],
) -> (Option<Vec<DefinitionCause>>, Option<Failure>) {
    let mut round = Round { doors, there, before, odd: Vec::new(), failed: None };
    match round.offer(files).await {
        Ok(()) => (Some(round.odd), round.failed),
        Err(failure) => (None, Some(failure)),
    }
}

/// One look at all files.
struct Round<'a> {
    doors: &'a Doors,
    there: &'a mut There,
    before: &'a [DefinitionCause],
    odd: Vec<DefinitionCause>,
    failed: Option<Failure>,
}

impl Round<'_> {
    async fn offer(&mut self, files: &DropIns) -> Result<(), Failure> {
        if !files.budgets.is_empty() {
            let keys = below(self.doors, budgets::PREFIX, "", PATIENCE).await?;
            let pages = budgets::budgets_of(&keys);
            self.there.extend(pages.iter().map(|page| (budgets::PREFIX, page.name.clone())));
            for (file, budget) in &files.budgets {
                let page = pages.iter().find(|page| page.name == budget.name);
                let differs = page.map(|page| of_budget(file, budget, &definition_of(page)));
                let key = (budgets::PREFIX, budget.name.clone());
                let offer = act::Body::OfferBudget(SetBudget { budget: budget.clone() });
                self.settle(file, key, differs, offer).await;
            }
        }
        if !files.assignments.is_empty() {
            let keys = below(self.doors, assignments::PREFIX, "", PATIENCE).await?;
            let pages = assignments::assignments_of(&keys);
            self.there.extend(pages.iter().map(|page| (assignments::PREFIX, page.name.clone())));
            for (file, assignment) in &files.assignments {
                let page = pages.iter().find(|page| page.name == assignment.name);
                let differs =
                    page.map(|page| of_assignment(file, assignment, &assignment_of(page)));
                let key = (assignments::PREFIX, assignment.name.clone());
                let set = SetAssignment { assignment: assignment.clone() };
                self.settle(file, key, differs, act::Body::OfferAssignment(set)).await;
            }
        }
        Ok(())
    }

    /// Offers what the cluster does not have; else notes how it `differs`.
    async fn settle(
        &mut self,
        file: &Path,
        key: (&'static str, String),
        differs: Option<Option<DefinitionCause>>,
        offer: act::Body,
    ) {
        if let Some(differs) = differs {
            return self.odd.extend(differs);
        }
        if self.there.contains(&key) {
            return;
        }
        match loop_call::act(self.doors, offer, PATIENCE.0).await {
            Ok(acted) => {
                tracing::info!("{}: {}", file.display(), acted.text);
                self.there.insert(key);
            }
            Err(failure) => {
                let file = file.display().to_string();
                let refused = match failure.refusal() {
                    Some(why) => Some(DefinitionCause::Refused { file, why }),
                    None => self.refused_before(&file),
                };
                self.odd.extend(refused);
                self.failed = Some(failure);
            }
        }
    }

    /// An offer without an answer says nothing else than the last one.
    fn refused_before(&self, path: &str) -> Option<DefinitionCause> {
        let of_file = |cause: &&DefinitionCause| matches!(cause, DefinitionCause::Refused { file, .. } if file == path);
        self.before.iter().find(of_file).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{Stage, refuse};
    use quorate_node::status::State;
    use quorate_proto::{Budget, RefusalCode};

    #[test]
    fn what_is_as_before_is_so_since_then_and_what_is_new_since_now() {
        let odd = |file: &str| DefinitionCause::Refused {
            file: file.to_owned(),
            why: "there are as many as there may be".to_owned(),
        };
        let at = Moment::from_micros;
        let first = since(&[], vec![odd("a")], at(1));
        let second = since(&first, vec![odd("b"), odd("a")], at(2));
        assert_eq!(second, [(odd("b"), at(2)), (odd("a"), at(1))]);
        assert_eq!(since(&second, Vec::new(), at(3)), []);
    }

    #[tokio::test]
    async fn what_was_refused_stays_told_while_the_next_offer_has_no_answer() {
        let mut codes = [RefusalCode::NotNow, RefusalCode::TimedOut].into_iter();
        let stage = Stage::new(State::Quorate, move |_| {
            refuse(codes.next().expect("it is asked twice"), 0)
        });
        let (mut there, mut odd) = (There::default(), Vec::new());
        for _ in 0..2 {
            let mut round = Round {
                doors: &stage.doors,
                there: &mut there,
                before: &odd,
                odd: Vec::new(),
                failed: None,
            };
            let offer = act::Body::OfferBudget(SetBudget { budget: Budget::default() });
            let key = (budgets::PREFIX, "pg".to_owned());
            round.settle(Path::new("pg.toml"), key, None, offer).await;
            assert!(round.failed.is_some());
            odd = round.odd;
            let [DefinitionCause::Refused { file, why }] = &odd[..] else { panic!("{odd:?}") };
            assert_eq!((file.as_str(), why.as_str()), ("pg.toml", "told so"));
        }
    }
}
