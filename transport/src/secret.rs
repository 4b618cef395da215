//! The cluster's shared secret and a node's own key pair, as values.
//!
//! A secret is 32 random bytes in the text form `quorate-secret-1:` and 64 hexadecimal digits. It is never
//! shown: `Debug` prints its fingerprint only. Knows nothing of files.

use crate::keys;
use hkdf::Hkdf;
use quorate_proto::NodeKey;
use rcgen::PublicKeyData as _;
use sha2::Sha256;

/// What the text form begins with.
/// How a secret begins that is written as text.
pub const PREFIX: &str = "quorate-secret-1:";
/// Separates our derivations from those of any other program with the same secret.
const SALT: &[u8] = b"quorate secret, version 1";
/// The same for what is derived from a node's own key.
const KEY_SALT: &[u8] = b"quorate node key, version 1";

/// Why a text is no secret. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is nothing in it.
    #[error("the secret is empty; `quorate secret new` makes one")]
    Empty,
    /// It has another form.
    #[error("the secret does not begin with `{PREFIX}`; `quorate secret new` makes one")]
    NotASecret,
    /// Too few or too many digits.
    #[error(
        "the secret has {found} characters after `{PREFIX}`, not 64; was it cut when it was copied?"
    )]
    Length {
        /// How many there are.
        found: usize,
    },
    /// Something else than a hexadecimal digit.
    #[error(
        "the secret has a character at place {place} after `{PREFIX}` that is no hexadecimal digit"
    )]
    Garbled {
        /// Place of the first wrong character, from 1.
        place: usize,
    },
}

/// The secret that all nodes of a cluster share. Who has it can become a node.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    bytes: [u8; 32],
}

impl Secret {
    /// Reads the text form; white space around it is ignored.
    ///
    /// # Errors
    /// When the text is cut, garbled or something else.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        let digits = text.strip_prefix(PREFIX).ok_or(SecretError::NotASecret)?;
        let wrong = digits.chars().position(|c| !c.is_ascii_hexdigit());
        if let Some(place) = wrong {
            return Err(SecretError::Garbled { place: place + 1 });
        }
        if digits.len() != 64 {
            return Err(SecretError::Length { found: digits.len() });
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).expect("hexadecimal digits are text");
            *byte = u8::from_str_radix(pair, 16).expect("two hexadecimal digits");
        }
        Ok(Self { bytes })
    }

    /// A new secret from 32 random bytes of the operating system.
    #[must_use]
    pub fn generate(random: [u8; 32]) -> Self {
        Self { bytes: random }
    }

    /// The text form, to be written to a file that only the daemon can read.
    #[must_use]
    pub fn to_text(&self) -> String {
        use std::fmt::Write as _;
        self.bytes.iter().fold(PREFIX.to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
    }

    /// 16 hexadecimal digits that tell secrets apart and give nothing away: of the public key of the
    /// authority that is derived from the secret.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        keys::fingerprint(&self.authority_key())
    }

    /// The key of the certificate authority that every holder of the secret can derive.
    pub(crate) fn authority_key(&self) -> rcgen::KeyPair {
        keys::key_pair(&derive(&self.bytes, SALT, b"certificate authority"))
    }
}

/// Key material for one purpose.
fn derive(from: &[u8; 32], salt: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), from)
        .expand_multi_info(&[purpose, b"\0"], &mut key)
        .expect("32 bytes are a valid output length");
    key
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort: copies that the compiler made are out of reach.
        std::hint::black_box(&mut self.bytes).fill(0);
        std::hint::black_box(&self.bytes);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.fingerprint())
    }
}

/// A node's own Ed25519 key pair, made once for a data directory and kept there.
#[derive(Clone)]
pub struct NodeKeyPair {
    seed: [u8; 32],
    public: NodeKey,
}

impl NodeKeyPair {
    /// The key pair with this seed (32 random bytes).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let raw = keys::key_pair(&seed).der_bytes().try_into();
        let public = NodeKey::from_bytes(raw.expect("an Ed25519 public key has 32 bytes"));
        Self { seed, public }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> NodeKey {
        self.public
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Key material of this node for one purpose: the same in each of its starts, whatever the secret is.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        derive(&self.seed, KEY_SALT, purpose)
    }
}

impl std::fmt::Debug for NodeKeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKeyPair({})", self.public.short())
    }
}
