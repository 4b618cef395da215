//! Fences: something outside ends what a host that is down may use, and the cluster is told so, at once, much later, or never.
//!
//! A fence ends a use in true time, whatever becomes of what is said of it: what was told under its number, or an earlier one, counts for
//! nothing at the resource any more. It is sent by what one copy of the state shows, which may be an old one.

use crate::disturbances::act;
use crate::world::World;
use quorate_meta::Meta;
use quorate_proto::{FreeGrant, FreeItem, Instance, MemberState, act};
use std::collections::BTreeMap;

/// What was done, and what nobody was told of yet.
#[derive(Debug, Default)]
pub struct Fences {
    unsaid: Vec<act::Body>,
    /// Of each host and budget, the number up to which its share counts for nothing.
    shares: BTreeMap<(usize, String), u64>,
    /// The same of each item, by host, assignment and item.
    items: BTreeMap<(usize, String, String), u64>,
}

impl Fences {
    /// Whether what a host is told of its share counts for nothing.
    pub(crate) fn has_share(&self, host: usize, budget: &str, number: u64) -> bool {
        let fenced = self.shares.get(&(host, budget.to_owned()));
        fenced.is_some_and(|fenced| number <= *fenced)
    }

    /// Whether what a host is told of an item counts for nothing.
    pub(crate) fn has_item(&self, host: usize, place: &(String, String), number: u64) -> bool {
        let (assignment, item) = place.clone();
        self.items.get(&(host, assignment, item)).is_some_and(|fenced| number <= *fenced)
    }
}

/// Whether a disk life is a member that does not answer.
fn is_down(meta: &Meta, instance: Instance) -> bool {
    meta.member(instance).is_some_and(|member| member.state() == MemberState::Down)
}

/// The epoch since when it does not.
fn away_since(meta: &Meta, instance: Instance) -> u64 {
    meta.member(instance).map_or(0, |member| member.since_epoch.get())
}

impl World {
    /// All that hosts hold which are down, as a copy at one host shows it.
    fn in_the_way(&self, at: usize) -> Vec<(usize, act::Body)> {
        let copy = self.hosts[at].process.as_ref().and_then(|process| process.node.copy());
        let Some(meta) = copy else { return Vec::new() };
        let place = |name: &str| self.hosts.iter().position(|host| host.name == name);
        let mut all = Vec::new();
        for record in meta.budgets() {
            let down = record.grants.iter().filter(|grant| is_down(&meta, grant.instance));
            all.extend(down.filter_map(|grant| {
                let away_since_epoch = away_since(&meta, grant.instance);
                let (budget, holder) = (record.budget.name.clone(), grant.instance.to_string());
                let free = FreeGrant {
                    budget,
                    holder,
                    number: grant.number,
                    at_unix_ms: 0,
                    away_since_epoch,
                };
                Some((place(&grant.host)?, act::Body::FreeGrant(free)))
            }));
        }
        for assigned in meta.assignments() {
            let assignment = &assigned.record().assignment;
            let grants = assigned.record().grants.iter();
            let down = grants.filter(|grant| is_down(&meta, grant.instance));
            all.extend(down.filter_map(|grant| {
                let (name, item) = (assignment.name.clone(), assignment.item(grant.item));
                let (number, away_since_epoch) = (grant.number, away_since(&meta, grant.instance));
                let free =
                    FreeItem { assignment: name, item, number, at_unix_ms: 0, away_since_epoch };
                Some((place(&grant.host)?, act::Body::FreeItem(free)))
            }));
        }
        all
    }

    /// Ends at the resource what a host does under a grant, and earlier ones.
    fn fence(&mut self, host: usize, free: &act::Body) {
        self.note(|| format!("n{} is fenced: {free:?}", host + 1));
        let number = match free {
            act::Body::FreeGrant(free) => {
                self.application_is_fenced(host, &free.budget, free.number);
                (self.fences.shares.entry((host, free.budget.clone())).or_default(), free.number)
            }
            act::Body::FreeItem(free) => {
                let place = (free.assignment.clone(), free.item.clone());
                self.holder_is_fenced(host, &place, free.number);
                (self.fences.items.entry((host, place.0, place.1)).or_default(), free.number)
            }
            _ => return,
        };
        *number.0 = number.1.max(*number.0);
    }

    /// A host fences all that it sees in the way, and says so; what it says may come late. Sometimes somebody says what should have been
    /// said long ago.
    pub(crate) fn fences_run(&mut self, at: usize) {
        for (host, free) in self.in_the_way(at) {
            self.fence(host, &free);
            match self.random.percent(60) {
                true => act(self, at, free),
                false => self.fences.unsaid.push(free),
            }
        }
        if !self.fences.unsaid.is_empty() && self.random.percent(40) {
            let most = self.fences.unsaid.len() as u64;
            let which = usize::try_from(self.random.below(most)).unwrap_or(0);
            let free = self.fences.unsaid.swap_remove(which);
            act(self, at, free);
        }
    }

    /// What was fenced may be used again, and nobody says any more that it was: no word of it is on its way.
    pub(crate) fn fences_are_lifted(&mut self) {
        self.fences = Fences::default();
    }

    /// Fences one host by the copy of another, and gives what is to be said of that.
    pub(crate) fn fenced_by_hand(&mut self, host: usize, at: usize) -> Vec<act::Body> {
        let all = self.in_the_way(at).into_iter().filter(|(of, _)| *of == host);
        let frees: Vec<act::Body> = all.map(|(_, free)| free).collect();
        frees.iter().for_each(|free| self.fence(host, free));
        frees
    }
}

/// How many changes of what is shared came from a fence, as a host's copy remembers them.
pub(crate) fn freed(world: &World, at: usize) -> usize {
    let copy = world.hosts[at].process.as_ref().and_then(|process| process.node.copy());
    let range = quorate_proto::RangeRequest {
        key: "__meta/ledgers/".into(),
        range_end: "__meta/ledgers0".into(),
        ..quorate_proto::RangeRequest::default()
    };
    let request = quorate_proto::KvRequest {
        request: Some(quorate_proto::kv_request::Request::Range(range)),
    };
    let read = copy.and_then(|meta| meta.read(&request).ok()).and_then(|it| it.response);
    let Some(quorate_proto::kv_response::Response::Range(read)) = read else { return 0 };
    let fenced = |value: &[u8]| String::from_utf8_lossy(value).contains("fenced");
    read.kvs.iter().filter(|kv| fenced(&kv.value)).count()
}
