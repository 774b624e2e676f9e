//! A path on the artifact disk, checked once and carried by type.

use crate::tree::NodePath;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A relative, normalised path below `/opt/kubi`: `bin/kubelet`. It cannot leave that directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiskPath(String);

impl DiskPath {
    /// Checks `text`: no leading slash, no `.`, `..` or empty component, no control character.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        NodePath::new(format!("/{text}"))
            .map_err(|problem| format!("a path below /opt/kubi is expected: {problem}"))?;
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `relative` below this one.
    pub fn join(&self, relative: &str) -> Result<Self, String> {
        Self::new(format!("{}/{relative}", self.0))
    }

    /// The directories above it, outermost first: `a`, `a/b` for `a/b/c`.
    pub fn ancestors(&self) -> impl Iterator<Item = DiskPath> + '_ {
        self.0.match_indices('/').map(|(end, _)| DiskPath(self.0[..end].to_owned()))
    }
}

impl fmt::Display for DiskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DiskPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(text)
    }
}

impl From<DiskPath> for String {
    fn from(path: DiskPath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_its_directory() {
        let path = DiskPath::new("kata/share/x").unwrap();
        assert_eq!(path.ancestors().map(String::from).collect::<Vec<_>>(), ["kata", "kata/share"]);
        assert_eq!(path.join("y").unwrap().as_str(), "kata/share/x/y");
        for bad in ["", "/bin/x", "../x", "bin/../../x", "bin//x", "bin/", "./bin", "bin/\n"] {
            assert!(DiskPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(path.join("../../../x").is_err());
    }
}
