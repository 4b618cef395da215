//! The plan to found a cluster anew after a lost majority, as `quorate recover` shows it: what all hold that are left, who of them has most,
//! and what may be lost. Made of what they say alone; asks nobody.
//!
//! Invariants: the same answers give the same plan, on whichever host it is made. What cannot be excluded to be lost is named as that.
//! Nothing is planned while a majority of the voters is there.

use quorate_node::Status;
use quorate_proto::{Holding, Instance, Member, RaftId, ReasonCode, Role, raft_id, short_hash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `quorate recover -o json`, and the file of `--plan`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecoveryPage {
    pub(crate) cluster: String,
    /// The cluster that is to be founded anew.
    pub(crate) cluster_id: String,
    /// Hash of all else: sixteen hexadecimal digits.
    #[serde(default)]
    pub(crate) plan: String,
    /// The host that founds it, from what it holds.
    pub(crate) founder: String,
    /// Whoever answers, by name.
    pub(crate) survivors: Vec<HoldingPage>,
    /// Voters that do not answer, by name.
    pub(crate) missing_voters: Vec<String>,
    /// Other members that do not.
    pub(crate) missing: Vec<String>,
    pub(crate) loss: LossPage,
}

/// What one host holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldingPage {
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) generation: u64,
    pub(crate) role: String,
    pub(crate) term: u64,
    pub(crate) commit: u64,
    /// Last entry of its log.
    pub(crate) last: u64,
    pub(crate) last_term: u64,
    pub(crate) applied: u64,
    /// Sixteen hexadecimal digits.
    pub(crate) state_hash: String,
    pub(crate) revision: u64,
    /// Newest revision that a client of it was told.
    pub(crate) acknowledged: u64,
}

/// A plan, and who has which part in it.
pub(crate) struct Planned {
    pub(crate) page: RecoveryPage,
    /// What all hold that are left, in the order of the page.
    pub(crate) holdings: Vec<Holding>,
    /// Who founds.
    pub(crate) founder: Instance,
}

/// What may be lost of what was acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossPage {
    /// It is certain that nothing is.
    pub(crate) nothing: bool,
    /// All up to this revision is kept.
    pub(crate) kept: u64,
    /// The newest revision that is known to have been acknowledged, where that is above `kept`.
    #[serde(default)]
    pub(crate) acknowledged: Option<u64>,
    pub(crate) text: String,
}

/// Who is left, and of whom.
struct Survey<'a> {
    status: &'a Status,
    holdings: &'a [Holding],
    best: &'a Holding,
    /// Members by Raft id.
    members: BTreeMap<u64, &'a Member>,
}

impl RecoveryPage {
    /// The plan, and what its founder and all others hold.
    ///
    /// # Errors
    /// Why there is none to be made.
    pub(crate) fn of(status: &Status, mut holdings: Vec<Holding>) -> Result<Planned, String> {
        let Some(cluster_id) = status.cluster_id else {
            return Err("this host is in no cluster yet: there is nothing to recover; `quorate why` says what it waits for".to_owned());
        };
        if let Some(reason) = status.reasons.iter().find(|it| it.code == ReasonCode::TwoClusters) {
            return Err(format!(
                "{}. Nothing was changed: what is founded anew from here would be one cluster more. `quorate why`",
                reason.text
            ));
        }
        // Who has no copy, and is no member, was taken out, or was never in.
        let is_member = |life| status.view.members.iter().any(|member| member.instance == life);
        holdings.retain(|holding| holding.applied > 0 || is_member(holding.instance));
        holdings
            .sort_by(|one, other| (&one.name, one.instance).cmp(&(&other.name, other.instance)));
        if let Some(quorate) = holdings.iter().find(|holding| holding.quorate) {
            return Err(format!(
                "{} knows a leader with a majority: nothing is lost, and nothing was changed. If this host does not: `quorate why`",
                quorate.name
            ));
        }
        let copies = holdings.iter().filter(|holding| holding.applied > 0);
        let order = |holding: &&Holding| {
            (
                holding.reach(),
                holding.role() == Role::Voter,
                std::cmp::Reverse((holding.name.clone(), holding.instance)),
            )
        };
        let Some(best) = copies.max_by_key(order) else {
            return Err("no host that can be reached from here has a copy of the state: run this on one that was a voter or standby".to_owned());
        };
        let members = status.view.members.iter();
        let members = members.map(|one| (raft_id(cluster_id, one.instance).get(), one)).collect();
        let survey = Survey { status, holdings: &holdings, best, members };
        survey.refuse_majority()?;
        let mut page = Self {
            cluster: status.cluster.clone(),
            cluster_id: cluster_id.to_string(),
            plan: String::new(),
            founder: best.name.clone(),
            survivors: holdings.iter().map(HoldingPage::of).collect(),
            missing_voters: survey.missing_voters(),
            missing: survey.missing(),
            loss: survey.loss(),
        };
        page.plan = format!("{:016x}", page.hash());
        let founder = best.instance;
        Ok(Planned { page, holdings, founder })
    }

    /// The number by which the hosts know the plan.
    pub(crate) fn hash(&self) -> u64 {
        let unnamed = Self { plan: String::new(), ..self.clone() };
        short_hash(&[b"quorate/plan", &serde_json::to_vec(&unnamed).unwrap_or_default()])
    }

    /// What is otherwise than in this plan, which was made earlier; none when all is as it was.
    pub(crate) fn moved(&self, now: &Self) -> Option<String> {
        if self.hash() == now.hash() {
            return None;
        }
        if self.cluster_id != now.cluster_id {
            return Some(format!(
                "it is of cluster {}, this one is {}",
                self.cluster_id, now.cluster_id
            ));
        }
        let of = |page: &Self, life: &str| {
            page.survivors.iter().find(|one| one.instance == life).cloned()
        };
        for one in &self.survivors {
            match of(now, &one.instance) {
                None => return Some(format!("{} answered then, and does not now", one.name)),
                Some(found) if found != *one => {
                    return Some(format!("{} holds something else now", one.name));
                }
                Some(_) => {}
            }
        }
        let new = now.survivors.iter().find(|one| of(self, &one.instance).is_none());
        Some(new.map_or_else(
            || "the members have changed".to_owned(),
            |new| format!("{} answers now, and did not then", new.name),
        ))
    }
}

impl HoldingPage {
    fn of(holding: &Holding) -> Self {
        Self {
            name: holding.name.clone(),
            instance: holding.instance.to_string(),
            generation: holding.generation.get(),
            role: holding.role().word().to_owned(),
            term: holding.term,
            commit: holding.commit,
            last: holding.last,
            last_term: holding.last_term,
            applied: holding.applied,
            state_hash: format!("{:016x}", holding.state_hash),
            revision: holding.revision,
            acknowledged: holding.acknowledged,
        }
    }
}

impl Survey<'_> {
    fn is_here(&self, id: u64) -> bool {
        let cluster_id = self.status.cluster_id.unwrap_or_default();
        self.holdings.iter().any(|holding| raft_id(cluster_id, holding.instance).get() == id)
    }

    /// How many of these voters are here, and how many there are.
    fn count(&self, voters: &[u64]) -> (usize, usize) {
        (voters.iter().filter(|id| self.is_here(**id)).count(), voters.len())
    }

    /// The sets of voters of which a majority each must agree.
    fn sets(&self) -> impl Iterator<Item = (usize, usize)> {
        let sets = [&self.best.voters, &self.best.voters_outgoing];
        sets.into_iter().filter(|set| !set.is_empty()).map(|set| self.count(set))
    }

    fn refuse_majority(&self) -> Result<(), String> {
        if self.sets().any(|(here, all)| here * 2 <= all) {
            return Ok(());
        }
        let (here, all) = self.count(&self.best.voters);
        Err(format!(
            "{here} of {all} voters can be reached from here, which is a majority: it elects a leader by itself, and nothing was changed. \
             If it does not, `quorate why` says what is in its way"
        ))
    }

    fn missing_voters(&self) -> Vec<String> {
        let voters = self.best.voters.iter().chain(&self.best.voters_outgoing);
        let mut names: Vec<String> =
            voters.filter(|id| !self.is_here(**id)).map(|id| self.name(*id)).collect();
        names.sort();
        names.dedup();
        names
    }

    fn name(&self, id: u64) -> String {
        let known = self.members.get(&id).map(|member| member.name.clone());
        let unknown = || {
            RaftId::new(id).map_or_else(String::new, |id| match self.members.is_empty() {
                // A member that was started again knows no names before it hears a leader.
                true => format!("a voter whose name is not known here ({id})"),
                false => format!("a disk that was replaced ({id})"),
            })
        };
        known.unwrap_or_else(unknown)
    }

    fn missing(&self) -> Vec<String> {
        let voters = self.missing_voters();
        let gone = self.members.iter().filter(|(id, _)| !self.is_here(**id));
        let mut names: Vec<String> = gone
            .map(|(_, member)| member.name.clone())
            .filter(|name| !voters.contains(name))
            .collect();
        names.sort();
        names
    }

    /// What may be lost: all is certain that every majority of the voters must have shared with a host that is here.
    fn loss(&self) -> LossPage {
        let kept = self.best.revision;
        let told =
            self.holdings.iter().map(|holding| holding.acknowledged.max(holding.revision)).max();
        let open = self.best.last.saturating_sub(self.best.applied);
        // What is not applied yet may be another change of the voters.
        let shared = self.sets().any(|(here, all)| all - here < all / 2 + 1);
        let differing = self.differing_copies();
        let nothing = shared && open == 0 && differing.is_none();
        let acknowledged = told.filter(|told| *told > kept && !nothing);
        let mut text = match (nothing, acknowledged) {
            (true, _) => "Nothing acknowledged is lost: every majority of the voters has one of these hosts in it.".to_owned(),
            (false, Some(told)) => format!(
                "Revisions {}-{told} were acknowledged and may be lost. Later ones, that only the hosts that are missing know of, cannot be excluded.",
                kept.saturating_add(1)
            ),
            (false, None) if shared && open == 0 => {
                format!("Everything up to revision {kept} is kept.")
            }
            (false, None) if shared => format!(
                "Everything up to revision {kept} is kept. The voters may have changed in what the best log has beyond that, so it cannot be \
                 said that nothing else was acknowledged."
            ),
            (false, None) => format!(
                "Everything up to revision {kept} is kept. The hosts that are missing ({}) are a majority of the voters: what they alone have \
                 acknowledged beyond that, if anything, may be lost. No host that is left can tell how much that is.",
                self.missing_voters().join(", ")
            ),
        };
        if open > 0 {
            text.push_str(&format!(
                " {open} more entries of its log, of which it is not known whether they were acknowledged, are kept too."
            ));
        }
        if let Some((one, other)) = differing {
            text.push_str(&format!(
                " {} and {} have applied the same entries and have different states: the copy of one of them is damaged. `quorate why` on both, \
                 before this plan is carried out.",
                one.name, other.name
            ));
        }
        LossPage { nothing, kept, acknowledged, text }
    }

    /// Two whose states differ behind the same entries.
    fn differing_copies(&self) -> Option<(&Holding, &Holding)> {
        let copies = || self.holdings.iter().filter(|holding| holding.applied > 0);
        copies().find_map(|one| {
            let differs = |other: &&Holding| {
                other.applied == one.applied && other.state_hash != one.state_hash
            };
            Some((one, copies().find(differs)?))
        })
    }
}

#[cfg(test)]
mod tests;
