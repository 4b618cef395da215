//! What is wrong with a link between two nodes: in words.

use super::odd_secret::{OddSecret, other_secret};
use super::{Cause, ReasonCode};

/// What a node finds wrong with its link to `name`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum LinkCause {
    /// The link to the leader is cut; of `me` and `name` one leads. Another voter passes on.
    NoLink { me: String, name: String, leads: bool, via: String },
    /// Dials have no answer, though the peer's own packets come in (`one_way`) or not.
    NoAnswer { name: String, place: String, port: u16, since: String, dials: u32, one_way: bool },
    /// Another says so, or is told so: packets of `deaf` reach `hears`, and those of `hears` do not reach `deaf`. `other`: which of the
    /// two is not this host.
    OneWay { deaf: String, hears: String, other: String, port: u16 },
    /// Dials are refused; `why` in the words of the dial. `odd`: the secrets differ.
    Refused {
        name: String,
        place: String,
        since: String,
        dials: u32,
        why: String,
        odd: Option<OddSecret>,
    },
    /// The connection is lost.
    TimedOut { name: String, gone: String, why: String },
    /// Packets sent there are lost.
    Loss { name: String, per_cent: f64, lost: u64, sent: u64 },
    /// Frames of the log are not acknowledged; `clean`: the path itself is fine.
    Behind { name: String, frames: u64, clean: bool },
    /// Round trips take long.
    Slow { name: String, millis: u64 },
    /// Packets of a size that passed no longer do.
    Hole { name: String, times: u64, bytes: u16 },
    /// Smaller packets than elsewhere: than to `others`, or than what this host's own network takes.
    Narrow { name: String, bytes: u16, best: u16, others: bool },
}

impl Cause for LinkCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::NoLink { .. } => ReasonCode::NoLink,
            Self::NoAnswer { one_way: true, .. } | Self::OneWay { .. } => ReasonCode::OneWay,
            Self::NoAnswer { .. } => ReasonCode::NoAnswer,
            Self::Refused { .. } => ReasonCode::Refused,
            Self::TimedOut { .. } => ReasonCode::TimedOut,
            Self::Loss { .. } => ReasonCode::Loss,
            Self::Behind { .. } => ReasonCode::Behind,
            Self::Slow { .. } => ReasonCode::Slow,
            Self::Hole { .. } | Self::Narrow { .. } => ReasonCode::Mtu,
        }
    }

    fn subject(&self) -> Option<String> {
        Some(self.name().to_owned())
    }

    fn text(&self) -> String {
        match self {
            Self::NoLink { me, name, leads, via } => {
                let (cut_off, leader) = if *leads { (name, me) } else { (me, name) };
                format!(
                    "{cut_off} has no link to the leader {leader}; it is told and served through {via}, which has one"
                )
            }
            Self::NoAnswer { place, port, since, dials, one_way: true, .. } => format!(
                "packets of {place} come in, but ours have had no answer for {since} ({}): UDP {port} is dropped in one direction (firewall there, or on the way)",
                count(*dials)
            ),
            Self::OneWay { deaf, hears, port, .. } => format!(
                "packets of {deaf} reach {hears}, but those of {hears} do not reach {deaf}: UDP {port} is dropped in one direction"
            ),
            Self::NoAnswer { place, port, since, dials, .. } => format!(
                "no answer from {place} for {since} ({}): host down, daemon not running, or UDP {port} blocked",
                count(*dials)
            ),
            Self::Refused { place, since, dials, why, .. } => {
                format!("dials of {place} have failed for {since}, {}: {why}", count(*dials))
            }
            Self::TimedOut { gone, why, .. } => format!("no connection for {gone}: {why}"),
            Self::Loss { per_cent, lost, sent, .. } => format!(
                "{per_cent:.1} % of the packets sent to it of late were lost ({lost} of {sent}): the network on the way there"
            ),
            Self::Behind { frames, clean, .. } => {
                let why = if *clean {
                    "the path is fine, so the peer is slow: look at its disk and CPU"
                } else {
                    "the path does not carry them fast enough"
                };
                format!("{frames} log frames are not acknowledged: {why}")
            }
            Self::Slow { millis, .. } => {
                format!("round trips take up to {millis} ms (p99): a long or crowded path")
            }
            Self::Hole { times, bytes, .. } => format!(
                "packets of a size that had passed no longer did, {times} times; {bytes} bytes pass now: MTU trouble on the way"
            ),
            Self::Narrow { bytes, best, others: true, .. } => format!(
                "only {bytes} bytes pass at a time, {best} to others: a tunnel, or large packets are dropped"
            ),
            Self::Narrow { bytes, best, .. } => format!(
                "only {bytes} bytes pass at a time, where the network interfaces of this host take {best}: a tunnel, or large packets \
                 are dropped on the way"
            ),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoLink { me, name, .. } => format!(
                "look at the network between {me} and {name}: quorate's UDP port (4747 unless set) must pass both ways; from here: `quorate ping {name}`"
            ),
            Self::NoAnswer { name, port, one_way: true, .. }
            | Self::OneWay { deaf: name, port, .. } => let_in(name, *port),
            Self::NoAnswer { name, port, .. } => format!(
                "look whether {name} has power and network; on {name}: `systemctl status quorate`, and let UDP port {port} pass both ways"
            ),
            Self::Refused { name, odd: Some(odd), .. } => other_secret(name, *odd),
            Self::Refused { name, .. } => {
                format!("see `journalctl -u quorate -e` here and on {name}")
            }
            Self::TimedOut { name, .. } => format!("from here: `quorate ping {name}`"),
            Self::Loss { name, .. } | Self::Slow { name, .. } => format!(
                "look at the network between this host and {name} (`quorate ping {name}`, `ip -s link` on both)"
            ),
            Self::Behind { name, clean: true, .. } => {
                format!(
                    "on {name}: `quorate why`, and look at its disk and CPU (`iostat -x`, `top`)"
                )
            }
            Self::Behind { name, .. } => format!(
                "look at the bandwidth between this host and {name} (`quorate status --links`)"
            ),
            Self::Hole { name, .. } | Self::Narrow { name, .. } => format!(
                "give all hosts and what is between them one MTU: `ip link` here and on {name}; ICMP \"too big\" must pass"
            ),
        }
    }
}

impl LinkCause {
    fn name(&self) -> &str {
        match self {
            Self::NoLink { name, .. }
            | Self::NoAnswer { name, .. }
            | Self::OneWay { other: name, .. }
            | Self::Refused { name, .. }
            | Self::TimedOut { name, .. }
            | Self::Loss { name, .. }
            | Self::Behind { name, .. }
            | Self::Slow { name, .. }
            | Self::Hole { name, .. }
            | Self::Narrow { name, .. } => name,
        }
    }
}

/// What helps a host that does not hear.
pub(super) fn let_in(name: &str, port: u16) -> String {
    format!(
        "let UDP port {port} in on {name}, and the answers back out: look at the firewalls of both hosts and on the way"
    )
}

fn count(dials: u32) -> String {
    match dials {
        1 => "1 dial".to_owned(),
        dials => format!("{dials} dials"),
    }
}
