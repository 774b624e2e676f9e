//! Values of `recipe.yaml` that may hold only under a condition (`when`, a Tera expression).

use crate::spec::Value;
use serde::Deserialize;

/// A name, perhaps only under a condition (a Tera expression).
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Conditional {
    Always(String),
    When(ConditionalName),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalName {
    pub name: String,
    pub when: String,
}

impl Conditional {
    pub fn name(&self) -> &str {
        match self {
            Self::Always(name) => name,
            Self::When(conditional) => &conditional.name,
        }
    }
    pub fn when(&self) -> Option<&str> {
        match self {
            Self::Always(_) => None,
            Self::When(conditional) => Some(&conditional.when),
        }
    }
}

/// A link's or unit's target, perhaps only under a condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Target {
    Always(String),
    When(ConditionalTarget),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalTarget {
    pub target: String,
    pub when: String,
}

impl Target {
    pub fn target(&self) -> &str {
        match self {
            Self::Always(target) => target,
            Self::When(conditional) => &conditional.target,
        }
    }
    pub fn when(&self) -> Option<&str> {
        match self {
            Self::Always(_) => None,
            Self::When(conditional) => Some(&conditional.when),
        }
    }
}

/// A sysctl's value, perhaps only under a condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    When(ConditionalSetting),
    Always(Value),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalSetting {
    pub value: Value,
    pub when: String,
}

impl Setting {
    pub fn value(&self) -> &Value {
        match self {
            Self::Always(value) => value,
            Self::When(conditional) => &conditional.value,
        }
    }
    pub fn when(&self) -> Option<&str> {
        match self {
            Self::Always(_) => None,
            Self::When(conditional) => Some(&conditional.when),
        }
    }
}
