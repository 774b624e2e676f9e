//! What happens to one node, and why.

use super::Removal;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeChange {
    pub node: String,
    pub hypervisor: String,
    pub action: Action,
    pub reasons: Vec<Reason>,
    /// Its domain runs and was seen healthy: it is missed when it goes.
    pub healthy: bool,
    /// Pods are moved away first.
    pub drain: bool,
    /// What it is to etcd, if it is a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
    /// The data disk that is made, because there is none. One that is there is never touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_data: Option<NewData>,
    /// What the Node's boot was called before this start: until it is another one, what it says of itself is old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_boot: Option<String>,
    /// etcd is asked to take the member in anew: it has no data, or was no member.
    pub join_etcd: bool,
    /// The domain on another hypervisor that goes once this one is healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Removal>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewData {
    pub volume: String,
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// There is no domain yet.
    Create,
    /// The domain's disk and definition are made anew.
    Replace,
    /// The domain is right but does not run.
    Start,
    /// The domain is right and runs, but was never seen healthy.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Member {
    Leader,
    Follower,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reason {
    New,
    /// The node's domain is on another hypervisor.
    Moves {
        from: String,
    },
    Bundle {
        from: String,
        to: String,
    },
    Base {
        from: String,
        to: String,
    },
    Artifacts {
        from: Option<String>,
        to: Option<String>,
    },
    Overlay {
        from: String,
        to: String,
    },
    /// Only the domain's XML differs: processors, memory, networks.
    Definition,
    /// The throw-away layer is gone.
    RootMissing,
    /// The data disk is gone.
    DataMissing,
    DataGrows {
        from: u64,
        to: u64,
    },
    NetworkChanges {
        network: String,
    },
    Stopped,
    NeverHealthy,
}
