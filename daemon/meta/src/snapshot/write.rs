//! Writes the state as a snapshot: a stream of records, in frames.
//!
//! Works on a clone and reads it page by page, so writing a snapshot of any size needs one frame of memory
//! beside the state, and the state may change meanwhile. Equal states give equal bytes.

use crate::Meta;
use crate::snapshot::frame::{Chain, PAYLOAD};
use crate::snapshot::record::{Kind, MARK};
use crate::space::changes::Changes;
use crate::space::keyspace::{Keyspace, Version};
use bytes::Bytes;
use quorate_proto::Message as _;
use std::ops::Bound;

/// Where the writer stands.
enum Cursor {
    Roster,
    Present(Bound<Bytes>),
    Past(Bound<(Bytes, i64)>),
    Changes(Bound<i64>),
    End,
    Done,
}

struct Writer {
    meta: Meta,
    own: bool,
    cursor: Cursor,
    buffer: Vec<u8>,
    chain: Chain,
}

impl Meta {
    /// The state as a snapshot, in pieces of at most [`quorate_proto::limits::BULK_CHUNK`], each checksummed.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let meta = self.clone();
        Writer { meta, own: false, cursor: Cursor::Roster, buffer: Vec::new(), chain: Chain::START }
    }
}

impl Iterator for Writer {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.buffer.len() < PAYLOAD && !matches!(self.cursor, Cursor::Done | Cursor::End) {
            self.fill();
        }
        if self.buffer.is_empty() {
            if matches!(self.cursor, Cursor::Done) {
                return None;
            }
            // Everything else is out: the end has a frame of its own, which names those before it.
            self.cursor = Cursor::Done;
            let Chain { frames, sum } = self.chain;
            record(&mut self.buffer, Kind::End, |out| {
                out.extend_from_slice(&frames.to_le_bytes());
                out.extend_from_slice(&sum.value().to_le_bytes());
            });
        }
        let length = self.buffer.len().min(PAYLOAD);
        let frame = self.chain.frame(&self.buffer[..length]);
        self.buffer.drain(..length);
        Some(frame)
    }
}

impl Writer {
    /// Adds about one frame's worth of records, and moves on.
    fn fill(&mut self) {
        let cursor = std::mem::replace(&mut self.cursor, Cursor::End);
        let keyspace = if self.own { &self.meta.own } else { &self.meta.users };
        let out = &mut self.buffer;
        self.cursor = match cursor {
            Cursor::Roster => {
                write_roster(out, &self.meta);
                write_space(out, keyspace);
                Cursor::Present(Bound::Unbounded)
            }
            Cursor::Present(from) => match write_present(out, keyspace, from) {
                Some(last) => Cursor::Present(Bound::Excluded(last)),
                None => Cursor::Past(Bound::Unbounded),
            },
            Cursor::Past(from) => match write_past(out, keyspace, from) {
                Some(last) => Cursor::Past(Bound::Excluded(last)),
                None => Cursor::Changes(Bound::Unbounded),
            },
            Cursor::Changes(from) => match write_changes(out, keyspace, from) {
                Some(last) => Cursor::Changes(Bound::Excluded(last)),
                None if self.own => Cursor::End,
                None => {
                    self.own = true;
                    write_space(out, &self.meta.own);
                    Cursor::Present(Bound::Unbounded)
                }
            },
            Cursor::End | Cursor::Done => Cursor::End,
        };
    }
}

/// Adds one record: kind, length of the body, body.
fn record(out: &mut Vec<u8>, kind: Kind, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind as u8);
    let place = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - place - 4).expect("a record is far below 4 GiB");
    out[place..place + 4].copy_from_slice(&length.to_le_bytes());
}

/// Adds a byte string with its length.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a byte string is far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[i64]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

fn write_roster(out: &mut Vec<u8>, meta: &Meta) {
    let roster = &meta.roster;
    record(out, Kind::Head, |out| {
        out.extend_from_slice(MARK);
        for number in
            [meta.applied, meta.hash.value(), roster.view.epoch.get(), roster.view.at_unix_ms]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_bytes(out, &roster.conf.encode_to_vec());
        out.push(u8::from(meta.founded.is_some()));
        put_bytes(out, &meta.founded().map_or_else(Vec::new, |founded| founded.encode_to_vec()));
    });
    for member in &roster.view.members {
        record(out, Kind::Member, |out| out.extend(member.encode_to_vec()));
    }
    for (instance, tombstone) in &roster.tombstones {
        record(out, Kind::Tombstone, |out| {
            out.extend_from_slice(&instance.to_bytes());
            out.extend_from_slice(&tombstone.epoch.get().to_le_bytes());
            put_bytes(out, tombstone.name.as_bytes());
        });
    }
    for delta in &roster.deltas {
        record(out, Kind::Delta, |out| out.extend(delta.encode_to_vec()));
    }
}

fn write_space(out: &mut Vec<u8>, keyspace: &Keyspace) {
    record(out, Kind::Space, |out| {
        put_numbers(out, &[keyspace.revision, keyspace.compacted, keyspace.scrubbed]);
    });
}

fn put_version(out: &mut Vec<u8>, version: &Version) {
    put_numbers(out, &[version.created, version.modified, version.number, version.lease]);
    out.extend_from_slice(&version.value);
}

/// Each of the three below adds records until a frame is full, and gives the last key when it stopped there.
fn write_present(out: &mut Vec<u8>, keyspace: &Keyspace, from: Bound<Bytes>) -> Option<Bytes> {
    for (key, version) in keyspace.present.range((from, Bound::Unbounded)) {
        record(out, Kind::Present, |out| {
            put_bytes(out, key);
            put_version(out, version);
        });
        if out.len() >= PAYLOAD {
            return Some(key.clone());
        }
    }
    None
}

fn write_past(
    out: &mut Vec<u8>,
    keyspace: &Keyspace,
    from: Bound<(Bytes, i64)>,
) -> Option<(Bytes, i64)> {
    for ((key, revision), version) in keyspace.past.range((from, Bound::Unbounded)) {
        record(out, Kind::Past, |out| {
            put_bytes(out, key);
            put_numbers(out, &[*revision]);
            out.push(u8::from(version.is_some()));
            if let Some(version) = version {
                put_version(out, version);
            }
        });
        if out.len() >= PAYLOAD {
            return Some((key.clone(), *revision));
        }
    }
    None
}

fn write_changes(out: &mut Vec<u8>, keyspace: &Keyspace, from: Bound<i64>) -> Option<i64> {
    for (revision, changes) in keyspace.changes.range((from, Bound::Unbounded)) {
        record(out, Kind::Changes, |out| put_changes(out, *revision, changes));
        if out.len() >= PAYLOAD {
            return Some(*revision);
        }
    }
    None
}

fn put_changes(out: &mut Vec<u8>, revision: i64, changes: &Changes) {
    put_numbers(out, &[revision]);
    for change in changes.as_slice() {
        put_bytes(out, &change.key);
        put_numbers(out, &[change.before]);
        out.push(u8::from(change.deleted));
    }
}
