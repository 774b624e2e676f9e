//! Merging one kubeconfig into another, as `kubectl config view --flatten` of both would.

use super::CredentialsError;
use serde_json::{Map, Value, json};

/// Entries of the same name are replaced, everything else of `there` stays. Out: YAML.
pub fn merge_kubeconfig(there: &str, own: &str) -> Result<String, CredentialsError> {
    let mut target = read(there)?;
    let own = read(own)?;
    target.entry("apiVersion").or_insert_with(|| json!("v1"));
    target.entry("kind").or_insert_with(|| json!("Config"));
    for list in ["clusters", "users", "contexts"] {
        let added = own.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let slot = target.entry(list).or_insert_with(|| json!([]));
        if !slot.is_array() {
            *slot = json!([]);
        }
        if let Some(entries) = slot.as_array_mut() {
            entries.retain(|entry| !added.iter().any(|new| new["name"] == entry["name"]));
            entries.extend(added);
        }
    }
    if let Some(context) = own.get("current-context") {
        target.insert("current-context".to_owned(), context.clone());
    }
    // JSON is YAML, and needs no rules for quoting.
    serde_json::to_string_pretty(&target)
        .map(|text| text + "\n")
        .map_err(|error| CredentialsError::Yaml(error.to_string()))
}

fn read(text: &str) -> Result<Map<String, Value>, CredentialsError> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let value: Value = serde_saphyr::from_str(text).map_err(|error| CredentialsError::Yaml(error.to_string()))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(CredentialsError::Yaml("it is no map".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "clusters: [{name: dev, cluster: {server: new}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: u@dev}]\ncurrent-context: u@dev\n";

    #[test]
    fn own_entries_replace_and_others_stay() {
        let there = "clusters:\n- name: prod\n  cluster: {server: p}\n- name: dev\n  cluster: {server: old}\ncurrent-context: x\npreferences: {a: 1}\n";
        let merged: Value = serde_saphyr::from_str(&merge_kubeconfig(there, OWN).unwrap()).unwrap();
        assert_eq!(
            merged["clusters"],
            json!([{"name": "prod", "cluster": {"server": "p"}}, {"name": "dev", "cluster": {"server": "new"}}])
        );
        assert_eq!((&merged["current-context"], &merged["preferences"]), (&json!("u@dev"), &json!({"a": 1})));
    }

    #[test]
    fn nothing_becomes_a_whole_file_and_nonsense_is_refused() {
        let merged: Value = serde_json::from_str(&merge_kubeconfig("", OWN).unwrap()).unwrap();
        assert_eq!((&merged["kind"], &merged["users"][0]["name"]), (&json!("Config"), &json!("u")));
        assert!(merge_kubeconfig("- 1", OWN).is_err());
    }
}
