//! Places for secrets in rendered text.
//!
//! A template cannot hold a secret: `secret(...)` writes a marker between two private-use characters that text from
//! a spec or a recipe may not contain. After rendering, [`contents`] turns each marker into a hole.

use crate::tree::{Contents, Encoding, SecretRef};

const OPEN: char = '\u{F0000}';
const CLOSE: char = '\u{F0001}';

/// A template's request for a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCall {
    /// Name of a symmetric secret, or `sealed/` and the path of a sealed file.
    pub name: String,
    pub encoding: Encoding,
}

/// Text that cannot become contents.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    #[error("the text holds a reserved character (U+F0000 or U+F0001)")]
    Reserved,
    #[error("{0}")]
    Secret(String),
}

fn encoding(name: &str) -> Option<Encoding> {
    match name {
        "base64" => Some(Encoding::Base64),
        "raw" => Some(Encoding::Raw),
        _ => None,
    }
}

pub(super) fn write(name: &str, encoding_name: &str) -> Result<String, String> {
    if encoding(encoding_name).is_none() {
        return Err(format!("secret encoding {encoding_name:?} is unknown: use \"base64\" or \"raw\""));
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/')) {
        return Err(format!("secret name {name:?}: use letters, digits, -, _, . and / only"));
    }
    Ok(format!("{OPEN}{name}|{encoding_name}{CLOSE}"))
}

fn parse(call: &str) -> Option<SecretCall> {
    let (name, encoding_name) = call.split_once('|')?;
    Some(SecretCall { name: name.to_owned(), encoding: encoding(encoding_name)? })
}

/// Splits rendered text at its markers; `resolve` names each secret's commitment.
pub fn contents<E: std::fmt::Display>(
    text: &str,
    mut resolve: impl FnMut(&SecretCall) -> Result<SecretRef, E>,
) -> Result<Contents, MarkerError> {
    let mut contents = Contents::default();
    let mut rest = text;
    while let Some(start) = rest.find([OPEN, CLOSE]) {
        contents.push(&rest.as_bytes()[..start]);
        let marker = rest[start..].strip_prefix(OPEN).ok_or(MarkerError::Reserved)?;
        let end = marker.find([OPEN, CLOSE]).ok_or(MarkerError::Reserved)?;
        let call = parse(&marker[..end]).ok_or(MarkerError::Reserved)?;
        rest = marker[end..].strip_prefix(CLOSE).ok_or(MarkerError::Reserved)?;
        contents.push_secret(resolve(&call).map_err(|e| MarkerError::Secret(e.to_string()))?, call.encoding);
    }
    contents.push(rest.as_bytes());
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(call: &SecretCall) -> Result<SecretRef, String> {
        Ok(SecretRef { name: call.name.clone(), generation: 1, commitment: "sha256:00".into() })
    }

    #[test]
    fn markers_become_holes_and_forged_ones_are_refused() {
        let marker = write("key1", "base64").unwrap();
        let made = contents(&format!("a: {marker}\nb\n"), resolve).unwrap();
        assert_eq!(made.holes().len(), 1);
        assert!(made.bytes().starts_with(b"a: <secret key1 ") && made.bytes().ends_with(b">\nb\n"));
        for forged in ["\u{F0000}", "\u{F0001}", "\u{F0000}x\u{F0001}", "\u{F0000}a|base64\u{F0000}"] {
            assert!(contents(forged, resolve).is_err());
        }
        assert!(write("a b", "base64").is_err() && write("a", "hex").is_err());
    }
}
