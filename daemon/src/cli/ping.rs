//! `quorate ping`: one round trip after the other, each told as it comes, and a summary. Drawing is pure.

use super::arguments::{Format, PingOptions};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output;
use super::show::query_value;
use crate::api::pages::PingPage;
use crate::words::time::in_millis;
use serde::Serialize;
use std::process::ExitCode;

/// `quorate ping`.
pub(super) async fn ping(
    client: &Client,
    format: Format,
    options: &PingOptions,
) -> Result<ExitCode, Failure> {
    let path = format!("/v1/ping?name={}&count=1", query_value(&options.host));
    let mut summary = Summary::default();
    for number in 1..=options.count {
        let page: PingPage = client.get(&path).await?;
        if format == Format::Table {
            output::text(&draw_one(number, &page))?;
        }
        summary.add(page);
    }
    summary.sum_up();
    match format {
        Format::Json => output::json(&summary)?,
        Format::Table => output::text(&draw_summary(&summary))?,
    }
    let answered = !summary.page.round_trip_micros.is_empty();
    Ok(if answered { ExitCode::SUCCESS } else { Exit::Timeout.into() })
}

/// All pings together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Summary {
    #[serde(flatten)]
    pub(super) page: PingPage,
    pub(super) sent: u32,
    /// Lost in hundredths of those sent.
    pub(super) loss_percent: u32,
    pub(super) min_micros: Option<u64>,
    pub(super) p50_micros: Option<u64>,
    pub(super) p99_micros: Option<u64>,
    pub(super) max_micros: Option<u64>,
}

impl Summary {
    /// The newest word on why pings are lost stays.
    pub(super) fn add(&mut self, page: PingPage) {
        let all = &mut self.page;
        all.name = page.name;
        all.instance = page.instance;
        all.address = page.address;
        all.round_trip_micros.extend(page.round_trip_micros);
        all.lost += page.lost;
        all.why = page.why.or(all.why.take());
    }

    /// Fills in what is made of all pings.
    pub(super) fn sum_up(&mut self) {
        let mut sorted = self.page.round_trip_micros.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let place = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
            sorted.get(place).copied()
        };
        (self.min_micros, self.max_micros) = (sorted.first().copied(), sorted.last().copied());
        (self.p50_micros, self.p99_micros) = (at(50), at(99));
        self.sent = self.page.lost + u32::try_from(sorted.len()).unwrap_or(u32::MAX);
        self.loss_percent = (self.page.lost * 100).checked_div(self.sent).unwrap_or(0);
    }
}

/// What one ping gave.
pub(super) fn draw_one(number: u32, page: &PingPage) -> String {
    let name = &page.name;
    let place = page.address.map(|address| format!(" ({address})")).unwrap_or_default();
    match (page.round_trip_micros.first(), &page.why) {
        (Some(trip), _) => {
            format!("{name}{place} answered ping {number} in {}\n", in_millis(*trip))
        }
        (None, Some(why)) => format!("{name}{place} did not answer ping {number}: {why}\n"),
        (None, None) => format!("{name}{place} did not answer ping {number}\n"),
    }
}

/// The last line.
pub(super) fn draw_summary(summary: &Summary) -> String {
    let answered = summary.page.round_trip_micros.len();
    let (sent, loss) = (summary.sent, summary.loss_percent);
    let mut out = format!("{answered} of {sent} pings answered, {loss} % lost");
    let figures = [
        ("min", summary.min_micros),
        ("p50", summary.p50_micros),
        ("p99", summary.p99_micros),
        ("max", summary.max_micros),
    ];
    for (number, (name, value)) in figures.into_iter().enumerate() {
        if let Some(value) = value {
            out.push_str(if number == 0 { "; " } else { ", " });
            out.push_str(&format!("{name} {}", in_millis(value)));
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests;
