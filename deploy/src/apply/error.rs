//! Why a plan could not be carried out to its end.

use crate::definition::DefinitionError;
use crate::hypervisor::HypervisorError;
use crate::services::ServiceError;

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("node {node}: {source}")]
    Definition { node: String, source: DefinitionError },
    #[error("hypervisor {0} was not reached")]
    NotReached(String),
    #[error("the image {file} cannot be read: {reason}. Run `kubi build` to make it again")]
    ImageMissing { file: String, reason: String },
    #[error("the image {file} is damaged: its digest is {found}, not {wanted}. Run `kubi verify`, then `kubi build`")]
    ImageDamaged { file: String, wanted: String, found: String },
    #[error(
        "volume {volume} on hypervisor {hypervisor} does not hold what was sent: its digest is {found}. It will be sent again next time"
    )]
    UploadDamaged { hypervisor: String, volume: String, found: String },
    #[error("pool {pool} on hypervisor {hypervisor} has gone")]
    PoolGone { hypervisor: String, pool: String },
    #[error("node {node} did not become healthy within {seconds} s: {reason}{console}")]
    NotHealthy { node: String, seconds: u64, reason: String, console: String },
    #[error("node {node} stopped before it was healthy: {reason}{console}")]
    NodeStopped { node: String, reason: String, console: String },
    #[error(
        "node {node} is not touched: etcd would lose its quorum. Healthy beside it: {healthy} of {members} members, needed: {needed}"
    )]
    Quorum { node: String, healthy: usize, members: usize, needed: usize },
    #[error(
        "node {node} is not touched: etcd does not answer, so nobody knows whether it can do without ({source}). If its quorum is \
         lost, docs/operations.md says what to do; a node that is of no use anyway can be stopped first, with virsh shutdown"
    )]
    EtcdSilent { node: String, source: ServiceError },
    #[error(
        "etcd does not do what node {node} needs: {source}. It changes its members only while all of them are healthy: see \
         kubi-deploy status, then run the same command again"
    )]
    EtcdRefuses { node: String, source: ServiceError },
    #[error(
        "node {node} could not be drained within {seconds} s; it is in use again. Still there: {pods}. Give more time with --drain-timeout, or see to what holds them"
    )]
    DrainTimeout { node: String, seconds: u64, pods: String },
    #[error("node {node} runs pods that nothing would make again: {pods}. Remove them, or evict them with --force")]
    BarePods { node: String, pods: String },
    #[error("node {node} cannot be drained: {source}. If the API cannot come back without this, use --no-drain")]
    CannotDrain { node: String, source: ServiceError },
    #[error("the taints of node {node} could not be set: {source}. Run the same command again")]
    CannotTaint { node: String, source: ServiceError },
    #[error(
        "controller {node} is not touched: no other API server answers. Look at the other controllers first: kubi-deploy status"
    )]
    LastApi { node: String },
    #[error(
        "{nodes} not touched: {missing} not Ready, and no more than {limit} worker(s) may be away at once. Mend them first, or raise --max-unavailable"
    )]
    TooFewWorkers { nodes: String, missing: String, limit: usize },
    #[error(
        "domain {domain} on hypervisor {hypervisor} is not, or no longer, the node's own: it is not touched. Plan again"
    )]
    NotOwn { hypervisor: String, domain: String },
    #[error(
        "domain {domain} on hypervisor {hypervisor} was changed by somebody else since the plan was made: it is not touched. Plan again"
    )]
    ChangedMeanwhile { hypervisor: String, domain: String },
    #[error("{0}")]
    Several(String),
    #[error("a worker thread crashed; this is a bug")]
    Crashed,
}
