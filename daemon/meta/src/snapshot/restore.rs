//! Reads a snapshot back. The bytes come from a disk or another node and are not trusted: whatever is wrong
//! with them is an error, and no more memory is taken than a small multiple of what was sent.
//!
//! Checksums find faults; the checks of content make sure that a state once accepted can never panic.

use crate::Meta;
use crate::snapshot::fields::{
    bounded, content, flag, most, signed, string, take, version, word, word32,
};
use crate::snapshot::frame::{Chain, FrameReader};
use crate::snapshot::record::{self, MARK, RestoreError};
use crate::space::changes::{ChangeRecord, Changes};
use crate::space::keyspace::Keyspace;
use crate::state_hash::StateHash;
use bytes::{Buf as _, Bytes, BytesMut};
use quorate_proto::limits;

/// Longest record that names the changes of one revision, which may have deleted millions of keys at once.
const CHANGES: usize = 1 << 30;
/// Longest record of every other kind: a key and its value came in one request, and a difference of health
/// fits into a frame. Small, because decoding a difference takes many times its length.
const RECORD: usize = 2 * limits::CONTROL_FRAME;
const _: () = assert!(limits::CLIENT_REQUEST + 4096 < RECORD);

impl Meta {
    /// Reads what [`Meta::chunks`] wrote, in whatever pieces it comes.
    ///
    /// # Errors
    /// When anything is missing, changed or out of place.
    pub fn restore(chunks: impl IntoIterator<Item = Bytes>) -> Result<Self, RestoreError> {
        let mut reader = FrameReader::new(chunks.into_iter());
        let mut loader = Loader::new();
        let mut rest = BytesMut::new();
        let mut before = reader.chain;
        while let Some(payload) = reader.next()? {
            if loader.ended {
                return Err(content("something follows the end"));
            }
            rest.extend_from_slice(&payload);
            while let Some((kind, body)) = next_record(&mut rest)? {
                loader.load(kind, &body, before)?;
            }
            before = reader.chain;
        }
        if !loader.ended || !rest.is_empty() {
            return Err(RestoreError::Cut);
        }
        loader.finish()
    }
}

/// Takes a whole record off the front, if there is one.
fn next_record(rest: &mut BytesMut) -> Result<Option<(u8, Bytes)>, RestoreError> {
    let Some((kind, length)) = rest.split_first_chunk::<5>().map(|(head, _)| {
        (head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize)
    }) else {
        return Ok(None);
    };
    if length > (if kind == record::CHANGES { CHANGES } else { RECORD }) {
        return Err(content("a record is too long"));
    }
    if rest.len() - 5 < length {
        return Ok(None);
    }
    rest.advance(5);
    Ok(Some((kind, rest.split_to(length).freeze())))
}

/// Where a record stands in a snapshot. Within a space its order is that of these names; of the sections' it is their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Head,
    Section(usize),
    Space,
    Present,
    Past,
    Changes,
    End,
}

/// Builds a state from records.
struct Loader {
    meta: Meta,
    stage: Option<Place>,
    spaces: u32,
    ended: bool,
}

impl Loader {
    fn new() -> Self {
        Self { meta: Meta::empty(), stage: None, spaces: 0, ended: false }
    }

    fn load(&mut self, kind: u8, body: &Bytes, before: Chain) -> Result<(), RestoreError> {
        let body = &mut &body[..];
        match self.admit(kind)? {
            Place::Head => self.head(body)?,
            Place::Section(_) => self.meta.sections.load(kind, body)?,
            Place::Space => self.space(body)?,
            Place::Present => self.present(body)?,
            Place::Past => self.past(body)?,
            Place::Changes => self.changes(body)?,
            Place::End => {
                if word32(body)? != before.frames || word(body)? != before.sum.value() {
                    return Err(RestoreError::Damaged { frame: before.frames });
                }
                self.ended = true;
            }
        }
        if body.is_empty() { Ok(()) } else { Err(content("a record is too long for its kind")) }
    }

    /// Whether a record of this kind may come now, and where it stands.
    fn admit(&mut self, kind: u8) -> Result<Place, RestoreError> {
        let place = match kind {
            record::HEAD => Place::Head,
            record::SPACE => Place::Space,
            record::PRESENT => Place::Present,
            record::PAST => Place::Past,
            record::CHANGES => Place::Changes,
            record::END => Place::End,
            tag => match self.meta.sections.place_of(tag) {
                Some(place) => Place::Section(place),
                None => return Err(RestoreError::Unknown { kind }),
            },
        };
        let fits = match (self.stage, place) {
            (None, place) => place == Place::Head,
            (Some(_), Place::Head) => false,
            (Some(_), Place::Space) => self.spaces < 2,
            (Some(_), Place::End) => self.spaces == 2,
            (Some(stage), Place::Section(_)) => place >= stage,
            (Some(stage), place) => place >= stage && stage >= Place::Space,
        };
        if !fits {
            return Err(content("a record is out of place"));
        }
        self.stage = Some(place);
        Ok(place)
    }

    fn head(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        if take(body, MARK.len())? != MARK {
            return Err(RestoreError::Format);
        }
        self.meta.applied = bounded(word(body)?)?;
        self.meta.hash = StateHash::at(word(body)?);
        self.meta.sections.roster.load_head(body)
    }

    fn space(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        self.spaces += 1;
        let [revision, compacted, scrubbed] = [signed(body)?, signed(body)?, signed(body)?];
        let sound = (1..=most()).contains(&revision)
            && (-1..=revision).contains(&compacted)
            && (0..=compacted.max(0)).contains(&scrubbed);
        if !sound {
            return Err(content("revisions of a space"));
        }
        *self.keyspace() = Keyspace { revision, compacted, scrubbed, ..Keyspace::new() };
        Ok(())
    }

    fn keyspace(&mut self) -> &mut Keyspace {
        if self.spaces < 2 { &mut self.meta.users } else { &mut self.meta.system }
    }

    fn present(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let keyspace = self.keyspace();
        let key = Bytes::copy_from_slice(string(body)?);
        let version = version(body, keyspace.revision)?;
        if keyspace.present.get_max().is_some_and(|(last, _)| *last >= key) {
            return Err(content("keys out of order"));
        }
        keyspace.present.insert(key, version);
        Ok(())
    }

    fn past(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let keyspace = self.keyspace();
        let key = Bytes::copy_from_slice(string(body)?);
        let revision = signed(body)?;
        let version = if flag(body)? { Some(version(body, keyspace.revision)?) } else { None };
        let at = (key, revision);
        if keyspace.past.get_max().is_some_and(|(last, _)| *last >= at)
            || version.as_ref().is_some_and(|version| version.modified != revision)
            || !(1..=keyspace.revision).contains(&revision)
        {
            return Err(content("past versions out of order"));
        }
        keyspace.past.insert(at, version);
        Ok(())
    }

    fn changes(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let keyspace = self.keyspace();
        let revision = signed(body)?;
        let mut records = Vec::new();
        while !body.is_empty() {
            let key = string(body)?;
            let before = signed(body)?;
            // A key that is there shares its bytes with the map.
            let known = keyspace.present.get_key_value(key);
            let key = known.map_or_else(|| Bytes::copy_from_slice(key), |(known, _)| known.clone());
            records.push(ChangeRecord { key, before, deleted: flag(body)? });
        }
        if keyspace.changes.get_max().is_some_and(|(last, _)| *last >= revision)
            || !(1..=keyspace.revision).contains(&revision)
            || records.iter().any(|record| !(0..revision).contains(&record.before))
            || records.is_empty()
        {
            return Err(content("changes out of order"));
        }
        keyspace.changes.insert(revision, records.into_iter().collect::<Changes>());
        Ok(())
    }

    fn finish(self) -> Result<Meta, RestoreError> {
        self.meta.sections.check()?;
        Ok(self.meta)
    }
}
