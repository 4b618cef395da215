//! Reads a snapshot back. The bytes come from a disk or another node and are not trusted: whatever is wrong
//! with them is an error, and no more memory is taken than a small multiple of what was sent.
//!
//! Checksums find faults; the checks of content make sure that a state once accepted can never panic.

use crate::Meta;
use crate::rolling::Rolling;
use crate::sections::roster::{Roster, TOMBSTONES, Tombstone};
use crate::snapshot::fields::{
    bounded, content, flag, most, signed, string, take, version, word, word32,
};
use crate::snapshot::frame::FrameReader;
use crate::snapshot::record::{Kind, MARK, RestoreError};
use crate::space::changes::{ChangeRecord, Changes};
use crate::space::keyspace::Keyspace;
use bytes::{Buf as _, Bytes, BytesMut};
use quorate_proto::{
    ConfState, Founded, HealthDelta, HealthEpoch, HealthView, Instance, Member, Message as _,
    limits,
};
use std::sync::Arc;

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
    if length > (if kind == Kind::Changes as u8 { CHANGES } else { RECORD }) {
        return Err(content("a record is too long"));
    }
    if rest.len() - 5 < length {
        return Ok(None);
    }
    rest.advance(5);
    Ok(Some((kind, rest.split_to(length).freeze())))
}

/// Builds a state from records.
struct Loader {
    meta: Meta,
    view: HealthView,
    stage: Option<Kind>,
    spaces: u32,
    ended: bool,
}

impl Loader {
    fn new() -> Self {
        Self {
            meta: Meta::empty(),
            view: HealthView::default(),
            stage: None,
            spaces: 0,
            ended: false,
        }
    }

    fn load(
        &mut self,
        kind: u8,
        body: &Bytes,
        before: crate::snapshot::frame::Chain,
    ) -> Result<(), RestoreError> {
        let kind = self.admit(kind)?;
        let body = &mut &body[..];
        match kind {
            Kind::Head => self.head(body)?,
            Kind::Member => self.member(body)?,
            Kind::Tombstone => self.tombstone(body)?,
            Kind::Delta => self.delta(body)?,
            Kind::Space => self.space(body)?,
            Kind::Present => self.present(body)?,
            Kind::Past => self.past(body)?,
            Kind::Changes => self.changes(body)?,
            Kind::End => {
                if word32(body)? != before.frames || word(body)? != before.sum.value() {
                    return Err(RestoreError::Damaged { frame: before.frames });
                }
                self.ended = true;
            }
        }
        if body.is_empty() { Ok(()) } else { Err(content("a record is too long for its kind")) }
    }

    /// Whether a record of this kind may come now.
    fn admit(&mut self, kind: u8) -> Result<Kind, RestoreError> {
        let kinds = [
            Kind::Head,
            Kind::Member,
            Kind::Tombstone,
            Kind::Delta,
            Kind::Space,
            Kind::Present,
            Kind::Past,
            Kind::Changes,
            Kind::End,
        ];
        let kind = kinds.into_iter().find(|known| *known as u8 == kind);
        let kind = kind.ok_or(RestoreError::Format)?;
        let fits = match (self.stage, kind) {
            (None, kind) => kind == Kind::Head,
            (Some(_), Kind::Head) => false,
            (Some(_), Kind::Space) => self.spaces < 2,
            (Some(_), Kind::End) => self.spaces == 2,
            (Some(Kind::Head), kind) => kind < Kind::Space,
            (Some(stage), kind) => kind >= stage && (kind < Kind::Space) == (stage < Kind::Space),
        };
        if !fits {
            return Err(content("a record is out of place"));
        }
        self.stage = Some(kind);
        Ok(kind)
    }

    fn head(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        if take(body, MARK.len())? != MARK {
            return Err(RestoreError::Format);
        }
        self.meta.applied = bounded(word(body)?)?;
        self.meta.hash = Rolling::at(word(body)?);
        self.view.epoch = HealthEpoch::new(bounded(word(body)?)?);
        self.view.at_unix_ms = word(body)?;
        let conf = ConfState::decode(string(body)?).map_err(|_| content("the voters"))?;
        let known = flag(body)?;
        let founded = string(body)?;
        if known {
            let founded = Founded::decode(founded).map_err(|_| content("the founding record"))?;
            self.meta.roster.genesis = Some(founded.record.genesis_id());
            self.meta.founded = Some(Arc::new(founded));
        }
        self.meta.roster.conf = Arc::new(conf);
        Ok(())
    }

    fn member(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let member = Member::decode(body).map_err(|_| content("a member"))?;
        let ordered = self.view.members.last().is_none_or(|last| last.name < member.name);
        if !ordered || self.view.members.len() >= limits::MEMBERS {
            return Err(content("members out of order, or too many"));
        }
        self.view.members.push(member);
        Ok(())
    }

    fn tombstone(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let bytes = take(body, 16)?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| RestoreError::Cut)?;
        let epoch = HealthEpoch::new(word(body)?);
        let name = String::from_utf8(string(body)?.into()).map_err(|_| content("a name"))?;
        if self.meta.roster.tombstones.len() >= TOMBSTONES {
            return Err(content("too many tombstones"));
        }
        self.meta.roster.bury(Instance::from_bytes(bytes), Tombstone { name, epoch });
        Ok(())
    }

    fn delta(&mut self, body: &mut &[u8]) -> Result<(), RestoreError> {
        let delta = HealthDelta::decode(body).map_err(|_| content("a difference of health"))?;
        let last = self.meta.roster.deltas.last().map(|last| last.epoch.get());
        if last.is_some_and(|last| delta.epoch.get() != last.wrapping_add(1)) {
            return Err(content("differences of health out of order"));
        }
        self.meta.roster.remember(Arc::new(delta));
        Ok(())
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
        if self.spaces < 2 { &mut self.meta.users } else { &mut self.meta.own }
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
        let Self { mut meta, view, .. } = self;
        let newest = meta.roster.deltas.last().map(|delta| delta.epoch);
        if newest.is_some_and(|newest| newest != view.epoch) {
            return Err(content("the newest difference is not that of the view"));
        }
        let instances: std::collections::BTreeSet<_> =
            view.members.iter().map(|member| member.instance).collect();
        let over = |instance: &Instance| Roster::is_tombstone(&meta.roster, *instance);
        if instances.len() != view.members.len() || instances.iter().any(over) {
            return Err(content("an instance occurs twice"));
        }
        meta.roster.install(view);
        Ok(meta)
    }
}
