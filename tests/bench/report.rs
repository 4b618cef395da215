//! What is printed: for each question the series of all systems, their ratios, and the targets.

use quorate_tests::outside::series::{Series, round};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Which number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Median,
    P95,
    Worst,
}

impl Of {
    fn value(self, series: &Series) -> f64 {
        match self {
            Self::Median => series.median(),
            Self::P95 => series.p95(),
            Self::Worst => series.worst(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P95 => "95th percentile",
            Self::Worst => "worst",
        }
    }
}

/// What quorate wants to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// A number of quorate's series below this.
    Below(Of, f64),
    /// The median below this share of the first peer's median.
    Share(f64),
    /// The median at least this many times the first peer's median.
    Times(f64),
}

/// One question, asked of one or more systems in the same run.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    /// quorate first, where it was measured; then the peers.
    pub(crate) series: Vec<Series>,
    pub(crate) targets: Vec<Target>,
    /// The series behind the first are parts of it or other figures of the same run, not peers.
    parts: bool,
    /// What must be known to read the figures.
    pub(crate) notes: Vec<String>,
}

impl Question {
    pub(crate) fn new(name: impl Into<String>, series: Vec<Series>) -> Self {
        let series = series.into_iter().filter(|series| series.count() > 0).collect();
        Self { name: name.into(), series, targets: Vec::new(), parts: false, notes: Vec::new() }
    }

    /// The series behind the first are not peers.
    pub(crate) fn parts(mut self) -> Self {
        self.parts = true;
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// quorate's series beside each peer's that measures the same.
    fn pairs(&self) -> impl Iterator<Item = (&Series, &Series)> {
        let (own, peers) = match &self.series[..] {
            [first, rest @ ..] if first.system == "quorate" && !self.parts => (Some(first), rest),
            _ => (None, &[][..]),
        };
        peers.iter().filter_map(move |peer| Some((own?, peer)))
    }

    /// Each target as a sentence, and whether it is met. None where it cannot be told from what was measured.
    fn verdicts(&self) -> Vec<(String, bool)> {
        let judge = |target: &Target| match *target {
            Target::Below(of, limit) => {
                let own = self.series.iter().find(|series| series.system == "quorate")?;
                let value = of.value(own);
                let text = format!("{} {} of {limit} {}", of.word(), shown(value), own.unit);
                Some((text, value < limit))
            }
            Target::Share(limit) => {
                let (own, peer) = self.pairs().next()?;
                let share = own.median() / peer.median();
                let text = format!("median {share:.3} of {}'s, limit {limit}", peer.system);
                Some((text, share < limit))
            }
            Target::Times(limit) => {
                let (own, peer) = self.pairs().next()?;
                let times = own.median() / peer.median();
                let text = format!("median {times:.3} times {}'s, at least {limit}", peer.system);
                Some((text, times >= limit))
            }
        };
        self.targets.iter().filter_map(judge).collect()
    }

    fn write(&self, text: &mut String) {
        let runs = self.series.iter().map(Series::count).max().unwrap_or(0);
        let unit = self.series.first().map_or("", |series| series.unit);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "\n{} [{unit}; {runs} runs]", self.name);
        let columns = ["best", "median", "p95", "worst"];
        let _ = write!(text, "  {:14}", "");
        for column in columns {
            let _ = write!(text, "{column:>10}");
        }
        let _ = writeln!(text);
        for series in &self.series {
            let _ = write!(text, "  {:14}", series.system);
            for value in [series.best(), series.median(), series.p95(), series.worst()] {
                let _ = write!(text, "{:>10}", shown(value));
            }
            let _ = writeln!(text);
        }
        for (own, peer) in self.pairs() {
            let _ = write!(text, "  {:14}", format!("/ {}", peer.system));
            for share in [
                own.best() / peer.best(),
                own.median() / peer.median(),
                own.p95() / peer.p95(),
                own.worst() / peer.worst(),
            ] {
                let _ = write!(text, "{share:>10.3}");
            }
            let _ = writeln!(text);
        }
        for (what, met) in self.verdicts() {
            let _ = writeln!(text, "  {} {what}", if met { "met   " } else { "MISSED" });
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
    }

    fn json(&self) -> Value {
        let targets: Vec<Value> = self
            .verdicts()
            .into_iter()
            .map(|(target, met)| json!({"target": target, "met": met}))
            .collect();
        json!({
            "question": self.name,
            "series": self.series.iter().map(Series::json).collect::<Vec<_>>(),
            "ratio_of_medians": self.pairs().next().map(|(own, peer)| round(own.median() / peer.median())),
            "targets": targets,
            "notes": self.notes,
        })
    }
}

/// All questions as text.
pub(crate) fn text(surroundings: &[(&str, String)], questions: &[Question]) -> String {
    let mut text = String::new();
    for (name, value) in surroundings {
        let _ = writeln!(text, "{name:12} {value}");
    }
    for question in questions {
        question.write(&mut text);
    }
    text
}

/// All questions for programs.
pub(crate) fn json_text(surroundings: &[(&str, String)], questions: &[Question]) -> String {
    let surroundings: serde_json::Map<String, Value> =
        surroundings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let questions: Vec<Value> = questions.iter().map(Question::json).collect();
    let all = json!({"surroundings": surroundings, "questions": questions});
    serde_json::to_string_pretty(&all).expect("maps have text keys only")
}

fn shown(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
