//! Why a silence is borne with for as long as it is: typed, and in words.
//!
//! What stays true: each ground carries what was measured, and nothing of whom. Knows nothing of what it leads to.

use crate::pace::window::SPAN;
use std::fmt;
use std::time::Duration;

/// Why a silence is as long as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// As at the start of the daemon, or of the other one: it has not been quiet for long enough.
    Start,
    /// Nothing that was measured asks for more.
    Least,
    /// So often are members pinged.
    Interval(Duration),
    /// An answer to a ping took so long.
    Trip(Duration),
    /// A turn of this node was so late.
    OwnTurn(Duration),
    /// A turn of the other one was so late, as it said.
    ItsTurn(Duration),
    /// So long passed between two signs of life.
    Silence(Duration),
    /// The leader bears with this node for so long.
    Told,
    /// It was longer, and shrinks.
    Quiet,
}

impl fmt::Display for Ground {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, millis) = (SPAN.as_secs() / 60, |span: &Duration| span.as_millis());
        match self {
            Self::Start => {
                out.write_str("as at the start; it shrinks while nothing slow is measured")
            }
            Self::Least => write!(out, "nothing slow within {minutes} min"),
            Self::Interval(span) => {
                write!(out, "more than three pings, {} ms apart, have to fit", millis(span))
            }
            Self::Trip(span) => {
                write!(out, "an answer took {} ms within {minutes} min", millis(span))
            }
            Self::OwnTurn(span) => {
                write!(out, "a turn of this host was {} ms late within {minutes} min", millis(span))
            }
            Self::ItsTurn(span) => {
                write!(out, "a turn of that host was {} ms late within {minutes} min", millis(span))
            }
            Self::Silence(span) => {
                write!(
                    out,
                    "{} ms passed between two signs of life within {minutes} min",
                    millis(span)
                )
            }
            Self::Told => out.write_str("the leader bears with this host for as long"),
            Self::Quiet => {
                out.write_str("it was longer, and shrinks while nothing slow is measured")
            }
        }
    }
}
