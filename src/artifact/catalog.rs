//! `vendor/catalog.yaml`: which releases of which third-party files are known, their digests, their sources, and where
//! their contents go on the artifact disk. Text in, values out.

use super::{DiskPath, TextError};
use crate::spec::from_yaml;
use crate::spec::model::Architecture;
use crate::tree::{Digest, Mode};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// The catalog that is built into kubi.
const BUILT_IN: &str = include_str!("../../vendor/catalog.yaml");

/// All known artifacts, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    artifacts: BTreeMap<String, Artifact>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CatalogFile {
    #[serde(rename = "apiVersion")]
    _api_version: crate::spec::model::ApiVersion,
    #[serde(rename = "kind")]
    _kind: CatalogKind,
    artifacts: BTreeMap<String, Artifact>,
}

#[derive(Deserialize)]
enum CatalogKind {
    Catalog,
}

/// One third-party product and its known releases.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub summary: String,
    /// URL with `{version}` and `{arch}`.
    pub source: String,
    pub format: Format,
    /// Archive member, or `directory/**` for all below it, to where it goes. Both may contain `{version}` and `{arch}`.
    pub install: BTreeMap<String, Destination>,
    /// Symbolic links on the artifact disk: path to target, as the link says it.
    #[serde(default)]
    pub links: BTreeMap<DiskPath, String>,
    /// Digests by version and platform.
    pub releases: BTreeMap<String, BTreeMap<Architecture, Digest>>,
}

/// How a release is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// One program, not packed at all.
    #[serde(rename = "binary")]
    Binary,
    #[serde(rename = "tar.gz")]
    TarGz,
    #[serde(rename = "tar.zst")]
    TarZst,
    #[serde(rename = "tar.xz")]
    TarXz,
}

impl Format {
    /// As the catalog writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::TarGz => "tar.gz",
            Self::TarZst => "tar.zst",
            Self::TarXz => "tar.xz",
        }
    }
}

/// Where a member goes. Without a mode, a program is 0755 and anything else 0644, as the archive has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Path(DiskPath),
    Exact(ExactDestination),
}

// By hand and not `untagged`, whose errors do not say what is wrong.
impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Destination;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path below /opt/kubi, or {path: ..., mode: ...}")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Destination, E> {
                DiskPath::new(text).map(Destination::Path).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Destination, A::Error> {
                ExactDestination::deserialize(MapAccessDeserializer::new(map)).map(Destination::Exact)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactDestination {
    pub path: DiskPath,
    pub mode: Mode,
}

/// One release for one platform, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub digest: Digest,
    pub source: String,
}

/// Why a catalog is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("{file}: {problem}")]
    Text { file: String, problem: TextError },
    #[error("{file}: artifact {artifact}: {problem}")]
    Artifact { file: String, artifact: String, problem: String },
    #[error(
        "{file}: artifact {artifact} {version} for {platform} has another digest here than in kubi's own catalog; remove it, or give your build another version"
    )]
    Conflict { file: String, artifact: String, version: String, platform: &'static str },
}

impl Catalog {
    /// The catalog that is built into kubi.
    pub fn built_in() -> Result<Self, CatalogError> {
        Self::parse("vendor/catalog.yaml (built in)", BUILT_IN)
    }

    /// Reads a catalog; `file` is only named in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, CatalogError> {
        let parsed: CatalogFile = from_yaml(text).map_err(|error| CatalogError::Text {
            file: file.to_owned(),
            problem: TextError::from_yaml(text, &error),
        })?;
        for (name, artifact) in &parsed.artifacts {
            artifact.check(name).map_err(|problem| CatalogError::Artifact {
                file: file.to_owned(),
                artifact: name.clone(),
                problem,
            })?;
        }
        Ok(Self { artifacts: parsed.artifacts })
    }

    /// Adds a cluster's own catalog. It may add artifacts and releases and change how one is installed, but a release
    /// that both know must be the same bytes.
    pub fn extend(&mut self, file: &str, other: Catalog) -> Result<(), CatalogError> {
        for (name, mut artifact) in other.artifacts {
            let Some(known) = self.artifacts.remove(&name) else {
                self.artifacts.insert(name, artifact);
                continue;
            };
            for (version, platforms) in known.releases {
                let own = artifact.releases.entry(version.clone()).or_default();
                for (platform, digest) in platforms {
                    if *own.entry(platform).or_insert_with(|| digest) != digest {
                        return Err(CatalogError::Conflict {
                            file: file.to_owned(),
                            artifact: name,
                            version,
                            platform: platform.name(),
                        });
                    }
                }
            }
            self.artifacts.insert(name, artifact);
        }
        Ok(())
    }

    pub fn artifacts(&self) -> &BTreeMap<String, Artifact> {
        &self.artifacts
    }

    pub fn get(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.get(name)
    }

    /// The release of an artifact for a platform.
    pub fn release(&self, name: &str, version: &str, platform: Architecture) -> Option<Release> {
        let artifact = self.get(name)?;
        let digest = *artifact.releases.get(version)?.get(&platform)?;
        Some(Release { digest, source: artifact.source_for(version, platform) })
    }

    /// Which release has this digest: name, version, platform.
    pub fn recognise(&self, digest: &Digest) -> Option<(&str, &str, Architecture)> {
        self.artifacts.iter().find_map(|(name, artifact)| {
            artifact.releases.iter().find_map(|(version, platforms)| {
                let (platform, _) = platforms.iter().find(|(_, known)| *known == digest)?;
                Some((name.as_str(), version.as_str(), *platform))
            })
        })
    }
}

impl Artifact {
    /// The URL of a release.
    pub fn source_for(&self, version: &str, platform: Architecture) -> String {
        expand(&self.source, version, platform)
    }

    fn check(&self, name: &str) -> Result<(), String> {
        check_name(name)?;
        for version in self.releases.keys() {
            check_version(version)?;
        }
        if self.install.is_empty() {
            return Err("`install` is empty: name at least one member".into());
        }
        for (member, destination) in &self.install {
            let plain = member.strip_suffix("/**").unwrap_or(member);
            if plain.contains('*') {
                return Err(format!("install {member:?}: only a whole name or `directory/**` is known"));
            }
            DiskPath::new(plain)
                .map_err(|_| format!("install {member:?}: a relative path without `./` is expected"))?;
            if member != plain && matches!(destination, Destination::Exact(_)) {
                return Err(format!("install {member:?}: one mode cannot fit all members; leave it out"));
            }
        }
        if self.format == Format::Binary {
            let file = self.source.rsplit('/').next().unwrap_or_default();
            if self.install.len() != 1 || !self.install.contains_key(file) {
                return Err(format!("a `binary` installs one file, named as its source ends: {file:?}"));
            }
        }
        Ok(())
    }
}

impl Destination {
    pub fn path(&self) -> &DiskPath {
        match self {
            Destination::Path(path) => path,
            Destination::Exact(exact) => &exact.path,
        }
    }

    pub fn mode(&self) -> Option<Mode> {
        match self {
            Destination::Path(_) => None,
            Destination::Exact(exact) => Some(exact.mode),
        }
    }
}

/// Fills `{version}` and `{arch}`.
pub(super) fn expand(template: &str, version: &str, platform: Architecture) -> String {
    template.replace("{version}", version).replace("{arch}", platform.name())
}

/// An artifact's name: what Debian allows in a package name, so that it can stand in paths and command lines.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-+.".contains(&b);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(good) && name.as_bytes()[0].is_ascii_lowercase() {
        return Ok(());
    }
    Err(format!("{name:?} is no artifact name: use lower-case letters, digits and - + ."))
}

/// A version: no slash and no leading dot, because it becomes part of URLs and paths.
pub(super) fn check_version(version: &str) -> Result<(), String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-+.~_".contains(&b);
    if !version.is_empty() && version.len() <= 64 && version.bytes().all(good) && !version.starts_with('.') {
        return Ok(());
    }
    Err(format!("{version:?} is no version: use letters, digits and - + . ~ _"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn one(body: &str) -> Result<Catalog, CatalogError> {
        Catalog::parse("c.yaml", &format!("apiVersion: kubi/v1alpha1\nkind: Catalog\nartifacts:\n  tool:\n{body}"))
    }

    fn tool(extra: &str) -> String {
        format!(
            "    summary: s\n    source: https://e/{{version}}/{{arch}}/t.tgz\n    format: tar.gz\n    install: {{\"t-{{arch}}/t\": bin/t}}\n    releases: {{\"1.0\": {{amd64: \"{DIGEST}\"}}}}\n{extra}"
        )
    }

    #[test]
    fn the_built_in_catalog_is_sound_and_knows_both_platforms() {
        let catalog = Catalog::built_in().unwrap();
        let names = "kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl etcd containerd runc \
                     crun crictl cni-plugins cri-o kata";
        for name in names.split_whitespace() {
            let artifact = catalog.get(name).unwrap_or_else(|| panic!("{name}"));
            for (version, platforms) in &artifact.releases {
                assert_eq!(platforms.len(), 2, "{name} {version}");
                for platform in [Architecture::Amd64, Architecture::Arm64] {
                    let release = catalog.release(name, version, platform).unwrap();
                    assert!(release.source.starts_with("https://") && !release.source.contains('{'), "{name}");
                    assert_eq!(catalog.recognise(&release.digest), Some((name, version.as_str(), platform)));
                }
            }
        }
        let url = catalog.release("etcd", "3.6.14", Architecture::Arm64).unwrap().source;
        assert!(url.ends_with("/v3.6.14/etcd-v3.6.14-linux-arm64.tar.gz"), "{url}");
    }

    #[test]
    fn every_problem_names_its_place() {
        assert!(one(&tool("")).is_ok());
        let unknown = one(&tool("    colour: red\n")).unwrap_err().to_string();
        assert!(unknown.contains("line 10") && unknown.contains("colour"), "{unknown}");
        let twice = one(&tool("    summary: t\n")).unwrap_err().to_string();
        assert!(twice.contains("summary"), "{twice}");
        for (from, to, expected) in [
            ("bin/t", "../t", "below /opt/kubi"),
            ("bin/t", "/bin/t", "below /opt/kubi"),
            ("t-{arch}/t", "./t", "without `./`"),
            ("t-{arch}/t", "t*", "only a whole name"),
            ("\"1.0\"", "\"../1\"", "no version"),
            ("format: tar.gz", "format: binary", "named as its source ends"),
            ("format: tar.gz", "format: zip", "tar.gz"),
            ("sha256:e3", "sha256:E3", "no digest"),
            ("bin/t}", "{path: bin/t, mode: \"9999\"}}", "no mode"),
        ] {
            let error = one(&tool("").replace(from, to)).map(|_| to).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn an_own_catalog_adds_but_never_contradicts() {
        let mut catalog = Catalog::built_in().unwrap();
        let known = catalog.clone();
        catalog.extend("own", one(&tool("")).unwrap()).unwrap();
        assert!(catalog.release("tool", "1.0", Architecture::Amd64).is_some());
        let mut own = Catalog { artifacts: BTreeMap::from([("runc".into(), known.get("runc").unwrap().clone())]) };
        let release = own.artifacts.get_mut("runc").unwrap().releases.get_mut("1.4.3").unwrap();
        release.insert(Architecture::Amd64, DIGEST.parse().unwrap());
        let error = catalog.extend("own", own).unwrap_err().to_string();
        assert!(error.contains("runc 1.4.3 for amd64 has another digest"), "{error}");
    }
}
