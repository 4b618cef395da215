//! The alerts of `systemd/monitoring/quorate.rules.yml`, read line by line. Knows the form of that one file and no other YAML: what it
//! does not know fails.

const RULES: &str = include_str!("../../../systemd/monitoring/quorate.rules.yml");
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// One alert.
#[derive(Debug, Default)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) expr: String,
    /// How long it must be so; empty for at once.
    wait: String,
    severity: String,
    summary: String,
    action: String,
    /// As it stands in the file, with the templates of Prometheus.
    pub(crate) command: String,
}

/// All of them.
pub(crate) fn alerts() -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    for line in RULES.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let (deep, text) = (line.len() - line.trim_start().len(), line.trim());
        if let Some(name) = text.strip_prefix("- alert: ") {
            alerts.push(Alert { name: name.to_owned(), ..Alert::default() });
            continue;
        }
        let heads = ["groups:", "rules:", "labels:", "annotations:", "expr: |", ""];
        if heads.contains(&text) || text.starts_with("- name: ") {
            continue;
        }
        let alert = alerts.last_mut().expect("an alert before what it is made of");
        let (key, value) = text.split_once(": ").unwrap_or((text, ""));
        match (deep, key) {
            (8, "expr") => value.clone_into(&mut alert.expr),
            (8, "for") => value.clone_into(&mut alert.wait),
            (10, "severity") => value.clone_into(&mut alert.severity),
            (10, "summary") => alert.summary = quoted(value),
            (10, "action") => alert.action = quoted(value),
            (10, "command") => alert.command = quoted(value),
            (10.., _) => alert.expr.extend([text, " "]),
            _ => panic!("`{line}` is no line of an alert that is known"),
        }
    }
    for alert in &alerts {
        let told = [&alert.expr, &alert.summary, &alert.action, &alert.command];
        assert!(told.iter().all(|text| !text.is_empty()), "{alert:?} lacks something");
        assert!(SEVERITIES.contains(&alert.severity.as_str()), "{alert:?}");
    }
    assert!(!alerts.is_empty(), "no alerts");
    alerts
}

fn quoted(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or_else(|| panic!("{value} stands in no quotes")).replace("\\\"", "\"")
}

impl Alert {
    /// A line of the table in docs/MONITORING.md.
    pub(crate) fn row(&self) -> String {
        let wait = if self.wait.is_empty() { "at once" } else { &self.wait };
        format!(
            "| {} | {}, {wait} | {} | {} | `{}` |\n",
            self.name,
            self.severity,
            in_words(&self.summary),
            in_words(&self.action),
            in_words(&self.command).replace('|', "\\|"),
        )
    }
}

/// A text without templates: what Prometheus puts in stands there in capitals.
fn in_words(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, (inside, after))) =
        rest.split_once("{{ ").and_then(|(before, rest)| Some((before, rest.split_once(" }}")?)))
    {
        words.push_str(before);
        match inside.strip_prefix("$labels.") {
            Some(label) => words.push_str(&label.to_uppercase()),
            None => words.push('N'),
        }
        rest = after;
    }
    words + rest
}
