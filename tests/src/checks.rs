//! The checkers, from outside: one birth, one leader a term, equal state at equal index, epochs that only grow, are few
//! and are told alike, no acknowledged write lost. A violation panics with the sentence that was broken.

use crate::tolerance::Voters;
use bytes::Bytes;
use quorate_node::Vitals;
use quorate_proto::{
    ApplicationState, ClusterId, FoundingCertificate, Generation, HealthDelta, HealthEpoch,
    HealthView, Instance, MemberState, Message as _, Moment, short_hash,
};
use quorate_transport::outbox::GivenUp;
use std::collections::{BTreeMap, BTreeSet};

/// A host and which of its starts.
type Run = (usize, u64);

/// Most epochs that one disturbance brings about one host: it goes, and it comes back.
pub const TURNS: u64 = 2;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Checks {
    births: BTreeMap<ClusterId, String>,
    leaders: BTreeMap<(ClusterId, u64), Instance>,
    states: BTreeMap<(ClusterId, u64), u64>,
    epochs: BTreeMap<(usize, u64), HealthEpoch>,
    applied: BTreeMap<(usize, u64), u64>,
    levels: BTreeMap<(usize, u64), u32>,
    disks_lost: BTreeSet<usize>,
    /// The newest epoch that anybody showed.
    newest: HealthEpoch,
    /// Hashes of what each epoch was shown as, and of the words in which it was told.
    shown: BTreeMap<HealthEpoch, u64>,
    told: BTreeMap<HealthEpoch, u64>,
    /// Each disk life as the newest epoch has it: whether it is there, and which start of it.
    standing: BTreeMap<Instance, (bool, Generation)>,
    /// Turns of each disk life: it went, it came back, it was restarted. Each disturbance takes two off.
    turns: BTreeMap<Instance, u64>,
    /// What was written under a number: sender and its run, receiving instance, number -> hash; 0 = to be skipped.
    written: BTreeMap<(Run, Instance, u64), u64>,
    /// Sender, receiver -> last number handed over, and numbers left out.
    handed: BTreeMap<(Run, Run), (u64, u64)>,
    /// Hosts of which another runs the same disk life. What is written for that life goes to the one or the other, so that
    /// neither sees all numbers; what comes is still in order, and what was written.
    cloned: BTreeSet<usize>,
    /// How many voters may be lost, from view to view.
    voters: Voters,
    /// The story loses more founder disks than the margin: two births are then possible, and only the alarm
    /// is checked.
    pub beyond_margin: bool,
}

impl Checks {
    /// A founding record became durable on a host.
    pub fn founded(&mut self, host: usize, founded: &FoundingCertificate) {
        let cluster_id = founded.record.cluster_id();
        let voters: Vec<&str> =
            founded.record.voters.iter().map(|voter| voter.name.as_str()).collect();
        self.births
            .entry(cluster_id)
            .or_insert_with(|| format!("first at n{}, voters {voters:?}", host + 1));
        assert!(
            self.births.len() <= 1 || self.beyond_margin,
            "one birth: two clusters were founded under one name: {:?}",
            self.births
        );
    }

    /// A host shows a cluster id.
    pub fn knows(&mut self, host: usize, cluster_id: ClusterId) {
        self.births.entry(cluster_id).or_insert_with(|| format!("heard of at n{}", host + 1));
        assert!(
            self.births.len() <= 1 || self.beyond_margin,
            "one birth: two cluster ids are about: {:?}",
            self.births
        );
    }

    /// Something was broken or mended: each host may turn twice for it.
    pub fn disturbed(&mut self) {
        self.turns.values_mut().for_each(|turns| *turns = turns.saturating_sub(TURNS));
    }

    /// A host that runs this feature level shows a view of all, and tells what led to it unless it skipped epochs.
    pub fn shown(
        &mut self,
        host: usize,
        (view, delta): (&HealthView, Option<&HealthDelta>),
        level: u32,
        now: Moment,
    ) {
        if self.births.len() <= 1 {
            let alike = |seen: &mut BTreeMap<HealthEpoch, u64>, what: &str, bytes: Vec<u8>| {
                let hash = short_hash(&[&bytes]);
                let first = *seen.entry(view.epoch).or_insert(hash);
                assert_eq!(first, hash, "one epoch: n{} {what} {} otherwise", host + 1, view.epoch);
            };
            alike(&mut self.shown, "shows", view.encode_to_vec());
            if let Some(delta) = delta {
                assert_eq!(delta.epoch, view.epoch, "one epoch: the words are of another");
                alike(&mut self.told, "tells", delta.encode_to_vec());
            }
        }
        if view.epoch <= self.newest {
            return;
        }
        self.newest = view.epoch;
        applications_follow_their_hosts(view);
        self.voters.shown(view, level, now);
        for member in &view.members {
            let stands = (member.state() == MemberState::Alive, member.generation);
            let before = self.standing.insert(member.instance, stands);
            if before.is_some_and(|before| before != stands) {
                let turns = self.turns.entry(member.instance).or_default();
                *turns += 1;
                // What an earlier disturbance had still to bring may come together with what this one brings.
                assert!(
                    *turns <= 2 * TURNS,
                    "epochs are few: {} turns for the {turns}th time at epoch {}: {}",
                    member.name,
                    view.epoch,
                    member.reason
                );
            }
        }
    }

    /// The disk life that turned most often since the last disturbances, and how often.
    #[must_use]
    pub fn most_turns(&self) -> u64 {
        self.turns.values().copied().max().unwrap_or(0)
    }

    /// How many clusters were founded.
    #[must_use]
    pub fn births(&self) -> usize {
        self.births.len()
    }

    /// A disk is gone.
    pub fn disk_lost(&mut self, host: usize) {
        self.disks_lost.insert(host);
    }

    /// A log frame was written to a connection, for the first time or again.
    pub fn log_written(&mut self, sender: Run, to: Instance, number: u64, bytes: Option<&Bytes>) {
        let hash = bytes.map_or(0, |bytes| short_hash(&[bytes]));
        let first = *self.written.entry((sender, to, number)).or_insert(hash);
        assert!(first == hash || hash == 0, "log frames: two frames have number {number}");
    }

    /// From now on two hosts run the same disk life.
    pub fn clone_begins(&mut self, original: usize, copy: usize) {
        self.cloned.extend([original, copy]);
    }

    /// The copy is gone.
    pub fn clone_ends(&mut self, original: usize, copy: usize) {
        let pair = [original, copy];
        self.cloned.retain(|host| !pair.contains(host));
        self.handed.retain(|(from, to), _| !pair.contains(&from.0) && !pair.contains(&to.0));
    }

    /// A receiver has forgotten which frames came: another copy of the sender's disk was in between.
    pub fn numbers_forgotten(&mut self, sender: Run, receiver: Run) {
        self.handed.remove(&(sender, receiver));
    }

    /// A log frame was handed to a node, or its place was passed over.
    pub fn log_handed(
        &mut self,
        sender: Run,
        to: Instance,
        receiver: Run,
        number: u64,
        bytes: Option<&Bytes>,
        given_up: Option<GivenUp>,
    ) {
        let cloned = self.cloned.contains(&sender.0) || self.cloned.contains(&receiver.0);
        let (last, missing) = self.handed.entry((sender, receiver)).or_default();
        assert!(number > *last, "log frames: {number} came after {last}");
        if *last > 0 && !cloned {
            *missing += number - *last - 1;
        }
        if let Some(bytes) = bytes {
            let written = self.written.get(&(sender, to, number));
            assert_eq!(written, Some(&short_hash(&[bytes])), "log frames: {number} is another");
        } else {
            *missing += 1;
        }
        let reported = given_up.map_or(u64::MAX, |given_up| given_up.log_expired);
        assert!(*missing <= reported, "log frames: {missing} missing, {reported} reported");
        let done = self.written.range((sender, to, *last)..=(sender, to, number));
        let done: Vec<_> = done.map(|(key, _)| *key).collect();
        *last = number;
        for key in done {
            self.written.remove(&key);
        }
    }

    /// A node has had a turn.
    pub fn turned(&mut self, host: usize, run: u64, instance: Instance, vitals: &Vitals) {
        let cluster_id = vitals.cluster_id.unwrap_or_default();
        if let Some(term) = vitals.leads_in {
            let leader = self.leaders.entry((cluster_id, term)).or_insert(instance);
            assert_eq!(*leader, instance, "one leader a term: two lead in term {term}");
        }
        if vitals.applied > 0 {
            let last = self.applied.insert((host, run), vitals.applied).unwrap_or(0);
            assert!(last <= vitals.applied, "agreed prefix: n{} applied backwards", host + 1);
            let level = self.levels.insert((host, run), vitals.level).unwrap_or(0);
            assert!(level <= vitals.level, "levels: that of n{} fell from {level}", host + 1);
            assert!(vitals.fits, "levels: n{} goes on at {}", host + 1, vitals.level);
            if last != vitals.applied {
                let state =
                    self.states.entry((cluster_id, vitals.applied)).or_insert(vitals.state_hash);
                assert_eq!(
                    *state,
                    vitals.state_hash,
                    "equal state at equal index: n{} differs at index {}",
                    host + 1,
                    vitals.applied
                );
            }
        }
        let epoch = self.epochs.entry((host, run)).or_insert(HealthEpoch::ZERO);
        assert!(
            *epoch <= vitals.epoch,
            "epochs grow: n{} went back from {epoch} to {}",
            host + 1,
            vitals.epoch
        );
        *epoch = vitals.epoch;
    }
}

/// No application is shown as up whose host is gone or drained, and none without a host.
fn applications_follow_their_hosts(view: &HealthView) {
    for one in &view.applications {
        let member = view.members.iter().find(|member| member.instance == one.instance);
        let there = member.is_some_and(|it| it.state() == MemberState::Alive && !it.is_drained());
        assert!(
            member.is_some() && (there || one.state() == ApplicationState::Down),
            "applications follow their hosts: {} on {} is {} at epoch {}",
            one.told.name,
            one.host,
            one.state().word(),
            view.epoch
        );
    }
}
