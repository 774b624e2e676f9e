//! The cluster's own services, asked from outside: etcd and the Kubernetes API.
//!
//! Both are reached over the management network, with the operator's certificates. The trait lets tests stand in.

mod credentials;
mod etcd;
mod expiry;
mod http;
mod kubernetes;
mod look;
mod merge;
mod remote;
mod taints;

pub use credentials::{Credentials, CredentialsError, KubeConfig};
pub use etcd::{MemberInfo, MemberStatus};
pub use expiry::{certificate_expiries, peer_expiry};
pub use http::{Pem, text};
pub use kubernetes::{Api, NodeInfo, Pod};
pub use look::look_at_etcd;
pub use merge::merge_kubeconfig;
pub use remote::Remote;

use crate::deployment::Wait;

/// Why a service did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    #[error("{url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{url} answered {status}: {message}")]
    Refused { url: String, status: u16, message: String },
    #[error("{url} answered something that is not understood: {reason}")]
    Answer { url: String, reason: String },
    #[error("{0}")]
    NoCredentials(String),
}

impl ServiceError {
    /// Whether the same call may well succeed in a moment.
    pub fn is_passing(&self) -> bool {
        // 409: somebody else has changed it in between.
        matches!(self, Self::Unreachable { .. }) || self.status().is_some_and(|status| status >= 500 || status == 409)
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

pub trait Services: Sync {
    /// Whether a condition holds; else what is in the way.
    fn holds(&self, wait: &Wait) -> Result<(), String>;

    /// As the member at this URL describes itself.
    fn etcd_status(&self, url: &str) -> Result<MemberStatus, ServiceError>;
    /// As the first member that answers sees them.
    fn etcd_members(&self) -> Result<Vec<MemberInfo>, ServiceError>;
    /// A learner copies the database before its vote counts.
    fn etcd_add_learner(&self, peer_url: &str) -> Result<(), ServiceError>;
    /// Makes a learner a member that votes. Refused until it has copied enough.
    fn etcd_promote(&self, id: &str) -> Result<(), ServiceError>;
    /// The member's own address among members has changed.
    fn etcd_update(&self, id: &str, peer_url: &str) -> Result<(), ServiceError>;
    fn etcd_remove(&self, id: &str) -> Result<(), ServiceError>;
    /// The member at the URL gives its leadership to another one.
    fn etcd_move_leader(&self, from: &str, to: &str) -> Result<(), ServiceError>;

    fn nodes(&self) -> Result<Vec<NodeInfo>, ServiceError>;
    fn cordon(&self, node: &str) -> Result<(), ServiceError>;
    /// Only where [`Services::cordon`] did it.
    fn uncordon(&self, node: &str) -> Result<(), ServiceError>;
    fn pods(&self, node: &str) -> Result<Vec<Pod>, ServiceError>;
    /// What says not now, a disruption budget, in the API's own words.
    fn evict(&self, pod: &Pod) -> Result<Option<String>, ServiceError>;
    fn delete_node(&self, node: &str) -> Result<(), ServiceError>;
    /// Brings a Node's taints in line with the build: those that it wants, and those that kubi has set.
    fn taint(&self, node: &str, wanted: &[String]) -> Result<(), ServiceError>;
}
