//! Answers a range: filters, order, limit and count, as etcd does.
//!
//! Counting touches no value. Filters and every order but "by key, ascending" come before the limit.

use crate::KeyRange;
use crate::request::header::header;
use crate::space::keyspace::{Keyspace, Version};
use bytes::Bytes;
use quorate_proto::{KeyValue, RangeRequest, RangeResponse, SortOrder, SortTarget};
use std::cmp::Ordering;

/// Answers a range whose revision has been found readable. `newest` is the revision that the caller sees.
pub(crate) fn answer(keyspace: &Keyspace, newest: i64, request: &RangeRequest) -> RangeResponse {
    let range = KeyRange::new(&request.key, &request.range_end);
    // The newest revision needs no history, except below an edit that has changed something already.
    let at = if request.revision >= newest { 0 } else { request.revision.max(0) };
    let mut response = RangeResponse { header: header(newest), ..RangeResponse::default() };
    if request.count_only {
        response.count = count(keyspace, &range, at);
        return response;
    }
    let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0);
    let early = limit.filter(|_| !needs_all(request)).unwrap_or(usize::MAX);
    keyspace.visit(&range, at, |key, version| {
        response.count += 1;
        if passes(request, version) {
            if response.kvs.len() < early {
                response.kvs.push(version.key_value(key));
            } else {
                response.more = true;
            }
        }
    });
    sort(request, &mut response.kvs);
    if let Some(limit) = limit
        && response.kvs.len() > limit
    {
        response.kvs.truncate(limit);
        response.more = true;
    }
    if request.keys_only {
        response.kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
    }
    response
}

/// How many keys a range holds.
fn count(keyspace: &Keyspace, range: &KeyRange, at: i64) -> i64 {
    if at == 0 && range.is_everything() {
        return i64::try_from(keyspace.present.len()).unwrap_or(i64::MAX);
    }
    let mut count = 0;
    keyspace.visit(range, at, |_, _| count += 1);
    count
}

/// Whether all keys must be looked at before the limit applies.
fn needs_all(request: &RangeRequest) -> bool {
    request.sort_order != SortOrder::None as i32 || request.sort_target != SortTarget::Key as i32
}

/// The filters by revision; zero is no filter.
fn passes(request: &RangeRequest, version: &Version) -> bool {
    let within = |number: i64, least: i64, most: i64| {
        (least == 0 || number >= least) && (most == 0 || number <= most)
    };
    within(version.modified, request.min_mod_revision, request.max_mod_revision)
        && within(version.created, request.min_create_revision, request.max_create_revision)
}

/// Sorts what came in key order. Ties stay in key order; unknown numbers count as the default.
fn sort(request: &RangeRequest, kvs: &mut [KeyValue]) {
    let target = SortTarget::try_from(request.sort_target).unwrap_or(SortTarget::Key);
    let descending = request.sort_order == SortOrder::Descend as i32;
    if target == SortTarget::Key {
        // They come by key already.
        if descending {
            kvs.reverse();
        }
        return;
    }
    let compare = |a: &KeyValue, b: &KeyValue| -> Ordering {
        match target {
            SortTarget::Key => a.key.cmp(&b.key),
            SortTarget::Version => a.version.cmp(&b.version),
            SortTarget::Create => a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => a.value.cmp(&b.value),
        }
    };
    kvs.sort_by(|a, b| if descending { compare(b, a) } else { compare(a, b) });
}
