//! A file's contents: public bytes, and holes where secrets go.
//!
//! The public bytes hold a readable stub in each hole, so a tree can be shown, hashed and compared without any secret.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A secret by name, with the public value that pins it. Never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretRef {
    /// `purpose/name`, as given to key derivation: `key/etcd-server/kubi-controller-01`, `symmetric/encryption-key1`.
    pub name: String,
    pub generation: u32,
    /// `sha256:` and 64 hex digits; see `secret::commitment`.
    pub commitment: String,
}

/// How a secret's bytes are written into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// A private key as PKCS#8 PEM, with its final newline.
    Pem,
    /// Base64 of that PEM, as kubeconfigs embed it.
    PemBase64,
    /// Standard base64 of raw bytes.
    Base64,
    /// Bytes that are text already, such as a registry password.
    Raw,
}

/// Where in the public bytes a secret belongs: its stub covers `offset..offset + length`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    pub offset: usize,
    pub length: usize,
    #[serde(flatten)]
    pub secret: SecretRef,
    pub encoding: Encoding,
}

/// Bytes with stubs, and the holes those stubs stand in, in ascending order and without overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    bytes: Vec<u8>,
    holes: Vec<Hole>,
}

/// Hands out secrets while an overlay is written.
pub trait SecretSource {
    /// The secret's bytes in `encoding`; an error says which secret and why, never any byte of it.
    fn secret(&self, secret: &SecretRef, encoding: Encoding) -> Result<Zeroizing<Vec<u8>>, FillError>;
}

/// A secret that could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("secret {name}: {reason}")]
pub struct FillError {
    pub name: String,
    pub reason: String,
}

impl Contents {
    /// Contents without any secret.
    pub fn public(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), holes: Vec::new() }
    }

    /// Rebuilds contents from stored stub bytes and holes; `None` when the holes do not fit the bytes.
    pub fn from_parts(bytes: Vec<u8>, holes: Vec<Hole>) -> Option<Self> {
        let mut end = 0usize;
        for hole in &holes {
            let hole_end = hole.offset.checked_add(hole.length)?;
            if hole.offset < end || hole_end > bytes.len() {
                return None;
            }
            end = hole_end;
        }
        Some(Self { bytes, holes })
    }

    /// Appends public text.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a hole with its stub.
    pub fn push_secret(&mut self, secret: SecretRef, encoding: Encoding) {
        let offset = self.bytes.len();
        let end = if encoding == Encoding::Pem { "\n" } else { "" };
        let stub = format!("<secret {} generation {} {}>{end}", secret.name, secret.generation, secret.commitment);
        self.bytes.extend_from_slice(stub.as_bytes());
        self.holes.push(Hole { offset, length: stub.len(), secret, encoding });
    }

    /// The bytes a reviewer sees: stubs in place of secrets.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    pub fn is_secret(&self) -> bool {
        !self.holes.is_empty()
    }

    /// The real bytes, for an overlay only.
    pub fn fill(&self, source: &dyn SecretSource) -> Result<Zeroizing<Vec<u8>>, FillError> {
        // Reserved at once: a growing buffer would leave copies of secrets behind in freed memory.
        let filled = self.holes.iter().map(|h| source.secret(&h.secret, h.encoding)).collect::<Result<Vec<_>, _>>()?;
        let size = self.bytes.len() + filled.iter().map(|f| f.len()).sum::<usize>();
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        let mut at = 0;
        for (hole, secret) in self.holes.iter().zip(&filled) {
            out.extend_from_slice(&self.bytes[at..hole.offset]);
            out.extend_from_slice(secret);
            at = hole.offset + hole.length;
        }
        out.extend_from_slice(&self.bytes[at..]);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl SecretSource for Fixed {
        fn secret(&self, secret: &SecretRef, _: Encoding) -> Result<Zeroizing<Vec<u8>>, FillError> {
            Ok(Zeroizing::new(format!("[{}]", secret.name).into_bytes()))
        }
    }

    #[test]
    fn fill_replaces_each_stub_and_nothing_else() {
        let secret = |name: &str| SecretRef { name: name.into(), generation: 1, commitment: "sha256:00".into() };
        let mut contents = Contents::public("a: ");
        contents.push_secret(secret("one"), Encoding::Base64);
        contents.push(b"\nb: ");
        contents.push_secret(secret("two"), Encoding::Base64);
        contents.push(b"\n");
        assert!(!String::from_utf8_lossy(contents.bytes()).contains("[one]"));
        assert_eq!(contents.fill(&Fixed).unwrap().as_slice(), b"a: [one]\nb: [two]\n");
        let again = Contents::from_parts(contents.bytes().to_vec(), contents.holes().to_vec()).unwrap();
        assert_eq!(again, contents);
    }

    #[test]
    fn from_parts_refuses_holes_outside_the_bytes() {
        let hole = |offset, length| Hole {
            offset,
            length,
            secret: SecretRef { name: "x".into(), generation: 1, commitment: "sha256:00".into() },
            encoding: Encoding::Raw,
        };
        assert!(Contents::from_parts(vec![0; 4], vec![hole(2, 3)]).is_none());
        assert!(Contents::from_parts(vec![0; 9], vec![hole(2, 3), hole(4, 1)]).is_none());
        assert!(Contents::from_parts(vec![0; 4], vec![hole(usize::MAX, 3)]).is_none());
    }
}
