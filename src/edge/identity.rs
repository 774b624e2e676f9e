//! Where identities and sealed files are on this machine, and how new ones are made.
//!
//! Reads files and the environment and draws the operating system's randomness; all parsing is in [`crate::secret`].

use crate::secret::{FILE_LIMIT, Identities, ROOT_LIMIT, Recipient, RootSecret, SealError, unseal, unseal_root};
use age::secrecy::ExposeSecret as _;
use rsa::rand_core::{OsRng, RngCore as _};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Identity files are a few hundred bytes; an RSA key of 16384 bits is 13 kB.
const IDENTITY_LIMIT: u64 = 64 << 10;

/// The files that may hold an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// The one that `KUBI_IDENTITY` names.
    Named(PathBuf),
    /// Those that are looked for, in order; not all need to exist.
    Usual(Vec<PathBuf>),
}

/// No identity, or no sealed file, to be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("cannot read the identity that KUBI_IDENTITY names, {}: {error}", path.display())]
    UnreadableIdentity { path: PathBuf, error: io::Error },
    #[error("no identity found{}", looked(places))]
    None { places: Vec<PathBuf>, skipped: Vec<SealError> },
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the operating system gives no random numbers: {0}")]
    Randomness(String),
}

fn looked(places: &[PathBuf]) -> String {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    if places.is_empty() { ": HOME is not set".to_owned() } else { format!(" in {}", places.join(" or ")) }
}

impl IdentityError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions".into(),
            Self::UnreadableIdentity { .. } => {
                "set KUBI_IDENTITY to a file that you may read: one from age-keygen, or an OpenSSH private key".into()
            }
            Self::None { skipped, .. } => match skipped.first() {
                Some(why) => format!("{why}; {}", why.help()),
                None => {
                    "set KUBI_IDENTITY to an age identity or OpenSSH private key that the files are sealed to".into()
                }
            },
            Self::Seal(error) => error.help(),
            Self::Randomness(_) => "see whether getrandom(2) works here, for example in this sandbox".into(),
        }
    }
}

impl Places {
    /// `KUBI_IDENTITY` alone where it is set and not empty, otherwise `~/.config/kubi/identity` and
    /// `~/.ssh/id_ed25519`.
    pub fn from_environment() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        match set("KUBI_IDENTITY") {
            Some(path) => Self::Named(path),
            None => Self::usual(set("HOME").as_deref()),
        }
    }

    fn usual(home: Option<&Path>) -> Self {
        let files = [".config/kubi/identity", ".ssh/id_ed25519"];
        Self::Usual(home.into_iter().flat_map(|home| files.map(|file| home.join(file))).collect())
    }

    /// Where `kubi init` puts a new identity.
    pub fn default_identity() -> Option<PathBuf> {
        match Self::usual(std::env::var_os("HOME").map(PathBuf::from).as_deref()) {
            Self::Usual(places) => places.into_iter().next(),
            Self::Named(_) => None,
        }
    }

    /// Reads the identities. A named file must be usable. Of the usual ones those that are missing are passed over,
    /// and those that cannot be used are remembered, to be told if nothing else fits.
    pub fn read(&self) -> Result<Identities, IdentityError> {
        let mut identities = Identities::default();
        let usual = match self {
            Self::Named(path) => {
                let text =
                    read_text(path).map_err(|error| IdentityError::UnreadableIdentity { path: path.clone(), error })?;
                identities.add(&path.display().to_string(), &text)?;
                return Ok(identities);
            }
            Self::Usual(usual) => usual,
        };
        for path in usual {
            let origin = path.display().to_string();
            let added = match read_text(path) {
                Ok(text) => identities.add(&origin, &text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(SealError::Identity { origin, reason: error.to_string() }),
            };
            if let Err(why) = added {
                identities.skip(why);
            }
        }
        if identities.is_empty() {
            let skipped = identities.skipped().to_vec();
            return Err(IdentityError::None { places: usual.clone(), skipped });
        }
        Ok(identities)
    }
}

/// Opens `secrets/root.age`.
pub fn open_root(path: &Path, identities: &Identities) -> Result<RootSecret, IdentityError> {
    let sealed = read_bytes(path, ROOT_LIMIT as u64 + 1)
        .map_err(|error| IdentityError::Unreadable { path: path.to_owned(), error })?;
    Ok(unseal_root(&path.display().to_string(), &sealed, identities)?)
}

/// Opens any other sealed file, such as an authority of one's own.
pub fn open_sealed(path: &Path, identities: &Identities) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let sealed = read_bytes(path, FILE_LIMIT as u64 + 1)
        .map_err(|error| IdentityError::Unreadable { path: path.to_owned(), error })?;
    Ok(unseal(&path.display().to_string(), &sealed, identities, FILE_LIMIT)?)
}

/// A new root secret from the operating system's randomness.
pub fn new_root() -> Result<RootSecret, IdentityError> {
    let mut bytes = Zeroizing::new([0; crate::secret::ROOT_LENGTH]);
    OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|error| IdentityError::Randomness(error.to_string()))?;
    RootSecret::from_bytes(bytes.as_slice()).map_err(|length| IdentityError::Randomness(length.to_string()))
}

/// A new age identity: the text of its file (mode 0600 belongs on it), and its public key.
pub fn new_identity() -> (Zeroizing<String>, Recipient) {
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient::Age(identity.to_public());
    let text = identity.to_string();
    (Zeroizing::new(format!("# public key: {recipient}\n{}\n", text.expose_secret())), recipient)
}

fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    let bytes = read_bytes(path, IDENTITY_LIMIT)?;
    // Not UTF-8: a binary file, for which the parser has the message.
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Reads a regular file, at most `limit` bytes of it.
fn read_bytes(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    let size = metadata.len().min(limit) as usize;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::seal_root;

    fn home() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let (age, ssh) = (home.path().join(".config/kubi/identity"), home.path().join(".ssh/id_ed25519"));
        std::fs::create_dir_all(age.parent().unwrap()).unwrap();
        std::fs::create_dir_all(ssh.parent().unwrap()).unwrap();
        (home, age, ssh)
    }

    #[test]
    fn a_new_root_opens_with_a_new_identity_from_its_usual_place() {
        let (home, age, _) = home();
        let (text, recipient) = new_identity();
        std::fs::write(&age, text.as_bytes()).unwrap();
        let root = new_root().unwrap();
        assert_ne!(root.expose(), new_root().unwrap().expose());
        let file = home.path().join("root.age");
        std::fs::write(&file, seal_root("root.age", &root, &[recipient]).unwrap()).unwrap();
        let identities = Places::usual(Some(home.path())).read().unwrap();
        assert_eq!(open_root(&file, &identities).unwrap().expose(), root.expose());
    }

    #[test]
    fn an_unusable_file_is_passed_over_until_nothing_else_fits() {
        let (home, age, ssh) = home();
        std::fs::write(&ssh, "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2").unwrap();
        let places = Places::usual(Some(home.path()));
        let error = places.read().unwrap_err();
        assert!(error.help().contains("id_ed25519 holds no identity"), "{}", error.help());
        assert!(!format!("{error} {error:?} {}", error.help()).contains("hunter2"));
        std::fs::write(&age, new_identity().0.as_bytes()).unwrap();
        let identities = places.read().unwrap();
        let sealed = seal_root("root.age", &new_root().unwrap(), &[new_identity().1]).unwrap();
        let message = unseal_root("root.age", sealed.as_bytes(), &identities).unwrap_err().to_string();
        assert!(message.contains(".config/kubi/identity (age1") && message.contains("not tried"), "{message}");
    }

    #[test]
    fn a_named_identity_must_be_readable() {
        let (home, age, _) = home();
        let missing = Places::Named(home.path().join("missing")).read().unwrap_err();
        assert!(missing.to_string().contains("KUBI_IDENTITY"), "{missing}");
        let directory = Places::Named(age.parent().unwrap().to_owned()).read().unwrap_err();
        assert!(directory.to_string().contains("directory"), "{directory}");
        let none = Places::usual(Some(home.path())).read().unwrap_err();
        assert!(none.to_string().contains(".ssh/id_ed25519"), "{none}");
    }

    #[test]
    fn oversized_files_are_not_read_to_their_end() {
        let (home, _, _) = home();
        let file = home.path().join("root.age");
        std::fs::write(&file, vec![b'x'; ROOT_LIMIT + 500]).unwrap();
        let error = open_root(&file, &Identities::default()).unwrap_err();
        assert!(matches!(error, IdentityError::Seal(SealError::TooLarge { .. })), "{error}");
    }
}
