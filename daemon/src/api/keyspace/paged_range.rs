//! A range that is read in pages, as one request would have read it: at the revision of its first page, up to the limit of the whole.
//!
//! Pure: who asks gives the answers in. The door uses it for what cannot come from another node at once, the command line for prefixes
//! and for exports, which take out what has come and never hold the whole.

use super::pages::behind;
use quorate_proto::{KeyValue, RangeRequest, RangeResponse};

/// See the head of the file. Its keys must come in their own order.
#[derive(Debug)]
pub(crate) struct PagedRange {
    /// The page that is asked for next, but for its limit.
    page: RangeRequest,
    /// Keys of all pages.
    wanted: i64,
    /// Keys of a page.
    keys: i64,
    whole: Option<RangeResponse>,
    /// Keys that have come, also those that were taken out.
    had: i64,
}

impl PagedRange {
    /// None of it is read. A page has so many keys at most, one at least.
    pub(crate) fn new(range: RangeRequest, keys: i64) -> Self {
        let wanted = if range.limit > 0 { range.limit } else { i64::MAX };
        Self { page: range, wanted, keys: keys.max(1), whole: None, had: 0 }
    }

    /// The next page.
    pub(crate) fn page(&self) -> RangeRequest {
        RangeRequest { limit: self.keys.min(self.wanted - self.had), ..self.page.clone() }
    }

    /// The page was too large: the next one is smaller. False when it had but one key.
    pub(crate) fn shrink(&mut self) -> bool {
        let limit = self.page().limit;
        self.keys = (limit / 4).max(1);
        limit > 1
    }

    /// From now on a page has so many keys.
    pub(crate) fn have_keys(&mut self, keys: i64) {
        self.keys = keys.max(1);
    }

    /// Whether a page was taken.
    pub(crate) fn is_begun(&self) -> bool {
        self.whole.is_some()
    }

    /// Takes the answer to [`Self::page`]. The whole range, once this was its last page.
    pub(crate) fn take(&mut self, answer: RangeResponse) -> Option<RangeResponse> {
        self.had += i64::try_from(answer.kvs.len()).unwrap_or(i64::MAX);
        let (more, last) = (answer.more, answer.kvs.last().map(|pair| behind(&pair.key)));
        match &mut self.whole {
            Some(whole) => {
                whole.more = more;
                whole.kvs.extend(answer.kvs);
            }
            none => {
                let at = answer.header.map_or(0, |header| header.revision);
                self.page.revision = if self.page.revision > 0 { self.page.revision } else { at };
                *none = Some(answer);
            }
        }
        match last {
            Some(key) if more && self.had < self.wanted => {
                self.page.key = key;
                None
            }
            _ => self.whole.take(),
        }
    }

    /// What has come since this was called last, out of what [`Self::take`] will give.
    pub(crate) fn take_out(&mut self) -> Vec<KeyValue> {
        self.whole.as_mut().map(|whole| std::mem::take(&mut whole.kvs)).unwrap_or_default()
    }

    /// The revision at which all of it is read; 0 before the first page.
    pub(crate) fn revision(&self) -> i64 {
        self.page.revision
    }
}
