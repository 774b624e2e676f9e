//! An absolute path on a node, checked once and carried by type.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of one component that ext4 stores.
const NAME_MAX: usize = 255;
/// Longest path that Linux resolves (`PATH_MAX`, without its final NUL).
const PATH_MAX: usize = 4095;

/// An absolute, normalised path on a node: `/etc/hosts`. Never the root itself, no `.`, `..`, empty component, NUL or
/// other control character, so that joining it below a directory cannot leave that directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodePath(String);

/// Why a text is no [`NodePath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("{0:?} is not absolute: write it with a leading /")]
    Relative(String),
    #[error("{0:?} has an empty, `.` or `..` component")]
    Component(String),
    #[error("{0:?} has a control character")]
    Control(String),
    #[error("{0:?} is too long: 255 bytes a component and 4095 in all")]
    TooLong(String),
}

impl NodePath {
    /// Checks `text` and takes it as it is; nothing is normalised silently.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        let Some(relative) = text.strip_prefix('/') else {
            return Err(PathError::Relative(text));
        };
        if text.chars().any(char::is_control) {
            return Err(PathError::Control(text));
        }
        if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(PathError::Component(text));
        }
        if text.len() > PATH_MAX || relative.split('/').any(|part| part.len() > NAME_MAX) {
            return Err(PathError::TooLong(text));
        }
        Ok(Self(text))
    }

    /// The whole path, with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its leading slash: what tar archives and host directories use.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The directory that holds it; `None` directly below the root.
    pub fn parent(&self) -> Option<NodePath> {
        match self.0.rfind('/') {
            Some(0) | None => None,
            Some(end) => Some(Self(self.0[..end].to_owned())),
        }
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NodePath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl From<NodePath> for String {
    fn from(path: NodePath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_normalised_absolute_paths() {
        assert_eq!(NodePath::new("/etc/hosts").unwrap().parent().unwrap().as_str(), "/etc");
        assert_eq!(NodePath::new("/etc").unwrap().parent(), None);
        for bad in ["", "/", "etc", "/etc/", "/etc//x", "/./x", "/../x", "/a/..", "/a\0b", "/a\nb"] {
            assert!(NodePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(NodePath::new(format!("/{}", "a".repeat(256))).is_err());
    }
}
