//! Private keys that open sealed files, from their files' texts.

use super::error::SealError;
use super::recipient::Recipient;
use std::fmt;

/// Identities to try, in order, with where each came from.
#[derive(Default)]
pub struct Identities {
    usable: Vec<Usable>,
    /// Files that were found but hold nothing usable, and why. Told when no other identity fits.
    skipped: Vec<SealError>,
}

struct Usable {
    origin: String,
    identity: Box<dyn age::Identity + Send + Sync>,
    recipient: Recipient,
}

impl Identities {
    /// Takes the identities in `text`: an age identity file or an unencrypted OpenSSH private key. `origin` is the
    /// file's path, for messages.
    pub fn add(&mut self, origin: &str, text: &str) -> Result<(), SealError> {
        let found = if text.trim_start().starts_with("-----BEGIN") { ssh(origin, text)? } else { age(origin, text)? };
        self.usable.extend(found);
        Ok(())
    }

    /// Remembers why a file that might have held the right identity could not be used.
    pub fn skip(&mut self, why: SealError) {
        self.skipped.push(why);
    }

    pub fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    pub fn skipped(&self) -> &[SealError] {
        &self.skipped
    }

    /// The public keys of these identities.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.usable.iter().map(|usable| usable.recipient.clone()).collect()
    }

    pub(super) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.usable.iter().map(|usable| usable.identity.as_ref() as &dyn age::Identity)
    }

    /// Every file that was tried, with its public key, and every one that could not be.
    pub(super) fn tried(&self) -> Vec<String> {
        let usable = self.usable.iter().map(|usable| format!("{} ({})", usable.origin, usable.recipient));
        usable.chain(self.skipped.iter().map(|why| format!("(not tried: {why})"))).collect()
    }
}

fn age(origin: &str, text: &str) -> Result<Vec<Usable>, SealError> {
    let fail = |reason: &str| SealError::Identity { origin: origin.to_owned(), reason: reason.to_owned() };
    if text.starts_with("age-encryption.org/") {
        return Err(SealError::Passphrase { origin: origin.to_owned(), ssh: false });
    }
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with("AGE-PLUGIN-") {
            return Err(fail("it needs an age plugin, and plugins are not supported"));
        }
        // The parser's own message is left out: nothing of this line may be shown.
        let identity: age::x25519::Identity = line.parse().map_err(|_| fail("a line is no AGE-SECRET-KEY-1..."))?;
        let recipient = Recipient::Age(identity.to_public());
        found.push(Usable { origin: origin.to_owned(), identity: Box::new(identity), recipient });
    }
    if found.is_empty() { Err(fail("it is empty")) } else { Ok(found) }
}

fn ssh(origin: &str, text: &str) -> Result<Vec<Usable>, SealError> {
    let fail = |reason: &str| SealError::Identity { origin: origin.to_owned(), reason: reason.to_owned() };
    let passphrase = |ssh| SealError::Passphrase { origin: origin.to_owned(), ssh };
    if text.contains("BEGIN AGE ENCRYPTED FILE") {
        return Err(passphrase(false));
    }
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Err(passphrase(true));
    }
    let identity = age::ssh::Identity::from_buffer(text.trim_start().as_bytes(), None)
        .map_err(|_| fail("it is no OpenSSH private key, or cut off"))?;
    match &identity {
        age::ssh::Identity::Unencrypted(_) => {}
        age::ssh::Identity::Encrypted(_) => return Err(passphrase(true)),
        age::ssh::Identity::Unsupported(kind) => {
            use age::ssh::UnsupportedKey;
            return Err(match kind {
                UnsupportedKey::EncryptedPem | UnsupportedKey::EncryptedSsh(_) => passphrase(true),
                UnsupportedKey::Hardware(kind) => {
                    fail(&format!("{kind} keys stay on their token and cannot open files"))
                }
                UnsupportedKey::Type(kind) => fail(&format!("keys of type {kind} cannot open sealed files")),
            });
        }
    }
    let recipient =
        age::ssh::Recipient::try_from(identity.clone()).map_err(|_| fail("the key is too weak or too large"))?;
    let recipient = Recipient::Ssh(Box::new(recipient));
    Ok(vec![Usable { origin: origin.to_owned(), identity: Box::new(identity), recipient }])
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.tried().join(", "))
    }
}
