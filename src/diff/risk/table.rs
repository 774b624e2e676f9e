//! The classification as data. A new risk is a row here, a matcher, and a case in `tests.rs`, which fails without one.

use super::evidence::{Evidence, Finding};
use super::{files, inputs, keys, versions};
use crate::diff::model::Severity;

/// One kind of risk.
#[derive(Debug)]
pub struct Row {
    /// Does not change from release to release.
    pub id: &'static str,
    pub severity: Severity,
    pub matcher: Matcher,
    /// Why it is a risk.
    pub reason: &'static str,
    /// What to do about it.
    pub action: &'static str,
}

/// How a risk is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matcher {
    SanRemoved,
    AuthorityKey,
    ServiceAccountKey,
    TokenIssuer,
    ServiceNetwork,
    PodNetwork,
    EncryptionRemoved,
    EncryptionReordered,
    EtcdAdded,
    EtcdRemoved,
    EtcdMoved,
    LastOfRole,
    MinorSkipped,
    Downgrade,
    EtcdEdge,
    RuntimeChanged,
    CniChanged,
    ExpirySoon,
    Hardening,
    FileOpened,
    DataAtRisk,
    ApiAddress,
    ClusterDns,
    SealedRoot,
    AllControllers,
    NotJudged,
    NetworkOutage,
    EncryptionResources,
}

impl Matcher {
    pub fn find(self, evidence: &Evidence<'_>) -> Vec<Finding> {
        match self {
            Self::SanRemoved => files::san_removed(evidence),
            Self::AuthorityKey => keys::authority_key(evidence),
            Self::ServiceAccountKey => keys::service_account_key(evidence),
            Self::TokenIssuer => files::token_issuer(evidence),
            Self::ServiceNetwork => inputs::service_network(evidence),
            Self::PodNetwork => inputs::pod_network(evidence),
            Self::EncryptionRemoved => files::encryption_removed(evidence),
            Self::EncryptionReordered => files::encryption_reordered(evidence),
            Self::EtcdAdded => inputs::etcd_added(evidence),
            Self::EtcdRemoved => inputs::etcd_removed(evidence),
            Self::EtcdMoved => inputs::etcd_moved(evidence),
            Self::LastOfRole => inputs::last_of_role(evidence),
            Self::MinorSkipped => versions::minor_skipped(evidence),
            Self::Downgrade => versions::downgrade(evidence),
            Self::EtcdEdge => versions::etcd_edge(evidence),
            Self::RuntimeChanged => versions::runtime_changed(evidence),
            Self::CniChanged => versions::cni_changed(evidence),
            Self::ExpirySoon => versions::expiry_soon(evidence),
            Self::Hardening => files::hardening(evidence),
            Self::FileOpened => files::file_opened(evidence),
            Self::DataAtRisk => inputs::data_at_risk(evidence),
            Self::ApiAddress => inputs::api_address(evidence),
            Self::ClusterDns => inputs::cluster_dns(evidence),
            Self::SealedRoot => keys::sealed_root(evidence),
            Self::NetworkOutage => inputs::network_outage(evidence),
            Self::NotJudged => inputs::not_judged(evidence),
            Self::EncryptionResources => files::encryption_resources(evidence),
            Self::AllControllers => inputs::all_controllers(evidence),
        }
    }
}

const fn row(
    id: &'static str,
    severity: Severity,
    matcher: Matcher,
    reason: &'static str,
    action: &'static str,
) -> Row {
    Row { id, severity, matcher, reason, action }
}

use Matcher as M;
use Severity::{High, Low, Medium};

#[rustfmt::skip]
pub const TABLE: [Row; 28] = [
    row("not-judged", High, M::NotJudged,
        "spec keys, versions, roles, machines and the risks that follow from them could not be looked for",
        "compare two builds that keep their facts, or the git revisions that they come from"),
    row("authority-key-changed", High, M::AuthorityKey,
        "nodes that are replaced first and those that still wait do not trust each other's certificates",
        "rotate in stages: trust the old and the new authority everywhere, deploy, then sign with the new one, deploy, then drop the old one"),
    row("service-account-key-changed", High, M::ServiceAccountKey,
        "tokens signed with the old key are refused as soon as an API server runs with the new one alone",
        "let API servers accept both public keys first, deploy, then sign with the new key"),
    row("sealed-root-changed", High, M::SealedRoot,
        "another root secret makes every key and every certificate another one; the same secret sealed to other people changes the file as well",
        "compare with an identity that opens both files (KUBI_IDENTITY): if the secret is the same, nothing is left of this"),
    row("token-issuer-changed", High, M::TokenIssuer,
        "tokens of the old issuer are refused: pods lose their access to the API until they are started again",
        "let API servers accept the old issuer as an additional one until all tokens have been renewed"),
    row("san-removed", High, M::SanRemoved,
        "clients that connect by that name or address will refuse the certificate",
        "make sure that nothing uses it any more, or keep it under spec.pki.sans"),
    row("service-network-changed", High, M::ServiceNetwork,
        "every Service keeps an address of the old network; the API server's own certificate and DNS move as well",
        "build a new cluster and move workloads, or follow Kubernetes' procedure for additional service networks"),
    row("pod-network-changed", High, M::PodNetwork,
        "pods keep addresses of the old network until they are made anew, and nodes that wait do not route to the new one",
        "drain and replace all nodes in one maintenance window"),
    row("encryption-provider-removed", High, M::EncryptionRemoved,
        "what it has encrypted in etcd can no longer be read",
        "first rewrite all objects with the new provider (kubectl get ... -o json | kubectl replace -f -), then remove it"),
    row("encryption-resources-changed", High, M::EncryptionResources,
        "what is no longer covered is written in the clear from now on, and what is encrypted of it in etcd can no longer be read",
        "first give it the identity provider in first place and rewrite all objects, then take it out"),
    row("encryption-provider-reordered", High, M::EncryptionReordered,
        "the first provider and key write: API servers that are not replaced yet may not be able to read what it writes",
        "deploy the new one in second place to all API servers first, then promote it"),
    row("etcd-member-added", Medium, M::EtcdAdded,
        "a member that starts before it was added by `etcdctl member add` finds no cluster; the quorum changes",
        "add one member at a time, while all others are healthy"),
    row("etcd-member-removed", High, M::EtcdRemoved,
        "the quorum changes, and a member that is gone without `etcdctl member remove` still counts",
        "remove one member at a time with `etcdctl member remove`, while all others are healthy"),
    row("etcd-member-moved", High, M::EtcdMoved,
        "etcd knows its members by their peer addresses: at a new one the member is not recognised",
        "run `etcdctl member update` for it first, one member at a time"),
    row("last-of-role-removed", High, M::LastOfRole,
        "the cluster is left without any",
        "keep at least one, or destroy the cluster on purpose"),
    row("kubernetes-minor-skipped", High, M::MinorSkipped,
        "Kubernetes supports upgrades of the control plane by one minor version at a time",
        "build and deploy every minor version in between"),
    row("kubernetes-downgrade", High, M::Downgrade,
        "older API servers cannot read objects that newer ones have stored",
        "restore etcd from a snapshot of the older version instead"),
    row("etcd-version-edge", High, M::EtcdEdge,
        "etcd supports upgrades by one minor version only, to 3.6 only from 3.5.26 on, and no downgrades",
        "go through the versions in between, one deployment each"),
    row("runtime-changed", Medium, M::RuntimeChanged,
        "all pods of a node are made anew, and images are pulled again",
        "drain each node before it is replaced"),
    row("cni-changed", High, M::CniChanged,
        "pods on nodes with the old network plugin and on those with the new one may not reach each other",
        "replace all nodes in one maintenance window"),
    row("network-outage", High, M::NetworkOutage,
        "a deployment stops every machine on it, changes it, and starts them all at once: the whole cluster is away meanwhile",
        "plan for the outage, or leave the network as it is"),
    row("data-at-risk", High, M::DataAtRisk,
        "etcd, container images and pods' local volumes live on the data disk",
        "back up first; for etcd members remove and add the member one at a time"),
    row("hardening-weakened", High, M::Hardening,
        "a protection that the nodes have now is gone after this change",
        "keep it, or write down why it has to go"),
    row("file-opened", Medium, M::FileOpened,
        "others than before may read it, write it, or act with its owner's rights",
        "keep mode and owner as narrow as they were"),
    row("api-address-changed", Medium, M::ApiAddress,
        "kubeconfigs outside the cluster, and nodes that are not replaced yet, still use the old address",
        "keep the old address reachable until all are replaced, and hand out new kubeconfigs"),
    row("cluster-dns-changed", Medium, M::ClusterDns,
        "pods keep the DNS settings that they were started with",
        "restart workloads after the nodes are replaced"),
    row("certificate-expires-soon", Medium, M::ExpirySoon,
        "components with an expired certificate stop working, all of them at once",
        "move spec.pki.epoch forward and deploy"),
    row("all-controllers-replaced", Low, M::AllControllers,
        "every API server restarts once; with one controller the API is away while that happens",
        "nothing, unless there is only one controller: then plan for a short outage"),
];
