//! The clocks of simulated hosts, each of which runs a little fast or slow, beside true time.

use crate::world::{START, World};
use quorate_proto::Moment;

/// By so many parts in a million a clock may be off.
const WORST_PPM: u64 = 10_000;

impl World {
    /// The clock of a host, which may be fast or slow.
    pub(crate) fn clock(&self, host: usize) -> Moment {
        let passed = i128::from(self.now.as_micros()) - i128::from(START);
        let off = passed * i128::from(self.hosts[host].clock_ppm) / 1_000_000;
        Moment::from_micros(u64::try_from(i128::from(START) + passed + off).unwrap_or(START))
    }

    /// When the clock of a host shows this, at the earliest.
    pub(crate) fn true_time(&self, host: usize, shown: Moment) -> Moment {
        let ppm = i128::from(self.hosts[host].clock_ppm);
        let passed = i128::from(shown.as_micros()) - i128::from(START);
        if ppm == 0 {
            return shown;
        }
        let scaled = passed * 1_000_000;
        let rate = 1_000_000 + ppm;
        let exact = scaled.div_euclid(rate) + i128::from(scaled.rem_euclid(rate) > 0);
        Moment::from_micros(u64::try_from(i128::from(START) + exact).unwrap_or(START))
    }

    /// The clocks of all hosts are off from the beginning of time on: before anybody starts.
    pub fn clocks_are_off(&mut self) {
        for host in 0..self.hosts.len() {
            let off = match self.random.below(3) {
                0 => WORST_PPM,
                1 => self.random.below(2 * WORST_PPM + 1),
                _ => 2 * WORST_PPM,
            };
            let worst = i64::try_from(WORST_PPM).unwrap_or(0);
            self.hosts[host].clock_ppm = i64::try_from(off).unwrap_or(0) - worst;
        }
    }
}
