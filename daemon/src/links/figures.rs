//! The figures of a link, one row each: its field on the page, where it comes from, how it is written, and where the metrics and the
//! table of `quorate status --links` show it. A new figure is a row here, and nothing else in the daemon.
//!
//! Invariant: what the metrics call a counter is added up over all connections, and never falls while the daemon runs. Rows may be
//! added; the fields and names of those that are there are never changed.

use crate::metrics::text::seconds;
use crate::words::time::{in_millis, micros};
use quorate_transport::{ConnectionReport, LinkReport, Packets};
use serde::{Deserialize, Serialize};

/// One row, as the metrics and the table read it.
pub(crate) struct Figure {
    /// Its series in the metrics, if it has one.
    pub(super) series: Option<Series>,
    /// The head of its column, if it has one.
    pub(super) column: Option<&'static str>,
    value: fn(&Figures) -> Option<Value>,
}

/// How Prometheus knows a figure.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: &'static str,
}

/// What a figure is a number of.
enum Value {
    Count(u64),
    Micros(u64),
    PerCent(f64),
}

impl Figure {
    /// As Prometheus reads it; none where it is not known.
    pub(super) fn number(&self, figures: &Figures) -> Option<String> {
        Some(match (self.value)(figures)? {
            Value::Count(count) => count.to_string(),
            Value::Micros(micros) => seconds(micros),
            Value::PerCent(share) => share.to_string(),
        })
    }

    /// As people read it; none where it is not known.
    pub(super) fn cell(&self, figures: &Figures) -> Option<String> {
        Some(match (self.value)(figures)? {
            Value::Count(count) => count.to_string(),
            Value::Micros(micros) => in_millis(micros),
            Value::PerCent(share) => format!("{share:.1} %"),
        })
    }
}

fn count(count: Option<u64>) -> Option<Value> {
    count.map(Value::Count)
}

fn bytes(bytes: Option<u16>) -> Option<Value> {
    bytes.map(|bytes| Value::Count(bytes.into()))
}

fn time(micros: Option<u64>) -> Option<Value> {
    micros.map(Value::Micros)
}

fn per_cent(share: Option<f64>) -> Option<Value> {
    share.map(Value::PerCent)
}

/// Makes the fields, what fills them in, and the rows, of one list. Of each figure: its meaning; its field; what it is a number of; where
/// it comes from; its series; its column.
macro_rules! figures {
    (@series) => { None };
    (@series $kind:ident $name:literal $help:literal) => {
        Some(Series { name: $name, help: $help, kind: stringify!($kind) })
    };
    (@column) => { None };
    (@column $head:literal) => { Some($head) };
    ($(
        $(#[doc = $meaning:literal])+
        $field:ident: $type:ty, $unit:ident = $from:expr;
        $(series $kind:ident $name:literal, $help:literal;)?
        $(column $head:literal;)?
    )+) => {
        /// All figures of a link, as fields of its line.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct Figures {
            $($(#[doc = $meaning])+ pub(crate) $field: $type,)+
        }

        impl Figures {
            /// Those of a report.
            pub(super) fn of(report: &LinkReport) -> Self {
                $(let $field: fn(&LinkReport) -> $type = $from;)+
                Self { $($field: $field(report),)+ }
            }
        }

        /// All rows, in the order in which they are shown.
        pub(super) const FIGURES: &[Figure] = &[$(Figure {
            series: figures!(@series $($kind $name $help)?),
            column: figures!(@column $($head)?),
            value: |figures| $unit(figures.$field.into()),
        }),+];
    };
}

figures! {
    /// Connections that this peer ever had, since the daemon started.
    connections: u64, count = |report| report.connections;
        series counter "quorate_link_connections_total", "Connections that the peer ever had.";
    /// Round trip as the transport estimates it now.
    rtt_micros: Option<u64>, time = |report| now(report, |it| micros(it.rtt));
    /// The shortest on this connection.
    rtt_min_micros: Option<u64>, time = |report| now(report, |it| micros(it.rtt_min));
    /// Median of that estimate over the last 128 looks at it, ten a second at most.
    rtt_p50_micros: Option<u64>, time = |report| now(report, |it| micros(it.rtt_p50));
        series gauge "quorate_link_rtt_median_seconds",
            "The median of the round trips as QUIC estimates them, of the last 128 looks.";
        column "RTT P50";
    /// Its 99th percentile.
    rtt_p99_micros: Option<u64>, time = |report| now(report, |it| micros(it.rtt_p99));
        series gauge "quorate_link_rtt_p99_seconds", "What 99 of 100 of them were no longer than.";
        column "P99";
    /// Lost of those that were sent of late, in hundredths; absent before the first packet.
    loss_percent: Option<f64>, per_cent = |report| now(report, |it| it.recent).and_then(lost);
        column "LOSS";
    /// Largest UDP payload that passes.
    mtu: Option<u16>, bytes = |report| now(report, |it| it.mtu);
        series gauge "quorate_link_mtu_bytes", "Largest UDP payload that passes.";
        column "MTU";
    /// Times that packets of a size that had passed no longer did.
    black_holes: u64, count = |report| now(report, |it| it.black_holes).unwrap_or(0);
    /// Packets sent on this connection.
    sent_packets: u64, count = |report| now(report, |it| it.packets.sent).unwrap_or(0);
    /// Packets lost on this connection.
    lost_packets: u64, count = |report| now(report, |it| it.packets.lost).unwrap_or(0);
    /// The same of the last ten to twenty seconds; what is lost on the way here is in the other node's report.
    recent_sent_packets: u64, count = |report| now(report, |it| it.recent.sent).unwrap_or(0);
    /// See `recent_sent_packets`.
    recent_lost_packets: u64, count = |report| now(report, |it| it.recent.lost).unwrap_or(0);
    /// Packets sent on all connections.
    total_sent_packets: u64, count = |report| report.packets.sent;
        series counter "quorate_link_sent_packets_total", "QUIC packets sent to the peer.";
    /// Packets lost on all connections.
    total_lost_packets: u64, count = |report| report.packets.lost;
        series counter "quorate_link_lost_packets_total",
            "Those that were lost; what is lost on the way here, the peer counts.";
    /// Frames that wait for the connection.
    waiting_frames: u64, count = |report| (report.waiting_control + report.waiting_log) as u64;
    /// Log frames that were written and not acknowledged.
    unacknowledged: u64, count = |report| report.unacknowledged as u64;
        series gauge "quorate_link_frames_unacknowledged",
            "Log frames that were written and not acknowledged.";
        column "UNACKED";
    /// Log frames that were written a second time, because a connection was lost.
    retransmitted: u64, count = |report| report.retransmitted;
        series counter "quorate_link_frames_retransmitted_total",
            "Log frames that were written a second time, because a connection was lost.";
        column "RESENT";
    /// Log frames that came a second time and were dropped.
    duplicates: u64, count = |report| report.duplicates;
        column "TWICE";
    /// Heartbeats of the peer that a lost packet would have held up, had not a copy come first.
    overtaken: u64, count = |report| report.overtaken;
        series counter "quorate_link_heartbeats_overtaken_total",
            "Heartbeats of the peer that a lost packet would have held up, had not a copy come first.";
    /// Control frames that a newer one replaced before they were written.
    superseded: u64, count = |report| report.superseded;
    /// Gossip packets that were not sent or not taken in.
    gossip_dropped: u64, count = |report| report.gossip_dropped;
        series counter "quorate_link_gossip_dropped_total", "Gossip packets not sent or not taken in.";
}

/// Of the connection that stands, if one does.
fn now<T>(report: &LinkReport, of: fn(&ConnectionReport) -> T) -> Option<T> {
    report.connection.as_ref().map(of)
}

/// The share of lost packets, with two digits behind the point.
fn lost(packets: Packets) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let per_cent = |lost: u64, sent: u64| (lost as f64 * 10_000.0 / sent as f64).round() / 100.0;
    (packets.sent > 0).then(|| per_cent(packets.lost, packets.sent))
}
