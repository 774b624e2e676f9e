//! `recipes/versions.yaml`: what changes with a version, in one table instead of conditionals in templates.

use crate::spec::Value;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Facts by Kubernetes minor version and by component version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// What every table of a minor version has that does not say otherwise.
    pub common: serde_json::Map<String, Value>,
    /// By minor version, `"1.36"`: `components` with the default version of each, and whatever templates read as `table`.
    pub kubernetes: BTreeMap<String, Value>,
    /// By component name, then by version prefix, `"2.3"`: what templates read as `components.<name>.table`.
    pub components: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Versions {
    /// The version of a component that suits a Kubernetes minor version.
    pub fn default_version(&self, minor: &str, component: &str) -> Option<&str> {
        self.kubernetes.get(minor)?.get("components")?.get(component)?.as_str()
    }

    /// What templates read as `table`.
    pub fn table(&self, minor: &str) -> Value {
        let mut table = self.common.clone();
        if let Some(Value::Object(own)) = self.kubernetes.get(minor) {
            table.extend(own.clone());
        }
        Value::Object(table)
    }

    /// The newest entry that is not newer than `version`: facts hold from a version on.
    pub fn component_table(&self, component: &str, version: &str) -> Value {
        let wanted = numbers(version);
        let entries = self.components.get(component).into_iter().flatten();
        let fitting = entries.filter(|(from, _)| numbers(from) <= wanted).max_by_key(|(from, _)| numbers(from));
        fitting.map_or_else(|| Value::Object(Default::default()), |(_, value)| value.clone())
    }
}

/// Leading numbers of a version: `1.7.24~ds1` is `[1, 7, 24]`.
pub fn numbers(version: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for part in version.split('.') {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => break,
        }
        if digits.len() < part.len() {
            break;
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_entry_holds_from_its_version_on() {
        let text = "components: {containerd: {'1.6': {configVersion: 2}, '2.0': {configVersion: 3}, '2.3': {configVersion: 4}}}";
        let versions: Versions = serde_saphyr::from_str(text).unwrap();
        let config = |version: &str| versions.component_table("containerd", version)["configVersion"].as_u64();
        assert_eq!(config("1.7.24~ds1"), Some(2));
        assert_eq!(config("2.2.1"), Some(3));
        assert_eq!(config("2.10.0"), Some(4));
        assert_eq!(config("1.5.0"), None);
    }

    #[test]
    fn a_minor_version_has_what_is_common_unless_it_says_otherwise() {
        let text = "common: {tls: {minimum: '1.2'}, a: 1}\nkubernetes: {'1.34': {a: 2}, '1.35': {b: 3}}";
        let versions: Versions = serde_saphyr::from_str(text).unwrap();
        let tls = serde_json::json!({"minimum": "1.2"});
        assert_eq!(versions.table("1.34"), serde_json::json!({"tls": tls, "a": 2}));
        assert_eq!(versions.table("1.35"), serde_json::json!({"tls": tls, "a": 1, "b": 3}));
        assert_eq!(versions.table("1.30"), serde_json::json!({"tls": tls, "a": 1}));
    }
}
