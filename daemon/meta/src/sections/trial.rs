//! The least that a section can be, for tests: a list of words. What stands here and in `sections/mod.rs`, with an arm in `Meta::apply`,
//! is all that a new kind of record needs; the tests below prove the rest.

use crate::apply::{AppliedResult, Effects};
use crate::section::{Publish, Section};
use crate::snapshot::fields::{content, string};
use crate::snapshot::record::{Records, RestoreError, put_bytes};

const WORD: u8 = 250;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trial {
    words: Vec<String>,
}

impl Trial {
    pub(crate) fn empty() -> Self {
        Self { words: Vec::new() }
    }
}

impl Section for Trial {
    type Command<'a> = &'a str;

    fn tags(&self) -> &'static [u8] {
        &[WORD]
    }

    fn apply(&mut self, word: &str, publish: &mut Publish<'_>) -> Effects {
        if !self.words.iter().any(|known| known == word) {
            self.words.push(word.to_owned());
            publish.put(&format!("trial/{word}"), "\"here\"");
        }
        Effects { result: AppliedResult::Void, health: None }
    }

    fn save(&self, records: &mut Records<'_>) {
        for word in &self.words {
            records.add(WORD, |out| put_bytes(out, word.as_bytes()));
        }
    }

    fn load(&mut self, _tag: u8, body: &mut &[u8]) -> Result<(), RestoreError> {
        let word = String::from_utf8(string(body)?.into()).map_err(|_| content("a word"))?;
        self.words.push(word);
        Ok(())
    }

    fn check(&self) -> Result<(), RestoreError> {
        let mut words = self.words.clone();
        words.sort();
        words.dedup();
        if words.len() == self.words.len() { Ok(()) } else { Err(content("a word occurs twice")) }
    }
}

mod tests {
    use super::*;
    use crate::sections::Sections;
    use crate::snapshot::frame::Chain;
    use crate::snapshot::record;
    use crate::{KeyChange, KeyRange, Meta, Space, Watch, WatchOptions};
    use bytes::Bytes;
    use quorate_proto::{FoundingCertificate, KvRequest, RangeRequest, kv_request, kv_response};

    fn say(meta: &mut Meta, word: &str) -> Vec<KeyChange> {
        meta.carry_out(|sections| &mut sections.trial, word).1
    }

    fn born() -> Meta {
        Meta::from_founding(&FoundingCertificate::default())
    }

    fn keys(meta: &Meta) -> i64 {
        let (key, range_end) = ("__meta/trial/".into(), "__meta/trial0".into());
        let range = RangeRequest { key, range_end, ..RangeRequest::default() };
        let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
        match meta.read(&request).expect("it can be read").response {
            Some(kv_response::Response::Range(answer)) => answer.count,
            other => panic!("{other:?}"),
        }
    }

    /// A snapshot of an empty state with other records behind its head.
    fn with_records(records: &[u8]) -> Result<Meta, RestoreError> {
        let frames: Vec<Bytes> = Meta::empty().chunks().collect();
        let content = &frames[0][12..];
        let head = 5 + u32::from_le_bytes(content[1..5].try_into().expect("four bytes")) as usize;
        let mut chain = Chain::START;
        let frame = chain.frame(&[&content[..head], records, &content[head..]].concat());
        let mut end = Vec::new();
        record::write(&mut end, record::END, |out| {
            out.extend_from_slice(&chain.frames.to_le_bytes());
            out.extend_from_slice(&chain.sum.value().to_le_bytes());
        });
        Meta::restore([frame, chain.frame(&end)])
    }

    fn words(words: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in words {
            record::write(&mut out, WORD, |out| put_bytes(out, word.as_bytes()));
        }
        out
    }

    #[test]
    fn what_a_section_publishes_is_hashed_read_and_watched_as_keys_without_a_line_of_its_own() {
        let mut meta = born();
        let range = KeyRange::new(&"__meta/trial/".into(), &"__meta/trial0".into());
        let options = WatchOptions { range, start_revision: 0, no_put: false, no_delete: false };
        let mut watch = Watch::new(&meta, options);
        let (hash, revision) = (meta.state_hash(), meta.system_revision().get());
        let changes = say(&mut meta, "a");
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].space, &changes[0].kv.key[..]),
            (Space::System, &b"__meta/trial/a"[..])
        );
        assert_eq!(meta.system_revision().get(), revision + 1);
        assert_ne!(meta.state_hash(), hash);
        assert_eq!(watch.live(&changes).map(|mine| mine.len()), Some(1));
        assert_eq!(keys(&meta), 1);
        let hash = meta.state_hash();
        assert!(say(&mut meta, "a").is_empty(), "a command that changed nothing");
        assert_eq!((meta.state_hash(), meta.system_revision().get()), (hash, revision + 1));
    }

    #[test]
    fn a_section_comes_back_from_a_snapshot_and_goes_on_alike() {
        let mut meta = born();
        for word in ["b", "a"] {
            say(&mut meta, word);
        }
        let mut restored = Meta::restore(meta.chunks()).expect("it was just written");
        assert!(restored == meta);
        assert_eq!(restored.sections.trial.words, ["b", "a"]);
        for twin in [&mut meta, &mut restored] {
            say(twin, "c");
        }
        assert_eq!((restored.state_hash(), keys(&restored)), (meta.state_hash(), 3));
    }

    #[test]
    fn a_record_that_a_section_does_not_take_is_refused() {
        let loaded = with_records(&words(&["b", "a"])).expect("both are words");
        assert_eq!(loaded.sections.trial.words, ["b", "a"]);
        let refused = |records: &[u8]| with_records(records).expect_err("it is no snapshot");
        assert_eq!(refused(&words(&["a", "a"])), content("a word occurs twice"));
        assert_eq!(refused(&[WORD, 5, 0, 0, 0, 1, 0, 0, 0, 0xff]), content("a word"));
        let trailing = [WORD, 6, 0, 0, 0, 1, 0, 0, 0, b'a', 0];
        assert_eq!(refused(&trailing), content("a record is too long for its kind"));
    }

    #[test]
    fn a_record_that_no_section_knows_is_an_error_that_names_its_kind() {
        assert_eq!(
            with_records(&[251, 0, 0, 0, 0]).expect_err("nobody knows it"),
            RestoreError::Unknown { kind: 251 }
        );
    }

    #[test]
    fn the_records_of_a_section_come_in_its_place() {
        let tombstone = 3;
        let mut records = words(&["a"]);
        record::write(&mut records, tombstone, |out| {
            out.extend_from_slice(&[1; 16]);
            out.extend_from_slice(&[0; 8]);
            put_bytes(out, b"n");
        });
        let place = content("a record is out of place");
        assert_eq!(with_records(&records).expect_err("the roster's come first"), place);
        let mut behind = Vec::new();
        record::write(&mut behind, record::SPACE, |out| {
            [1, -1, 0].iter().for_each(|number: &i64| out.extend_from_slice(&number.to_le_bytes()));
        });
        behind.extend(words(&["a"]));
        assert_eq!(with_records(&behind).expect_err("sections come before the spaces"), place);
    }

    #[test]
    fn no_two_kinds_of_record_have_one_number() {
        use record::{CHANGES, END, HEAD, PAST, PRESENT, SPACE};
        let mut kinds = vec![HEAD, SPACE, PRESENT, PAST, CHANGES, END];
        kinds.extend(Sections::empty().tags());
        kinds.sort_unstable();
        assert!(kinds.windows(2).all(|two| two[0] < two[1]), "{kinds:?}");
    }
}
