//! Which files a cluster needs, pinned: catalog and previous lock in, pinned artifacts out.

use super::catalog::{Artifact, Catalog};
use super::lock::{Lock, LockedArtifact};
use crate::spec::model::Architecture;
use std::collections::BTreeSet;
use std::fmt;

/// Something that a recipe's component asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    pub name: String,
    pub version: String,
    pub platform: Architecture,
}

/// Everything that could not be resolved, reported together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.list())]
pub struct ResolveError {
    pub unresolved: Vec<Unresolved>,
}

/// One need that nothing satisfies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    pub needed: Needed,
    /// Versions that the catalog has for that platform, in its order of preference: same minor release first.
    pub known: Vec<String>,
}

/// Pins everything that is needed. A build of the user's own that `previous` pins stays pinned, also where the catalog
/// knows a published one of that version.
///
/// # Errors
/// All needs that neither the catalog nor `previous` satisfies.
pub fn resolve(needed: &[Needed], catalog: &Catalog, previous: &Lock) -> Result<Vec<LockedArtifact>, ResolveError> {
    let mut artifacts = vec![];
    let mut unresolved = vec![];
    for need in needed.iter().collect::<BTreeSet<_>>() {
        let own = previous.artifact(&need.name, &need.version, need.platform).filter(|artifact| artifact.is_vendored());
        match (own, catalog.release(&need.name, &need.version, need.platform)) {
            (Some(own), _) => artifacts.push(own.clone()),
            (None, Some(release)) => artifacts.push(LockedArtifact {
                name: need.name.clone(),
                version: need.version.clone(),
                platform: need.platform,
                digest: release.digest,
                source: release.source,
            }),
            (None, None) => {
                let known = catalog.get(&need.name).map(|artifact| alternatives(artifact, need)).unwrap_or_default();
                unresolved.push(Unresolved { needed: need.clone(), known });
            }
        }
    }
    artifacts.sort();
    if unresolved.is_empty() { Ok(artifacts) } else { Err(ResolveError { unresolved }) }
}

/// Versions of the same minor release first, then the others, newest first in each.
fn alternatives(artifact: &Artifact, need: &Needed) -> Vec<String> {
    let numbers = |version: &str| -> Vec<u64> { version.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    let minor = |version: &str| numbers(version).into_iter().take(2).collect::<Vec<_>>();
    let offered = artifact.releases.iter().filter(|(_, platforms)| platforms.contains_key(&need.platform));
    let mut versions: Vec<String> = offered.map(|(version, _)| version.clone()).collect();
    let wanted = minor(&need.version);
    versions.sort_by_key(|version| (minor(version) != wanted, std::cmp::Reverse(numbers(version))));
    versions
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {}", self.name, self.version, self.platform.name())
    }
}

impl ResolveError {
    fn list(&self) -> String {
        let mut text = "no digest is known for:".to_owned();
        for Unresolved { needed, known } in &self.unresolved {
            text.push_str(&format!("\n  {needed}"));
            match known.as_slice() {
                [] => text.push_str(" (no release of it is known for that platform)"),
                known => text.push_str(&format!(" (known: {})", known[..known.len().min(4)].join(", "))),
            }
        }
        text.push_str(
            "\n  help: choose a known version in cluster.yaml (`components`), add the release to the cluster's own \
             vendor/catalog.yaml, or pin a file of your own: `kubi vendor add FILE --name NAME --version VERSION --arch \
             ARCH --trust`",
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Digest;

    fn need(name: &str, version: &str) -> Needed {
        Needed { name: name.into(), version: version.into(), platform: Architecture::Amd64 }
    }

    #[test]
    fn pins_each_need_once_and_in_order() {
        let catalog = Catalog::built_in().unwrap();
        let needed = [need("runc", "1.4.3"), need("etcd", "3.6.14"), need("runc", "1.4.3")];
        let artifacts = resolve(&needed, &catalog, &Lock::default()).unwrap();
        let names: Vec<_> = artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!(names, ["etcd", "runc"]);
        assert!(artifacts.iter().all(|artifact| artifact.source.contains(&artifact.version)));
    }

    #[test]
    fn keeps_what_the_user_brought_and_reports_all_that_is_missing() {
        let catalog = Catalog::built_in().unwrap();
        let own = LockedArtifact {
            name: "kubelet".into(),
            version: "1.36.9".into(),
            platform: Architecture::Amd64,
            digest: Digest::of(b"mine"),
            source: "vendored:kubelet".into(),
        };
        let previous = Lock { base: None, artifacts: vec![own.clone()] };
        assert_eq!(resolve(&[need("kubelet", "1.36.9")], &catalog, &previous), Ok(vec![own.clone()]));
        let own = LockedArtifact { version: "1.36.4".into(), ..own };
        let previous = Lock { base: None, artifacts: vec![own.clone()] };
        assert_eq!(resolve(&[need("kubelet", "1.36.4")], &catalog, &previous), Ok(vec![own]));
        let error = resolve(&[need("kubelet", "1.36.9"), need("moon", "1")], &catalog, &Lock::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("kubelet 1.36.9 for amd64 (known: 1.36.4, 1.36.3,"), "{text}");
        assert!(text.contains("moon 1 for amd64 (no release"), "{text}");
    }
}
