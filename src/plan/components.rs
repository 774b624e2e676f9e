//! Where each component's binaries come from, and in which version.

use super::class::Resolver;
use super::layers::Layer;
use crate::recipe::{ComponentDeclaration, Recipe};
use crate::spec::{Architecture, Component, From, Problem, SpecPath, Value};
use serde::Serialize;

/// Where artifacts are mounted on the node.
const ARTIFACT_ROOT: &str = "/opt/kubi";

/// Ends the message about each artifact that is missing from the lock.
pub(super) const NOT_LOCKED: &str = " is not in kubi.lock";

/// A component as templates see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResolvedComponent {
    pub from: From,
    /// Upstream version: `1.7.24`.
    pub version: String,
    pub minor: String,
    pub bin: String,
    /// Facts of `recipes/versions.yaml` for this version.
    pub table: Value,
    /// Name in the catalog, when it is an artifact.
    #[serde(skip)]
    pub artifact: Option<String>,
    /// Debian packages that it needs in the base image.
    #[serde(skip)]
    pub packages: Vec<String>,
    #[serde(skip)]
    pub binaries: Vec<String>,
}

/// Upstream part of a Debian version: `2:1.7.24~ds1-6+b4` is `1.7.24`.
pub fn upstream(debian: &str) -> String {
    let without_epoch = debian.split_once(':').map_or(debian, |(_, rest)| rest);
    let numbers = crate::recipe::version_numbers(without_epoch);
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

fn minor(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

impl Resolver<'_> {
    pub(super) fn component(
        &self,
        recipe: &Recipe,
        name: &str,
        declaration: &ComponentDeclaration,
        layers: &[Layer<'_>],
        architecture: Architecture,
    ) -> Result<ResolvedComponent, Vec<Problem>> {
        let mut wanted = Component::default();
        let mut path = SpecPath::of("spec.components");
        for layer in layers {
            if let Some(component) = layer.components.get(name) {
                path = layer.path.key("components").key(name);
                wanted.from = component.from.or(wanted.from);
                wanted.version = component.version.clone().or(wanted.version);
            }
        }
        let from = wanted.from.unwrap_or(if declaration.artifact.is_some() { From::Artifact } else { From::Package });
        let source = Source { recipe, name, declaration, path };
        match from {
            From::Artifact => self.artifact(&source, wanted.version, architecture),
            From::Package => self.package(&source, wanted.version),
        }
        .map_err(|problem| vec![problem])
    }

    fn artifact(
        &self,
        source: &Source<'_>,
        wanted: Option<String>,
        architecture: Architecture,
    ) -> Result<ResolvedComponent, Problem> {
        let Some(artifact) = &source.declaration.artifact else {
            return Err(source.problem("component-source", "there is no artifact of it", "write `from: package`"));
        };
        let kubernetes = self.cluster.spec.kubernetes.version;
        let table = self.recipes.versions.default_version(&self.shared.minor, source.name);
        let version = wanted.or(table.map(str::to_owned)).unwrap_or_else(|| kubernetes.to_string());
        let locked = self.lock.artifacts.iter();
        let mut locked = locked.filter(|a| a.name == *artifact && a.platform == architecture && a.version == version);
        if self.require_lock && locked.next().is_none() {
            let message = format!("{artifact} {version} for {}{NOT_LOCKED}", architecture.name());
            return Err(Problem::error("artifact-not-locked", source.path.clone(), message));
        }
        let tree = source.declaration.tree.as_ref().map(|tree| format!("{ARTIFACT_ROOT}/{}/bin", tree.to));
        Ok(self.resolved(source, From::Artifact, version, tree.unwrap_or_else(|| format!("{ARTIFACT_ROOT}/bin"))))
    }

    fn package(&self, source: &Source<'_>, wanted: Option<String>) -> Result<ResolvedComponent, Problem> {
        let Some(package) = &source.declaration.package else {
            return Err(source.problem("component-source", "no Debian package has it", "write `from: artifact`"));
        };
        if wanted.is_some() {
            let help = "leave `version` out, or write `from: artifact`";
            return Err(source.problem("component-version", "the base image decides a package's version", help));
        }
        let version = match &self.lock.base {
            None if self.require_lock => {
                let message = format!("base image {:?} is not pinned in kubi.lock", self.cluster.spec.base);
                let help = "run `kubi base build`, or `kubi base add IMAGE` for an image of your own";
                return Err(Problem::error("base-not-locked", SpecPath::of("spec.base"), message).help(help));
            }
            None => String::new(),
            Some(base) => match base.packages.get(package) {
                Some(version) => upstream(version),
                None if !self.require_lock => String::new(),
                None => {
                    let message = format!("the base image {} has no package {package}", base.name);
                    let help = "run `kubi base build` again for this spec, or write `from: artifact`";
                    return Err(Problem::error("package-missing", source.path.clone(), message).help(help));
                }
            },
        };
        let bin = source.declaration.package_bin.clone().unwrap_or_else(|| "/usr/bin".to_owned());
        Ok(self.resolved(source, From::Package, version, bin))
    }

    fn resolved(&self, source: &Source<'_>, from: From, version: String, bin: String) -> ResolvedComponent {
        let declaration = source.declaration;
        let packages = match from {
            From::Artifact => vec![],
            From::Package => declaration.package.iter().chain(&declaration.extra_packages).cloned().collect(),
        };
        ResolvedComponent {
            from,
            minor: minor(&version),
            bin,
            table: self.recipes.versions.component_table(source.name, &version),
            artifact: declaration.artifact.clone().filter(|_| from == From::Artifact),
            packages,
            binaries: declaration.binaries.clone(),
            version,
        }
    }
}

struct Source<'a> {
    recipe: &'a Recipe,
    name: &'a str,
    declaration: &'a ComponentDeclaration,
    path: SpecPath,
}

impl Source<'_> {
    fn problem(&self, code: &'static str, why: &str, help: &str) -> Problem {
        let message = format!("component {} of recipe {}: {why}", self.name, self.recipe.id);
        Problem::error(code, self.path.clone(), message).help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_versions_come_without_epoch_and_revision() {
        let cases = [
            ("1.7.24~ds1-6+b4", "1.7.24"),
            ("2:3.5.16-4", "3.5.16"),
            ("1.1.15+ds1-2+b4", "1.1.15"),
            ("252.39-1~deb12u1", "252.39"),
        ];
        for (debian, expected) in cases {
            assert_eq!(upstream(debian), expected);
        }
    }
}
