//! Writes the state as a snapshot: a stream of records, in frames.
//!
//! Works on a clone and reads its keys page by page, so writing a snapshot of any size needs the memory of the sections' records and
//! of one frame beside the state, and the state may change meanwhile. Equal states give equal bytes.

use crate::Meta;
use crate::snapshot::frame::{Chain, PAYLOAD};
use crate::snapshot::record::{self, MARK, put_bytes};
use crate::space::changes::Changes;
use crate::space::keyspace::{Keyspace, Version};
use bytes::Bytes;
use std::ops::Bound;

/// Where the writer stands.
enum Cursor {
    Front,
    Present(Bound<Bytes>),
    Past(Bound<(Bytes, i64)>),
    Changes(Bound<i64>),
    End,
    Done,
}

struct Writer {
    meta: Meta,
    system: bool,
    cursor: Cursor,
    buffer: Vec<u8>,
    chain: Chain,
}

impl Meta {
    /// The state as a snapshot, in pieces of at most [`quorate_proto::limits::BULK_CHUNK`], each checksummed.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let meta = self.clone();
        Writer {
            meta,
            system: false,
            cursor: Cursor::Front,
            buffer: Vec::new(),
            chain: Chain::START,
        }
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
            record::write(&mut self.buffer, record::END, |out| {
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
        let keyspace = if self.system { &self.meta.system } else { &self.meta.users };
        let out = &mut self.buffer;
        self.cursor = match cursor {
            Cursor::Front => {
                write_front(out, &self.meta);
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
                None if self.system => Cursor::End,
                None => {
                    self.system = true;
                    write_space(out, &self.meta.system);
                    Cursor::Present(Bound::Unbounded)
                }
            },
            Cursor::End | Cursor::Done => Cursor::End,
        };
    }
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[i64]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

/// Everything before the spaces.
fn write_front(out: &mut Vec<u8>, meta: &Meta) {
    record::write(out, record::HEAD, |out| {
        out.extend_from_slice(MARK);
        for number in [meta.applied, meta.hash.value()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        meta.sections.roster.save_head(out);
    });
    meta.sections.save(out);
}

fn write_space(out: &mut Vec<u8>, keyspace: &Keyspace) {
    record::write(out, record::SPACE, |out| {
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
        record::write(out, record::PRESENT, |out| {
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
        record::write(out, record::PAST, |out| {
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
        record::write(out, record::CHANGES, |out| put_changes(out, *revision, changes));
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
