//! Figures: many values of one quantity, and what is said of them.

use serde_json::{Value, json};

/// The values that one question gave for one system, one a run.
#[derive(Debug, Clone)]
pub struct Series {
    /// Whose values these are.
    pub system: String,
    /// Of every value.
    pub unit: &'static str,
    /// Whether a large value is a good one.
    pub more_is_better: bool,
    values: Vec<f64>,
}

impl Series {
    /// Of times, sizes and the like: the worst is the largest.
    pub fn new(system: impl Into<String>, unit: &'static str) -> Self {
        Self { system: system.into(), unit, more_is_better: false, values: Vec::new() }
    }

    /// Of rates: the worst is the smallest.
    pub fn rate(system: impl Into<String>, unit: &'static str) -> Self {
        Self { more_is_better: true, ..Self::new(system, unit) }
    }

    /// One more value.
    pub fn add(&mut self, value: f64) {
        let at = self.values.partition_point(|other| *other < value);
        self.values.insert(at, value);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// The value in the middle; not a number when there is none, as all that follows.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The best value.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.quantile(if self.more_is_better { 1.0 } else { 0.0 })
    }

    /// The worst value.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.quantile(if self.more_is_better { 0.0 } else { 1.0 })
    }

    /// The value that 95 of 100 were no worse than.
    #[must_use]
    pub fn p95(&self) -> f64 {
        self.quantile(if self.more_is_better { 0.05 } else { 0.95 })
    }

    fn quantile(&self, share: f64) -> f64 {
        quantile(&self.values, share)
    }

    /// All of it for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "system": self.system,
            "unit": self.unit,
            "runs": self.count(),
            "best": round(self.best()),
            "median": round(self.median()),
            "p95": round(self.p95()),
            "worst": round(self.worst()),
            "values": self.values.iter().map(|value| round(*value)).collect::<Vec<_>>(),
        })
    }
}

/// Of values in order: the nearest-rank quantile. An even number's median is the lower of the two in the middle.
#[must_use]
pub fn quantile(ordered: &[f64], share: f64) -> f64 {
    if ordered.is_empty() {
        return f64::NAN;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank in a short list"
    )]
    let rank = (share * ordered.len() as f64).ceil() as usize;
    ordered[rank.clamp(1, ordered.len()) - 1]
}

/// Three digits after the point are enough for anything that is measured here.
#[must_use]
pub fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
