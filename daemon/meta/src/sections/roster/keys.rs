//! quorate's own records as keys and JSON values: `__meta/cluster`, `__meta/health`, `__meta/nodes/NAME`,
//! `__meta/revoked/INSTANCE`, `__meta/apps/NAME/HOST`.
//!
//! The values are a view for clients, written whenever the typed record changes; nothing is read back from
//! them. Equal records give equal bytes: fields come in a fixed order, and numbers above 2^53 as text.

use super::{Roster, state_word};
use crate::section::Publish;
use crate::sections::json::Json;
use quorate_proto::{
    Address, Application, FoundingCertificate, HealthDelta, Member, Revocation, Role,
};

/// Writes the founding record.
pub(super) fn put_cluster(founded: &FoundingCertificate, publish: &mut Publish<'_>) {
    publish.put("cluster", &cluster_json(founded));
}

/// Writes what an epoch changed.
pub(super) fn put_epoch(roster: &Roster, delta: &HealthDelta, publish: &mut Publish<'_>) {
    for member in &delta.members {
        publish.put(&format!("nodes/{}", member.name), &member_json(member));
    }
    for revoked in &delta.revoked {
        publish.put(&format!("revoked/{}", revoked.instance), &revoked_json(revoked));
    }
    for gone in &delta.gone_applications {
        publish.delete(&format!("apps/{}/{}", gone.name, gone.host));
    }
    for one in &delta.applications {
        publish.put(&format!("apps/{}/{}", one.told.name, one.host), &application_json(one));
    }
    publish.put("health", &health_json(roster));
}

/// An application on one host.
fn application_json(one: &Application) -> String {
    let mut json = Json::object();
    json.text("name", &one.told.name);
    json.text("host", &one.host);
    json.text("instance", &one.instance.to_string());
    json.number("generation", one.generation.get());
    json.text("state", one.state().word());
    json.text("reason", &one.told.reason);
    json.number("since_epoch", one.since_epoch.get());
    json.number("since_unix_ms", one.since_unix_ms);
    json.begin("endpoints", '[');
    for endpoint in &one.told.endpoints {
        json.word(endpoint);
    }
    json.end(']');
    json.begin("labels", '{');
    for label in &one.told.labels {
        json.text(&label.name, &label.value);
    }
    json.end('}');
    json.finish()
}

/// A host that is revoked. It never changes.
fn revoked_json(revoked: &Revocation) -> String {
    let mut json = Json::object();
    json.text("name", &revoked.name);
    json.text("instance", &revoked.instance.to_string());
    json.text("key", &revoked.key.to_string());
    json.number("epoch", revoked.epoch.get());
    json.number("at_unix_ms", revoked.at_unix_ms);
    json.finish()
}

/// The founding record, which never changes.
fn cluster_json(founded: &FoundingCertificate) -> String {
    let record = &founded.record;
    let mut json = Json::object();
    json.text("cluster", &record.cluster);
    json.text("cluster_id", &record.cluster_id().to_string());
    json.number("slots", u64::from(record.slots));
    json.begin("founders", '[');
    for voter in &record.voters {
        json.item('{');
        json.text("name", &voter.name);
        json.text("instance", &voter.instance.to_string());
        json.number("slot", u64::from(voter.slot));
        json.end('}');
    }
    json.end(']');
    json.finish()
}

/// One node, whole.
fn member_json(member: &Member) -> String {
    let mut json = Json::object();
    json.text("name", &member.name);
    json.text("instance", &member.instance.to_string());
    json.number("generation", member.generation.get());
    match member.address.as_ref().and_then(Address::socket) {
        Some(socket) => json.text("address", &socket.to_string()),
        None => json.null("address"),
    }
    if let Some(socket) = member.also_at.as_ref().and_then(Address::socket) {
        json.text("also_at", &socket.to_string());
    }
    json.text("key", &member.key.to_string());
    json.text("role", Role::try_from(member.role).unwrap_or_default().word());
    json.text("state", state_word(member.state));
    json.number("since_epoch", member.since_epoch.get());
    json.text("reason", &member.reason);
    if let Some(word) = member.goodbye().word() {
        json.text("goodbye", word);
    }
    json.number("since_unix_ms", member.since_unix_ms);
    if let Some(drained) = &member.drained {
        json.text("drained", &drained.reason);
        json.number("drained_since_unix_ms", drained.since_unix_ms);
    }
    if !member.role_reason.is_empty() {
        json.text("role_reason", &member.role_reason);
    }
    if member.approved {
        json.flag("approved", true);
    }
    json.begin("labels", '{');
    for label in &member.labels {
        json.text(&label.name, &label.value);
    }
    json.end('}');
    json.finish()
}

/// Everybody's state in a word. Kept short, because each epoch writes it anew: the rest is in the nodes' records.
fn health_json(roster: &Roster) -> String {
    let mut json = Json::object();
    json.number("epoch", roster.view.epoch.get());
    json.number("at_unix_ms", roster.view.at_unix_ms);
    json.begin("members", '{');
    for member in &roster.view.members {
        json.text(&member.name, state_word(member.state));
    }
    json.end('}');
    json.finish()
}
