//! Public keys that files are sealed to: age's own and those of OpenSSH.

use super::error::SealError;
use age::ssh::ParseRecipientKeyError;
use std::fmt;
use std::str::FromStr;

/// Somebody who can open a sealed file. Prints as the text it was parsed from, without an ssh key's comment.
#[derive(Clone)]
pub enum Recipient {
    Age(age::x25519::Recipient),
    Ssh(Box<age::ssh::Recipient>),
}

impl Recipient {
    /// One recipient a line; empty lines and those that start with `#` are passed over.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, SealError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::parse).collect()
    }

    pub(super) fn as_age(&self) -> &dyn age::Recipient {
        match self {
            Self::Age(recipient) => recipient,
            Self::Ssh(recipient) => recipient.as_ref(),
        }
    }
}

impl FromStr for Recipient {
    type Err = SealError;

    fn from_str(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY-----") {
            return Err(SealError::SecretAsRecipient);
        }
        let fail = |reason: &str| SealError::Recipient { text: start(text), reason: reason.to_owned() };
        if text.starts_with("age1") {
            return text.parse().map(Self::Age).map_err(fail);
        }
        if !text.starts_with("ssh-") && !text.starts_with("sk-ssh-") && !text.starts_with("ecdsa-") {
            return Err(fail("it starts with neither age1 nor ssh-"));
        }
        text.parse().map(|recipient| Self::Ssh(Box::new(recipient))).map_err(|error| match error {
            ParseRecipientKeyError::RsaModulusTooSmall => fail("an RSA key below 2048 bits is too weak"),
            ParseRecipientKeyError::RsaModulusTooLarge => fail("the RSA key is too large"),
            ParseRecipientKeyError::Unsupported(kind) => {
                fail(&format!("keys of type {kind} cannot be sealed to, only ssh-ed25519 and ssh-rsa"))
            }
            _ => fail("the key is cut off or mistyped; ssh-ed25519 and ssh-rsa keys can be used"),
        })
    }
}

/// As much of a wrong text as helps to find it: it might be a secret pasted in the wrong place.
fn start(text: &str) -> String {
    let known = ["age1", "ssh-", "sk-ssh-", "ecdsa-"].iter().any(|prefix| text.starts_with(prefix));
    let shown = if known { 24 } else { 4 };
    let start: String = text.chars().take(shown).collect();
    if start.len() < text.len() { start + "..." } else { start }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(recipient) => recipient.fmt(f),
            Self::Ssh(recipient) => recipient.fmt(f),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice@example.com";

    #[test]
    fn recipients_print_as_they_parse_without_comments() {
        let file = format!("# team\n\n{AGE}\n  {SSH}\n");
        let shown: Vec<String> = Recipient::parse_file(&file).unwrap().iter().map(Recipient::to_string).collect();
        assert_eq!(shown, [AGE, SSH.rsplit_once(' ').unwrap().0]);
    }

    #[test]
    fn wrong_recipients_say_why_and_never_repeat_a_secret() {
        let cut = &AGE[..40];
        for (text, part) in [
            (cut, "age1"),
            ("ssh-ed25519 AAAA", "cut off"),
            ("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA==", "ssh-ed25519"),
            ("hunter2 is my password", "neither"),
        ] {
            let message = text.parse::<Recipient>().unwrap_err().to_string();
            assert!(message.contains(part) && !message.contains("password"), "{message}");
        }
        let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let error = secret.parse::<Recipient>().unwrap_err();
        assert_eq!(error, SealError::SecretAsRecipient);
        assert!(!format!("{error} {error:?} {}", error.help()).contains("GFPYYS"));
    }
}
