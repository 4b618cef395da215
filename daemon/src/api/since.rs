//! `since` of `/v1/events`: a time, a span of time that ends now, or the id of an event.
//!
//! Events are in the order of their runs and numbers; their times are those of the host's clock, which may have been set.

use super::pages::EventPage;
use crate::words::time;

/// From where events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// From this moment on, in milliseconds since 1970.
    Time(u64),
    /// Behind the event with this run and number.
    Behind(u64, u64),
}

impl Since {
    /// Reads one, at a moment in milliseconds since 1970.
    pub(super) fn parse(text: &str, now_unix_ms: u64) -> Result<Self, String> {
        // A year and a month are no id.
        if let Some((run, number)) = id(text).filter(|(run, _)| *run > 9_999) {
            return Ok(Self::Behind(run, number));
        }
        if let Some(moment) = time::unix_ms(text) {
            return Ok(Self::Time(moment));
        }
        match time::duration(text) {
            Ok(span) => {
                let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                Ok(Self::Time(now_unix_ms.saturating_sub(millis)))
            }
            Err(_) => Err(format!(
                "since is a time such as 2026-11-29T22:00:00Z, a span of time such as 30m or 2days, or the id of an event, not `{text}`"
            )),
        }
    }

    /// Whether an event is shown.
    pub(super) fn takes(self, event: &EventPage) -> bool {
        match self {
            // One without a time is shown rather than missed.
            Self::Time(from) => time::unix_ms(&event.at).is_none_or(|at| at >= from),
            Self::Behind(run, number) => {
                id(&event.id).is_none_or(|(of, this)| (of, this) > (run, number))
            }
        }
    }
}

/// Run and number in the id of an event.
fn id(text: &str) -> Option<(u64, u64)> {
    let (number, run) = text.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(run)).then_some((run.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, at: &str) -> EventPage {
        EventPage { id: id.to_owned(), at: at.to_owned(), ..EventPage::default() }
    }

    #[test]
    fn a_time_a_span_and_an_id_are_told_apart() {
        let now = 1_795_254_178_123;
        let at = |text| Since::parse(text, now);
        assert_eq!(at("2026-11-21T09:42:58.123Z"), Ok(Since::Time(now)));
        assert_eq!(at("2026-11-21 09:42:58"), Ok(Since::Time(now - 123)));
        assert_eq!(at("2026-11-21"), Ok(Since::Time(1_795_219_200_000)));
        assert_eq!(at("1m 30s"), Ok(Since::Time(now - 90_000)));
        assert_eq!(at("12-1795254178123"), Ok(Since::Behind(now, 12)));
        for text in ["", "12", "yesterday", "5M", "-1h", "-5", "5-", "2026-11", "2026-13-01"] {
            assert!(at(text).unwrap_err().contains("the id of an event"), "{text}");
        }
    }

    #[test]
    fn events_of_later_runs_come_behind_all_of_an_earlier_one() {
        let behind = Since::Behind(100, 7);
        assert!(behind.takes(&event("8-100", "")) && behind.takes(&event("1-101", "")));
        assert!(!behind.takes(&event("7-100", "")) && !behind.takes(&event("900-99", "")));
        let from = Since::Time(1_795_254_178_123);
        assert!(from.takes(&event("1-1", "2026-11-21T09:42:58.123Z")));
        assert!(!from.takes(&event("1-1", "2026-11-21T09:42:58.122Z")));
    }
}
