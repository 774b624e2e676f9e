//! Handing out secrets while an image is written: the one way by which private bytes leave [`Keys`].

use super::keys::Keys;
use crate::tree::{Encoding, FillError, SecretRef, SecretSource};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

impl SecretSource for Keys {
    /// `key/NAME`, `symmetric/NAME` or `sealed/FILE`. Only where the reference's commitment is the one that this root
    /// secret and spec give, so that a bundle is never filled with secrets of another build.
    fn secret(&self, secret: &SecretRef, encoding: Encoding) -> Result<Zeroizing<Vec<u8>>, FillError> {
        let fail = |reason: &str| FillError { name: secret.name.clone(), reason: reason.to_owned() };
        let (kind, name) = secret.name.split_once('/').unwrap_or((&secret.name, ""));
        let expected = match kind {
            "key" => self.private_key(name, secret.generation).map_err(|error| fail(&error.to_string()))?,
            "symmetric" => self.symmetric(name, secret.generation),
            "sealed" => self.sealed(name).map_err(|error| fail(&error.to_string()))?,
            _ => return Err(fail("its name begins with neither key/, symmetric/ nor sealed/")),
        };
        if expected.commitment != secret.commitment {
            return Err(fail("its commitment is another one: this was built from another root secret or spec"));
        }
        let pem = || self.key_pair(name, secret.generation).private_key_pem();
        match (kind, encoding) {
            ("key", Encoding::Pem) => Ok(pem()),
            ("key", Encoding::PemBase64) => Ok(base64(&pem())),
            ("key", _) => Err(fail("a private key is written as PEM or as base64 of its PEM")),
            ("symmetric", Encoding::Base64) => Ok(base64(self.symmetric_bytes(name, secret.generation).as_slice())),
            ("symmetric", _) => Err(fail("a symmetric secret is written as base64")),
            (_, Encoding::Raw) => Ok(self.sealed_bytes(name)),
            (_, Encoding::Base64) => Ok(base64(&self.sealed_bytes(name))),
            _ => Err(fail("a sealed file is written as it is or as base64")),
        }
    }
}

fn base64(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    STANDARD.encode_string(bytes, &mut text);
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}
