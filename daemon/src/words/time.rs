//! Times in words, as programs and people read and write them. Pure: knows no clock.

use std::time::{Duration, UNIX_EPOCH};

/// A span of time in microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The last millisecond of the year 9999; RFC 3339 has no words for a later one.
const LATEST: u64 = 253_402_300_799_999;

/// Milliseconds since 1970 as RFC 3339 in UTC; empty for zero, which means "not known". Other hosts' times are shown too, so any number
/// is taken: one beyond the year 9999 is shown as its end.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    if unix_ms == 0 {
        return String::new();
    }
    let time = UNIX_EPOCH + Duration::from_millis(unix_ms.min(LATEST));
    humantime::format_rfc3339_millis(time).to_string()
}

/// An RFC 3339 text to the second, for the name of a file: `20261129T221030Z`.
pub(crate) fn in_a_name(at: &str) -> String {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (day, time) = at.split_once('T').unwrap_or_default();
    format!("{}T{}Z", digits(day), digits(time.split('.').next().unwrap_or_default()))
}

/// A moment as people and [`rfc3339`] write it, in UTC, or the begin of a day; in milliseconds since 1970.
pub(crate) fn unix_ms(text: &str) -> Option<u64> {
    let midnight = if text.len() == 10 { "T00:00:00Z" } else { "" };
    let time = humantime::parse_rfc3339_weak(&format!("{text}{midnight}")).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// What [`duration`] takes, for whoever has to write one.
pub(crate) const DURATIONS: &str = "numbers with units, such as `500ms`, `3s` or `1h 30m`";

/// A span of time as people write it in the configuration and on the command line. `5M` would be five months, and is meant as minutes
/// more often: it is refused.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let mut words = text.split(|c: char| !c.is_alphabetic());
    if words.any(|word| word == "M") {
        return Err("`M` could be minutes or months: write `m` or `months`".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A span of time in whole units, the two largest.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339_whatever_its_number_is() {
        assert_eq!(rfc3339(0), "");
        assert_eq!(rfc3339(1), "1970-01-01T00:00:00.001Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_254_178_123), "2026-11-21T09:42:58.123Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_day_is_told_only_where_it_is_not_the_present_one() {
        let now = "2026-11-21T09:42:58.123Z";
        assert_eq!(short_time("2026-11-21T09:00:00.123Z", now), "09:00:00.123");
        assert_eq!(short_time("2026-11-20T09:00:00.123Z", now), "2026-11-20 09:00:00.123");
    }

    #[test]
    fn a_duration_is_numbers_with_units() {
        let millis = |text: &str| duration(text).map(|taken| taken.as_millis()).ok();
        let taken = [("500ms", 500), ("3 s", 3_000), ("1.5m", 90_000), ("1h 30m", 5_400_000)];
        for (text, is) in taken {
            assert_eq!(millis(text), Some(is), "{text}");
        }
        for text in ["", "3", "s", "3x", "1e9", "-3", "5M", "1h 5 M", "99999999999999999999999h"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn what_could_be_minutes_or_months_is_refused_with_both() {
        let no = duration("5M").expect_err("two meanings");
        assert!(no.contains("`m`") && no.contains("`months`"), "{no}");
        assert!(duration("2months").is_ok() && duration("5m").is_ok());
    }
}
