//! Sealing bytes to recipients and opening them again, as age files (age-encryption.org/v1).

use super::error::SealError;
use super::identity::Identities;
use super::recipient::Recipient;
use super::root::RootSecret;
use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, Encryptor};
use std::io::{Read as _, Write as _};
use zeroize::Zeroizing;

/// Largest sealed root secret, in bytes: room for some hundred recipients.
pub const ROOT_LIMIT: usize = 64 << 10;
/// Largest sealed file of any other kind, in bytes.
pub const FILE_LIMIT: usize = 1 << 20;

/// Seals `secret` as ASCII-armoured text.
///
/// The only function outside the edge that draws randomness (age's file key and nonces), so its output is never an
/// input of anything but [`unseal`], and never part of a digest.
pub fn seal(file: &str, secret: &[u8], recipients: &[Recipient]) -> Result<String, SealError> {
    if recipients.is_empty() {
        return Err(SealError::NoRecipients);
    }
    let fail = |reason: String| SealError::Sealing { file: file.to_owned(), reason };
    let encryptor = Encryptor::with_recipients(recipients.iter().map(Recipient::as_age))
        .map_err(|error| fail(error.to_string()))?;
    let write = || {
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(secret)?;
        writer.finish()?.finish()
    };
    let sealed = write().map_err(|error| fail(error.to_string()))?;
    String::from_utf8(sealed).map_err(|error| fail(error.to_string()))
}

/// Opens a sealed file, armoured or not. `file` names it in errors; more than `limit` bytes are refused unread.
pub fn unseal(
    file: &str,
    sealed: &[u8],
    identities: &Identities,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let damaged = |reason: &str| SealError::Damaged { file: file.to_owned(), reason: reason.to_owned() };
    if sealed.len() > limit {
        return Err(SealError::TooLarge { file: file.to_owned(), size: sealed.len(), limit });
    }
    if sealed.is_empty() {
        return Err(damaged("it is empty"));
    }
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed)).map_err(|error| match error {
        DecryptError::UnknownFormat => damaged("it is in an age format that this kubi does not know"),
        _ => damaged("it does not begin as an age file does, or is cut off"),
    })?;
    if decryptor.is_scrypt() {
        return Err(SealError::SealedWithPassphrase { file: file.to_owned() });
    }
    let mut reader = decryptor.decrypt(identities.as_age()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => SealError::WrongIdentity { file: file.to_owned(), tried: identities.tried() },
        _ => damaged("its header was changed"),
    })?;
    // age does not compress, so the contents fit; reserved at once, because growing would leave copies behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut secret).map_err(|_| damaged("its contents were changed or cut off"))?;
    Ok(secret)
}

/// Seals a root secret.
pub fn seal_root(file: &str, root: &RootSecret, recipients: &[Recipient]) -> Result<String, SealError> {
    seal(file, root.expose(), recipients)
}

/// Opens a sealed root secret.
pub fn unseal_root(file: &str, sealed: &[u8], identities: &Identities) -> Result<RootSecret, SealError> {
    let bytes = unseal(file, sealed, identities, ROOT_LIMIT)?;
    RootSecret::from_bytes(&bytes).map_err(|length| SealError::RootLength { file: file.to_owned(), length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret as _;

    fn identity() -> (Identities, Recipient) {
        let identity = age::x25519::Identity::generate();
        let mut identities = Identities::default();
        identities.add("me", &format!("# mine\n{}\n", identity.to_string().expose_secret())).unwrap();
        (identities, Recipient::Age(identity.to_public()))
    }

    #[test]
    fn what_was_sealed_comes_back_for_each_recipient_and_nobody_else() {
        let ((mine, me), (yours, you), (theirs, _)) = (identity(), identity(), identity());
        let sealed = seal("x.age", b"contents", &[me.clone(), you]).unwrap();
        assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
        for identities in [&mine, &yours] {
            assert_eq!(unseal("x.age", sealed.as_bytes(), identities, FILE_LIMIT).unwrap().as_slice(), b"contents");
        }
        let error = unseal("x.age", sealed.as_bytes(), &theirs, FILE_LIMIT).unwrap_err();
        assert!(error.to_string().contains("me (age1"), "{error}");
        let nobody = unseal("x.age", sealed.as_bytes(), &Identities::default(), FILE_LIMIT).unwrap_err();
        assert!(matches!(nobody, SealError::WrongIdentity { .. }), "{nobody}");
        assert_eq!(seal("x.age", b"contents", &[]), Err(SealError::NoRecipients));
    }

    #[test]
    fn a_sealed_root_that_is_damaged_anywhere_is_refused() {
        let (identities, me) = identity();
        let sealed = seal_root("root.age", &RootSecret::from_bytes(&[7; 32]).unwrap(), &[me]).unwrap();
        let open = |bytes: &[u8]| unseal_root("root.age", bytes, &identities);
        assert_eq!(open(sealed.as_bytes()).unwrap().expose(), &[7; 32]);
        for end in 0..sealed.trim_end().len() {
            let error = open(&sealed.as_bytes()[..end]).unwrap_err();
            assert!(matches!(error, SealError::Damaged { .. }), "cut at {end}: {error}");
        }
        for position in 0..sealed.trim_end().len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] ^= 1;
            assert!(open(&changed).is_err(), "changed at {position}");
        }
        assert!(open(format!("{sealed}more").as_bytes()).is_err());
    }

    #[test]
    fn sizes_are_bounded_and_lengths_checked() {
        let (identities, me) = identity();
        let short = seal("root.age", &[7; 31], &[me]).unwrap();
        let error = unseal_root("root.age", short.as_bytes(), &identities).unwrap_err();
        assert_eq!(
            error.to_string(),
            "root.age is sealed, but not a root secret: it holds 31 bytes where a root secret has 32"
        );
        let error = unseal_root("root.age", &vec![b'-'; ROOT_LIMIT + 1], &identities).unwrap_err();
        assert!(matches!(error, SealError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_file_sealed_with_a_passphrase_says_so() {
        let encryptor = Encryptor::with_user_passphrase("correct horse".to_owned().into());
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
        writer.write_all(b"x").unwrap();
        writer.finish().unwrap();
        let error = unseal("x.age", &sealed, &identity().0, FILE_LIMIT).unwrap_err();
        assert_eq!(error, SealError::SealedWithPassphrase { file: "x.age".into() });
    }
}
