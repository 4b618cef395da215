//! One record inside a batch: kind, group, length, content. The batch's checksum vouches for the bytes, so an
//! error here means that another version wrote them.

use crate::LogRecord;
use quorate_proto::{Entry, GroupId, HardState, Message as _};

const ENTRIES: u8 = 1;
const HARD_STATE: u8 = 2;
const RESET: u8 = 3;
const COMPACTED: u8 = 4;
/// kind, group, length
const RECORD_HEAD: usize = 1 + 4 + 4;

pub(super) fn encode(group: GroupId, record: &LogRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD]);
    let kind = match record {
        LogRecord::Entries(entries) => {
            for entry in entries {
                entry.encode_length_delimited(out).expect("a Vec grows");
            }
            ENTRIES
        }
        LogRecord::HardState(state) => {
            state.encode(out).expect("a Vec grows");
            HARD_STATE
        }
        LogRecord::Reset { index, term } => position(*index, *term, RESET, out),
        LogRecord::Compacted { index, term } => position(*index, *term, COMPACTED, out),
    };
    let length = u32::try_from(out.len() - start - RECORD_HEAD).expect("below MAX_BODY");
    out[start] = kind;
    out[start + 1..start + 5].copy_from_slice(&group.get().to_be_bytes());
    out[start + 5..start + 9].copy_from_slice(&length.to_be_bytes());
}

fn position(index: u64, term: u64, kind: u8, out: &mut Vec<u8>) -> u8 {
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(&term.to_be_bytes());
    kind
}

/// Reads the records of a body; a zero kind begins the padding.
pub(super) fn decode_all(
    mut body: &[u8],
    records: &mut Vec<(GroupId, LogRecord)>,
) -> Result<(), String> {
    while let Some(kind) = body.first().copied().filter(|kind| *kind != 0) {
        let (head, rest) =
            body.split_at_checked(RECORD_HEAD).ok_or("a record's head is cut short")?;
        let group = GroupId::new(super::u32_at(head, 1));
        let length = usize::try_from(super::u32_at(head, 5)).map_err(|error| error.to_string())?;
        let (content, rest) =
            rest.split_at_checked(length).ok_or("a record is longer than its batch")?;
        records.push((group, decode(kind, content)?));
        body = rest;
    }
    Ok(())
}

fn decode(kind: u8, mut content: &[u8]) -> Result<LogRecord, String> {
    let whole = |bytes: &[u8]| -> Result<(u64, u64), String> {
        if bytes.len() == 16 {
            Ok((super::u64_at(bytes, 0), super::u64_at(bytes, 8)))
        } else {
            Err("a position is not 16 bytes long".into())
        }
    };
    match kind {
        ENTRIES => {
            let mut entries = Vec::new();
            while !content.is_empty() {
                let entry = Entry::decode_length_delimited(&mut content)
                    .map_err(|error| format!("an entry cannot be decoded: {error}"))?;
                entries.push(entry);
            }
            Ok(LogRecord::Entries(entries))
        }
        HARD_STATE => HardState::decode(content)
            .map(LogRecord::HardState)
            .map_err(|error| format!("a hard state cannot be decoded: {error}")),
        RESET => whole(content).map(|(index, term)| LogRecord::Reset { index, term }),
        COMPACTED => whole(content).map(|(index, term)| LogRecord::Compacted { index, term }),
        other => Err(format!("record kind {other} is unknown: written by a newer version?")),
    }
}
