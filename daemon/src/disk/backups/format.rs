//! The format of a backup: the pieces of a snapshot behind a head that people can read. It is the same on a disk and over HTTP.

use crate::disk::snapshots::pieces::{PieceReader, PieceWriter};
use crate::regular;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

const MARK: &[u8; 8] = b"qback001";
/// The version of the pieces' content. One that is newer than this program's is refused.
pub(crate) const FORMAT: u32 = 1;
/// What waits between the file and its reader; pieces are mostly larger, and pass it by.
const BUFFER: usize = 64 * 1024;

/// What is in a backup. Fields may be added, never renamed or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupHead {
    pub(crate) format: u32,
    pub(crate) cluster: String,
    pub(crate) cluster_id: String,
    /// Of the keyspace.
    pub(crate) revision: u64,
    pub(crate) keys: u64,
    /// Bytes of memory that they take, about.
    pub(crate) key_bytes: u64,
    /// Of the log.
    pub(crate) index: u64,
    /// Sixteen hexadecimal digits.
    pub(crate) state_hash: String,
    pub(crate) health_epoch: u64,
    /// When it was made, by the clock of the host that made it.
    pub(crate) time: String,
    /// That host.
    pub(crate) saved_by: String,
    /// The version of its daemon.
    pub(crate) version: String,
    pub(crate) hosts: Vec<BackupHost>,
}

/// A member of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupHost {
    pub(crate) name: String,
    /// `voter`, `standby` or `member`.
    pub(crate) role: String,
}

/// A backup as bytes, in the order in which they are in the file. Makes each part when it is asked for.
pub(crate) fn stream(
    head: &BackupHead,
    mut pieces: impl Iterator<Item = Bytes>,
) -> impl Iterator<Item = io::Result<Bytes>> {
    let head = serde_json::to_vec(head).expect("a head has text keys only");
    let mut writer = Some(PieceWriter::begin(Vec::new(), MARK, &head));
    std::iter::from_fn(move || {
        let mut open = match writer.take()? {
            Ok(open) => open,
            Err(error) => return Some(Err(error)),
        };
        let Some(piece) = pieces.next() else { return Some(open.end().map(Bytes::from)) };
        if let Err(error) = open.piece(&piece) {
            return Some(Err(error));
        }
        let part = std::mem::take(&mut open.file);
        writer = Some(Ok(open));
        Some(Ok(part.into()))
    })
}

/// A backup that is read piece by piece; see [`PieceReader`].
#[derive(Debug)]
pub(crate) struct BackupReader {
    pub(crate) head: BackupHead,
    pub(crate) pieces: PieceReader<BufReader<File>>,
}

impl BackupReader {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// The reason, when that cannot be done, or a newer version wrote it.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        Self::of(regular::open(path).map_err(|error| error.to_string())?)
    }

    /// Reads the head of a file that is open.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn of(file: File) -> Result<Self, String> {
        let (pieces, head) = PieceReader::begin(BufReader::with_capacity(BUFFER, file), MARK)?;
        let head: BackupHead = serde_json::from_slice(&head)
            .map_err(|error| format!("its head is not understood: {error}"))?;
        match head.format {
            1..=FORMAT => Ok(Self { head, pieces }),
            other => Err(format!(
                "it has format {other}, and this program knows up to {FORMAT}: a newer version wrote it ({})",
                head.version
            )),
        }
    }

    /// Reads all of it, and says whether every byte is as it was written.
    ///
    /// # Errors
    /// The reason, when it is not.
    pub(crate) fn check(path: &Path) -> Result<BackupHead, String> {
        let Self { head, pieces } = Self::open(path)?;
        pieces.verdict()?;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> BackupHead {
        BackupHead {
            format: FORMAT,
            cluster: "prod".to_owned(),
            revision: 7,
            ..BackupHead::default()
        }
    }

    fn written(pieces: &[&'static [u8]]) -> Vec<u8> {
        let pieces = pieces.iter().map(|piece| Bytes::from_static(piece));
        stream(&head(), pieces).flat_map(|part| part.expect("within bounds")).collect()
    }

    #[test]
    fn a_backup_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup");
        std::fs::write(&file, written(&[b"one", b"two"])).unwrap();
        let mut reader = BackupReader::open(&file).unwrap();
        assert_eq!(reader.head, head());
        assert_eq!(reader.pieces.by_ref().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(reader.pieces.verdict(), Ok(()));
    }

    #[test]
    fn a_backup_cut_or_changed_at_any_byte_is_refused_and_the_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup");
        let whole = written(&[b"one", b"two"]);
        let check = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            BackupReader::check(&file).unwrap_err()
        };
        for place in 0..whole.len() {
            let cut = check(&whole[..place]);
            assert_eq!(cut, format!("it is cut short, at byte {place}"));
            let mut changed = whole.clone();
            changed[place] ^= 2;
            let told = check(&changed);
            assert!(place < 8 || told.contains(" byte"), "{place}: {told}");
        }
        check(&[&whole[..], b"x"].concat());
    }

    #[test]
    fn a_backup_of_a_newer_version_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup");
        let newer = BackupHead { format: FORMAT + 1, version: "9.9.9".to_owned(), ..head() };
        let bytes: Vec<u8> = stream(&newer, std::iter::empty()).flat_map(Result::unwrap).collect();
        std::fs::write(&file, bytes).unwrap();
        let told = BackupReader::check(&file).unwrap_err();
        assert!(told.contains("a newer version wrote it (9.9.9)"), "{told}");
    }
}
