//! The operator's word that founders will never come (GENESIS rule 23): when it may be given, what it replaces, and how long it stands.
//!
//! Invariants: it never replaces the majority: more than half of all slots promise and accept, with the fresh lives that were there when it
//! was given, and with no others. It is of one run, and void once anybody else is heard. The ballot that it opened carries it, so that all
//! who count that ballot's acceptances need as many. Whether the word is true cannot be known here.

use super::acceptor::MAX_TALLIES;
use super::config::quorum_without;
use super::proof::is_sound;
use super::proposer::Phase;
use super::reasons::{host_of, most_telling};
use super::{Founding, OwnSlot};
use quorate_proto::{Ballot, CannotSend, ClusterId, DialFailure, Instance, Moment, Waiver};
use std::collections::BTreeSet;

/// What a waiver does, for who is to say whether it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waived {
    /// The seeds that found the cluster.
    pub there: Vec<String>,
    /// Their disk lives, which the waiver is bound to.
    pub lives: Vec<Instance>,
    /// The seeds that are done without.
    pub without: Vec<String>,
}

/// Why the founding does not do without these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaiverRefused {
    /// It is founded, or was vetoed.
    #[error("this host knows cluster {0} already, so it founds none")]
    Knows(ClusterId),
    /// It remembers a cluster.
    #[error("this host was in cluster {0} and has lost its data, so it founds none")]
    Marker(ClusterId),
    /// It may take no part.
    #[error("this host takes no part in the founding: `quorate why` says what keeps it")]
    NoFounder,
    /// One slot or life is there twice.
    #[error(
        "a seed or a disk is there twice: `quorate why` names it, and nobody founds until one is gone"
    )]
    Contested,
    /// None of the list.
    #[error("`{name}` is no seed; the seeds are {seeds}")]
    NoSeed {
        /// What was said.
        name: String,
        /// The list.
        seeds: String,
    },
    /// Somebody is there.
    #[error("{0} answers, so it is not done without: `quorate why` says what it is waited for")]
    Alive(String),
    /// A copy of a disk is there.
    #[error(
        "a host answers at {0} that is not listened to, for its disk runs elsewhere too, or ran later: `quorate why` names it; stop quorate there first"
    )]
    Copy(String),
    /// The name is wrong.
    #[error(
        "{0} leads to this host itself, so nobody knows whether the host that is meant is there: mend its address first (`getent ahosts {0}`, DNS or /etc/hosts on this host)"
    )]
    Myself(String),
    /// The own network.
    #[error(
        "whether {name} is there is not known, for this host cannot ask it: {why}. `quorate why` says what to mend first"
    )]
    NotAsked {
        /// Which seed.
        name: String,
        /// Why not.
        why: CannotSend,
    },
    /// Less than more than half.
    #[error(
        "{there} of {slots} seeds are here, and {majority} must be whoever is done without: a cluster that fewer found could be founded twice"
    )]
    Majority {
        /// Fresh seeds.
        there: usize,
        /// All.
        slots: usize,
        /// The least number.
        majority: usize,
    },
    /// Nothing waits for a seed.
    #[error(
        "there is nothing to do without: {there} of {slots} seeds are here, and {needed} are enough; the founding goes on by itself"
    )]
    Enough {
        /// Fresh seeds.
        there: usize,
        /// All.
        slots: usize,
        /// The founding quorum.
        needed: usize,
    },
    /// Others are missing too.
    #[error("more seeds than these are waited for: {0} would have to be named too")]
    More(String),
    /// Not those that the operator was shown.
    #[error("the seeds that are here are not those that were shown: look again")]
    Moved,
}

impl Founding {
    /// What it would mean to do without these seeds.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn may_waive(&self, names: &[String]) -> Result<Waived, WaiverRefused> {
        self.plan_waiver(names).map(|(waived, _)| waived)
    }

    /// Does without these seeds, if those that are here are still the ones that the operator was shown. A `Wake` carries it out.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn waive(
        &mut self,
        now: Moment,
        names: &[String],
        shown: &[Instance],
    ) -> Result<Waived, WaiverRefused> {
        let (waived, slots) = self.plan_waiver(names)?;
        if waived.lives != shown {
            return Err(WaiverRefused::Moved);
        }
        let lives = waived.lives.clone();
        self.waiver = Some((now, Waiver { digest: self.config.digest, slots, lives }));
        self.not_before = self.not_before.min(now);
        Ok(waived)
    }

    fn plan_waiver(&self, names: &[String]) -> Result<(Waived, Vec<u32>), WaiverRefused> {
        if let Some(cluster_id) = self.state.known_cluster() {
            return Err(WaiverRefused::Knows(cluster_id));
        }
        if let Some(lost) = self.lost_data {
            return Err(WaiverRefused::Marker(lost));
        }
        if self.is_contested() {
            return Err(WaiverRefused::Contested);
        }
        if !self.is_fresh() || !matches!(self.own_slot, OwnSlot::Slot(_)) {
            return Err(WaiverRefused::NoFounder);
        }
        let mut slots = BTreeSet::new();
        for name in names {
            slots.insert(self.slot_to_waive(name)?);
        }
        let there = self.hearing.fresh.len();
        let majority = self.slots / 2 + 1;
        if there < majority {
            return Err(WaiverRefused::Majority { there, slots: self.slots, majority });
        }
        if there >= self.quorum {
            let needed = self.quorum;
            return Err(WaiverRefused::Enough { there, slots: self.slots, needed });
        }
        let named = |slot: &usize| self.seeds.get(*slot).map(|seed| host_of(&seed.name).to_owned());
        if quorum_without(self.quorum, self.slots, slots.len()) > there {
            let missing = (0..self.slots)
                .filter(|slot| !slots.contains(slot) && !self.hearing.fresh.contains_key(slot));
            let names: Vec<String> = missing.filter_map(|slot| named(&slot)).collect();
            return Err(WaiverRefused::More(names.join(", ")));
        }
        let waived = Waived {
            there: self.hearing.fresh.keys().filter_map(named).collect(),
            lives: self.hearing.fresh.values().copied().collect(),
            without: slots.iter().filter_map(named).collect(),
        };
        Ok((waived, slots.into_iter().map(|slot| slot as u32).collect()))
    }

    /// The slot of a seed that nobody hears.
    fn slot_to_waive(&self, name: &str) -> Result<usize, WaiverRefused> {
        let mut seeds = self.seeds.iter();
        let found = seeds.find(|(_, seed)| seed.name == name || host_of(&seed.name) == name);
        let Some((slot, seed)) = found else {
            let seeds: Vec<&str> = self.seeds.iter().map(|(_, seed)| host_of(&seed.name)).collect();
            let (name, seeds) = (name.chars().take(253).collect(), seeds.join(", "));
            return Err(WaiverRefused::NoSeed { name, seeds });
        };
        let (is_own, name) = (self.slot() == Some(slot), name.to_owned());
        if is_own || self.is_reached(slot, seed) {
            return Err(WaiverRefused::Alive(name));
        }
        // A name that leads nowhere now is that of nobody who can be asked.
        let asked = seed.unresolved.is_none();
        match most_telling(seed).filter(|_| asked) {
            Some(DialFailure::CannotSend(why)) => {
                Err(WaiverRefused::NotAsked { name, why: why.clone() })
            }
            Some(DialFailure::Myself) => Err(WaiverRefused::Myself(name)),
            Some(DialFailure::Copy { .. }) => Err(WaiverRefused::Copy(name)),
            _ if self.is_alive(slot) => Err(WaiverRefused::Alive(name)),
            _ => Ok(slot),
        }
    }

    /// Whether somebody answers where a seed is, as what it may. Whom this host cannot ask it does not know to be there.
    fn is_alive(&self, slot: usize) -> bool {
        self.seeds.get(slot).is_some_and(|seed| {
            let silent = |failure: &DialFailure| {
                use DialFailure::{CannotSend, Myself, NoAnswer};
                matches!(failure, NoAnswer | Myself | CannotSend(_))
            };
            let asked = seed.unresolved.is_none();
            let answer = most_telling(seed).filter(|_| asked);
            self.is_reached(slot, seed) || answer.is_some_and(|failure| !silent(failure))
        })
    }

    /// From when the founding does without some seeds.
    pub(super) fn waived_since(&self) -> Option<Moment> {
        self.waiver.as_ref().map(|(given, _)| *given)
    }

    pub(super) fn standing_waiver(&self) -> Option<Waiver> {
        self.waiver.as_ref().map(|(_, waiver)| waiver.clone())
    }

    /// Somebody else is heard than those that it is bound to: it was given for another state of things.
    pub(super) fn void_waiver(&mut self, now: Moment) {
        let Some((_, waiver)) = &self.waiver else { return };
        let same = self.hearing.fresh.values().eq(waiver.lives.iter());
        if same && !waiver.slots.iter().any(|slot| self.is_alive(*slot as usize)) {
            return;
        }
        self.waiver = None;
        let open = self.proposal.as_ref();
        if open.is_some_and(|open| open.waiver.is_some() && open.phase != Phase::Accepting) {
            self.give_up(now);
        }
    }

    /// Whether a ballot of somebody else may do without these, as far as this life knows.
    pub(super) fn may_do_without(&self, waiver: &Waiver, lives: &[Instance]) -> bool {
        is_sound(waiver, self.config.digest, self.slots)
            && lives.iter().all(|life| waiver.lives.contains(life))
            && !waiver.slots.iter().any(|slot| self.is_alive(*slot as usize))
    }

    /// The acceptances of this ballot are counted with that word.
    pub(super) fn note_waiver(&mut self, ballot: Ballot, waiver: Option<&Waiver>) {
        let Some(waiver) = waiver else { return };
        if self.waivers.len() >= MAX_TALLIES && !self.waivers.contains_key(&ballot) {
            self.waivers.pop_first();
        }
        self.waivers.insert(ballot, waiver.clone());
    }
}
