//! How long was nothing acknowledged, and until when was everybody told: by kind of fault, with the goals.
//!
//! A gap is the longest time without an acknowledgement by a surviving node, from before the fault until all is whole.

use quorate_tests::outside::series::Series;
use quorate_tests::outside::surroundings::{Now, cores};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What one round of faults cost.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// The kind of fault, or that there were several.
    pub(crate) kind: String,
    /// None when no majority survived.
    pub(crate) gap: Option<Duration>,
    /// From the fault until every survivor was told that its victims are gone; none when there was nothing to tell, or
    /// the fault was over before.
    pub(crate) told: Option<Duration>,
    /// The most epochs of one host.
    pub(crate) epochs: usize,
}

/// The gap above which a goal is missed: median for kinds with a goal of their own, worst for all.
const ANY: f64 = 1000.0;

fn goal(kind: &str) -> Option<f64> {
    match kind {
        "leader-deaf" => Some(800.0),
        "leader-killed-and-back" => Some(100.0),
        _ => None,
    }
}

/// The longest time between two acknowledgements that ends behind `from`; `until` counts as one.
pub(crate) fn gap(acknowledged: &[Duration], from: Duration, until: Duration) -> Duration {
    let before = acknowledged.iter().rev().find(|at| **at <= from).copied().unwrap_or(from);
    let during = acknowledged.iter().copied().filter(|at| *at > from && *at < until);
    let mut last = before;
    let mut longest = Duration::ZERO;
    for at in during.chain([until]) {
        longest = longest.max(at.saturating_sub(last));
        last = at;
    }
    longest
}

/// The table as markdown, with what must be known to read it.
pub(crate) fn table(costs: &[Cost], title: &str, before: &Now, after: &Now) -> String {
    let mut kinds: BTreeMap<&str, Vec<&Cost>> = BTreeMap::new();
    for cost in costs {
        kinds.entry(&cost.kind).or_default().push(cost);
    }
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{title}\n\n{} to {}; {} processors;", before.date, after.date, cores());
    let _ = writeln!(
        text,
        "load {} before, {} after (1, 5, 15 minutes). Times in ms.\n",
        before.load, after.load
    );
    let _ = writeln!(
        text,
        "| fault | times | gap: median | worst | all told: median | worst | epochs a host | goal |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for (kind, costs) in kinds {
        let gaps = series(costs.iter().filter_map(|cost| cost.gap));
        let told = series(costs.iter().filter_map(|cost| cost.told));
        let epochs = costs.iter().map(|cost| cost.epochs).max().unwrap_or(0);
        let _ = writeln!(
            text,
            "| {kind} | {} | {} | {} | {} | {} | {epochs} | {} |",
            costs.len(),
            shown(gaps.median()),
            shown(gaps.worst()),
            shown(told.median()),
            shown(told.worst()),
            verdict(kind, &gaps),
        );
    }
    text
}

fn series(times: impl Iterator<Item = Duration>) -> Series {
    let mut series = Series::new("quorate", "ms");
    times.for_each(|time| series.add(time.as_secs_f64() * 1e3));
    series
}

fn shown(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.0}") }
}

fn verdict(kind: &str, gaps: &Series) -> String {
    let word = |met: bool| if met { "met" } else { "not met" };
    if gaps.count() == 0 {
        return "-".to_owned();
    }
    let any = format!("worst below {ANY}: {}", word(gaps.worst() < ANY));
    match goal(kind) {
        Some(goal) => format!("median below {goal}: {}; {any}", word(gaps.median() < goal)),
        None => any,
    }
}

#[cfg(test)]
mod tests {
    use super::gap;
    use std::time::Duration;

    #[test]
    fn a_gap_begins_with_the_last_acknowledgement_before_the_fault() {
        let at = [1, 5, 20, 21].map(Duration::from_millis);
        let [from, until] = [7, 25].map(Duration::from_millis);
        assert_eq!(gap(&at, from, until), Duration::from_millis(15));
        assert_eq!(gap(&at[..2], from, until), Duration::from_millis(20));
        assert_eq!(gap(&[], from, until), Duration::from_millis(18));
    }
}
