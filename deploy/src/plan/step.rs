//! The steps of a plan.

use super::NodeChange;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// The storage pool is not there; it is made in libvirt's own place.
    CreatePool {
        hypervisor: String,
        pool: String,
        directory: String,
    },
    StartPool {
        hypervisor: String,
        pool: String,
    },
    DefineNetwork {
        hypervisor: String,
        network: String,
    },
    StartNetwork {
        hypervisor: String,
        network: String,
    },
    /// Stops the cluster's domains on that hypervisor, then defines the network anew.
    ChangeNetwork {
        hypervisor: String,
        network: String,
        differences: Vec<String>,
    },
    /// `done` bytes are there already.
    Upload {
        hypervisor: String,
        file: String,
        size: u64,
        done: u64,
    },
    /// The cluster has never run: nodes wait for each other, so all start at once.
    FirstBoot {
        nodes: Vec<NodeChange>,
    },
    /// One batch; the next step begins when all of them are healthy.
    Nodes {
        nodes: Vec<NodeChange>,
    },
    Remove(Removal),
    /// An interrupted run has kept pods away from the node, and no other step is about it.
    Uncordon {
        node: String,
    },
    /// etcd lists a member that nobody runs.
    ForgetMember(OldMember),
    /// Of a hypervisor that left the spec, when no node is there any more.
    RemoveNetwork {
        hypervisor: String,
        network: String,
    },
}

/// A member in etcd's list that is in neither the build nor any domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OldMember {
    pub id: String,
    /// Empty when it never started.
    pub name: String,
}

impl OldMember {
    pub fn label(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// A domain of the cluster that the build no longer has there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    pub hypervisor: String,
    pub domain: String,
    pub node: String,
    /// Where the node lives from now on; absent when it left the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// etcd forgets the member first.
    pub etcd_member: bool,
    /// Its domain runs and was seen healthy.
    pub healthy: bool,
    /// Throw-away volumes that go with it.
    pub root_volumes: Vec<String>,
    /// Data volumes that stay.
    pub data_volumes: Vec<String>,
}

impl Step {
    pub fn changes(&self) -> &[NodeChange] {
        match self {
            Step::FirstBoot { nodes } | Step::Nodes { nodes } => nodes,
            _ => &[],
        }
    }

    /// The hypervisor of a step that concerns only one, and no node.
    pub fn hypervisor(&self) -> Option<&str> {
        match self {
            Step::CreatePool { hypervisor, .. }
            | Step::StartPool { hypervisor, .. }
            | Step::DefineNetwork { hypervisor, .. }
            | Step::StartNetwork { hypervisor, .. }
            | Step::ChangeNetwork { hypervisor, .. }
            | Step::Upload { hypervisor, .. } => Some(hypervisor),
            Step::FirstBoot { .. }
            | Step::Nodes { .. }
            | Step::Remove(_)
            | Step::ForgetMember(_)
            | Step::RemoveNetwork { .. }
            | Step::Uncordon { .. } => None,
        }
    }
}
