//! Times in words, as programs and people read and write them. Pure: knows no clock.

use std::time::Duration;

/// A span of time in microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 as RFC 3339 in UTC; empty for zero, which means "not known".
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    if unix_ms == 0 {
        return String::new();
    }
    let (seconds, millis) = (unix_ms / 1000, unix_ms % 1000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let moved_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * moved_month + 2) / 5 + 1;
    let month = if moved_month < 10 { moved_month + 3 } else { moved_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// Whole units, the two largest.
pub(crate) fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The day's time of an RFC 3339 text, with the day when it is not today's.
pub(crate) fn short_time(at: &str, now: &str) -> String {
    match (at.split_once('T'), now.split_once('T')) {
        (Some((day, time)), Some((today, _))) if day == today => {
            time.trim_end_matches('Z').to_owned()
        }
        (Some((day, time)), _) => format!("{day} {}", time.trim_end_matches('Z')),
        _ => at.to_owned(),
    }
}

/// Microseconds for people.
pub(crate) fn in_millis(micros: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let millis = micros as f64 / 1000.0;
    format!("{millis:.2} ms")
}
