//! From what was measured to how long silence is borne with: one pure function, and how its result is followed.
//!
//! What stays true, whatever is measured: `SILENCE_QUIET <= silence <= SILENCE_MOST`, more than three intervals of pings fit into the
//! silence, and it grows at once and shrinks slowly. Knows nothing of who is judged.

use crate::pace::ground::Ground;
use crate::pings::rhythm::QUICKEST;
use quorate_membership::{SILENCE_LEAST, SILENCE_MOST, SILENCE_START};
use quorate_proto::Moment;
use std::time::Duration;

/// How long silence is borne with in a small cluster where nothing slow is measured: more than three of its pings fit. With the time that
/// those who are asked take, a death is known to all after a third of a second.
pub(crate) const SILENCE_QUIET: Duration = Duration::from_millis(220);
/// After a silence grew it stays for so long at least.
const QUIET: Duration = Duration::from_secs(120);
/// Then it shrinks by a quarter at most in each of these.
const SHRINKS_EACH: Duration = Duration::from_secs(30);
/// Silences are so many milliseconds and whole multiples: a difference that nobody could measure changes nothing.
const GRAIN: u64 = 10;

const _: () = assert!(SILENCE_QUIET.as_millis() >= SILENCE_LEAST.as_millis());
const _: () = assert!(SILENCE_QUIET.as_millis() <= SILENCE_START.as_millis());
const _: () = assert!(SILENCE_QUIET.as_millis() * 3 >= QUICKEST.as_millis() * 10);

/// What is known of one peer and of this node itself: the worst of the last minutes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// How often the peer gives a sign of life by itself.
    pub(crate) interval: Duration,
    /// The longest that an answer took.
    pub(crate) trip: Duration,
    /// The latest turn of this node, and of the peer.
    pub(crate) own_turn: Duration,
    pub(crate) its_turn: Duration,
    /// The longest silence that a sign of life ended.
    pub(crate) silence: Duration,
    /// What the leader bears with, as it said.
    pub(crate) told: Duration,
}

/// How long a silence has to be, and what makes it so long.
///
/// The interval alone asks for more than three of itself: as many pings may be lost. Each delay asks for two intervals, a ping that is lost
/// and the next one, and for itself: a round trip three times, there and back of a ping and of its retransmission and half as much again; a
/// late turn twice, because turns that are late come in a row. A silence that ended well asks for a quarter more than itself. So what is
/// below 29 ms asks for no more than a quiet small cluster has, and what is below 66 ms for no more than the start has.
pub(crate) fn wanted(measured: &Measured) -> (Duration, Ground) {
    let two = measured.interval * 2;
    let of = |span: Duration, times: u32, ground: fn(Duration) -> Ground| {
        // What is not there asks for nothing.
        let silence = if span.is_zero() { Duration::ZERO } else { two + span * times };
        (silence, ground(span))
    };
    let gap = measured.silence * 5 / 4;
    let (silence, ground) = [
        (SILENCE_QUIET, Ground::Least),
        (measured.interval * 10 / 3, Ground::Interval(measured.interval)),
        of(measured.trip, 3, Ground::Trip),
        of(measured.own_turn, 2, Ground::OwnTurn),
        of(measured.its_turn, 2, Ground::ItsTurn),
        (gap, Ground::Silence(measured.silence)),
        (measured.told, Ground::Told),
    ]
    .into_iter()
    .reduce(|most, one| if one.0 > most.0 { one } else { most })
    .expect("there are grounds");
    (in_grains(silence).clamp(SILENCE_QUIET, SILENCE_MOST), ground)
}

fn in_grains(span: Duration) -> Duration {
    let millis = u64::try_from(span.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis.div_ceil(GRAIN).saturating_mul(GRAIN))
}

/// A silence as it is in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) silence: Duration,
    pub(crate) ground: Ground,
    /// Since when it is so long.
    pub(crate) since: Moment,
    shrinks_at: Moment,
}

impl Followed {
    /// Begins with more than a quiet cluster needs: nothing is measured yet.
    pub(crate) fn new(now: Moment) -> Self {
        Self { silence: SILENCE_START, ground: Ground::Start, since: now, shrinks_at: now + QUIET }
    }

    /// Grows to what is wanted at once, and shrinks towards it in steps once it has been quiet.
    pub(crate) fn follow(&mut self, now: Moment, wanted: (Duration, Ground)) {
        let (silence, ground) = wanted;
        if silence > self.silence {
            *self = Self { silence, ground, since: now, shrinks_at: now + QUIET };
        } else if silence == self.silence {
            self.ground = ground;
        } else if now >= self.shrinks_at {
            self.silence = silence.max(in_grains(self.silence * 3 / 4));
            self.ground = if self.silence == silence { ground } else { Ground::Quiet };
            (self.since, self.shrinks_at) = (now, now + SHRINKS_EACH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pings::rhythm::{least_interval, ping_interval};
    use quorate_proto::limits;

    /// splitmix64.
    fn draw(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn whatever_is_measured_the_silence_keeps_its_bounds_and_more_than_three_pings_fit() {
        let mut other = 7;
        let mut span = || Duration::from_micros(1 << (draw(&mut other) % 23)) * 5 / 4;
        let (mut state, mut now) = (11, Moment::ZERO);
        let mut followed = Followed::new(now);
        for _ in 0..100_000 {
            let members = usize::try_from(draw(&mut state)).unwrap_or(1) % (limits::MEMBERS + 1);
            let measured = Measured {
                interval: if draw(&mut state).is_multiple_of(2) {
                    ping_interval(members)
                } else {
                    least_interval(members)
                },
                trip: span(),
                own_turn: span(),
                its_turn: span(),
                silence: span(),
                told: span(),
            };
            let (silence, ground) = wanted(&measured);
            assert!((SILENCE_QUIET..=SILENCE_MOST).contains(&silence), "{measured:?}");
            assert!(measured.interval * 3 < silence, "{measured:?}");
            let worst = measured.trip.max(measured.own_turn).max(measured.its_turn);
            assert!(worst * 2 < silence || silence == SILENCE_MOST, "{measured:?}");
            assert!(silence >= measured.told.min(SILENCE_MOST), "{measured:?}");
            assert_ne!(ground, Ground::Quiet);
            now = now + Duration::from_millis(draw(&mut state) % 60_000);
            let before = followed.silence;
            followed.follow(now, (silence, ground));
            assert!(followed.silence >= silence, "never less than what was measured asks for");
            assert!(followed.silence * 4 >= before * 3, "{before:?} became {:?}", followed.silence);
        }
    }

    #[test]
    fn a_silence_grows_at_once_and_shrinks_by_a_quarter_each_half_minute_after_two_quiet_minutes() {
        let (ms, at) =
            (Duration::from_millis, |seconds| Moment::ZERO + Duration::from_secs(seconds));
        let mut followed = Followed::new(at(0));
        followed.follow(at(1), (ms(1_200), Ground::Trip(ms(180))));
        assert_eq!((followed.silence, followed.ground), (ms(1_200), Ground::Trip(ms(180))));
        let calm = (SILENCE_QUIET, Ground::Least);
        let mut seen = Vec::new();
        for second in 1..400 {
            followed.follow(at(second), calm);
            if seen.last().is_none_or(|(_, silence)| *silence != followed.silence) {
                seen.push((second, followed.silence));
            }
        }
        let expected = [
            (1, 1_200),
            (121, 900),
            (151, 680),
            (181, 510),
            (211, 390),
            (241, 300),
            (271, 230),
            (301, 220),
        ];
        assert_eq!(seen, expected.map(|(second, millis)| (second, ms(millis))));
        assert_eq!(followed.ground, Ground::Least);
    }

    #[test]
    fn each_ground_that_binds_is_named() {
        let ms = Duration::from_millis;
        let calm =
            Measured { interval: ms(66), trip: ms(1), silence: ms(67), ..Measured::default() };
        let named = |measured: Measured| {
            let (silence, ground) = wanted(&measured);
            (u64::try_from(silence.as_millis()).unwrap_or(0), ground)
        };
        assert_eq!(named(calm), (220, Ground::Least));
        assert_eq!(named(Measured { interval: ms(150), ..calm }), (500, Ground::Interval(ms(150))));
        assert_eq!(named(Measured { trip: ms(30), ..calm }), (230, Ground::Trip(ms(30))));
        assert_eq!(named(Measured { own_turn: ms(120), ..calm }), (380, Ground::OwnTurn(ms(120))));
        assert_eq!(named(Measured { its_turn: ms(190), ..calm }), (520, Ground::ItsTurn(ms(190))));
        assert_eq!(named(Measured { silence: ms(480), ..calm }), (600, Ground::Silence(ms(480))));
        assert_eq!(named(Measured { told: ms(1_700), ..calm }), (1_700, Ground::Told));
    }
}
