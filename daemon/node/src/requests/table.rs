//! The table of requests at their origin, and how many of each kind there may be.
//!
//! Knows nothing of leaders, answers or how a request is moved on.

use crate::answers;
use crate::requests::first_answers::is_clients;
use crate::requests::numbers::Numbers;
use crate::requests::quota::Quota;
use crate::requests::refusals::Refusals;
use crate::requests::request::{Origin, Place, Request, Stage, Work};
use crate::requests::serving::Serving;
use crate::status::Bound;
use quorate_proto::{
    ClusterId, HealthEpoch, Instance, KvResponse, Moment, RaftId, WriteName, raft_id, write_name,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Ample for the way of an answer between two nodes.
const ANSWER_WAY: Duration = Duration::from_millis(100);

/// For how long a write is asked again under the name that its client gave it, from when it was first asked: a minute less than the state
/// remembers it, for the way, and for clocks that differ. Behind that it could be done twice.
const ASKED_AGAIN: Duration = Duration::from_mins(4);
/// The same of an act, which has no name: asked for again behind what somebody else did meanwhile, it would undo that.
const ACT_ASKED_AGAIN: Duration = Duration::from_secs(5);

/// All requests of this node.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(super) table: BTreeMap<u64, Request>,
    pub(super) deadlines: BTreeSet<(Moment, u64)>,
    origins: BTreeMap<Origin, u64>,
    /// How many hold a place, in the order of [`Place::ALL`].
    taken: [usize; Place::ALL.len()],
    /// Those who were refused for want of one.
    refused: [Refusals; Place::ALL.len()],
    /// Local waits until all live nodes have an epoch: of them only the lowest is asked of a leader.
    waits: BTreeSet<(HealthEpoch, u64)>,
    /// The one that was asked last, if it still stands.
    pub(super) asked_wait: Option<u64>,
    /// The asks that stand, by their tickets. A late answer of an earlier leader finds none.
    asks: BTreeMap<u64, u64>,
    /// Those that this turn left without an answer.
    left: Vec<u64>,
    next: u64,
    /// Something has happened that may let waiting requests go on. They are looked at once in the settle and never
    /// in the middle of something else, so that none is moved while it is being moved.
    pub(super) due: bool,
    pub(super) serving: Serving,
    pub(super) quota: Quota,
    /// Newest revision that a client of this node was told.
    acknowledged: u64,
    numbers: Numbers,
    /// The number of this node in its answers, which is a hash, and the cluster in which it is that.
    own_id: Option<(ClusterId, RaftId)>,
}

impl Requests {
    /// Tickets and names of different runs never meet: they begin with a random number.
    pub(crate) fn new(me: Instance, boot_nonce: u64) -> Self {
        Self {
            table: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            origins: BTreeMap::new(),
            taken: Default::default(),
            refused: Default::default(),
            waits: BTreeSet::new(),
            asked_wait: None,
            asks: BTreeMap::new(),
            left: Vec::new(),
            due: false,
            next: (boot_nonce << 32) | 1,
            serving: Serving::default(),
            quota: Quota::default(),
            acknowledged: 0,
            numbers: Numbers::new(me, boot_nonce),
            own_id: None,
        }
    }

    /// The number of this node in its answers.
    pub(super) fn own_id(&mut self, cluster_id: ClusterId, me: Instance) -> RaftId {
        match self.own_id {
            Some((of, id)) if of == cluster_id => id,
            _ => self.own_id.insert((cluster_id, raft_id(cluster_id, me))).1,
        }
    }

    /// A client of this node is told this: what it says it has may be lost with the disks that have it.
    pub(super) fn acknowledges(&mut self, response: &KvResponse) {
        self.acknowledged = self.acknowledged.max(answers::revision(response));
    }

    /// Newest revision that a client of this node was told since its start.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many bytes the keyspace takes of those that it may.
    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The same, to watch it.
    pub(crate) fn quota_mut(&mut self) -> &mut Quota {
        &mut self.quota
    }

    /// Something has happened that may let waiting requests go on: they are looked at in the settle.
    pub(crate) fn look_again(&mut self) {
        self.due = true;
    }

    /// Whether they are to be looked at.
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    pub(crate) fn new_ticket(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1).max(1);
        self.next
    }

    /// Whether something is asked, proposed or read for somebody, or is about to be. Waits for an epoch do not count.
    pub(crate) fn in_hand(&self) -> bool {
        let busy = |request: &Request| {
            let asked = !matches!(request.stage, Stage::Waiting { .. }) || request.lost;
            asked && !matches!(request.work, Work::WaitAll(_))
        };
        self.due || self.table.values().any(busy)
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.table.contains_key(&id)
    }

    /// A request ends at this moment at the latest.
    pub(crate) fn hurry(&mut self, id: u64, at: Moment) {
        let Some(request) = self.table.get_mut(&id).filter(|request| request.deadline > at) else {
            return;
        };
        self.deadlines.remove(&(request.deadline, id));
        request.deadline = at;
        self.deadlines.insert((at, id));
    }

    /// What is asked is noted more exactly.
    pub(super) fn reword(&mut self, id: u64, work: Work) {
        if let Some(request) = self.table.get_mut(&id) {
            request.work = work;
        }
    }

    /// An act cannot be done yet, for this. Another node hears that before its own patience ends: it could only say that it knows nothing.
    pub(crate) fn waits_for(&mut self, id: u64, now: Moment, what: &str) {
        let Some(request) = self.table.get_mut(&id) else { return };
        let first = request.waits_for.is_none();
        request.waits_for = Some(what.to_owned());
        if first && !matches!(request.origin, Origin::Client(_)) {
            let at = now + request.deadline.since(now).saturating_sub(ANSWER_WAY);
            self.hurry(id, at);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether there is a place for one more; a refusal is counted.
    pub(crate) fn has_room(&mut self, place: Place, now: Moment) -> bool {
        let room = self.taken[place as usize] < place.bound();
        if !room {
            self.refused[place as usize].note(now);
        }
        room
    }

    /// Places for which somebody was refused lately, since when, and how many were since the start.
    pub(crate) fn crowds(&self, now: Moment) -> impl Iterator<Item = (Place, Moment, u64)> {
        Place::ALL.into_iter().filter_map(move |place| {
            let refused = self.refused[place as usize];
            Some((place, refused.since(now)?, refused.count()))
        })
    }

    /// How full the table is.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = Bound> {
        Place::ALL.into_iter().map(|place| Bound {
            word: place.word(),
            used: self.taken[place as usize] as u64,
            limit: place.bound() as u64,
            refused: self.refused[place as usize].count(),
        })
    }

    /// Takes a request in; the caller has seen that there is room. A write of a client that has no name gets a number, if numbers count.
    pub(crate) fn add(&mut self, mut request: Request) -> u64 {
        let id = self.new_ticket();
        if let (Origin::Client(_), Work::Write(_), None, true) =
            (request.origin, &request.work, &request.name, request.once)
        {
            request.name = Some(WriteName::numbered(self.numbers.open()));
        }
        self.deadlines.insert((request.deadline, id));
        self.origins.insert(request.origin, id);
        self.taken[Place::of(request.origin, &request.work) as usize] += 1;
        if let (Origin::Client(_), Work::WaitAll(epoch)) = (request.origin, &request.work) {
            self.waits.insert((*epoch, id));
        }
        self.table.insert(id, request);
        id
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Request> {
        let request = self.table.remove(&id)?;
        self.leave(request.stage);
        if let (Origin::Client(_), Some(write_name::Kind::Numbered(own))) =
            (request.origin, request.name.as_ref().and_then(|name| name.kind.as_ref()))
        {
            self.numbers.close(own.number);
        }
        self.deadlines.remove(&(request.deadline, id));
        self.origins.remove(&request.origin);
        self.taken[Place::of(request.origin, &request.work) as usize] -= 1;
        if let Work::WaitAll(epoch) = request.work {
            self.end_wait(epoch, id);
        }
        Some(request)
    }

    /// The name under which a write is asked or proposed now: with what is over by now.
    pub(super) fn name_of(&self, request: &Request) -> Option<WriteName> {
        let mut name = request.name.clone();
        if let (Origin::Client(_), Some(write_name::Kind::Numbered(own))) =
            (request.origin, name.as_mut().and_then(|name| name.kind.as_mut()))
        {
            own.settled = self.numbers.settled();
        }
        name
    }

    /// From now on something may come of it.
    pub(super) fn note_asked(&mut self, id: u64, now: Moment) {
        if let Some(request) = self.table.get_mut(&id) {
            request.asked.get_or_insert(now);
        }
    }

    /// What was asked or proposed of a write may have happened, and its answer is lost: it waits to be asked again. Under a client's name
    /// no longer than that is remembered; a number that is forgotten is known to be.
    pub(super) fn lose(&mut self, id: u64, tried: Option<(Instance, u64)>) {
        let Some(request) = self.table.get_mut(&id) else { return };
        request.lost = true;
        let bound = match (&request.work, &request.name) {
            (Work::Act(_), _) => Some(ACT_ASKED_AGAIN),
            (_, Some(name)) => is_clients(name).then_some(ASKED_AGAIN),
            _ => None,
        };
        let until = request.asked.zip(bound).map(|(asked, bound)| asked + bound);
        self.set_stage(id, Stage::Waiting { tried });
        if let Some(until) = until {
            self.hurry(id, until);
        }
    }

    /// A wait is not for all nodes any more: the next lowest is looked at in the settle.
    fn end_wait(&mut self, epoch: HealthEpoch, id: u64) {
        self.due |= self.waits.remove(&(epoch, id));
    }

    /// All live nodes have the epoch: what is left of this wait is this node's own.
    pub(crate) fn wait_here(&mut self, id: u64) {
        let Some(request) = self.table.get_mut(&id) else { return };
        if let Work::WaitAll(epoch) = request.work {
            request.work = Work::WaitHere(epoch);
            self.end_wait(epoch, id);
            self.set_stage(id, Stage::Waiting { tried: None });
        }
    }

    /// The local wait for the lowest epoch of all nodes.
    pub(crate) fn lowest_wait(&self) -> Option<u64> {
        self.waits.first().map(|(_, id)| *id)
    }

    /// The local wait that a leader is asked for.
    pub(crate) fn asked_wait(&self) -> Option<u64> {
        let is_asked = |request: &Request| matches!(request.stage, Stage::Forwarded { .. });
        self.asked_wait.filter(|id| self.table.get(id).is_some_and(is_asked))
    }

    /// Local waits for all nodes that this epoch ends, lowest first.
    pub(crate) fn waits_until(&self, epoch: HealthEpoch) -> Vec<u64> {
        self.waits.iter().take_while(|(of, _)| *of <= epoch).map(|(_, id)| *id).collect()
    }

    /// Whoever asked is gone, and so is the request; a proposal of it may still happen.
    pub(crate) fn asker_gone(&mut self, origin: Origin) {
        if let Some(id) = self.origins.get(&origin) {
            self.remove(*id);
        }
    }

    /// Moves a request to another stage; an ask that it leaves stands no longer.
    pub(crate) fn set_stage(&mut self, id: u64, stage: Stage) {
        let Some(request) = self.table.get_mut(&id) else { return };
        let before = std::mem::replace(&mut request.stage, stage);
        request.leaves_at = None;
        if !request.lost && matches!(stage, Stage::Waiting { .. }) {
            request.asked = None;
        }
        self.leave(before);
        if let Stage::Forwarded { ask, .. } = stage {
            self.asks.insert(ask, id);
        }
    }

    fn leave(&mut self, stage: Stage) {
        if let Stage::Forwarded { ask, .. } = stage
            && self.asks.remove(&ask).is_some()
        {
            self.left.push(ask);
        }
    }

    /// Asks that were left without their answer since this was asked last: nothing may come of them that is not sent yet.
    pub(crate) fn left_asks(&mut self) -> impl Iterator<Item = u64> {
        std::mem::take(&mut self.left).into_iter()
    }

    /// The request that waits for this answer. The ask is over with it.
    pub(crate) fn answered(&mut self, ask: u64) -> Option<u64> {
        self.asks.remove(&ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{life, put_request};

    #[test]
    fn a_request_ends_at_its_deadline_sooner_when_it_is_hurried_and_never_later() {
        let at = Moment::from_micros;
        let mut requests = Requests::new(life(1), 1);
        let work = Work::Write(put_request("a"));
        let id = requests.add(Request::new(Origin::Client(1), work, at(9)));
        requests.hurry(id, at(12));
        assert_eq!((requests.overdue(at(8)), requests.overdue(at(9))), (None, Some(id)));
        requests.hurry(id, at(5));
        assert_eq!((requests.overdue(at(4)), requests.overdue(at(5))), (None, Some(id)));
        assert!(requests.remove(id).is_some());
        assert_eq!(requests.overdue(at(12)), None);
    }

    #[test]
    fn the_number_of_this_node_in_its_answers_is_that_of_its_cluster() {
        let [one, other] = [1, 2].map(|cluster| ClusterId::from_bytes([cluster; 16]));
        let me = Instance::from_bytes([7; 16]);
        let mut requests = Requests::new(me, 1);
        for cluster_id in [one, one, other] {
            assert_eq!(requests.own_id(cluster_id, me), raft_id(cluster_id, me));
        }
    }
}
