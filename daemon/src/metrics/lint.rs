//! What promtool would say of a page, for the tests: the rules of Prometheus for names, kinds and labels.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong; empty when nothing is.
pub(super) fn lint(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut kinds, mut helps) = (BTreeMap::new(), BTreeSet::new());
    let (mut current, mut series) = (String::new(), BTreeSet::new());
    let mut ended = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), help) => {
                if help.is_none_or(str::is_empty) || !helps.insert(name.to_owned()) {
                    wrong.push(format!("{name}: no help, or two"));
                }
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                if kinds.insert(name.to_owned(), kind.to_owned()).is_some() {
                    wrong.push(format!("{name}: two types"));
                }
                ended.insert(std::mem::replace(&mut current, name.to_owned()));
            }
            _ => {
                let (sample, value) = line.rsplit_once(' ').unwrap_or((line, ""));
                let family = family_of(sample, &kinds);
                if family != current || ended.contains(&family) {
                    wrong.push(format!("{sample}: not beside the others of its family"));
                }
                if !series.insert(sample.to_owned()) {
                    wrong.push(format!("{sample}: twice"));
                }
                if value.parse::<f64>().is_err() {
                    wrong.push(format!("{sample}: no number: {value}"));
                }
                let kind = kinds.get(&family).map(String::as_str);
                if sample.contains("quantile=\"") && kind != Some("summary") {
                    wrong.push(format!("{sample}: a quantile of no summary"));
                }
                if (sample.contains("{le=\"") || sample.contains(",le=\""))
                    && kind != Some("histogram")
                {
                    wrong.push(format!("{sample}: a class of no histogram"));
                }
            }
        }
    }
    for (name, kind) in &kinds {
        wrong.extend(name_is_wrong(name, kind).map(|why| format!("{name}: {why}")));
        if !helps.contains(name) {
            wrong.push(format!("{name}: no help"));
        }
    }
    wrong
}

fn family_of(sample: &str, kinds: &BTreeMap<String, String>) -> String {
    let name = sample.split('{').next().unwrap_or(sample);
    let of_histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|end| name.strip_suffix(end))
        .find(|base| kinds.get(*base).is_some_and(|kind| kind == "histogram"));
    of_histogram.unwrap_or(name).to_owned()
}

fn name_is_wrong(name: &str, kind: &str) -> Option<&'static str> {
    let units =
        ["_ms", "_millis", "_micros", "_milliseconds", "_microseconds", "_kb", "_mb", "_percent"];
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        return Some("letters that do not belong into a name");
    }
    if (kind == "counter") != name.ends_with("_total") {
        return Some("a counter ends with _total, and nothing else does");
    }
    if units.iter().any(|unit| name.trim_end_matches("_total").ends_with(unit)) {
        return Some("no base unit");
    }
    if ["_count", "_sum", "_bucket", "_gauge", "_counter", "_histogram"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return Some("an end that belongs to another kind");
    }
    None
}
