//! One verdict per peer, merged from direct evidence, farewells and gossip.
//!
//! What stays true: an opinion's generation never falls; a goodbye ends its generation for good; what our own
//! ears established, gossip does not take back (only a newer start or a sign of life does); a change is
//! reported once, and so is a condemnation that rests on a new silence. A sign of life has its moment, which no verdict
//! makes younger. Texts are for people and are never read back.

use quorate_proto::{Generation, Goodbye, Instance, Moment, Verdict, limits};
use std::collections::BTreeMap;

/// This node's opinion of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Whom it is about.
    pub instance: Instance,
    /// Which start of it.
    pub generation: Generation,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: String,
    /// When the verdict was reached.
    pub since: Moment,
    /// Somebody besides this node had a part in it.
    pub confirmed: bool,
    /// From our own ears (pings, sessions, farewells), not only from gossip.
    pub direct: bool,
    /// When this start of it last gave a sign of life to our own ears.
    pub heard: Option<Moment>,
    /// Not before this did one whom we asked about this start of it hear it.
    pub vouched: Option<Moment>,
    /// Who said that this start has ended.
    pub goodbye: Goodbye,
}

/// What a claim rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Our own ears, nobody else yet.
    Direct,
    /// Our own ears, and another node's.
    Confirmed,
    /// Gossip, with the help of others.
    Gossip,
    /// Gossip, while nobody else is heard.
    LoneGossip,
}

/// All opinions. Bounded like the contacts, without which nobody gets one.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    opinions: BTreeMap<Instance, Opinion>,
}

impl Verdicts {
    pub(crate) fn get(&self, instance: Instance) -> Option<&Opinion> {
        self.opinions.get(&instance)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Opinion> {
        self.opinions.values()
    }

    pub(crate) fn is_alive(&self, instance: Instance) -> bool {
        self.get(instance).is_some_and(|opinion| opinion.verdict == Verdict::Alive)
    }

    pub(crate) fn forget(&mut self, instance: Instance) {
        self.opinions.remove(&instance);
    }

    fn generation(&self, instance: Instance) -> Option<Generation> {
        self.get(instance).map(|opinion| opinion.generation)
    }

    /// A sign of life of this generation, by our own ears. The opinion, if it changed.
    pub(crate) fn heard(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
    ) -> Option<Opinion> {
        let reason = match self.opinions.get_mut(&instance) {
            None => "answers",
            Some(old) if old.generation > generation => return None,
            // Before the first session the generation of a peer may not be known.
            Some(old)
                if old.generation == Generation::default() && generation != old.generation =>
            {
                "answers"
            }
            Some(old) if old.generation < generation => "restarted",
            Some(old) if old.verdict == Verdict::Left => return None,
            Some(old) if old.verdict == Verdict::Alive => {
                old.direct = true;
                old.heard = Some(now);
                return None;
            }
            Some(_) => "answers again",
        };
        let reason = reason.to_owned();
        self.put(now, instance, generation, Verdict::Alive, reason, Source::Direct)?;
        let opinion = self.opinions.get_mut(&instance)?;
        opinion.heard = Some(now);
        Some(opinion.clone())
    }

    /// One whom we asked hears this start of it, or did at this moment.
    pub(crate) fn vouched(&mut self, instance: Instance, generation: Generation, at: Moment) {
        let opinion = self.opinions.get_mut(&instance);
        if let Some(opinion) = opinion.filter(|opinion| opinion.generation == generation) {
            opinion.vouched = opinion.vouched.max(Some(at));
        }
    }

    /// A goodbye, bound to its generation. Of a start that nobody has met it says nothing of the one that is known: a copy of
    /// the disk that could not start says goodbye too.
    pub(crate) fn farewell(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        by: Goodbye,
    ) -> Option<Opinion> {
        let known = self.get(instance).filter(|old| old.generation != Generation::default());
        let over = |old: &Opinion| old.generation == generation && old.verdict == Verdict::Left;
        if known.is_some_and(|old| old.generation != generation || over(old)) {
            return None;
        }
        let reason = by.reason().to_owned();
        self.put(now, instance, generation, Verdict::Left, reason, Source::Confirmed)?;
        let opinion = self.opinions.get_mut(&instance)?;
        opinion.goodbye = by;
        Some(opinion.clone())
    }

    /// Silence, not confirmed by anybody.
    pub(crate) fn suspect(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        reason: String,
    ) -> Option<Opinion> {
        let standing = self.get(instance).filter(|old| old.verdict != Verdict::Alive);
        if standing.is_some_and(|old| old.generation >= generation) {
            return None;
        }
        let generation = self.generation(instance).unwrap_or_default().max(generation);
        self.put(now, instance, generation, Verdict::Suspect, reason, Source::Direct)
    }

    /// Given up.
    pub(crate) fn down(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        reason: String,
        source: Source,
    ) -> Option<Opinion> {
        if let Some(old) = self.get(instance) {
            let settled = match old.verdict {
                Verdict::Left => true,
                Verdict::Down => match source {
                    // Our own ears, and another's, were strained anew.
                    Source::Confirmed => false,
                    // A confirmation may come after a verdict that had none.
                    Source::Gossip | Source::Direct => old.confirmed,
                    Source::LoneGossip => true,
                },
                Verdict::Alive | Verdict::Suspect => false,
            };
            if old.generation > generation || (old.generation == generation && settled) {
                return None;
            }
        }
        self.put(now, instance, generation, Verdict::Down, reason, source)
    }

    /// Gossip believes it alive. It cannot take back what we heard, or did not hear, ourselves.
    pub(crate) fn gossip_alive(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
    ) -> Option<Opinion> {
        let reason = match self.get(instance) {
            None => "heard of by gossip",
            Some(old) if old.generation < generation => "restarted, by word of gossip",
            Some(old) if old.generation > generation => return None,
            Some(old) if old.verdict == Verdict::Down && !old.direct => "gossip: alive again",
            Some(_) => return None,
        };
        self.put(now, instance, generation, Verdict::Alive, reason.to_owned(), Source::Gossip)
    }

    /// A suspicion that rested on a hint only, and another node hears the suspect.
    pub(crate) fn cleared(&mut self, now: Moment, instance: Instance, by: &str) -> Option<Opinion> {
        let old = self.get(instance).filter(|old| old.verdict == Verdict::Suspect)?;
        let (generation, reason) = (old.generation, format!("heard by {by}"));
        self.put(now, instance, generation, Verdict::Alive, reason, Source::Confirmed)
    }

    fn put(
        &mut self,
        now: Moment,
        instance: Instance,
        generation: Generation,
        verdict: Verdict,
        mut reason: String,
        source: Source,
    ) -> Option<Opinion> {
        while reason.len() > limits::REASON {
            reason.pop();
        }
        let confirmed = matches!(source, Source::Confirmed | Source::Gossip);
        let direct = matches!(source, Source::Direct | Source::Confirmed);
        let same = self.get(instance).filter(|old| old.generation == generation);
        let (heard, vouched) = same.map_or((None, None), |old| (old.heard, old.vouched));
        let opinion = Opinion {
            instance,
            generation,
            verdict,
            reason,
            since: now,
            confirmed,
            direct,
            heard,
            vouched,
            goodbye: Goodbye::None,
        };
        self.opinions.insert(instance, opinion.clone());
        Some(opinion)
    }
}
