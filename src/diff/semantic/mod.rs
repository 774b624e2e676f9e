//! `compare(path, bytes, bytes) -> Compared`: two versions of one file in the words of its format. One file a format.
//!
//! A file that its format's parser refuses is compared as text: nothing is hidden because it could not be understood.

pub mod certificate;
mod comments;
pub mod document;
mod format;
mod hosts;
mod list;
mod literal;
mod sequence;
mod sysctl;
mod text;
pub mod toml;
pub mod unit;
mod untold;
pub mod words;
mod x509;
mod xml;
mod yaml;

pub use format::Format;

use super::model::{ChangeKind, FieldChange, Hunk};

/// Larger texts are told apart by size and digest.
const MAX_BYTES: usize = 4 << 20;
/// cloud-init takes a node with another one for a new node. kubi derives it from all that is on the node.
pub const INSTANCE_ID: &str = "instance-id";

/// Two versions of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    pub format: Format,
    /// `authority`, `serving`, `client`: what certificates in the file are for.
    pub tags: Vec<String>,
    /// Empty where the format has no fields, or where only layout differs.
    pub fields: Vec<FieldChange>,
    /// Lines, for every text but certificates.
    pub hunks: Vec<Hunk>,
    /// Which hunks have lines that no field tells of.
    pub untold: Vec<usize>,
}

impl Compared {
    /// A file of which lines tell all.
    fn lines(format: Format, hunks: Vec<Hunk>) -> Self {
        let untold = (0..hunks.len()).collect();
        Self { format, hunks, untold, ..Self::default() }
    }
}

/// Compares two versions of the file at `path`; `None` for one that is not there.
pub fn compare(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Compared {
    let Some(sample) = after.or(before) else { return Compared::default() };
    let texts = (text_of(before), text_of(after));
    let (Some(before_text), Some(after_text)) = texts else {
        return Compared { format: Format::Binary, ..Compared::default() };
    };
    if before_text.len().max(after_text.len()) > MAX_BYTES {
        return Compared { format: Format::Large, ..Compared::default() };
    }
    let format = Format::of(path, std::str::from_utf8(sample).unwrap_or_default());
    if format == Format::X509
        && let Some((tags, fields)) = x509::compare(before_text, after_text)
    {
        // Text around the certificates, or their encoding.
        let hunks = text::hunks(before_text, after_text);
        let hunks = if fields.is_empty() { hunks } else { untold::around_pem(hunks) };
        return Compared { tags, fields, ..Compared::lines(format, hunks) };
    }
    let hunks = text::hunks(before_text, after_text);
    // All of a new or lost file is in its lines.
    if before.is_none() || after.is_none() {
        return Compared::lines(format, hunks);
    }
    match fields(format, before_text, after_text) {
        Some(mut fields) => {
            fields.extend(comments::compare(format, before_text, after_text));
            if fields.is_empty() {
                return Compared::lines(format, hunks);
            }
            let untold = untold::hunks(format, &hunks);
            Compared { format, fields, hunks, untold, ..Compared::default() }
        }
        None => Compared::lines(Format::Text, hunks),
    }
}

/// An absent file is an empty text; `None` for bytes that are no text.
fn text_of(bytes: Option<&[u8]>) -> Option<&str> {
    let Some(bytes) = bytes else { return Some("") };
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn fields(format: Format, before: &str, after: &str) -> Option<Vec<FieldChange>> {
    match format {
        Format::Unit | Format::Ini => unit::compare(before, after),
        Format::Yaml | Format::Manifest | Format::Kubeconfig => yaml::compare(before, after),
        Format::CloudInit => yaml::compare(before, after).map(with_derived_identity),
        Format::Json => document::compare_json(before, after),
        Format::Toml => toml::compare(before, after),
        Format::Xml => xml::compare(before, after),
        Format::Sysctl => sysctl::compare(before, after),
        Format::Hosts => hosts::compare(before, after),
        Format::Text | Format::Large | Format::Binary | Format::X509 | Format::None => None,
    }
}

fn with_derived_identity(mut fields: Vec<FieldChange>) -> Vec<FieldChange> {
    let identity = fields.iter_mut().filter(|field| field.path == INSTANCE_ID && field.kind == ChangeKind::Changed);
    identity.for_each(|field| field.kind = ChangeKind::Derived);
    fields
}

#[cfg(test)]
mod tests;
