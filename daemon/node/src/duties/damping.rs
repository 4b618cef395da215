//! How a host that comes and goes is kept from telling everybody each time.
//!
//! Invariants: that a host is gone is never held back; nor is its first restart within a minute. Each further return is told
//! once the host has been up without a break for a span that doubles; the first return of a start that was found silent
//! once it was heard for as long as that silence, and of one that was heard all the while and answered nobody once that lasted
//! longer than connections on which nothing is answered. Every node counts along from the committed view, so that another leader
//! goes on where the last one ended.

use quorate_proto::{Generation, Instance, Moment};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Departures are counted over so long.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Who was silent for too long must be heard for half a second: one late frame of a host that hears nobody is no return.
const AGAIN: Duration = Duration::from_millis(500);
/// Who was heard up to the moment when it was found to answer nobody hears nobody itself: it goes on sending until its
/// connections have been silent for too long, 3 s, and is heard without an end only when it hears the others again.
const DEAF: Duration = Duration::from_secs(4);
/// The hold at the second departure within the window: longer than a flapping link or a service manager's pause between
/// two starts. It doubles with each further one.
const FIRST_HOLD: Duration = Duration::from_secs(2);
/// The longest hold: who stays up for that long is told, however often it was gone before.
const LONGEST_HOLD: Duration = Duration::from_secs(30);
/// Departures kept of each host: with the last of these the hold is at its longest.
const KEPT: usize = 8;
/// A host that was not heard for so long was not up without a break: a leader knocks at who is down each second, and in
/// a cluster of 1,000 each 3.5 s.
const BREAK: Duration = Duration::from_secs(5);

/// One host that was gone of late.
#[derive(Debug, Default)]
struct Host {
    gone: VecDeque<Moment>,
    /// How long it must stay up before it is told to be back, as it was said when it was gone last.
    owed: Duration,
    /// It was heard by some when this node found it gone last.
    was_heard: bool,
    steady: Option<Steady>,
}

impl Host {
    /// How often it was gone within the window.
    fn times(&self, now: Moment) -> usize {
        self.gone.iter().filter(|at| now.since(**at) < WINDOW).count()
    }
}

/// A host that is heard, though committed as gone.
#[derive(Debug, Clone, Copy)]
struct Steady {
    generation: Generation,
    since: Moment,
    heard: Moment,
}

/// What is known of the life of a host that is committed as gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// Which start of it is heard.
    pub(crate) generation: Generation,
    /// It is a newer start than the one that is committed as gone.
    pub(crate) restarted: bool,
    /// When it was heard last.
    pub(crate) heard: Moment,
    /// When it was found silent last.
    pub(crate) silent: Option<Moment>,
}

/// All hosts that were gone of late, or found gone. At most one entry for each member, and for each whose view is to come.
#[derive(Debug, Default)]
pub(crate) struct Damping {
    hosts: BTreeMap<Instance, Host>,
}

impl Damping {
    /// This leader found a host gone: silent, or heard by some and answering nobody.
    pub(crate) fn condemned(&mut self, instance: Instance, was_heard: bool) {
        self.hosts.entry(instance).or_default().was_heard = was_heard;
    }

    /// A host was committed as gone, or as another start of itself.
    pub(crate) fn gone(&mut self, now: Moment, instance: Instance) {
        let host = self.hosts.entry(instance).or_default();
        if host.gone.len() >= KEPT {
            host.gone.pop_front();
        }
        host.gone.push_back(now);
        host.owed = hold(host.times(now));
        host.steady = None;
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain(&mut self, is_member: impl Fn(Instance) -> bool) {
        self.hosts.retain(|instance, _| is_member(*instance));
    }

    /// How often a host was gone within the window.
    pub(crate) fn times(&self, now: Moment, instance: Instance) -> usize {
        self.hosts.get(&instance).map_or(0, |host| host.times(now))
    }

    /// Whether a host may be told to be back.
    pub(crate) fn lets_back(&mut self, now: Moment, instance: Instance, life: Life) -> bool {
        let Life { generation, restarted, heard, silent } = life;
        let deaf = self.hosts.get(&instance).is_some_and(|host| host.was_heard);
        let again = match restarted {
            true => Duration::ZERO,
            false if deaf => DEAF,
            false => AGAIN,
        };
        let host = self.hosts.entry(instance).or_default();
        // Who was heard of neither way for so long was away, and did not come and go.
        let last = host.gone.back().copied().max(host.steady.map(|steady| steady.heard));
        let quiet = last.is_none_or(|last| now.since(last) >= WINDOW);
        let hold = if quiet { again } else { host.owed.max(again) };
        if hold.is_zero() {
            return true;
        }
        let unbroken = host.steady.filter(|steady| {
            steady.generation == generation
                && heard.since(steady.heard) < BREAK
                && silent.is_none_or(|silent| silent <= steady.since)
        });
        let since = unbroken.map_or(heard, |steady| steady.since);
        host.steady = Some(Steady { generation, since, heard });
        heard >= since + hold
    }

    /// Whether a host is there, as far as this leader hears, though it is held back.
    pub(crate) fn holds(&self, now: Moment, instance: Instance) -> bool {
        let steady = self.hosts.get(&instance).and_then(|host| host.steady);
        steady.is_some_and(|steady| now.since(steady.heard) < BREAK)
    }
}

/// How long a host, or an application, must have been up after so many departures of late before it is told to be back. Zero up to the first;
/// then two seconds, which double with each further one up to half a minute.
#[must_use]
pub fn hold(times: usize) -> Duration {
    let doublings = match u32::try_from(times) {
        Ok(0 | 1) => return Duration::ZERO,
        Ok(times) => (times - 2).min(8),
        Err(_) => 8,
    };
    (FIRST_HOLD * (1 << doublings)).min(LONGEST_HOLD)
}

/// What is added to the reason of a departure, so many of which have been within the window, this one included.
pub(crate) fn words(times: usize) -> String {
    let hold = hold(times);
    if hold.is_zero() {
        return String::new();
    }
    format!(
        "; gone {times} times within {} s, held down until it stays up for {} s",
        WINDOW.as_secs(),
        hold.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn one() -> Instance {
        Instance::from_bytes([1; 16])
    }

    /// A start that is newer than what is committed, heard and perhaps found silent at these moments.
    fn life(heard: u64, start: u64, silent: Option<u64>) -> Life {
        let generation = Generation::new(start);
        Life { generation, restarted: true, heard: at(heard), silent: silent.map(at) }
    }

    #[test]
    fn one_late_frame_of_a_start_that_was_found_silent_is_no_return() {
        let mut damping = Damping::default();
        damping.gone(at(0), one());
        let mut heard = |ms, silent| {
            damping.lets_back(at(ms), one(), Life { restarted: false, ..life(ms, 1, silent) })
        };
        assert!(!heard(60, Some(0)));
        assert!(!heard(559, Some(0)));
        assert!(!heard(700, Some(600)));
        assert!(heard(1_200, Some(600)));
    }

    #[test]
    fn who_was_heard_and_answered_nobody_is_back_when_it_outlived_its_connections() {
        let mut damping = Damping::default();
        damping.condemned(one(), true);
        damping.gone(at(1_030), one());
        let mut heard = |ms: u64, start| {
            let life = Life { restarted: start > 1, ..life(ms, start, Some(1_000)) };
            damping.lets_back(at(ms), one(), life)
        };
        assert!(!heard(1_100, 1) && !heard(3_000, 1) && !heard(5_099, 1));
        assert!(heard(5_100, 1));
        assert!(heard(1_200, 2), "a later start is another matter");
    }

    #[test]
    fn the_first_return_is_told_at_once_and_each_further_one_later() {
        let mut damping = Damping::default();
        assert!(damping.lets_back(at(0), one(), life(0, 1, None)));
        for (times, hold) in [(1, 0), (2, 2_000), (3, 4_000), (4, 8_000), (5, 16_000)] {
            damping.gone(at(times), one());
            assert!(damping.lets_back(at(100), one(), life(100, 1, None)) == (hold == 0));
            assert_eq!(damping.times(at(100), one()) as u64, times);
            assert_eq!(
                super::hold(usize::try_from(times).expect("few")),
                Duration::from_millis(hold)
            );
        }
        assert_eq!(super::hold(usize::MAX), LONGEST_HOLD);
        assert_eq!(words(1), "");
        assert_eq!(words(3), "; gone 3 times within 60 s, held down until it stays up for 4 s");
    }

    #[test]
    fn a_host_that_stays_up_without_a_break_is_told_and_one_that_does_not_is_held() {
        let mut damping = Damping::default();
        damping.gone(at(0), one());
        damping.gone(at(1), one());
        let mut heard =
            |ms, start, silent| damping.lets_back(at(ms), one(), life(ms, start, silent));
        assert!(!heard(1_000, 1, None));
        assert!(!heard(2_999, 1, Some(900)));
        // Found silent meanwhile: it counts from here again. So does another start, and a pause.
        assert!(!heard(3_100, 1, Some(3_050)));
        assert!(!heard(5_000, 2, Some(3_050)));
        assert!(!heard(6_999, 2, None));
        assert!(!heard(12_000, 2, None));
        assert!(heard(14_000, 2, None));
    }

    #[test]
    fn a_host_that_never_stays_up_is_held_down_for_as_long_as_it_comes() {
        let mut damping = Damping::default();
        (0..4).for_each(|ms| damping.gone(at(ms), one()));
        // Each second another start that is heard for a moment, for five minutes.
        for second in 1..300 {
            assert!(!damping.lets_back(
                at(second * 1_000),
                one(),
                life(second * 1_000, second, None)
            ));
        }
        let mut heard = |ms| damping.lets_back(at(ms), one(), life(ms, 300, None));
        assert!(!heard(300_000) && !heard(304_000) && !heard(307_900));
        assert!(heard(308_000), "8 s, as it was said");
    }

    #[test]
    fn a_quiet_minute_forgives() {
        let mut damping = Damping::default();
        (0..20).for_each(|ms| damping.gone(at(ms), one()));
        assert_eq!(damping.times(at(59_000), one()), KEPT);
        assert_eq!(damping.times(at(60_100), one()), 0);
        assert!(damping.lets_back(at(60_100), one(), life(60_100, 1, None)));
        damping.retain(|_| false);
        assert_eq!(damping.times(at(30_000), one()), 0);
    }

    #[test]
    fn a_held_host_counts_as_there() {
        let mut damping = Damping::default();
        damping.gone(at(0), one());
        damping.gone(at(1), one());
        assert!(!damping.holds(at(900), one()));
        assert!(!damping.lets_back(at(1_000), one(), life(1_000, 1, None)));
        assert!(damping.holds(at(2_000), one()) && !damping.holds(at(6_000), one()));
    }
}
