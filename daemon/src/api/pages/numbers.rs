//! Numbers in quorate's own keys. Knows nothing of what they number.

use serde::Deserialize;

/// Whether there is no such number.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
pub(super) fn is_none(number: &u64) -> bool {
    *number == 0
}

/// Numbers above 2^53 are text in quorate's keys.
pub(super) fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(u64),
        Text(String),
    }
    match Number::deserialize(from)? {
        Number::Plain(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}
