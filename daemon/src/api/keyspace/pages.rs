//! Keys as JSON: text where they are text, base64 under a name that says so where they are not. The command line and the
//! doors write the same pages.
//!
//! Fields may be added, never renamed or removed.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use quorate_proto::{KeyValue, RangeResponse};
use serde::Serialize;

/// Bytes as one of two fields. Exactly one of them is there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Text(String),
    Base64(String),
}

impl Shown {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }

    fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn base64(self) -> Option<String> {
        if let Self::Base64(text) = self { Some(text) } else { None }
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct KeyPage {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    create_revision: i64,
    mod_revision: i64,
    version: i64,
}

/// Some keys, as they were at one revision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct KeysPage {
    /// The newest revision when this was answered, also if an older one was asked for.
    pub(crate) revision: i64,
    /// Keys in the range, also behind the limit.
    pub(crate) count: i64,
    /// The limit left some out; they come after the last key that is here.
    pub(crate) more: bool,
    pub(crate) kvs: Vec<KeyPage>,
}

impl KeyPage {
    /// The page of a key.
    pub(crate) fn of(kv: &KeyValue) -> Self {
        let (key, value) = (Shown::of(&kv.key), Shown::of(&kv.value));
        Self {
            key: key.clone().text(),
            key_base64: key.base64(),
            value: value.clone().text(),
            value_base64: value.base64(),
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
        }
    }
}

impl KeysPage {
    /// The page of a range.
    pub(crate) fn of(answer: &RangeResponse) -> Self {
        Self {
            revision: answer.header.map_or(0, |header| header.revision),
            count: answer.count,
            more: answer.more,
            kvs: answer.kvs.iter().map(KeyPage::of).collect(),
        }
    }
}

/// What a client gave as text or as base64, under two names of which one is to be there at most.
///
/// # Errors
/// A sentence that names the field.
pub(crate) fn given(
    name: &str,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Option<Bytes>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("give {name} or {name}_base64, not both")),
        (Some(text), None) => Ok(Some(text.into())),
        (None, Some(text)) => match BASE64_STANDARD.decode(text) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) => Err(format!("{name}_base64 is no base64: {error}")),
        },
        (None, None) => Ok(None),
    }
}

/// The end of the range of all keys that begin so, as etcd counts it.
pub(crate) fn after_prefix(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}

/// The first key that can come behind another.
pub(crate) fn behind(key: &[u8]) -> Bytes {
    [key, b"\0"].concat().into()
}

/// Key and range end of one key, or of all keys with a prefix, those behind `after` where it is given.
pub(crate) fn range(key: &Bytes, prefix: bool, after: Option<&Bytes>) -> (Bytes, Bytes) {
    if !prefix {
        return (key.clone(), Bytes::new());
    }
    // etcd takes no empty key; the lowest one stands for "from the beginning".
    let begin = if key.is_empty() { Bytes::from_static(b"\0") } else { key.clone() };
    let begin = after.map_or(begin.clone(), |after| behind(after).max(begin));
    (begin, after_prefix(key))
}
