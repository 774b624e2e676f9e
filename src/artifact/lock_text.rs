//! The text of `kubi.lock`: one canonical form, so that writing it again changes nothing and diffs are small.

use super::lock::{Lock, LockError, LockedArtifact, LockedBase};
use super::text_error::TextError;
use crate::spec::from_yaml;
use crate::spec::model::ApiVersion;
use serde::Deserialize;
use std::fmt::Write as _;

const HEAD: &str = "\
# What this cluster is built from, pinned by digest. Commit this file; do not edit it:
# `kubi lock`, `kubi base` and `kubi vendor` write it.
apiVersion: kubi/v1alpha1
kind: Lock
";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LockFile {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: LockKind,
    #[serde(default)]
    base: Option<LockedBase>,
    #[serde(default)]
    artifacts: Vec<LockedArtifact>,
}

#[derive(Deserialize)]
enum LockKind {
    Lock,
}

impl Lock {
    /// Reads a lock as kubi wrote it. Any other text, even of the same meaning, is refused: a merge or an edit must be
    /// seen by `kubi lock`, which uses [`Lock::parse_edited`].
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let lock = Self::parse_edited(text)?;
        let canonical = lock.to_text();
        if canonical == text {
            return Ok(lock);
        }
        let same = canonical.lines().zip(text.lines()).take_while(|(ours, theirs)| ours == theirs).count();
        let expected = canonical.lines().nth(same).unwrap_or("the end of the file");
        let message = format!("not as kubi writes it; expected: {}", expected.trim());
        Err(LockError::Edited(TextError::at(text, same + 1, 1, message)))
    }

    /// Reads a lock in any order and spacing; unknown and duplicate keys are still errors.
    pub fn parse_edited(text: &str) -> Result<Self, LockError> {
        let parsed: LockFile = from_yaml(text).map_err(|error| LockError::Text(TextError::from_yaml(text, &error)))?;
        let mut lock = Lock { base: parsed.base, artifacts: parsed.artifacts };
        lock.artifacts.sort();
        if let Some(pair) = lock.artifacts.windows(2).find(|pair| pair[0].key() == pair[1].key()) {
            return Err(LockError::Value(format!("{} is pinned twice", pair[0])));
        }
        Ok(lock)
    }

    /// The canonical text.
    pub fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        if let Some(base) = &self.base {
            write_base(&mut text, base);
        }
        if !self.artifacts.is_empty() {
            text.push_str("artifacts:\n");
        }
        for artifact in &self.artifacts {
            let LockedArtifact { name, version, platform, digest, source } = artifact;
            line(&mut text, format_args!("  - name: {}", quoted(name)));
            line(&mut text, format_args!("    version: {}", quoted(version)));
            line(&mut text, format_args!("    platform: {}", platform.name()));
            line(&mut text, format_args!("    digest: {digest}"));
            line(&mut text, format_args!("    source: {}", quoted(source)));
        }
        text
    }
}

fn write_base(text: &mut String, base: &LockedBase) {
    text.push_str("base:\n");
    line(text, format_args!("  name: {}", quoted(&base.name)));
    line(text, format_args!("  digest: {}", base.digest));
    line(text, format_args!("  format: {}", base.format.name()));
    line(text, format_args!("  architecture: {}", base.architecture.name()));
    line(text, format_args!("  virtualSize: {}", base.virtual_size));
    line(text, format_args!("  root: {}", base.root));
    for (key, digest) in [("kernel", &base.kernel), ("initrd", &base.initrd)] {
        if let Some(digest) = digest {
            line(text, format_args!("  {key}: {digest}"));
        }
    }
    if base.packages.is_empty() {
        text.push_str("  packages: {}\n");
        return;
    }
    text.push_str("  packages:\n");
    for (package, version) in &base.packages {
        line(text, format_args!("    {}: {}", quoted(package), quoted(version)));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}

/// A JSON string is a YAML double-quoted scalar: no version is ever read as a number and no name as a boolean.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{Catalog, ImageFormat, RootDevice};
    use super::*;
    use crate::spec::model::Architecture;
    use crate::tree::Digest;
    use std::collections::BTreeMap;

    fn sample() -> Lock {
        let digest = Digest::of(b"");
        let base = LockedBase {
            name: "debian-13".into(),
            digest,
            format: ImageFormat::Qcow2,
            architecture: Architecture::Amd64,
            virtual_size: 4 << 30,
            root: RootDevice::try_from("PARTUUID=1-2".to_owned()).unwrap(),
            kernel: Some(digest),
            initrd: None,
            packages: BTreeMap::from([
                ("adduser".into(), "3.134".into()),
                ("systemd".into(), "257.8-1~deb13u2".into()),
            ]),
        };
        let mut lock = Lock { base: Some(base), artifacts: vec![] };
        for version in ["1.10", "1.9"] {
            let source = format!("https://example.org/{version}");
            let (name, version, digest) = ("tool".into(), version.into(), digest);
            lock.put(LockedArtifact { name, version, platform: Architecture::Amd64, digest, source });
        }
        lock
    }

    #[test]
    fn reads_what_it_writes() {
        for lock in [Lock::default(), sample()] {
            assert_eq!(Lock::parse(&lock.to_text()), Ok(lock.clone()), "{}", lock.to_text());
        }
    }

    #[test]
    fn edits_are_found_with_their_line() {
        let text = sample().to_text();
        for (from, to, expected) in [
            ("format: qcow2", "format:  qcow2", "line 8, column 1: not as kubi writes it; expected: format: qcow2"),
            ("\"1.10\"", "1.10", "line 18, column 14: The string value [1.10] must be quoted"),
            ("format: qcow2", "format: vmdk", "line 8"),
            ("format: qcow2", "colour: red\n  format: qcow2", "colour"),
            ("virtualSize: 4294967296", "virtualSize: 4GiB", "line 10"),
            ("digest: sha256:e3", "digest: sha256:zz", "no digest"),
            ("PARTUUID=", "/dev/vda1", "no root device"),
            ("\"1.9\"", "\"1.10\"", "tool 1.10 for amd64 is pinned twice"),
            ("artifacts:", "<<<<<<< HEAD\nartifacts:", "line"),
        ] {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text, "{from}");
            let error = Lock::parse(&edited).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("kubi lock"), "{to}: {error}");
        }
        assert_eq!(Lock::parse_edited(&text.replace("\"1.9\"", "'1.9'")), Ok(sample()));
        assert!(Lock::parse(&text[..text.len() - 1]).is_err(), "without its last newline");
    }

    #[test]
    fn a_changed_digest_is_found_by_the_catalog() {
        let catalog = Catalog::built_in().unwrap();
        let release = catalog.release("runc", "1.4.3", Architecture::Arm64).unwrap();
        let artifact = |digest: Digest| LockedArtifact {
            name: "runc".into(),
            version: "1.4.3".into(),
            platform: Architecture::Arm64,
            digest,
            source: release.source.clone(),
        };
        let lock = |digest| Lock { base: None, artifacts: vec![artifact(digest)] };
        assert_eq!(lock(release.digest).check(&catalog), Ok(()));
        let error = lock(Digest::of(b"other")).check(&catalog).unwrap_err().to_string();
        assert!(error.contains("runc 1.4.3 for arm64 is pinned to sha256:"), "{error}");
    }
}
