//! The margin of GENESIS rule 22: how many founder disks may be lost at once, whichever they are, without a second birth.
//!
//! Counts founder slots whose present life is known to hold the cluster's id. A slot that was never seen to hold
//! it counts as not knowing, so a margin errs towards alarm.

use super::{Founding, Margin};
use quorate_proto::{FoundingCause, Instance, Moment, Reason};
use std::net::SocketAddr;
use std::time::Duration;

/// An alarm is raised when the margin was low for so long: at a birth it is low until the last founder has heard,
/// a few round trips.
const SETTLE: Duration = Duration::from_secs(1);

impl Founding {
    /// The margin; none before this life has founded or been let in.
    #[must_use]
    pub fn margin(&self) -> Option<Margin> {
        if !self.is_founded_durably() {
            return None;
        }
        let slots = self.slots as u32;
        let known = self.holders.values().filter(|(_, knows)| *knows).count() as u32;
        let spare = slots.saturating_sub(self.quorum as u32);
        // A second birth needs a quorum of slots that do not know: one loss more than is safe makes it.
        let disks = known.saturating_sub(spare + 1);
        Some(Margin { disks, alarm: slots != 1 && disks == 0, known, slots })
    }

    /// Why an operator should act on the margin; none while it is no alarm.
    #[must_use]
    pub fn margin_reason(&self) -> Option<Reason> {
        let Margin { known, slots: seeds, .. } = self.margin().filter(|margin| margin.alarm)?;
        let held = |slot: &usize| self.holders.get(slot).is_some_and(|(_, knows)| *knows);
        let missing = self.seeds.iter().filter(|(slot, _)| !held(slot));
        let missing = missing.map(|(slot, seed)| self.missing_seed(slot, seed)).collect();
        let cause = FoundingCause::Margin { known, seeds, missing };
        Some(Reason::of(&cause, self.low_since.unwrap_or(self.started)))
    }

    /// The founder slot that a life holds, as far as this node can tell.
    fn slot_of(&self, life: Instance, address: Option<SocketAddr>) -> Option<usize> {
        if life == self.config.me.instance {
            return self.slot();
        }
        let record = self.state.founded.as_ref().map(|founded| &founded.record);
        let voter = record
            .filter(|record| record.digest == self.config.digest)
            .and_then(|record| record.voters.iter().find(|voter| voter.instance == life))
            .map(|voter| voter.slot as usize);
        let claimed = || self.peers.get(&life).and_then(|peer| peer.answered).flatten();
        let at = || address.and_then(|at| self.seeds.slot_at(at));
        voter.or_else(claimed).or_else(at).or_else(|| self.seeds.slot_that_led_to(life))
    }

    /// A peer is known to know; its slot, if it has one, counts when it knows our cluster.
    pub(super) fn note_holder(&mut self, life: Instance) {
        let Some(peer) = self.peers.get(&life) else { return };
        let (knows, address) = (peer.knows, peer.session.address);
        if let Some(slot) = self.slot_of(life, Some(address)) {
            let ours = knows.is_some() && knows == self.state.known_cluster();
            self.holders.insert(slot, (life, ours));
        }
    }

    /// A life that knows no cluster is at this address: if it is a seed's, the life that held it before is gone.
    pub(super) fn seen_at(&mut self, address: SocketAddr, life: Instance) {
        let Some(slot) = self.slot_of(life, Some(address)) else { return };
        if self.holders.get(&slot).is_none_or(|(holder, _)| *holder != life) {
            self.holders.insert(slot, (life, false));
        }
    }

    /// Counts everyone whose knowledge was learned before their slot could be told.
    pub(super) fn note_own_holding(&mut self) {
        let me = self.config.me.instance;
        if let Some(slot) = self.slot() {
            self.holders.insert(slot, (me, true));
        }
        let knowing: Vec<Instance> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.knows.is_some())
            .map(|(life, _)| *life)
            .collect();
        knowing.into_iter().for_each(|life| self.note_holder(life));
    }

    /// Committed members know the cluster, unless their host now answers as another life.
    pub(super) fn note_members(&mut self) {
        let members = std::mem::take(&mut self.live);
        for (life, address) in &members {
            let Some(slot) = self.slot_of(*life, Some(*address)) else { continue };
            let replaced = self.holders.get(&slot).is_some_and(|(holder, knows)| {
                holder != life && !knows && self.peers.contains_key(holder)
            });
            if !replaced {
                self.holders.insert(slot, (*life, true));
            }
        }
        self.live = members;
    }

    /// When a low margin becomes an alarm.
    pub(super) fn margin_alarm_time(&self) -> Option<Moment> {
        self.low_since.map(|since| since + SETTLE)
    }

    pub(super) fn watch_margin(&mut self, now: Moment) {
        let low = self.margin().is_some_and(|margin| margin.alarm);
        self.low_since = low.then(|| self.low_since.unwrap_or(now));
    }
}
