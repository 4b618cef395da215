//! The daemon's clocks: the boot-time clock for the node, which goes on while a host is suspended, and the wall
//! clock for display. The only place where the node's time comes from.

use quorate_proto::Moment;
use rustix::time::{ClockId, clock_gettime};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, on the boot-time clock.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_nsec / 1_000).unwrap_or(0);
    Moment::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

/// How long from now until `at`; zero when it has passed.
pub(crate) fn until(at: Moment) -> Duration {
    at.since(now())
}

/// A moment as milliseconds of `CLOCK_BOOTTIME`, which every program on this host can read.
pub(crate) fn boottime_ms(at: Moment) -> u64 {
    at.as_micros() / 1_000
}

/// The name of this start of the machine, in whose time [`boottime_ms`] counts, as `/proc/sys/kernel/random/boot_id` has it. The unit hides that
/// file from the daemon and hands the name on; empty where nobody says it.
pub(crate) fn boot_id() -> &'static str {
    static BOOT_ID: LazyLock<String> = LazyLock::new(|| {
        let handed_on = std::env::var("QUORATE_BOOT_ID").ok().and_then(|text| with_dashes(&text));
        handed_on.unwrap_or_else(|| {
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
            text.map(|text| text.trim().to_owned()).unwrap_or_default()
        })
    });
    &BOOT_ID
}

/// systemd writes 32 hexadecimal digits, the kernel puts dashes between them.
fn with_dashes(text: &str) -> Option<String> {
    let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    fits.then(|| parts.map(|part| &text[part]).join("-"))
}

/// The wall clock in milliseconds since 1970; for display only.
pub(crate) fn wall_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When the process started, on both clocks, so that a `Moment` can be shown as wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    /// Milliseconds since 1970.
    pub(crate) wall_unix_ms: u64,
    /// The same instant on the node's clock.
    pub(crate) moment: Moment,
}

impl Started {
    /// Now is the moment `moment` of the node's clock.
    pub(crate) fn now(moment: Moment) -> Self {
        Self { wall_unix_ms: wall_unix_ms(), moment }
    }

    /// A moment as milliseconds since 1970; for display only.
    pub(crate) fn unix_ms(&self, moment: Moment) -> u64 {
        let after = i128::from(moment.as_micros()) - i128::from(self.moment.as_micros());
        u64::try_from(i128::from(self.wall_unix_ms) + after / 1000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_id_of_the_unit_is_written_as_the_kernel_writes_it() {
        let dashed = with_dashes("0123456789abcdef0123456789abcdef");
        assert_eq!(dashed.as_deref(), Some("01234567-89ab-cdef-0123-456789abcdef"));
        assert_eq!(with_dashes("%b"), None);
    }
}
