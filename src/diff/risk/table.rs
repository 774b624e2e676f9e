//! The classification as data. A new risk is a row here, a matcher, and a case in `tests/`, which fails without one.

use super::evidence::{Evidence, Finding};
use super::standing::{self, Standing};
use super::{files, inputs, keys, versions};
use crate::diff::model::Severity;

/// One kind of risk.
pub struct Row {
    /// Does not change from release to release.
    pub id: &'static str,
    pub severity: Severity,
    pub(super) matcher: Matcher,
    /// Why it is a risk.
    pub reason: &'static str,
    /// What to do about it.
    pub action: &'static str,
}

/// How a risk is recognised.
#[derive(Clone, Copy)]
pub(super) enum Matcher {
    /// By what differs between two sides.
    Change(fn(&Evidence<'_>) -> Vec<Finding>),
    /// By what one side is; in a comparison only where the old side was not so.
    State(fn(&Standing<'_>) -> Vec<Finding>),
    /// By what one side is, whether it has just become so or not.
    Always(fn(&Standing<'_>) -> Vec<Finding>),
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

use Matcher::{Always, Change, State};
use Severity::{High, Low, Medium};

#[rustfmt::skip]
pub const TABLE: [Row; 36] = [
    row("not-judged", High, Change(inputs::not_judged),
        "spec keys, versions, roles, machines and the risks that follow from them could not be looked for",
        "compare two builds that keep their facts, or the git revisions that they come from"),
    row("authority-key-changed", High, Change(keys::authority_key),
        "nodes that are replaced first and those that still wait do not trust each other's certificates",
        "rotate in stages: trust the old and the new authority everywhere, deploy, then sign with the new one, deploy, then drop the old one"),
    row("service-account-key-changed", High, Change(keys::service_account_key),
        "tokens signed with the old key are refused as soon as an API server runs with the new one alone",
        "let API servers accept both public keys first, deploy, then sign with the new key"),
    row("sealed-root-changed", High, Change(keys::sealed_root),
        "another root secret makes every key and every certificate another one; the same secret sealed to other people changes the file as well",
        "compare with an identity that opens both files (KUBI_IDENTITY): if the secret is the same, nothing is left of this"),
    row("token-issuer-changed", High, Change(files::token_issuer),
        "tokens of the old issuer are refused: pods lose their access to the API until they are started again",
        "let API servers accept the old issuer as an additional one until all tokens have been renewed"),
    row("san-removed", High, Change(files::san_removed),
        "clients that connect by that name or address will refuse the certificate",
        "make sure that nothing uses it any more, or keep it under spec.pki.sans"),
    row("service-network-changed", High, Change(inputs::service_network),
        "every Service keeps an address of the old network; the API server's own certificate and DNS move as well",
        "build a new cluster and move workloads, or follow Kubernetes' procedure for additional service networks"),
    row("pod-network-changed", High, Change(inputs::pod_network),
        "pods keep addresses of the old network until they are made anew, and nodes that wait do not route to the new one",
        "drain and replace all nodes in one maintenance window"),
    row("encryption-provider-removed", High, Change(files::encryption_removed),
        "what it has encrypted in etcd can no longer be read",
        "first rewrite all objects with the new provider (kubectl get ... -o json | kubectl replace -f -), then remove it"),
    row("encryption-resources-changed", High, Change(files::encryption_resources),
        "what is no longer covered is written in the clear from now on, and what is encrypted of it in etcd can no longer be read",
        "first give it the identity provider in first place and rewrite all objects, then take it out"),
    row("encryption-provider-reordered", High, Change(files::encryption_reordered),
        "the first provider and key write: API servers that are not replaced yet may not be able to read what it writes",
        "deploy the new one in second place to all API servers first, then promote it"),
    row("etcd-member-added", Medium, Change(inputs::etcd_added),
        "a member that starts before it was added by `etcdctl member add` finds no cluster; the quorum changes",
        "add one member at a time, while all others are healthy"),
    row("etcd-member-removed", High, Change(inputs::etcd_removed),
        "the quorum changes, and a member that is gone without `etcdctl member remove` still counts",
        "remove one member at a time with `etcdctl member remove`, while all others are healthy"),
    row("etcd-member-moved", High, Change(inputs::etcd_moved),
        "etcd knows its members by their peer addresses: at a new one the member is not recognised",
        "run `etcdctl member update` for it first, one member at a time"),
    row("last-of-role-removed", High, Change(inputs::last_of_role),
        "the cluster is left without any",
        "keep at least one, or destroy the cluster on purpose"),
    row("kubernetes-minor-skipped", High, Change(versions::minor_skipped),
        "Kubernetes supports upgrades of the control plane by one minor version at a time",
        "build and deploy every minor version in between"),
    row("kubernetes-downgrade", High, Change(versions::downgrade),
        "older API servers cannot read objects that newer ones have stored",
        "restore etcd from a snapshot of the older version instead"),
    row("kubernetes-patch-downgrade", Low, Change(versions::patch_downgrade),
        "what the newer patch release mends is open again, security flaws among it",
        "read what the newer release mends; within a minor version, stored objects stay readable"),
    row("etcd-version-edge", High, Change(versions::etcd_edge),
        "etcd supports upgrades by one minor version only, to 3.6 only from 3.5.26 on, and no downgrades",
        "go through the versions in between, one deployment each"),
    row("runtime-changed", Medium, Change(versions::runtime_changed),
        "all pods of a node are made anew, and images are pulled again",
        "drain each node before it is replaced"),
    row("cni-changed", High, Change(versions::cni_changed),
        "pods on nodes with the old network plugin and on those with the new one may not reach each other",
        "replace all nodes in one maintenance window"),
    row("network-outage", High, Change(inputs::network_outage),
        "a deployment stops every machine on it, changes it, and starts them all at once: the whole cluster is away meanwhile",
        "plan for the outage, or leave the network as it is"),
    row("data-at-risk", High, Change(inputs::data_at_risk),
        "etcd, container images and pods' local volumes live on the data disk",
        "back up first; for etcd members remove and add the member one at a time"),
    row("hardening-weakened", High, Change(files::hardening),
        "a protection that the nodes have now is gone after this change",
        "keep it, or write down why it has to go"),
    row("hardening-weak", Medium, State(standing::hardening_weak),
        "nodes are without a protection that kubi knows of",
        "set it in the recipe or the spec, or write down why it is not needed"),
    row("file-still-named", High, Change(files::still_named),
        "what is told to read it does not find it: a service that needs it does not start",
        "keep the file, or take its name out of what reads it in the same change"),
    row("file-opened", Medium, Change(files::file_opened),
        "others than before may read it, write it, or act with its owner's rights",
        "keep mode and owner as narrow as they were"),
    row("api-address-changed", Medium, Change(inputs::api_address),
        "kubeconfigs outside the cluster, and nodes that are not replaced yet, still use the old address",
        "keep the old address reachable until all are replaced, and hand out new kubeconfigs"),
    row("cluster-dns-changed", Medium, Change(inputs::cluster_dns),
        "pods keep the DNS settings that they were started with",
        "restart workloads after the nodes are replaced"),
    row("certificate-expires-soon", Medium, Always(standing::expiry_soon),
        "components with an expired certificate stop working, all of them at once",
        "move spec.pki.epoch forward and deploy"),
    row("authority-expires-soon", High, Always(standing::authority_expires),
        "everything that it has signed is refused from that day on, whatever its own dates say",
        "import another authority in stages: trust both everywhere, deploy, then sign with the new one"),
    row("single-controller", Medium, State(standing::single_controller),
        "while it is down or being replaced, the API is away",
        "have three controllers where that matters"),
    row("single-etcd-member", Medium, State(standing::single_member),
        "with its data disk all that the API has stored is lost",
        "have three members where that matters, and take snapshots"),
    row("etcd-members-even", Medium, State(standing::even_members),
        "no more may fail than with one member less, and one more may",
        "have three members, or five"),
    row("etcd-on-one-hypervisor", Medium, State(standing::one_hypervisor),
        "when it is away, the quorum is lost and the API stops",
        "spread members over hypervisors so that each has less than half of them"),
    row("all-controllers-replaced", Low, Change(inputs::all_controllers),
        "every API server restarts once; with one controller the API is away while that happens",
        "nothing, unless there is only one controller: then plan for a short outage"),
];
