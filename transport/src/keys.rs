//! Ed25519 keys from their seeds, and the fingerprint by which one is told from another.

use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// What the authority's common name begins with; its fingerprint follows.
pub(crate) const AUTHORITY: &str = "quorate-ca-";

/// The fixed bytes of an Ed25519 private key in PKCS#8 version 1, before the seed.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The private key of a seed, as TLS takes it.
pub(crate) fn pkcs8(seed: &[u8; 32]) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], seed].concat())
}

/// The Ed25519 key pair of a seed.
pub(crate) fn key_pair(seed: &[u8; 32]) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8(seed), &PKCS_ED25519)
        .expect("every 32 bytes are an Ed25519 seed")
}

/// The first 16 hexadecimal digits of the hash of a public key.
pub(crate) fn fingerprint(key: &KeyPair) -> String {
    format!("{:016x}", quorate_proto::short_hash(&[b"quorate/fingerprint", key.der_bytes()]))
}
