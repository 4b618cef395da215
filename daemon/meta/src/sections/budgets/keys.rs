//! Budgets as keys and JSON values: `__meta/budgets/NAME`, below it `grants/INSTANCE`; and `__meta/ledgers/budgets/NAME/NNN`, a ring of the newest
//! changes. The ledgers stand apart, because they are many times what all budgets are.
//!
//! The values are a view for clients; nothing is read back from them. A budget that is gone takes its keys along.

use crate::section::Publish;
use crate::sections::json::Json;
use quorate_proto::{Budget, BudgetRecord, Grant};

/// Changes of grants that are kept for each budget: those of the day before in a calm cluster, and of the last minutes in a rough one.
pub(super) const LEDGER: u64 = 256;

pub(super) fn put_budget(record: &BudgetRecord, publish: &mut Publish<'_>) {
    publish.put(&format!("budgets/{}", record.budget.name), &budget_json(record));
}

/// Grants as a change left them, the first of which was that of number `first` in the ledger.
pub(super) fn put_grants(
    record: &BudgetRecord,
    changed: &[Grant],
    at_unix_ms: u64,
    publish: &mut Publish<'_>,
) {
    let name = &record.budget.name;
    let first = record.changes - changed.len() as u64;
    for (place, grant) in (first..).zip(changed) {
        let key = format!("budgets/{name}/grants/{}", grant.instance);
        match grant.counted {
            0 => publish.delete(&key),
            _ => publish.put(&key, &grant_json(grant, None)),
        }
        put_line(record, place, grant, Line::of(record, at_unix_ms), publish);
    }
}

/// A grant that was freed because its use was ended from outside, and the number that it had then.
pub(super) fn put_fenced(
    record: &BudgetRecord,
    freed: &Grant,
    number: u64,
    at_unix_ms: u64,
    publish: &mut Publish<'_>,
) {
    publish.delete(&format!("budgets/{}/grants/{}", record.budget.name, freed.instance));
    let line = Line { fenced: Some(number), ..Line::of(record, at_unix_ms) };
    put_line(record, record.changes - 1, freed, line, publish);
}

fn put_line(
    record: &BudgetRecord,
    place: u64,
    grant: &Grant,
    line: Line,
    publish: &mut Publish<'_>,
) {
    let key = format!("ledgers/budgets/{}/{:03}", record.budget.name, place % LEDGER);
    publish.put(&key, &grant_json(grant, Some(line)));
}

pub(super) fn forget(name: &str, publish: &mut Publish<'_>) {
    publish.delete(&format!("budgets/{name}"));
    publish.delete_below(&format!("budgets/{name}/"));
    publish.delete_below(&format!("ledgers/budgets/{name}/"));
}

fn budget_json(record: &BudgetRecord) -> String {
    let budget = &record.budget;
    let mut json = Json::object();
    json.text("name", &budget.name);
    json.number("max", budget.max);
    json.number("min", budget.min);
    json.text("mode", budget.mode().word());
    json.number("ttl_ms", budget.ttl_ms);
    json.number("reserve", budget.reserve);
    if let Some(fence) = budget.fence_for_the_whole() {
        json.text("on_quorum_loss", budget.on_quorum_loss().word());
        json.text("fence", fence);
    }
    json.begin("scope", '{');
    for label in &budget.scope {
        json.text(&label.name, &label.value);
    }
    json.end('}');
    json.number("granted", record.granted());
    json.number("version", record.version);
    json.flag("removing", record.removing);
    json.flag("waits", record.waits);
    if let Some((family, class)) = Budget::class_of(&budget.name) {
        json.text("family", family);
        json.text("class", class);
        json.number("whole", record.whole);
    }
    json.finish()
}

/// What all grants came to with a change, for the ledger.
struct Line {
    sum: u64,
    max: u64,
    at_unix_ms: u64,
    /// The number of the grant whose use was ended from outside.
    fenced: Option<u64>,
}

impl Line {
    fn of(record: &BudgetRecord, at_unix_ms: u64) -> Self {
        Self { sum: record.granted(), max: record.limit(), at_unix_ms, fenced: None }
    }
}

fn grant_json(grant: &Grant, line: Option<Line>) -> String {
    let mut json = Json::object();
    json.text("host", &grant.host);
    json.text("instance", &grant.instance.to_string());
    json.number("generation", grant.generation.get());
    json.number("share", grant.told);
    json.number("counted", grant.counted);
    json.number("number", grant.number);
    if let Some(Line { sum, max, at_unix_ms, fenced }) = line {
        json.number("granted", sum);
        json.number("max", max);
        json.number("at_unix_ms", at_unix_ms);
        if let Some(number) = fenced {
            json.number("fenced", number);
        }
    }
    json.finish()
}
