//! A content address: `sha256:` and 64 lower-case hex digits, as OCI writes them.

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The SHA-256 of some bytes. Held in place: a build of a thousand nodes has ten thousand of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; LENGTH]);

const PREFIX: &str = "sha256:";
const LENGTH: usize = PREFIX.len() + 64;

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sha256(&Sha256::digest(bytes).into())
    }

    /// The digest of `value` as compact JSON: of plain data, whose maps have text as keys.
    pub fn of_json(value: &impl Serialize) -> Self {
        let mut hash = Sha256::new();
        let written = serde_json::to_writer(HashWriter(&mut hash), value);
        debug_assert!(written.is_ok(), "{written:?}");
        Self::from_sha256(&hash.finalize().into())
    }

    /// Takes a finished SHA-256.
    pub fn from_sha256(hash: &[u8; 32]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; LENGTH];
        let (prefix, hex) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        for (digits, byte) in hex.chunks_exact_mut(2).zip(hash) {
            digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Self(text)
    }

    /// The 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.as_str()[PREFIX.len()..]
    }

    /// The whole text, with its `sha256:`.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put into it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix(PREFIX).unwrap_or_default();
        match <[u8; LENGTH]>::try_from(text.as_bytes()) {
            Ok(bytes) if hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !hex.is_empty() => {
                Ok(Self(bytes))
            }
            _ => Err(format!("{text:?} is no digest: write sha256: and 64 lower-case hex digits")),
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Visitor)
    }
}

struct Visitor;

impl serde::de::Visitor<'_> for Visitor {
    type Value = Digest;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_parse_only_in_their_one_form() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert!(empty.parse::<Digest>().is_ok());
        assert!(empty.to_uppercase().parse::<Digest>().is_err() && empty[..70].parse::<Digest>().is_err());
    }
}
