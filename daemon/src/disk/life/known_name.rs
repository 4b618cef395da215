//! Under which name the cluster knows this disk life, noted in it as soon as it does. A host with another name that brings the
//! disk was renamed, which the cluster does not follow, or runs on a copy of another host's.
//!
//! Invariant: a life has one name for as long as it is in a cluster, so the note is written once. A note that is missing,
//! damaged or another life's only means knowing less.

use crate::disk::durable::{self, seal, unseal};
use crate::disk::files::Machine;
use crate::regular::{self, SMALL};
use quorate_proto::{Instance, NodeName};
use std::io;
use std::path::{Path, PathBuf};

const MARK: &[u8; 8] = b"qname001";
const FILE: &str = "name";

/// The note of one life.
#[derive(Debug, Clone)]
pub(crate) struct KnownName {
    file: PathBuf,
    instance: Instance,
}

impl KnownName {
    pub(super) fn of(life: &Path, instance: Instance) -> Self {
        Self { file: life.join(FILE), instance }
    }

    /// Whose note it is.
    pub(crate) fn instance(&self) -> Instance {
        self.instance
    }

    /// The name, if it is known.
    pub(super) fn read(&self) -> Option<NodeName> {
        let content = regular::read(&self.file, SMALL).ok()?;
        let (instance, name) = unseal(MARK, &content).ok()?.split_first_chunk::<16>()?;
        let name = NodeName::new(std::str::from_utf8(name).ok()?).ok()?;
        (*instance == self.instance.to_bytes()).then_some(name)
    }

    /// Notes it durably, unless that is done already.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn note(&self, name: &NodeName) -> io::Result<()> {
        if self.read().as_ref() == Some(name) {
            return Ok(());
        }
        let mut body = self.instance.to_bytes().to_vec();
        body.extend_from_slice(name.as_str().as_bytes());
        durable::replace(&Machine, &self.file, &seal(MARK, &body))
    }
}
