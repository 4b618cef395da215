//! What is valid in a configuration and most likely not meant: keys without an effect here, and seeds whose names lead nowhere, to several
//! hosts or to one. Pure: no note ends a start.

use super::{Config, HostRole};
use crate::shell::own_slot::{OwnHost, ResolvedSeed, SlotMatch, dialable, match_slot};
use quorate_membership::Mode;
use quorate_proto::CannotSend;
use std::net::SocketAddr;

impl Config {
    /// What is written and changes nothing, one sentence each.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.host.role == HostRole::Witness && self.host.weight != 1 {
            notes.push(
                "`weight` has no effect with `role = \"witness\"` (host.toml): a witness has no share of anything"
                    .to_owned(),
            );
        }
        let durable = self.founding == Mode::Durable;
        if durable && self.founding_grace != super::GRACE {
            notes.push(
                "`founding_grace` has no effect with `founding = \"durable\"`, which waits for as many seeds as it needs"
                    .to_owned(),
            );
        }
        if durable && self.seeds.len() == 1 {
            notes.push(
                "`founding = \"durable\"` has no effect with one seed, which founds alone"
                    .to_owned(),
            );
        }
        notes
    }
}

/// What is odd about where the seeds lead, as seen from this host.
pub(super) fn of_seeds(own: &OwnHost, seeds: &[ResolvedSeed]) -> Vec<String> {
    let slot = match match_slot(own, seeds) {
        SlotMatch::Slot(slot) | SlotMatch::Several { slots: (slot, _), .. } => Some(slot),
        _ => None,
    };
    let others = seeds.iter().zip(dialable(seeds)).enumerate();
    let others = others.filter(|(number, _)| slot != Some(*number));
    let odd = |(_, (seed, dialled)): (usize, (&ResolvedSeed, Vec<SocketAddr>))| {
        of_other_seed(own.listen, seed, &dialled)
    };
    let mut notes: Vec<String> = others.filter_map(odd).collect();
    notes.extend(of_one_address(seeds));
    notes
}

fn of_other_seed(
    listen: SocketAddr,
    seed: &ResolvedSeed,
    dialled: &[SocketAddr],
) -> Option<String> {
    let name = &seed.seed;
    if let Some(problem) = &seed.problem {
        return Some(format!(
            "seed `{name}` does not resolve: {problem}. A typing error? The daemon asks again while it runs"
        ));
    }
    if dialled.is_empty() {
        return Some(format!(
            "seed `{name}` leads only to a loopback address here, which is no other host: see `/etc/hosts`"
        ));
    }
    let refusals: Vec<CannotSend> =
        dialled.iter().filter_map(|to| CannotSend::check_family(listen, *to).err()).collect();
    if let Some(why) = refusals.first().filter(|_| refusals.len() == dialled.len()) {
        return Some(format!("seed `{name}`: {why}"));
    }
    let same_family = |to: &&SocketAddr| to.is_ipv4() == dialled[0].is_ipv4();
    let several = dialled.iter().filter(same_family).count();
    (several > 1).then(|| {
        format!(
            "seed `{name}` leads to {several} addresses of one family: all of them must be one host. If they are several hosts (one DNS name \
             for all seeds), name each of them in `seeds`"
        )
    })
}

/// Two seeds that are one address.
fn of_one_address(seeds: &[ResolvedSeed]) -> Option<String> {
    let shared = |one: &ResolvedSeed, other: &ResolvedSeed| {
        one.addresses.iter().find(|at| other.addresses.contains(at)).copied()
    };
    seeds.iter().enumerate().find_map(|(number, one)| {
        let (other, at) = seeds[number + 1..]
            .iter()
            .find_map(|other| shared(one, other).map(|at| (other, at)))?;
        Some(format!(
            "seeds `{}` and `{}` both lead to {at}: name each host once",
            one.seed, other.seed
        ))
    })
}
