//! An application of this host, as somebody defined it: its name, where it is reached, and how it is checked.
//!
//! Invariant: a [`Definition`] that exists is within its bounds. Knows nothing of files.

use crate::words::time;
use quorate_proto::{ApplicationReport, Label};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Time from the end of a check to the next: quick enough for a second opinion within seconds, and seldom enough to cost nothing.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
/// A check without a result by then has failed.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// So long a heartbeat counts.
pub(crate) const TTL: Duration = Duration::from_secs(15);
/// Results in a row that make one that was down be up, ...
pub(crate) const RISE: u32 = 2;
/// ... and one that was up be down: one lost packet is no failure.
pub(crate) const FALL: u32 = 3;

/// Below it checks of many applications would be a load; above it nobody would call it a check.
pub(crate) const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(3600);
/// A check that takes longer says nothing of now.
pub(crate) const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(60);
/// A heartbeat that counts for less than a second is late on a busy host.
pub(crate) const TTLS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// Results in a row.
pub(crate) const IN_A_ROW: RangeInclusive<u32> = 1..=100;
/// Longest text of a check: a command and its arguments together, or an address.
pub(crate) const CHECK_TEXT: usize = 4096;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    /// As `host:port`; for whoever asks where it is.
    pub(crate) endpoints: Vec<String>,
    /// In the order of their names.
    pub(crate) labels: Vec<Label>,
    pub(crate) check: Check,
    pub(crate) source: Source,
}

/// Who defined it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file, which is read again at each start.
    DropIn(PathBuf),
    /// Somebody asked the daemon, which forgets it when it ends.
    Registered,
}

/// How it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) kind: Kind,
    /// From the end of a check to the next.
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// Good results in a row that make it up.
    pub(crate) rise: u32,
    /// Bad ones that make it down.
    pub(crate) fall: u32,
}

/// By what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request that is to be answered with a status of 200 to 399.
    Http {
        /// `host:port` to connect to.
        address: String,
        /// What is asked for, with its query.
        path: String,
    },
    /// A connection that is to be taken.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// A program that is to end with 0, with its arguments.
    Command(Vec<String>),
    /// A unit of systemd that is to be active.
    Systemd(String),
    /// The application says by itself that it works.
    Heartbeat {
        /// So long that counts.
        ttl: Duration,
    },
    /// It counts as up as long as this host does.
    None,
}

impl Check {
    /// A check of this kind, with all else as it is without a word.
    pub(crate) fn of(kind: Kind) -> Self {
        Self { kind, interval: INTERVAL, timeout: TIMEOUT, rise: RISE, fall: FALL }
    }
}

impl Definition {
    /// What is wrong with name, endpoints and labels, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        self.report().fault()
    }

    /// It, with nothing known of its state.
    pub(crate) fn report(&self) -> ApplicationReport {
        ApplicationReport {
            name: self.name.clone(),
            endpoints: self.endpoints.clone(),
            labels: self.labels.clone(),
            ..ApplicationReport::default()
        }
    }
}

impl fmt::Display for Kind {
    /// For people, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { address, path } => write!(f, "http://{address}{path}"),
            Self::Tcp { address } => write!(f, "tcp {address}"),
            Self::Command(words) => write!(f, "command {}", words.join(" ")),
            Self::Systemd(unit) => write!(f, "systemd {unit}"),
            Self::Heartbeat { ttl } => write!(f, "heartbeat within {}", spoken(*ttl)),
            Self::None => f.write_str("none"),
        }
    }
}

/// A time for people: whole seconds where it has no fraction.
pub(crate) fn spoken(span: Duration) -> String {
    match span.subsec_nanos() {
        0 => time::age(span.as_secs()),
        _ => format!("{} ms", span.as_millis()),
    }
}
