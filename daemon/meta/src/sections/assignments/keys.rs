//! Assignments as keys and JSON values: `__meta/assignments/NAME`, below it a key for each item that somebody holds, and apart from them
//! `__meta/ledgers/assignments/NAME/NNNN`, a ring of the newest changes. An item has no key while nobody holds it.
//!
//! The values are a view for clients; nothing is read back from them. An assignment that is gone takes its keys along.

use super::Done;
use crate::section::Publish;
use crate::sections::json::Json;
use quorate_proto::{Assignment, AssignmentRecord, ItemGrant, ItemStep};

/// Changes that are kept for each assignment: as many as one may have items, so that a death of any host is in it whole.
pub(super) const LEDGER: u64 = 1_024;

pub(super) fn put_assignment(record: &AssignmentRecord, publish: &mut Publish<'_>) {
    publish.put(&format!("assignments/{}", record.assignment.name), &assignment_json(record));
}

/// What a change did. `changes` is how many there were with it.
pub(super) fn put_items(
    assignment: &Assignment,
    changes: u64,
    done: &[Done],
    at_unix_ms: u64,
    publish: &mut Publish<'_>,
) {
    let name = &assignment.name;
    let first = changes - done.len() as u64;
    for (place, Done { step, grant }) in (first..).zip(done) {
        let item = assignment.item(grant.item);
        let key = format!("assignments/{name}/{item}");
        match step {
            ItemStep::Release | ItemStep::Lapse | ItemStep::Fenced => publish.delete(&key),
            _ => publish.put(&key, &item_json(&item, grant).finish()),
        }
        let mut line = item_json(&item, grant);
        line.number("change", place);
        line.text("step", step.word());
        line.number("at_unix_ms", at_unix_ms);
        let key = format!("ledgers/assignments/{name}/{:04}", place % LEDGER);
        publish.put(&key, &line.finish());
    }
}

/// Nobody holds any of its items any more.
pub(super) fn forget_items(record: &AssignmentRecord, publish: &mut Publish<'_>) {
    let name = &record.assignment.name;
    publish.delete_below(&format!("assignments/{name}/"));
    publish.delete_below(&format!("ledgers/assignments/{name}/"));
}

pub(super) fn forget(name: &str, publish: &mut Publish<'_>) {
    publish.delete(&format!("assignments/{name}"));
    publish.delete_below(&format!("assignments/{name}/"));
    publish.delete_below(&format!("ledgers/assignments/{name}/"));
}

fn assignment_json(record: &AssignmentRecord) -> String {
    let assignment = &record.assignment;
    let mut json = Json::object();
    json.text("name", &assignment.name);
    json.number("count", u64::from(assignment.count));
    json.begin("names", '[');
    assignment.names.iter().for_each(|name| json.word(name));
    json.end(']');
    json.begin("scope", '{');
    for label in &assignment.scope {
        json.text(&label.name, &label.value);
    }
    json.end('}');
    json.number("ttl_ms", assignment.ttl_ms);
    json.text("rebalance", assignment.rebalance().word());
    json.number("version", record.version);
    json.flag("removing", record.removing);
    json.flag("waits", record.waits);
    json.finish()
}

fn item_json(item: &str, grant: &ItemGrant) -> Json {
    let mut json = Json::object();
    json.text("item", item);
    json.text("host", &grant.host);
    json.text("instance", &grant.instance.to_string());
    json.number("generation", grant.generation.get());
    json.text("address", &grant.address);
    json.number("number", grant.number);
    json.text("state", grant.state().word());
    json
}
