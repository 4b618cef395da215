//! The leader's pings tell each holder the numbers of its newest grants, so that it asks for what is new within a round.
//!
//! Nothing is acknowledged: what the holder asks for says what it has. Knows nothing of what is granted.

use super::{Newest, Shares};
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{Instance, Ping, Pong};

impl Rider for Shares {
    fn load<'a>(&'a mut self, sight: &Sight<'a>, _: &mut Turn) -> Load<'a> {
        let meta = sight.group.filter(|group| group.replica().leads_safely());
        let meta = meta.map(|group| group.meta());
        Box::new(move |to, ping| {
            ping.says_shares = meta.is_some();
            ping.shares = meta.map_or(0, |meta| meta.newest_grant(to));
            ping.items = meta.map_or(0, |meta| meta.newest_item(to));
        })
    }

    fn take(&mut self, _: &Sight<'_>, turn: &mut Turn, ping: &mut Ping) {
        let said = Newest { budgets: ping.shares, items: ping.items };
        self.newest.raise(said);
        if ping.says_shares && said.are_none() {
            self.know(turn);
        }
        // What it held was freed, as by a fence: whoever uses it is told at once, and not with the next renewal.
        if ping.says_shares && std::mem::replace(&mut self.said, said).is_above(said) {
            self.next = Some(turn.now);
        }
    }

    fn answer(&mut self, _: &Sight<'_>, _: Instance, _: &mut Pong) {}

    fn acknowledged(&mut self, _: &Sight<'_>, _: &mut Turn, _: &mut Answer) {}

    fn begin(&mut self) {}

    fn retain(&mut self, _: &dyn Fn(Instance) -> bool) {}
}
