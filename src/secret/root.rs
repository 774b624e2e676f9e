//! The root secret and key derivation.

use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes in a root secret.
pub const ROOT_LENGTH: usize = 32;

/// Separates kubi's derivation from every other use of the same bytes, and this encoding from later ones.
const SALT: &[u8] = b"kubi/v1";

/// A cluster's root secret. Wiped when dropped; never shown.
pub struct RootSecret(Zeroizing<[u8; ROOT_LENGTH]>);

/// A root secret of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds {0} bytes where a root secret has {ROOT_LENGTH}")]
pub struct RootLength(pub usize);

impl RootSecret {
    /// Takes the unsealed bytes, as they are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RootLength> {
        let mut root = Zeroizing::new([0; ROOT_LENGTH]);
        if bytes.len() != ROOT_LENGTH {
            return Err(RootLength(bytes.len()));
        }
        root.copy_from_slice(bytes);
        Ok(Self(root))
    }

    /// The bytes themselves, to seal them. Nothing else needs them.
    pub fn expose(&self) -> &[u8; ROOT_LENGTH] {
        &self.0
    }

    /// The secret called `name`, for one `purpose`, in one cluster and generation.
    ///
    /// HKDF-SHA256 (RFC 5869) with the root as input key material, the seven bytes `kubi/v1` as salt, 32 bytes of
    /// output, and as info: for each of `cluster`, `purpose` and `name` its length in bytes as a 32-bit big-endian
    /// number and then its UTF-8 bytes; then `generation` as a 32-bit big-endian number. The length prefixes keep
    /// `("a", "bc")` and `("ab", "c")` apart.
    pub fn derive(&self, cluster: &str, purpose: &str, name: &str, generation: u32) -> Zeroizing<[u8; 32]> {
        let mut info = Vec::with_capacity(16 + cluster.len() + purpose.len() + name.len());
        for part in [cluster, purpose, name] {
            // A name of 4 GiB cannot come out of a spec, which is smaller than that as a whole.
            info.extend_from_slice(&(part.len() as u32).to_be_bytes());
            info.extend_from_slice(part.as_bytes());
        }
        info.extend_from_slice(&generation.to_be_bytes());
        let mut derived = Zeroizing::new([0; 32]);
        if Hkdf::<Sha256>::new(Some(SALT), self.0.as_slice()).expand(&info, derived.as_mut_slice()).is_err() {
            unreachable!("HKDF-SHA256 gives up to 8160 bytes, and these are 32");
        }
        derived
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_part_of_the_name_changes_the_secret() {
        let root = RootSecret::from_bytes(&[7; 32]).unwrap();
        let cases = [
            ("dev", "symmetric", "key1", 1),
            ("devs", "ymmetric", "key1", 1),
            ("dev", "symmetrick", "ey1", 1),
            ("dev", "symmetric", "key2", 1),
            ("dev", "symmetric", "key1", 2),
            ("prod", "symmetric", "key1", 1),
        ];
        let derived: std::collections::BTreeSet<_> =
            cases.iter().map(|(c, p, n, g)| hex(root.derive(c, p, n, *g).as_slice())).collect();
        assert_eq!(derived.len(), cases.len());
        let other = RootSecret::from_bytes(&[8; 32]).unwrap();
        assert_ne!(root.derive("dev", "p", "n", 1), other.derive("dev", "p", "n", 1));
    }

    #[test]
    fn a_root_of_another_length_is_refused_and_never_shown() {
        assert_eq!(RootSecret::from_bytes(&[1; 31]).err(), Some(RootLength(31)));
        let shown = format!("{:?}", RootSecret::from_bytes(&[0xab; 32]).unwrap());
        assert_eq!(shown, "RootSecret(..)");
    }
}
