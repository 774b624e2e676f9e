//! One node's plan: its class, and what is its own.

use super::context::Shared;
use super::{Class, ForCluster, Plan};
use crate::libvirt::identity;
use crate::spec::addressing::{host, pod_cidr};
use crate::spec::{Cluster, Node, Problem, Role, SpecPath, Value};
use crate::template::value;
use crate::tree::Digest;
use ipnet::Ipv4Net;
use serde_json::json;
use std::sync::Arc;
use tera::Context;

/// The fact that is the taint of controllers which are not workers, as `KEY:EFFECT`.
pub const CONTROLLER_TAINT: &str = "controllerTaint";

/// What one node becomes.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// In `spec.nodes`.
    pub index: usize,
    pub name: String,
    /// With `etcd` for controllers that are members.
    pub roles: Vec<Role>,
    pub class: Arc<Class>,
    pub pod_cidr: Ipv4Net,
    /// Names the node's plan: roles, parameters, addresses. No file contents. cloud-init's instance id.
    pub digest: Digest,
}

/// The node's roles; controllers are etcd members too when no node is one by itself.
pub fn effective_roles(cluster: &Cluster, node: &Node) -> Vec<Role> {
    let mut roles = node.roles.clone();
    let dedicated = || cluster.spec.nodes.iter().any(|n| n.roles.contains(&Role::Etcd));
    if roles.contains(&Role::Controller) && !dedicated() {
        roles.push(Role::Etcd);
    }
    roles.sort();
    roles.dedup();
    roles
}

/// Plans a node, unless its share of the pod network is wrong.
pub(super) fn plan(
    cluster: &Cluster,
    shared: &Shared,
    index: usize,
    roles: Vec<Role>,
    class: Arc<Class>,
) -> Result<NodePlan, Problem> {
    let node = &cluster.spec.nodes[index];
    let wrong = |error: String| Problem::error("pod-cidr", SpecPath::node(index), error);
    let pod_cidr = pod_cidr(cluster, node).map_err(|error| wrong(error.to_string()))?;
    let digest = digest(&cluster.metadata.name, shared, node, &roles, &class);
    Ok(NodePlan { index, name: node.name.clone(), roles, class, pod_cidr, digest })
}

fn digest(cluster: &str, shared: &Shared, node: &Node, roles: &[Role], class: &Class) -> Digest {
    Digest::of_json(&(cluster, &shared.minor, node, roles, &class.digest))
}

impl NodePlan {
    /// The variable `node` of templates. Made when the node is rendered: most nodes of a build have not changed.
    pub fn value(&self, cluster: &Cluster) -> tera::Value {
        let (name, node) = (&cluster.metadata.name, &cluster.spec.nodes[self.index]);
        let controllers = cluster.spec.nodes.iter().filter(|n| n.roles.contains(&Role::Controller));
        let position = controllers.take_while(|n| n.name != node.name).count();
        let interface = |network: &str| json!({"name": network, "mac": identity::mac(name, &node.name, network)});
        value(&json!({
            "name": node.name, "roles": self.roles, "architecture": node.architecture, "addresses": node.addresses,
            "podCIDR": self.pod_cidr, "podGateway": host(self.pod_cidr, 1),
            "machineId": identity::machine_id(name, &node.name), "instanceId": self.digest.hex(),
            "labels": node.labels, "taints": self.taints(node), "dataDisk": self.class.size.data.is_some(),
            "hypervisor": node.hypervisor,
            "interfaces": {"management": interface("management"), "cluster": interface("cluster")},
            "index": if self.roles.contains(&Role::Controller) { json!(position) } else { Value::Null },
        }))
    }

    /// Of its Node: that of controllers, where a recipe provides one (`controllerTaint`) and pods are not meant to go there,
    /// and what the spec says of `node`.
    pub fn taints(&self, node: &Node) -> Vec<String> {
        let reserved = self.roles.contains(&Role::Controller) && !self.roles.contains(&Role::Worker);
        let of_controllers = self.class.facts.get(CONTROLLER_TAINT).and_then(Value::as_str).filter(|_| reserved);
        let of_controllers = of_controllers.filter(|taint| !node.taints.iter().any(|own| own == taint));
        of_controllers.map(str::to_owned).into_iter().chain(node.taints.iter().cloned()).collect()
    }

    /// What the cluster brings it besides its own recipes.
    pub fn brought<'p>(&self, plan: &'p Plan<'_>) -> impl Iterator<Item = &'p ForCluster> {
        let controller = self.roles.contains(&Role::Controller);
        let own = |brought: &ForCluster| self.class.recipes.iter().any(|recipe| recipe.id == brought.recipe.id);
        plan.for_cluster.iter().filter(move |brought| controller && !own(brought))
    }
}

impl Class {
    /// The context of one of its recipes on a node; `node` is [`NodePlan::value`].
    pub fn context(&self, recipe: &str, node: &tera::Value) -> Context {
        let mut context = self.contexts.get(recipe).cloned().unwrap_or_default();
        context.insert_value("node", node.clone());
        context
    }
}

#[cfg(test)]
mod tests {
    use crate::artifact::Lock;
    use crate::plan::{Pins, plan};
    use crate::recipe::{Files, built_in, load};
    use crate::spec::{Facts, read};
    use crate::template::Templates;

    /// The taints of the nodes `c` (with `roles`) and `w`, whose kubelets have `params`.
    fn taints(params: &str, roles: &str, own: &str) -> [Vec<String>; 2] {
        let text = format!(
            "apiVersion: kubi/v1alpha1\nkind: Cluster\nmetadata: {{name: dev}}\nspec:\n  kubernetes: {{version: 1.36.4}}\n  \
             base: debian-13\n  pki: {{epoch: 2026-11-01}}\n  params: {{kubelet/standard: {{{params}}}}}\n  nodes:\n    \
             - {{name: c, roles: [{roles}], taints: [{own}], addresses: {{cluster: 192.168.24.11, management: 192.168.122.11}}}}\n    \
             - {{name: w, roles: [worker], addresses: {{cluster: 192.168.24.12, management: 192.168.122.12}}}}\n"
        );
        let (cluster, _) = read(&text, &Facts::default()).unwrap();
        let recipes = load(built_in(), Files::new()).unwrap();
        let templates = Templates::compile(&recipes).unwrap();
        let lock = Lock { base: None, artifacts: vec![] };
        let plan = plan(&cluster, &recipes, &templates, &lock, Pins::Open).unwrap();
        [0, 1].map(|index| plan.nodes[index].taints(&cluster.spec.nodes[index]))
    }

    #[test]
    fn controllers_that_are_not_workers_are_tainted_unless_the_recipe_is_told_not_to() {
        let reserved = "node-role.kubernetes.io/control-plane:NoSchedule";
        let none = Vec::<String>::new;
        let gpu = "gpu=yes:NoSchedule";
        assert_eq!(taints("", "controller", ""), [vec![reserved.to_owned()], none()]);
        assert_eq!(taints("", "controller", &format!("{gpu:?}")), [vec![reserved.to_owned(), gpu.to_owned()], none()]);
        assert_eq!(taints("", "controller", &format!("{reserved:?}")), [vec![reserved.to_owned()], none()]);
        assert_eq!(taints("", "controller, worker", ""), [none(), none()]);
        assert_eq!(taints("taintControllers: false", "controller", ""), [none(), none()]);
    }
}
