//! The marker of GENESIS rule 2: a tiny file outside the data directory that remembers the cluster id, so that
//! erased data is a remembered loss and not a fresh host.
//!
//! One line of text, for people too: `quorate genesis CLUSTER-ID checksum CRC`.

use crate::disk::durable;
use crate::disk::error::DiskError;
use crate::disk::files::Files;
use crate::disk::presence::read_if_there;
use quorate_proto::{ClusterId, ClusterName};
use std::io;
use std::path::{Path, PathBuf};

/// Where the marker of a cluster lies.
pub(crate) fn path(birth_dir: &Path, cluster: &ClusterName) -> PathBuf {
    birth_dir.join(cluster.as_str())
}

/// Reads the marker; none when there is no file.
///
/// # Errors
/// When there is one but it cannot be read: a host that may have been in a cluster is not fresh.
pub(crate) fn read(
    birth_dir: &Path,
    cluster: &ClusterName,
) -> Result<Option<ClusterId>, DiskError> {
    let file = path(birth_dir, cluster);
    let Some(content) = read_if_there(&file, cluster.as_str())? else { return Ok(None) };
    decode(&content).map(Some).ok_or_else(|| DiskError::Damaged {
        file,
        reason: "the marker is not as it was written".into(),
        cluster: cluster.to_string(),
    })
}

/// Writes the marker durably.
pub(crate) fn write(
    files: &dyn Files,
    birth_dir: &Path,
    cluster: &ClusterName,
    cluster_id: ClusterId,
) -> io::Result<()> {
    durable::replace(files, &path(birth_dir, cluster), encode(cluster_id).as_bytes())
}

fn encode(cluster_id: ClusterId) -> String {
    let sum = crc32fast::hash(&cluster_id.to_bytes());
    format!("quorate genesis {cluster_id} checksum {sum:08x}\n")
}

fn decode(content: &[u8]) -> Option<ClusterId> {
    let text = std::str::from_utf8(content).ok()?;
    let id = text.strip_prefix("quorate genesis ")?.split(' ').next()?;
    let cluster_id = ClusterId::parse(id)?;
    (encode(cluster_id) == text).then_some(cluster_id)
}
