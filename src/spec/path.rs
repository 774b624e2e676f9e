//! A place in the spec by keys and indexes: `spec.nodes[3].addresses.cluster`. Independent of how the YAML is laid out.

use std::fmt;

/// One step of a [`SpecPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A place in the spec. Built step by step: `SpecPath::root().key("spec").key("nodes").index(3)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecPath(Vec<Step>);

impl SpecPath {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// Keys divided by dots, from the document's root: `SpecPath::of("spec.networks.api")`. For keys known in the source
    /// code; a key that itself contains a dot is added with [`SpecPath::key`].
    pub fn of(keys: &str) -> Self {
        Self(keys.split('.').filter(|key| !key.is_empty()).map(|key| Step::Key(key.to_owned())).collect())
    }

    /// The path of node `index`.
    pub fn node(index: usize) -> Self {
        Self::of("spec.nodes").index(index)
    }

    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.join(Step::Key(key.into()))
    }

    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(Step::Index(index))
    }

    #[must_use]
    pub fn join(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }

    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn steps_mut(&mut self) -> &mut [Step] {
        &mut self.0
    }

    /// The path without its last step; the root stays the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.split_last().map_or_else(Vec::new, |(_, rest)| rest.to_vec()))
    }

    /// Whether `other` is this place or lies inside it.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for SpecPath {
    /// Keys that are not plain words are quoted as in JSON: `spec.nodes[0].labels["example.com/rack"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_/".contains(c)) => {
                    write!(f, "{}{key}", if position == 0 { "" } else { "." })?;
                }
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_people_write_them() {
        let path = SpecPath::node(3);
        assert_eq!(path.key("addresses").key("cluster").to_string(), "spec.nodes[3].addresses.cluster");
        assert_eq!(
            path.key("labels").key("example.com/rack").to_string(),
            r#"spec.nodes[3].labels["example.com/rack"]"#
        );
        assert_eq!(SpecPath::root().to_string(), "");
        assert!(SpecPath::of("spec.nodes").contains(&path) && !path.contains(&SpecPath::of("spec.nodes")));
        assert_eq!(path.parent(), SpecPath::of("spec.nodes"));
    }
}
