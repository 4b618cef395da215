//! The remembered writes as a section: what can happen to them, and their records in a snapshot.

use super::answer::Answer;
use super::{MOST_BYTES, MOST_RECORDS, MOST_RUNS, Name, Record, Run, RunKey, Sessions};
use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::snapshot::fields::{bounded, content, flag, string, take, word};
use crate::snapshot::record::{Records, RestoreError, put_bytes};
use bytes::Bytes;
use quorate_proto::{ClientName, Instance, KvError, KvResponse, NamedWrite, limits};

/// The leaders' time and the counters.
const CLOCK: u8 = 80;
/// A run of a node.
const RUN: u8 = 81;
/// A write.
const WRITE: u8 = 82;

/// A write was applied for the first time, and answered.
pub(crate) struct Done<'a> {
    pub(crate) write: &'a NamedWrite,
    pub(crate) result: &'a Result<KvResponse, KvError>,
    /// Whether it changed something.
    pub(crate) changed: bool,
}

impl Section for Sessions {
    type Command<'a> = Done<'a>;

    fn tags(&self) -> &'static [u8] {
        &[CLOCK, RUN, WRITE]
    }

    fn apply(&mut self, done: Done<'_>, publish: &mut Publish<'_>) -> Effects {
        let place = self.next;
        self.remember(&done);
        publish.number(self.clock_ms);
        publish.number(self.records.len() as u64);
        if let Some(record) = self.records.get(&place) {
            match &record.name {
                Name::Numbered { run: (origin, run), number } => {
                    publish.hash(&origin.to_bytes());
                    publish.number(*run);
                    publish.number(*number);
                }
                Name::Client { id, fingerprint } => {
                    publish.hash(id);
                    publish.number(*fingerprint);
                }
            }
            publish.number(record.answer.digest());
        }
        Effects { result: AppliedResult::Void, health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        if self.next == 0 {
            return;
        }
        records.add(CLOCK, |out| {
            for number in [self.clock_ms, self.next, self.early] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        });
        for (key, run) in &self.runs {
            records.add(RUN, |out| {
                put_run(out, *key);
                for number in [run.settled, run.forgotten, run.at_ms] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            });
        }
        for (place, record) in &self.records {
            records.add(WRITE, |out| save_write(out, *place, record));
        }
    }

    fn load(&mut self, tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        match tag {
            CLOCK if self.next > 0 => Err(content("the leaders' time twice")),
            CLOCK => {
                [self.clock_ms, self.next, self.early] =
                    [bounded(word(body)?)?, bounded(word(body)?)?, bounded(word(body)?)?];
                Ok(())
            }
            RUN => self.load_run(body),
            WRITE => self.load_write(body),
            kind => Err(RestoreError::Unknown { kind }),
        }
    }

    fn check(&self) -> Result<(), RestoreError> {
        let last = self.records.get_max().map(|(place, _)| *place);
        if last.is_some_and(|last| last >= self.next) || (self.next == 0 && !self.runs.is_empty()) {
            return Err(content("remembered writes without their time"));
        }
        let full = self.records.len() > MOST_RECORDS || self.bytes > MOST_BYTES;
        if full || self.runs.len() > MOST_RUNS {
            return Err(content("too many remembered writes"));
        }
        Ok(())
    }
}

impl Sessions {
    fn load_run(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let key = take_run(body)?;
        let [settled, forgotten, at_ms] =
            [bounded(word(body)?)?, bounded(word(body)?)?, bounded(word(body)?)?];
        if self.runs.get_max().is_some_and(|(last, _)| *last >= key) {
            return Err(content("runs out of order"));
        }
        self.runs.insert(key, Run { settled, forgotten, at_ms, ..Run::default() });
        Ok(())
    }

    fn load_write(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let (place, at_ms) = (bounded(word(body)?)?, bounded(word(body)?)?);
        let client = flag(body)?;
        let name =
            if client { self.load_client(body, place)? } else { self.load_number(body, place)? };
        let answer = Answer::load(body)?;
        let before = self.records.get_max();
        if before.is_some_and(|(last, record)| *last >= place || record.at_ms > at_ms)
            || at_ms > self.clock_ms
        {
            return Err(content("remembered writes out of order"));
        }
        let record = Record { name, at_ms, answer };
        self.bytes += record.weight();
        self.records.insert(place, record);
        Ok(())
    }

    fn load_client(&mut self, body: &mut &[u8], place: u64) -> Result<Name, RestoreError> {
        let id = Bytes::copy_from_slice(string(body)?);
        let fingerprint = word(body)?;
        if !ClientName::is_id(&id) || self.clients.insert(id.clone(), place).is_some() {
            return Err(content("the id of a remembered write"));
        }
        Ok(Name::Client { id, fingerprint })
    }

    fn load_number(&mut self, body: &mut &[u8], place: u64) -> Result<Name, RestoreError> {
        let run = take_run(body)?;
        let number = word(body)?;
        // One that is over may be there for a while.
        let known = self.runs.get_mut(&run).filter(|_| (1..=limits::NUMBERS).contains(&number));
        let Some(known) = known else { return Err(content("the number of a remembered write")) };
        if known.open.insert(number, place).is_some() {
            return Err(content("a remembered write occurs twice"));
        }
        Ok(Name::Numbered { run, number })
    }
}

fn save_write(out: &mut Vec<u8>, place: u64, record: &Record) {
    out.extend_from_slice(&place.to_le_bytes());
    out.extend_from_slice(&record.at_ms.to_le_bytes());
    out.push(u8::from(matches!(record.name, Name::Client { .. })));
    match &record.name {
        Name::Client { id, fingerprint } => {
            put_bytes(out, id);
            out.extend_from_slice(&fingerprint.to_le_bytes());
        }
        Name::Numbered { run, number } => {
            put_run(out, *run);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    record.answer.save(out);
}

fn put_run(out: &mut Vec<u8>, (origin, run): RunKey) {
    out.extend_from_slice(&origin.to_bytes());
    out.extend_from_slice(&run.to_le_bytes());
}

fn take_run(body: &mut &[u8]) -> Result<RunKey, RestoreError> {
    let bytes = <[u8; 16]>::try_from(take(body, 16)?).map_err(|_| RestoreError::Cut)?;
    Ok((Instance::from_bytes(bytes), word(body)?))
}
