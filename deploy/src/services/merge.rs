//! Merging one kubeconfig into another, as `kubectl config view --flatten` of both would.

use super::CredentialsError;
use serde_json::{Map, Value, json};

/// Entries of the same name are replaced, everything else of `there` stays. Out: YAML.
pub fn merge_kubeconfig(there: &str, own: &str) -> Result<String, CredentialsError> {
    let mut target = read(there)?;
    let own = named_by_cluster(read(own)?);
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

/// Every cluster's kubeconfig calls its user the same: in one file, each needs its own.
fn named_by_cluster(mut own: Map<String, Value>) -> Map<String, Value> {
    let names = own.get("clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    // The first is the cluster itself, others are its controllers.
    let [cluster, ..] = names.as_slice() else { return own };
    let Some(cluster) = cluster["name"].as_str().map(str::to_owned) else { return own };
    let of_cluster = |user: &str| {
        if user.ends_with(&format!("-{cluster}")) { user.to_owned() } else { format!("{user}-{cluster}") }
    };
    for (list, place) in [("users", "/name"), ("contexts", "/context/user")] {
        for entry in own.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(name) = entry.pointer_mut(place) {
                *name = name.as_str().map(of_cluster).into();
            }
        }
    }
    own
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
    fn two_clusters_keep_their_users_apart() {
        let config = |cluster: &str, key: &str| {
            format!(
                "clusters: [{{name: {cluster}}}, {{name: {cluster}.controller}}]\nusers: [{{name: kubi-admin, user: {{key: {key}}}}}]\n\
                 contexts: [{{name: kubi-admin@{cluster}, context: {{cluster: {cluster}, user: kubi-admin}}}}]\ncurrent-context: kubi-admin@{cluster}\n"
            )
        };
        let first = merge_kubeconfig("", &config("dev", "d")).unwrap();
        let both = merge_kubeconfig(&first, &config("prod", "p")).unwrap();
        let again = merge_kubeconfig(&both, &config("prod", "q")).unwrap();
        let merged: Value = serde_json::from_str(&again).unwrap();
        let key_of = |context: usize| {
            let user = &merged["contexts"][context]["context"]["user"];
            let found = merged["users"].as_array().unwrap().iter().find(|entry| entry["name"] == *user).unwrap();
            found["user"]["key"].as_str().unwrap().to_owned()
        };
        assert_eq!((key_of(0), key_of(1), merged["users"].as_array().unwrap().len()), ("d".into(), "q".into(), 2));
        assert_eq!(merged["current-context"], "kubi-admin@prod");
    }

    #[test]
    fn nothing_becomes_a_whole_file_and_nonsense_is_refused() {
        let merged: Value = serde_json::from_str(&merge_kubeconfig("", OWN).unwrap()).unwrap();
        assert_eq!((&merged["kind"], &merged["users"][0]["name"]), (&json!("Config"), &json!("u-dev")));
        assert!(merge_kubeconfig("- 1", OWN).is_err());
    }
}
