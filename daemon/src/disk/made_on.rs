//! On which machine a disk life was made: a random number beside the marker, outside of the data directory, names the
//! machine, and the identity of each life remembers that of the machine that made it. So a host can tell whether its data
//! were moved or copied to it.
//!
//! Only guesses hang on it: it is not synced, and what cannot be read tells nothing. A copy of a whole machine has the
//! number too.

use super::durable::{create, seal, unseal};
use quorate_node::MadeOn;
use quorate_proto::ClusterName;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const MARK: &[u8; 8] = b"qmachi01";

/// A machine, for the lives of one cluster on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MachineNumber([u8; 16]);

impl MachineNumber {
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The number of this machine; one is drawn where there is none. None when it cannot be read or written.
    pub(super) fn this(birth_dir: &Path, cluster: &ClusterName) -> Option<Self> {
        let file = path(birth_dir, cluster);
        let known = read(&file).unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), %error, "whether the data were made on this machine is not known");
            None
        });
        known.or_else(|| draw(&file))
    }
}

/// Where a life was made, as seen from this machine.
pub(super) fn made_on(life: Option<MachineNumber>, this: Option<MachineNumber>) -> MadeOn {
    match (life, this) {
        (Some(life), Some(this)) if life == this => MadeOn::This,
        (Some(_), Some(_)) => MadeOn::Another,
        _ => MadeOn::Unknown,
    }
}

/// A dot is in no cluster's name, so no marker has this one.
fn path(birth_dir: &Path, cluster: &ClusterName) -> PathBuf {
    birth_dir.join(format!("{cluster}.machine"))
}

/// None: there is none.
fn read(file: &Path) -> io::Result<Option<MachineNumber>> {
    let content = match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content?,
    };
    let bytes = unseal(MARK, &content).ok().and_then(|body| <[u8; 16]>::try_from(body).ok());
    bytes
        .map(|bytes| Some(MachineNumber(bytes)))
        .ok_or_else(|| io::Error::other("it is not as it was written"))
}

/// None also where a file is that cannot be read: another number would make the lives of this machine strangers.
fn draw(file: &Path) -> Option<MachineNumber> {
    if file.exists() {
        return None;
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    create(file).and_then(|mut file| file.write_all(&seal(MARK, &bytes))).ok()?;
    Some(MachineNumber(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_number_and_a_damaged_one_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cluster = ClusterName::new("acme").unwrap();
        let first = MachineNumber::this(dir.path(), &cluster);
        assert_eq!(made_on(first, MachineNumber::this(dir.path(), &cluster)), MadeOn::This);
        let other = tempfile::tempdir().unwrap();
        assert_eq!(made_on(first, MachineNumber::this(other.path(), &cluster)), MadeOn::Another);
        std::fs::write(path(dir.path(), &cluster), b"torn").unwrap();
        assert_eq!(made_on(first, MachineNumber::this(dir.path(), &cluster)), MadeOn::Unknown);
        assert_eq!(made_on(None, first), MadeOn::Unknown);
    }
}
