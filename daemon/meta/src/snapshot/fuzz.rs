//! Snapshots whose checksums are right and whose content was changed: refused, or harmless for ever after.

use crate::sections::{assignments, budgets};
use crate::snapshot::frame::Chain;
use crate::snapshot::record;
use crate::{KeyRange, Meta, Watch, WatchOptions};
use bytes::Bytes;
use quorate_proto::{
    Admit, ApplicationReport, Assignment, Budget, ChangeGrants, ChangeItems, Class, Command,
    CommandBody, CompactionRequest, ConfState, DefineAssignment, DefineBudget, DeleteRangeRequest,
    FounderVoter, FoundingCertificate, FoundingRecord, Generation, Grant, HealthEpoch,
    HealthProposal, HostApplications, Instance, ItemChange, ItemHolder, ItemStep, KvRequest,
    NamedWrite, NodeKey, Numbered, PutRequest, RaiseLevel, RangeRequest, RemoveAssignment,
    RemoveBudget, ReportApplications, SecretStep, StateChange, TakeSecretStep, WriteName,
    kv_request::Request,
};

fn kv(request: Request) -> Bytes {
    Command::to_entry(1, CommandBody::Kv(KvRequest { request: Some(request) }))
}

fn put(key: &str) -> Bytes {
    let key = Bytes::copy_from_slice(key.as_bytes());
    kv(Request::Put(PutRequest { key, value: "v".into(), ..PutRequest::default() }))
}

fn delete(key: &'static str, end: &'static str) -> Bytes {
    let (key, range_end) = (key.into(), end.into());
    kv(Request::DeleteRange(DeleteRangeRequest { key, range_end, prev_kv: true }))
}

fn compact(revision: i64) -> Bytes {
    kv(Request::Compact(CompactionRequest { revision, physical: false }))
}

fn admit(number: u8) -> Bytes {
    Command::to_entry(
        2,
        CommandBody::Admit(Admit {
            name: "n".into(),
            instance: Instance::from_bytes([number; 16]),
            key: NodeKey::from_bytes([number; 32]),
            supersede: Some(Instance::from_bytes([number - 1; 16])),
            ..Admit::default()
        }),
    )
}

/// Writes with a number and with an id that their clients asked for.
fn named() -> [Bytes; 2] {
    let put = PutRequest { key: "n".into(), ..PutRequest::default() };
    let request = KvRequest { request: Some(Request::Put(put)) };
    let number = WriteName::numbered(Numbered { number: 2, settled: 1, ..Numbered::default() });
    [number, WriteName::of_client("id".into(), &request)].map(|name| {
        let write = NamedWrite { name, clock_ms: 7, request: request.clone() };
        Command::to_entry(3, CommandBody::Write(write))
    })
}

fn small() -> Meta {
    let instance = Instance::from_bytes([1; 16]);
    let voter = FounderVoter { instance, name: "n".into(), ..FounderVoter::default() };
    let record = FoundingRecord { voters: vec![voter], ..FoundingRecord::default() };
    let mut meta =
        Meta::from_founding(&FoundingCertificate { record, ..FoundingCertificate::default() });
    let raise =
        Command::to_entry(3, CommandBody::RaiseLevel(RaiseLevel { level: 2, at_unix_ms: 1 }));
    let step =
        TakeSecretStep { from: 1, to: 2, step: SecretStep::Accept.into(), at_unix_ms: 1, epoch: 1 };
    let step = Command::to_entry(4, CommandBody::Secret(step));
    let entries =
        [put("a"), put("b"), put("a"), delete("b", ""), compact(3), admit(2), raise, step];
    let entries = entries.into_iter().chain(named()).chain(budget()).chain(assignment());
    for entry in entries.chain([application()]) {
        meta.apply(meta.applied() + 1, &entry).expect("a command");
    }
    assert_eq!(meta.view().applications.len(), 1);
    meta.carry_out(|sections| &mut sections.trial, "word");
    meta
}

/// A budget is defined, granted, and has to go; another has classes.
fn budget() -> [Bytes; 4] {
    let name = || "pg".to_owned();
    let budget = Budget { name: name(), max: 30, ttl_ms: 3_000, ..Budget::default() };
    let grant = Grant { instance: Instance::from_bytes([2; 16]), ..Grant::default() };
    let grants = vec![Grant { told: 10, counted: 15, ..grant }];
    let change = ChangeGrants { budget: name(), if_version: 1, grants, ..ChangeGrants::default() };
    let classes = vec![Class { name: "app".to_owned(), max: 20 }];
    let with_classes = Budget { name: "lic".to_owned(), classes, ..budget.clone() };
    [
        CommandBody::DefineBudget(DefineBudget { budget, at_unix_ms: 1 }),
        CommandBody::ChangeGrants(change),
        CommandBody::RemoveBudget(RemoveBudget { name: name(), at_unix_ms: 1 }),
        CommandBody::DefineBudget(DefineBudget { budget: with_classes, at_unix_ms: 1 }),
    ]
    .map(|body| Command::to_entry(5, body))
}

/// The second member reports an application.
fn application() -> Bytes {
    let report = ApplicationReport { name: "w".into(), ..ApplicationReport::default() };
    let instance = Instance::from_bytes([2; 16]);
    let applications = vec![report];
    let host = HostApplications { instance, applications, ..HostApplications::default() };
    let report = ReportApplications { hosts: vec![host], at_unix_ms: 1 };
    Command::to_entry(6, CommandBody::Applications(report))
}

/// An assignment is defined, its items given and one let go, and has to go.
fn assignment() -> [Bytes; 4] {
    let name = || "p".to_owned();
    let names = vec!["vip".to_owned(), "cron".to_owned()];
    let assignment = Assignment { name: name(), names, ttl_ms: 3_000, ..Assignment::default() };
    let to = ItemHolder { instance: Instance::from_bytes([2; 16]), ..ItemHolder::default() };
    let give = |item| {
        let (step, to) = (ItemStep::Give.into(), Some(to.clone()));
        ItemChange { item, step, to, ..ItemChange::default() }
    };
    let items = |if_version, changes| {
        let (assignment, at_unix_ms) = (name(), 1);
        ChangeItems { assignment, if_version, changes, waited: true, at_unix_ms }
    };
    let free = ItemChange { number: 2, step: ItemStep::Lapse.into(), ..ItemChange::default() };
    [
        CommandBody::DefineAssignment(DefineAssignment { assignment, at_unix_ms: 1 }),
        CommandBody::ChangeItems(items(1, vec![give(0), give(1)])),
        CommandBody::ChangeItems(items(4, vec![free])),
        CommandBody::RemoveAssignment(RemoveAssignment { name: name(), at_unix_ms: 1 }),
    ]
    .map(|body| Command::to_entry(5, body))
}

/// Does a bit of everything with a state.
fn exercise(mut meta: Meta) {
    let everything = KeyRange::new(&"\0".into(), &"\0".into());
    for revision in -1..=7 {
        let (key, range_end) = ("\0".into(), "\0".into());
        let range = RangeRequest { key, range_end, revision, ..RangeRequest::default() };
        let _ = meta.read(&KvRequest { request: Some(Request::Range(range)) });
        let (range, start_revision) = (everything.clone(), revision);
        let options = WatchOptions { range, start_revision, no_put: false, no_delete: false };
        let _ = Watch::new(&meta, options).replay(&meta, 2);
    }
    let view = meta.view();
    let changes = view.members.iter().map(|member| StateChange {
        instance: member.instance,
        generation: Generation::new(u64::MAX),
        state: 1,
        ..StateChange::default()
    });
    let (if_epoch, changes) = (meta.epoch(), changes.collect());
    let proposal = HealthProposal { if_epoch, changes, at_unix_ms: 1 };
    let health = Command::to_entry(3, CommandBody::Health(proposal));
    let compaction = compact(meta.users.revision);
    let deletion = delete("\0", "\0");
    let entries = [put("a"), put("c"), health, admit(3), compaction, deletion, put("a")];
    let entries = entries.into_iter().chain([application()]).chain(named()).chain(budget());
    for entry in entries.chain(assignment()) {
        meta.apply(meta.applied() + 1, &entry).expect("a command");
    }
    meta.apply_voters(meta.applied() + 1, &ConfState::default(), 0, "");
    meta.change_budgets(budgets::Change::Anew { at_unix_ms: 0 });
    meta.change_assignments(assignments::Change::Anew { at_unix_ms: 0 });
    let _ = meta.update_since(HealthEpoch::new(1));
    assert!(Meta::restore(meta.chunks()).is_ok(), "what it became can be restored");
}

#[test]
fn content_changed_under_right_checksums_is_refused_or_harmless() {
    let chunks: Vec<_> = small().chunks().collect();
    assert_eq!(chunks.len(), 2, "content and end");
    let content = chunks[0].slice(12..);
    let (mut accepted, mut refused) = (0, 0);
    for place in 0..content.len() {
        for value in [0, 1, 2, 7, 0x7f, 0x80, 0xff, content[place] ^ 1, content[place] ^ 64] {
            let mut changed = content.to_vec();
            changed[place] = value;
            let mut chain = Chain::START;
            let frame = chain.frame(&changed);
            let mut end = vec![record::END, 12, 0, 0, 0];
            end.extend_from_slice(&chain.frames.to_le_bytes());
            end.extend_from_slice(&chain.sum.value().to_le_bytes());
            match Meta::restore([frame, chain.frame(&end)]) {
                Ok(meta) => {
                    accepted += 1;
                    exercise(meta);
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 1_000 && refused > 1_000, "{accepted} accepted, {refused} refused");
}
