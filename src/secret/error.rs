//! What can go wrong with sealed files and the identities that open them.
//!
//! Messages name files and public keys. They never repeat what a file holds, since that may be a secret.

use super::root::RootLength;

/// A sealed file that cannot be made or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("{text:?} is no recipient: {reason}")]
    Recipient { text: String, reason: String },
    #[error("a secret key was given where a public key belongs")]
    SecretAsRecipient,
    #[error("there is nobody to seal to")]
    NoRecipients,
    #[error("{origin} holds no identity: {reason}")]
    Identity { origin: String, reason: String },
    #[error("{origin} is protected by a passphrase")]
    Passphrase { origin: String, ssh: bool },
    #[error("{file} is {size} bytes long; a sealed file of its kind has at most {limit}")]
    TooLarge { file: String, size: usize, limit: usize },
    #[error("{file} is damaged: {reason}")]
    Damaged { file: String, reason: String },
    #[error("{file} is sealed with a passphrase")]
    SealedWithPassphrase { file: String },
    #[error("{file} is sealed to other keys than {}", if tried.is_empty() { "the none that were found".to_owned() } else { tried.join(", ") })]
    WrongIdentity { file: String, tried: Vec<String> },
    #[error("{file} is sealed, but not a root secret: {length}")]
    RootLength { file: String, length: RootLength },
    #[error("{file} cannot be sealed: {reason}")]
    Sealing { file: String, reason: String },
}

impl SealError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Recipient { .. } | Self::NoRecipients => {
                "give a public key: age1... as age-keygen prints it, or a line of ~/.ssh/id_ed25519.pub".into()
            }
            Self::SecretAsRecipient => {
                "print its public key with `age-keygen -y FILE` or `ssh-keygen -y -f FILE`, and give that".into()
            }
            Self::Identity { .. } => {
                "an identity is a file from age-keygen (AGE-SECRET-KEY-1...) or an OpenSSH private key of type \
                 ed25519 or rsa"
                    .into()
            }
            Self::Passphrase { origin, ssh: true } => format!(
                "make a copy without it: `cp {origin} kubi-identity && chmod 600 kubi-identity && ssh-keygen -p -N '' \
                 -f kubi-identity`, and set KUBI_IDENTITY to that copy; or seal to an age key of its own"
            ),
            Self::Passphrase { origin, ssh: false } => {
                format!("open it first: `age -d {origin} > kubi-identity`, and set KUBI_IDENTITY to that file")
            }
            Self::TooLarge { .. } => "this is another file than the one that kubi sealed; take it from a backup".into(),
            Self::Damaged { .. } => "take the file from version control or a backup; it cannot be repaired".into(),
            Self::SealedWithPassphrase { file } => {
                format!(
                    "seal it to a key instead: `age -d {file} | age -a -r age1... -o NEW`, and put NEW in its place"
                )
            }
            Self::WrongIdentity { .. } => {
                "set KUBI_IDENTITY to the file with the right key, or ask somebody who can open it to seal it to \
                 yours as well"
                    .into()
            }
            Self::RootLength { .. } => {
                "a root secret is what `kubi init` makes; take secrets/root.age from version control or a backup".into()
            }
            Self::Sealing { .. } => "try again; if it happens again, the system's random generator is broken".into(),
        }
    }
}
