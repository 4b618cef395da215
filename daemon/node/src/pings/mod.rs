//! Direct pings: the leader to every live node, each voter to the leader.
//!
//! Nothing here waits for anybody to ask. A ping of the leader carries what its receiver has not acknowledged (`rider.rs`), every round,
//! until it answers or is down. Knows nothing of what rides.

mod acknowledged;
pub(crate) mod bare;
pub(crate) mod health;
pub(crate) mod relay;
pub(crate) mod rhythm;
pub(crate) mod rider;
pub(crate) mod times;

pub use times::{PING_CLASSES, PingTimes};

use crate::pings::bare::{pace_said, ping};
use crate::pings::rhythm::{DOWN_EVERY, PING_INTERVAL};
use crate::pings::rider::{Answer, Load, Rider};
use crate::pings::times::PingClock;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{
    EnvelopeBody, FrameKind, HostApplications, Instance, MemberState, Moment, Ping, Pong, Role,
};

/// The rounds of pings that this node sends.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    /// The number of the last pings.
    round: u64,
    clock: PingClock,
}

impl Pings {
    /// When the pings of a number were sent; none of those that were sent long ago.
    pub(crate) fn sent_at(&self, number: u64) -> Option<Moment> {
        self.clock.sent_at(number)
    }

    /// How long the pings to each node took.
    pub(crate) fn times(&self) -> Vec<(Instance, PingTimes)> {
        self.clock.all()
    }

    /// A round of pings is due. Who resigned in a term, and knows of no leader since, says so.
    pub(crate) fn due(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        resigned: Option<u64>,
        riders: &mut [&mut dyn Rider],
    ) {
        let Some(leader) = sight.leadership.leader() else {
            if let Some(term) = resigned {
                self.tell_resignation(sight, turn, term);
            }
            return;
        };
        let me = sight.config.instance;
        if leader.instance == me && sight.leads() {
            turn.timers.arm(Timer::Ping, turn.now + sight.pace.interval());
            let down_too = (self.round + 1).is_multiple_of(DOWN_EVERY);
            let members = sight.other_members().map(|member| (member.instance, member.state()));
            let wanted = members.filter(|(_, state)| *state == MemberState::Alive || down_too);
            // Who was taken out hears of it from the view that lacks it.
            let ended = sight.ended_here().map(|life| (life, MemberState::Alive));
            self.ping_members(sight, turn, wanted.chain(ended), riders);
        } else if sight.role().is_some_and(|role| role != Role::Member) && leader.instance != me {
            turn.timers.arm(Timer::Ping, turn.now + PING_INTERVAL);
            let ping = ping(sight, self.next(turn));
            send(sight, turn, leader.instance, ping);
        }
    }

    /// As leader: pings these members now, with all that rides. They have a number of their own.
    pub(crate) fn ping_members<'a>(
        &mut self,
        sight: &Sight<'a>,
        turn: &mut Turn,
        members: impl IntoIterator<Item = (Instance, MemberState)>,
        riders: &mut [&mut dyn Rider],
    ) {
        let number = self.next(turn);
        let mut loads: Vec<Load<'_>> =
            riders.iter_mut().map(|rider| rider.load(sight, turn)).collect();
        for (member, state) in members {
            if state != MemberState::Alive {
                self.clock.pinged_while_down(member, number);
            }
            let mut ping = pace_said(sight, member, ping(sight, number));
            loads.iter_mut().for_each(|load| load(member, &mut ping));
            send(sight, turn, member, ping);
        }
    }

    /// Asks a voter about the leader, and tells it what that is to hear of the applications here; the number of the question.
    pub(crate) fn ask(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        voter: Instance,
        applications: Option<HostApplications>,
    ) -> u64 {
        let number = self.next(turn);
        send(sight, turn, voter, Ping { asks: true, applications, ..ping(sight, number) });
        number
    }

    /// A member's answer came in.
    pub(crate) fn answered(&mut self, sight: &Sight<'_>, from: Instance, pong: Pong) -> Answer {
        let is_member = |instance: Instance| sight.health.member(instance).is_some();
        let took = self.clock.answered(sight.now, from, pong.number, is_member);
        Answer { from, pong, took, newest: self.round }
    }

    fn tell_resignation(&mut self, sight: &Sight<'_>, turn: &mut Turn, term: u64) {
        let number = self.next(turn);
        turn.timers.arm(Timer::Ping, turn.now + PING_INTERVAL);
        for voter in sight.other_voters() {
            send(sight, turn, voter, Ping { term, ..ping(sight, number) });
        }
    }

    /// Pings that are sent now have a number of their own.
    fn next(&mut self, turn: &Turn) -> u64 {
        self.round += 1;
        self.clock.sent(turn.now, self.round);
        self.round
    }
}

fn send(sight: &Sight<'_>, turn: &mut Turn, to: Instance, ping: Ping) {
    turn.send_control(sight.peers, to, FrameKind::Ping, 0, EnvelopeBody::Ping(ping));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Output;
    use crate::trial::{Trial, life};
    use quorate_proto::Envelope;

    /// Says to each member that it is not heard, and counts.
    #[derive(Default)]
    struct Counting {
        rounds: usize,
        loaded: Vec<Instance>,
    }

    impl Rider for Counting {
        fn load<'a>(&'a mut self, _: &Sight<'a>, _: &mut Turn) -> Load<'a> {
            self.rounds += 1;
            Box::new(|to, ping| {
                ping.unheard = true;
                self.loaded.push(to);
            })
        }

        fn take(&mut self, _: &Sight<'_>, _: &mut Turn, _: &mut Ping) {}

        fn answer(&mut self, _: &Sight<'_>, _: Instance, _: &mut Pong) {}

        fn acknowledged(&mut self, _: &Sight<'_>, _: &mut Turn, _: &mut Answer) {}

        fn begin(&mut self) {}

        fn retain(&mut self, _: &dyn Fn(Instance) -> bool) {}
    }

    #[test]
    fn all_pings_of_a_round_have_one_number_and_carry_what_rides() {
        let trial = Trial::member_under_2(5);
        let (sight, mut turn) = (trial.node.sight(), Turn::new(trial.now, 0));
        let (mut pings, mut rider) = (Pings::default(), Counting::default());
        for _ in 0..2 {
            let members = sight.other_members().map(|member| (member.instance, member.state()));
            pings.ping_members(&sight, &mut turn, members, &mut [&mut rider]);
        }
        assert_eq!(rider.rounds, 2);
        assert_eq!(rider.loaded, [2, 3, 2, 3].map(life));
        let sent = turn.out.iter().filter_map(|output| {
            let Output::Send { to, frame, .. } = output else { return None };
            match Envelope::open(frame.lane, frame.bytes.clone()) {
                Ok(EnvelopeBody::Ping(ping)) => Some((*to, ping.number, ping.unheard)),
                _ => None,
            }
        });
        let expected =
            [(2, 1), (3, 1), (2, 2), (3, 2)].map(|(to, number)| (life(to), number, true));
        assert_eq!(sent.collect::<Vec<_>>(), expected);
        assert_eq!(pings.answered(&sight, life(2), Pong::default()).newest, 2);
    }
}
