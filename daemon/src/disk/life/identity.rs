//! The three small files that say who a disk life is: the identity (written once), the generation (raised at each
//! start) and which start runs. Formats: mark, checksum, fixed fields.

use crate::disk::durable::{seal, unseal};
use quorate_proto::{ClusterName, Generation, Instance};

const IDENTITY_MARK: &[u8; 8] = b"qlife001";
const GENERATION_MARK: &[u8; 8] = b"qgener01";
const RUNNING_MARK: &[u8; 8] = b"qruns001";

/// Who a disk life is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The disk life.
    pub(crate) instance: Instance,
    /// From which the node key pair is made.
    pub(crate) key_seed: [u8; 32],
    /// The cluster name it was created for.
    pub(crate) cluster: ClusterName,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {} (key not shown)", self.instance, self.cluster)
    }
}

impl Identity {
    /// A new life, from the system's randomness.
    pub(crate) fn random(cluster: &ClusterName) -> Result<Self, std::io::Error> {
        let mut bytes = [0; 48];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        let (instance, key_seed) = bytes.split_at(16);
        Ok(Self {
            instance: Instance::from_bytes(instance.try_into().expect("16 of 48 bytes")),
            key_seed: key_seed.try_into().expect("32 of 48 bytes"),
            cluster: cluster.clone(),
        })
    }

    pub(crate) fn to_file(&self) -> Vec<u8> {
        let mut body = self.instance.to_bytes().to_vec();
        body.extend_from_slice(&self.key_seed);
        body.extend_from_slice(self.cluster.as_str().as_bytes());
        seal(IDENTITY_MARK, &body)
    }

    pub(crate) fn from_file(file: &[u8]) -> Result<Self, String> {
        let body = unseal(IDENTITY_MARK, file)?;
        let (instance, rest) = body.split_first_chunk::<16>().ok_or("it is cut short")?;
        let (key_seed, cluster) = rest.split_first_chunk::<32>().ok_or("it is cut short")?;
        let cluster = std::str::from_utf8(cluster).map_err(|error| error.to_string())?;
        Ok(Self {
            instance: Instance::from_bytes(*instance),
            key_seed: *key_seed,
            cluster: ClusterName::new(cluster).map_err(|error| error.to_string())?,
        })
    }
}

/// The generation file names the life too, so that a file of another copy is noticed.
pub(crate) fn generation_to_file(instance: Instance, generation: Generation) -> Vec<u8> {
    let mut body = instance.to_bytes().to_vec();
    body.extend_from_slice(&generation.get().to_be_bytes());
    seal(GENERATION_MARK, &body)
}

pub(crate) fn generation_from_file(file: &[u8]) -> Result<(Instance, Generation), String> {
    let body = unseal(GENERATION_MARK, file)?;
    let (instance, number) = body.split_first_chunk::<16>().ok_or("it is cut short")?;
    let number: [u8; 8] = number.try_into().map_err(|_| "it has the wrong length")?;
    Ok((Instance::from_bytes(*instance), Generation::new(u64::from_be_bytes(number))))
}

/// One start: the life, its generation, and the number that no other start has.
pub(crate) fn running_to_file(
    instance: Instance,
    generation: Generation,
    boot_nonce: u64,
) -> Vec<u8> {
    let mut body = instance.to_bytes().to_vec();
    body.extend_from_slice(&generation.get().to_be_bytes());
    body.extend_from_slice(&boot_nonce.to_be_bytes());
    seal(RUNNING_MARK, &body)
}

pub(crate) fn running_from_file(file: &[u8]) -> Result<(Instance, Generation, u64), &'static str> {
    let body = unseal(RUNNING_MARK, file)?;
    let (instance, numbers) = body.split_first_chunk::<16>().ok_or("it is cut short")?;
    let (numbers, []) = numbers.as_chunks::<8>() else { return Err("it has the wrong length") };
    let [generation, boot_nonce] = *numbers else { return Err("it has the wrong length") };
    let generation = Generation::new(u64::from_be_bytes(generation));
    Ok((Instance::from_bytes(*instance), generation, u64::from_be_bytes(boot_nonce)))
}
