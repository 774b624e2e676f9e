//! `recipes/defaults.yaml`: which recipe a slot gets when the spec does not say.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// `slot: choice`.
    pub slots: BTreeMap<String, String>,
    /// Choices that depend on the cluster; a rule that holds wins over `slots`.
    pub rules: Vec<DefaultRule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefaultRule {
    pub slot: String,
    pub choice: String,
    /// Tera expression over the cluster's context.
    pub when: String,
}
