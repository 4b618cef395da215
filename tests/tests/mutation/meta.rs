//! What the state machine of `__meta` takes from others: commands in the log, and snapshots as a stream.
//!
//! A command is applied to a state that has a bit of everything. A snapshot is restored, half of the time with its
//! checksums made right again, and what was restored must go on working and give the same snapshot again.

use crate::mutation::harness::Target;
use crate::mutation::memory::{Bound, within};
use crate::mutation::mutate::mutated;
use crate::mutation::samples::{admit, founded, kv_requests, life, write_names};
use crate::mutation::stream::{change_records, kinds_of_records, payload_of, stream_of};
use crate::mutation::wire::mix;
use crate::mutation::words::{Word, decoded, name};
use crate::mutation::{applications, assignments, budgets};
use bytes::Bytes;
use quorate_meta::{KeyRange, Meta, Watch, WatchOptions};
use quorate_proto::{
    Command, CommandBody, ConfState, DeleteRangeRequest, Drain, Generation, HealthEpoch,
    HealthProposal, KvRequest, Message as _, NamedWrite, PutRequest, RaiseLevel, RangeRequest,
    Remove, Revoke, StateChange, Steer, TakeSecretStep, kv_request,
};
use quorate_tests::random::Random;

impl Word for Command {
    const NAME: &'static str = "command";
    const LONGEST: usize = 8 * 1024;
    const BOUND: Bound = Bound { per_byte: 512, constant: 32 * 1024 };

    fn samples() -> Vec<(String, Self)> {
        let change = StateChange {
            instance: life(2),
            generation: Generation::new(1),
            state: 1,
            reason: "silent".to_owned(),
            reporter: "n1".to_owned(),
            ..StateChange::default()
        };
        let if_epoch = HealthEpoch::new(1);
        let proposal = HealthProposal { if_epoch, changes: vec![change], at_unix_ms: 5 };
        let mut bodies: Vec<(String, CommandBody)> =
            kv_requests().into_iter().map(|(name, kv)| (name, CommandBody::Kv(kv))).collect();
        bodies.push(("health".to_owned(), CommandBody::Health(proposal)));
        bodies.push(("admit".to_owned(), CommandBody::Admit(admit())));
        let (instance, at_unix_ms) = (life(9), 5);
        bodies.push(("remove".to_owned(), CommandBody::Remove(Remove { instance, at_unix_ms })));
        let revoke = Revoke { instance, at_unix_ms, secrets: vec![1, 2] };
        bodies.push(("revoke".to_owned(), CommandBody::Revoke(revoke)));
        let raise = RaiseLevel { level: 2, at_unix_ms };
        bodies.push(("raise-level".to_owned(), CommandBody::RaiseLevel(raise)));
        let step = TakeSecretStep { from: 1, to: 2, step: 1, at_unix_ms: 5, epoch: 1 };
        bodies.push(("secret".to_owned(), CommandBody::Secret(step)));
        let (instance, reason) = (admit().instance, "a new disk".to_owned());
        let drain = Drain { instance, drained: true, reason: reason.clone(), at_unix_ms: 5 };
        bodies.push(("drain".to_owned(), CommandBody::Drain(drain)));
        let steer = Steer { paused: true, reason, at_unix_ms: 5 };
        bodies.push(("steer".to_owned(), CommandBody::Steer(steer)));
        bodies.extend(budgets::commands());
        bodies.push(applications::command());
        bodies.extend(assignments::commands());
        for name in write_names() {
            let request = kv_requests().remove(0).1;
            let write = NamedWrite { name, clock_ms: 9, request };
            bodies.push(("write".to_owned(), CommandBody::Write(write)));
        }
        let command = |body| Self { ticket: 7, body: Some(body) };
        bodies.into_iter().map(|(name, body)| (name, command(body))).collect()
    }
}

/// What applying one command may hold: answers repeat keys and values once for each operation of a transaction.
const APPLY: Bound = Bound { per_byte: 2048, constant: 1024 * 1024 };
/// What restoring may hold: the maps have room to grow, and a difference of health is decoded into structs.
const RESTORE: Bound = Bound { per_byte: 1024, constant: 512 * 1024 };

/// A state with founders, keys, history, a removed key, a compaction and a member that was let in.
fn small() -> Meta {
    let mut meta = Meta::from_founding(&founded());
    let put = |key: &str, value: &str| {
        let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
        let put = PutRequest { key, value, ..PutRequest::default() };
        CommandBody::Kv(KvRequest { request: Some(kv_request::Request::Put(put)) })
    };
    let deletion = DeleteRangeRequest { key: "a/2".into(), ..DeleteRangeRequest::default() };
    let deletion = KvRequest { request: Some(kv_request::Request::DeleteRange(deletion)) };
    let mut bodies: Vec<CommandBody> =
        ["a/1", "a/2", "a/3", "b", "a/1"].map(|key| put(key, "value")).to_vec();
    bodies.push(CommandBody::Kv(deletion));
    bodies.extend(Command::samples().into_iter().filter_map(|(_, command)| command.body));
    bodies.push(put("c", &"long".repeat(20)));
    for body in bodies {
        meta.apply(meta.applied() + 1, &Command::to_entry(1, body)).expect("a command");
    }
    meta
}

/// Reads it in every way.
fn read(meta: &Meta) -> Vec<u64> {
    let everything = KeyRange::new(&"\0".into(), &"\0".into());
    let mut outcomes = Vec::new();
    for revision in [-1, 0, 1, 3, 7, i64::MAX] {
        let (key, range_end) = ("\0".into(), "\0".into());
        let range = RangeRequest { key, range_end, revision, ..RangeRequest::default() };
        let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
        outcomes.push(match meta.read(&request) {
            Ok(_) => mix(1, revision.cast_unsigned()),
            Err(error) => name(&format!("{error:?}")),
        });
        let (range, start_revision) = (everything.clone(), revision);
        let options = WatchOptions { range, start_revision, no_put: false, no_delete: false };
        let _ = Watch::new(meta, options).replay(meta, 2);
    }
    for epoch in [0, 1, meta.epoch().get(), u64::MAX] {
        let _ = meta.update_since(HealthEpoch::new(epoch));
    }
    outcomes
}

/// A snapshot of it gives it again. The one place where this harness restores.
fn restored(stream: &[Bytes]) -> Result<Meta, quorate_meta::RestoreError> {
    Meta::restore(stream.iter().cloned())
}

fn check_snapshot(meta: &Meta) {
    let chunks: Vec<Bytes> = meta.chunks().collect();
    let again = restored(&chunks).expect("what was written can be read");
    assert_eq!(again.state_hash(), meta.state_hash(), "the same state");
    assert_eq!(again.view(), meta.view(), "the same view");
    assert!(again.chunks().eq(chunks), "the same snapshot");
}

/// Whether a number stands at the most that a snapshot may bring: what counts on from there is refused by the next
/// reader. No cluster lives to see 2^62 of anything.
fn counts_no_further(meta: &Meta) -> bool {
    let most = (1 << 62) - 64;
    meta.applied() > most || meta.epoch().get() > most || meta.revision().get() > most
}

/// Commands.
pub(crate) struct Commands {
    meta: Meta,
    twin: Meta,
    applied: u64,
}

impl Target for Commands {
    const NAME: &'static str = Command::NAME;
    const LONGEST: usize = Command::LONGEST;
    const INPUTS: u64 = 20_000;

    fn fresh() -> Self {
        Self { meta: small(), twin: small(), applied: 0 }
    }

    fn seeds() -> Vec<(String, Vec<u8>)> {
        Command::samples().into_iter().map(|(name, one)| (name, one.encode_to_vec())).collect()
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let index = self.meta.applied() + 1;
        let entry = Bytes::copy_from_slice(input);
        let applied = within(APPLY, input.len(), || self.meta.apply(index, &entry));
        assert_eq!(applied, self.twin.apply(index, &entry), "two replicas give the same answer");
        assert_eq!(self.meta.state_hash(), self.twin.state_hash(), "and have the same state");
        let mut outcomes = match decoded::<Command>(input, Command::BOUND) {
            Ok((_, kinds)) => kinds,
            Err(error) => vec![error],
        };
        let text = format!("{:?}", applied.map(|applied| applied.result));
        outcomes.push(name(text.get(..40).unwrap_or(&text)));
        self.applied += 1;
        if self.applied.is_multiple_of(50) {
            outcomes.extend(read(&self.meta));
            check_snapshot(&self.meta);
        }
        outcomes
    }
}

/// Snapshot streams.
pub(crate) struct Snapshots;

impl Target for Snapshots {
    const NAME: &'static str = "snapshot";
    const LONGEST: usize = 16 * 1024;
    const INPUTS: u64 = 8_000;
    const HEAD: usize = 1;

    fn fresh() -> Self {
        Self
    }

    /// The first byte chooses: right checksums around the bytes as records, or the bytes as the stream itself.
    fn seeds() -> Vec<(String, Vec<u8>)> {
        let small = small();
        let stream = |meta: &Meta| meta.chunks().collect::<Vec<_>>().concat();
        let records = |meta: &Meta| payload_of(&stream(meta));
        vec![
            ("records".to_owned(), [vec![0], records(&small)].concat()),
            (
                "records-born".to_owned(),
                [vec![0], records(&Meta::from_founding(&founded()))].concat(),
            ),
            ("records-empty".to_owned(), [vec![0], records(&Meta::empty())].concat()),
            ("stream".to_owned(), [vec![1], stream(&small)].concat()),
        ]
    }

    fn changed(input: &[u8], donor: &[u8], random: &mut Random) -> Vec<u8> {
        let bare = input.first().is_none_or(|how| how & 1 != 0);
        if bare || random.percent(20) {
            return mutated(input, donor, Self::HEAD, Self::LONGEST, random);
        }
        let mut changed = vec![2 * random.below(4) as u8];
        changed.extend(change_records(&input[1..], donor.get(1..).unwrap_or(&[]), random));
        changed.truncate(Self::LONGEST);
        changed
    }

    fn feed(&mut self, input: &[u8]) -> Vec<u64> {
        let Some((how, bytes)) = input.split_first() else { return Vec::new() };
        let stream = if how & 1 == 0 { stream_of(bytes) } else { bytes.to_vec() };
        let piece = [stream.len().max(1), 1, 7, 100][usize::from(how >> 1 & 3)];
        let pieces: Vec<Bytes> = stream.chunks(piece).map(Bytes::copy_from_slice).collect();
        let mut meta = match within(RESTORE, stream.len(), || restored(&pieces)) {
            Ok(meta) => meta,
            Err(error) => return vec![name(&error.to_string())],
        };
        let mut outcomes = vec![
            mix(2, meta.view().members.len() as u64),
            mix(3, u64::from(meta.founded().is_some())),
            mix(4, u64::from(meta.revision().get() == 1)),
        ];
        outcomes.extend(kinds_of_records(&payload_of(&stream)).iter().map(|kind| mix(5, *kind)));
        outcomes.extend(read(&meta));
        check_snapshot(&meta);
        if counts_no_further(&meta) {
            return outcomes;
        }
        for (_, command) in Command::samples() {
            meta.apply(meta.applied() + 1, &command.encode_to_vec().into()).expect("a command");
        }
        meta.apply_voters(meta.applied() + 1, &ConfState::default(), 0, "");
        read(&meta);
        check_snapshot(&meta);
        outcomes
    }
}
