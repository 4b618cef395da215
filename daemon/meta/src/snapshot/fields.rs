//! Takes the fields of a snapshot's records apart. Nothing is believed: each field is checked against what is
//! left of its record, and each number against the bound that keeps later arithmetic from overflowing.

use crate::snapshot::record::RestoreError;
use crate::space::keyspace::Version;
use bytes::{Buf as _, Bytes};

/// Numbers above this are refused, so that counting on from a restored one cannot overflow.
const MOST: u64 = 1 << 62;

pub(crate) fn content(what: &'static str) -> RestoreError {
    RestoreError::Content { what }
}

pub(crate) fn most() -> i64 {
    MOST.cast_signed()
}

pub(crate) fn bounded(number: u64) -> Result<u64, RestoreError> {
    if number <= MOST { Ok(number) } else { Err(content("a number is too large")) }
}

/// The rest of a record is a version.
pub(crate) fn version(body: &mut &[u8], revision: i64) -> Result<Version, RestoreError> {
    let [created, modified, number, lease] =
        [signed(body)?, signed(body)?, signed(body)?, signed(body)?];
    let value = Bytes::copy_from_slice(std::mem::take(body));
    if created < 1 || created > modified || modified > revision || !(1..=revision).contains(&number)
    {
        return Err(content("the numbers of a key"));
    }
    Ok(Version { created, modified, number, lease, value })
}

pub(crate) fn take<'a>(body: &mut &'a [u8], length: usize) -> Result<&'a [u8], RestoreError> {
    body.split_off(..length).ok_or(content("a record is too short for its kind"))
}

pub(crate) fn string<'a>(body: &mut &'a [u8]) -> Result<&'a [u8], RestoreError> {
    let length = word32(body)? as usize;
    take(body, length)
}

pub(crate) fn word32(body: &mut &[u8]) -> Result<u32, RestoreError> {
    Ok(take(body, 4)?.get_u32_le())
}

pub(crate) fn word(body: &mut &[u8]) -> Result<u64, RestoreError> {
    Ok(take(body, 8)?.get_u64_le())
}

pub(crate) fn signed(body: &mut &[u8]) -> Result<i64, RestoreError> {
    Ok(take(body, 8)?.get_i64_le())
}

pub(crate) fn flag(body: &mut &[u8]) -> Result<bool, RestoreError> {
    match take(body, 1)?[0] {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(content("a flag")),
    }
}
