//! Which applications the files of this host define: none where it is a witness.

use super::{Config, HostRole};
use crate::applications::DropIns;

impl Config {
    /// What is defined below `apps_dir`, as it is there now.
    pub(crate) fn drop_ins(&self) -> DropIns {
        match self.host.role {
            HostRole::Node => DropIns::read(&self.apps_dir),
            HostRole::Witness => DropIns::of_a_witness(&self.apps_dir),
        }
    }
}
