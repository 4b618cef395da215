//! On which machine a disk life was made: a random number beside the marker, outside of the data directory, names the
//! machine, and each life remembers that of the machine that made it. So a host can tell whether its data were moved or
//! copied to it.
//!
//! Only guesses hang on it: it is not synced, and what cannot be read tells nothing. A life that remembers none, of an
//! earlier version, takes the number of the machine on which it starts. A copy of a whole machine has the number too.

use crate::disk::durable::{seal, unseal, write_unsynced};
use crate::regular::{self, SMALL};
use quorate_node::MadeOn;
use quorate_proto::ClusterName;
use std::io;
use std::path::Path;

const MARK: &[u8; 8] = b"qmachi01";
/// In the directory of a life.
const NAME: &str = "machine";

/// Where a life was made, as seen from this machine.
pub(super) fn made_on(life: &Path, birth_dir: &Path, cluster: &ClusterName) -> MadeOn {
    // A dot is in no cluster's name, so no marker has this one.
    let here = birth_dir.join(format!("{cluster}.machine"));
    let compared = remembered(&here, random).and_then(|here| {
        let made = remembered(&life.join(NAME), || Ok(here))?;
        Ok(if made == here { MadeOn::This } else { MadeOn::Another })
    });
    compared.unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "whether the data were made on this machine is not known; should they ever be copied, the copy is named by other signs"
        );
        MadeOn::Unknown
    })
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// The number in a file; where there is no file, one is drawn and kept.
fn remembered(file: &Path, draw: impl FnOnce() -> io::Result<[u8; 16]>) -> io::Result<[u8; 16]> {
    match regular::read(file, SMALL) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let number = draw()?;
            write_unsynced(file, &seal(MARK, &number))?;
            Ok(number)
        }
        content => {
            let named = |why: String| io::Error::other(format!("{}: {why}", file.display()));
            let content = content.map_err(|error| named(error.to_string()))?;
            let body = unseal(MARK, &content).ok().and_then(|body| body.try_into().ok());
            body.ok_or_else(|| named("it is not as it was written".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_of_the_machine_that_made_them_and_a_damaged_number_tells_nothing() {
        let places = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [life, here, elsewhere] = places.each_ref().map(tempfile::TempDir::path);
        let cluster = ClusterName::new("acme").unwrap();
        let on = |birth_dir| made_on(life, birth_dir, &cluster);
        assert_eq!([here, here, elsewhere].map(on), [MadeOn::This, MadeOn::This, MadeOn::Another]);
        std::fs::write(here.join("acme.machine"), b"torn").unwrap();
        assert_eq!(on(here), MadeOn::Unknown);
        std::fs::write(life.join(NAME), b"torn").unwrap();
        assert_eq!(on(elsewhere), MadeOn::Unknown);
        let no = remembered(&life.join(NAME), random).expect_err("it is torn").to_string();
        assert!(no.starts_with(&life.join(NAME).display().to_string()), "{no}");
    }
}
