//! What a build was made from, as far as a comparison needs it: kept as `deploy/facts.json`, and in the store for older
//! builds.

use crate::spec::units::Bytes;
use crate::spec::{Architecture, Boot, From, Node, Role, Value};
use crate::tree::{Digest, Rows, with_rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FORMAT: u32 = 1;

/// A cluster's inputs after planning. Holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub format: u32,
    pub kubi: String,
    pub cluster: String,
    pub kubernetes: String,
    /// The spec with defaults filled in, without empty values and without its nodes.
    pub spec: Value,
    /// Digest of every recipe in use, by `slot/choice`.
    pub recipes: BTreeMap<String, Digest>,
    #[serde(default)]
    pub base: Option<BaseFacts>,
    /// Of `secrets/root.age` as it is sealed.
    #[serde(default)]
    pub sealed_root: Option<Digest>,
    /// Of every other sealed file that the spec names, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sealed: BTreeMap<String, Digest>,
    pub classes: Vec<ClassFacts>,
    /// In the spec's order.
    pub nodes: Vec<NodeFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseFacts {
    pub name: String,
    pub digest: Digest,
}

/// What nodes that choose alike have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassFacts {
    pub recipes: Vec<String>,
    pub components: BTreeMap<String, ComponentFacts>,
    pub artifacts: Vec<ArtifactFacts>,
    pub machine: MachineFacts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentFacts {
    pub from: From,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactFacts {
    pub name: String,
    pub version: String,
    pub platform: Architecture,
    #[serde(default)]
    pub digest: Option<Digest>,
    /// In bytes, where the build had them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl ArtifactFacts {
    /// Whether both are the same bytes. Not every build knows how many.
    pub fn same_as(&self, other: &Self) -> bool {
        (&self.name, &self.version, self.platform, self.digest)
            == (&other.name, &other.version, other.platform, other.digest)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineFacts {
    pub cpus: u32,
    pub memory: Bytes,
    #[serde(default)]
    pub root: Option<Bytes>,
    #[serde(default)]
    pub data: Option<Bytes>,
    pub boot: Boot,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts<R = Vec<Role>, S = Node> {
    /// With `etcd` for controllers that are members.
    pub roles: R,
    /// In [`Facts::classes`].
    pub class: usize,
    #[serde(rename = "podCIDR")]
    pub pod_cidr: String,
    /// The node as the spec has it.
    pub spec: S,
}

/// Facts that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    #[error("is damaged: {0}")]
    Json(#[from] serde_json::Error),
    #[error("has format {0}, which this version of kubi does not know")]
    Format(u32),
    #[error("is damaged: a node names a class that is not there")]
    Class,
}

impl Facts {
    pub fn current_format() -> u32 {
        FORMAT
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, FactsError> {
        let facts: Self = serde_json::from_slice(bytes)?;
        if facts.format != FORMAT {
            return Err(FactsError::Format(facts.format));
        }
        if facts.nodes.iter().any(|node| node.class >= facts.classes.len()) {
            return Err(FactsError::Class);
        }
        Ok(facts)
    }

    /// One line for each node, so that versions of it can be compared.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        self.to_bytes_with(&self.nodes)
    }

    /// As [`Facts::to_bytes`], with these nodes in the place of its own.
    pub fn to_bytes_with<R, S>(&self, nodes: &[NodeFacts<R, S>]) -> Result<Vec<u8>, serde_json::Error>
    where
        NodeFacts<R, S>: Serialize + Sync,
    {
        let without = serde_json::to_vec(&self.without_nodes())?;
        // `nodes` is the last field: its empty list ends the text.
        let head = without.strip_suffix(b"]}").unwrap_or(&without);
        Ok(with_rows(&[head, b"\n"].concat(), &[(&Rows::of_list(nodes)?, "]}\n")]))
    }

    fn without_nodes(&self) -> Self {
        Self {
            format: self.format,
            kubi: self.kubi.clone(),
            cluster: self.cluster.clone(),
            kubernetes: self.kubernetes.clone(),
            spec: self.spec.clone(),
            recipes: self.recipes.clone(),
            base: self.base.clone(),
            sealed_root: self.sealed_root,
            sealed: self.sealed.clone(),
            classes: self.classes.clone(),
            nodes: Vec::new(),
        }
    }

    pub fn node(&self, name: &str) -> Option<&NodeFacts> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    pub fn class(&self, node: &NodeFacts) -> Option<&ClassFacts> {
        self.classes.get(node.class)
    }

    /// Names of the nodes with a role, in the spec's order.
    pub fn with_role(&self, role: Role) -> Vec<&str> {
        self.nodes.iter().filter(|node| node.roles.contains(&role)).map(NodeFacts::name).collect()
    }
}

impl NodeFacts {
    pub fn name(&self) -> &str {
        &self.spec.name
    }
}

/// Takes nulls, empty lists and empty objects away: absent and empty mean the same in a spec.
pub fn prune(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(prune);
            object.retain(|_, value| !is_empty(value));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_survive_a_round_trip_with_a_line_for_each_node() {
        let machine = MachineFacts { cpus: 2, memory: Bytes(1 << 30), root: None, data: None, boot: Boot::Kernel };
        let class = ClassFacts { recipes: vec![], components: BTreeMap::new(), artifacts: vec![], machine };
        let node = |name: &str| NodeFacts {
            roles: vec![Role::Worker],
            class: 0,
            pod_cidr: "10.0.1.0/24".into(),
            spec: serde_json::from_value(json!({
                "name": name, "roles": ["worker"], "addresses": {"cluster": "10.1.1.1", "management": "10.2.1.1"},
            }))
            .unwrap(),
        };
        let mut facts = Facts { format: FORMAT, classes: vec![class], ..Facts::default() };
        facts.nodes = vec![node("a"), node("b")];
        let bytes = facts.to_bytes().unwrap();
        assert_eq!(Facts::parse(&bytes).unwrap(), facts);
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 4);
        facts.nodes[1].class = 7;
        assert!(matches!(Facts::parse(&facts.to_bytes().unwrap()), Err(FactsError::Class)));
        facts.format = 9;
        assert!(matches!(Facts::parse(&facts.to_bytes().unwrap()), Err(FactsError::Format(9))));
    }

    #[test]
    fn empty_values_say_nothing() {
        let mut value = json!({"a": null, "b": {"c": []}, "d": [{"e": null}], "f": 0, "g": false});
        prune(&mut value);
        assert_eq!(value, json!({"d": [{}], "f": 0, "g": false}));
    }
}
