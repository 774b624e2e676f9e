//! A whole pretended world: hypervisors, the cluster's services on top of what runs there, and time.

use super::cluster::image_bytes;
use super::machine::{Machine, Shared};
use kubi_deploy::apply::{ApplyError, Clock, Event, Limits, Report, World, apply};
use kubi_deploy::build::Build;
use kubi_deploy::deployment::{Deployment, EtcdMember, Node, Wait};
use kubi_deploy::hypervisor::Hypervisor;
use kubi_deploy::observed::Observed;
use kubi_deploy::plan::{Options, Plan, plan};
use kubi_deploy::services::{MemberInfo, MemberStatus, NodeInfo, Pod, ServiceError, Services};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// From power on to healthy.
pub const BOOT: Duration = Duration::from_secs(40);

/// From a kubelet's last word until its Node is not Ready.
const GRACE: Duration = Duration::from_secs(40);

#[derive(Default)]
pub struct ServiceState {
    /// Names of etcd's members; their data would say the same.
    pub members: BTreeSet<String>,
    pub leader: String,
    pub cordoned: BTreeSet<String>,
    pub pods: Vec<Pod>,
    /// Pods that a disruption budget holds.
    pub held: BTreeSet<String>,
    pub deleted_nodes: Vec<String>,
}

pub struct Fake {
    pub shared: Arc<Shared>,
    pub machines: BTreeMap<String, Arc<Machine>>,
    pub state: Mutex<ServiceState>,
    pub deployment: Mutex<Deployment>,
    /// Bundles that never become healthy.
    pub broken: Mutex<BTreeSet<String>>,
    pub events: Mutex<Vec<Event>>,
    /// Image files that were damaged.
    pub damaged: Mutex<BTreeSet<String>>,
    pub limits: Limits,
    /// Members by the URL that they have or had.
    addresses: Mutex<BTreeMap<String, String>>,
    kubernetes_nodes: Mutex<BTreeSet<String>>,
    /// What kubelets told last: when, their bundle, and since when they run.
    told: Mutex<BTreeMap<String, (Duration, String, Duration)>>,
    /// Nodes that ordinary pods do not come to.
    pub tainted: Mutex<BTreeSet<String>>,
    /// Calls that fail before one is answered.
    pub hiccups: Mutex<u32>,
}

impl Fake {
    pub fn new(build: &Build) -> Self {
        let shared = Arc::new(Shared::default());
        shared.calls_left.store(i64::MAX, Ordering::SeqCst);
        let hypervisors = build.deployment.hypervisors.iter();
        let machines = hypervisors.map(|h| (h.name.clone(), Arc::new(Machine::new(&h.name, &shared)))).collect();
        Self {
            shared,
            machines,
            state: Mutex::default(),
            deployment: Mutex::new(build.deployment.clone()),
            broken: Mutex::default(),
            events: Mutex::default(),
            damaged: Mutex::default(),
            limits: Limits::default(),
            addresses: Mutex::default(),
            kubernetes_nodes: Mutex::default(),
            told: Mutex::default(),
            tainted: Mutex::default(),
            hiccups: Mutex::default(),
        }
    }

    fn learn(&self, deployment: &Deployment) {
        let members = deployment.etcd_members().map(|(_, member)| (member.management_url.clone(), member.name.clone()));
        self.addresses.lock().unwrap().extend(members);
        self.kubernetes_nodes.lock().unwrap().extend(deployment.nodes.iter().map(|node| node.name.clone()));
        *self.deployment.lock().unwrap() = deployment.clone();
    }

    pub fn observe(&self) -> Observed {
        let nodes = self.known_nodes();
        let state = self.state.lock().unwrap();
        Observed {
            hypervisors: self.machines.iter().map(|(name, machine)| (name.clone(), Ok(machine.snapshot()))).collect(),
            etcd_leader: Some(state.leader.clone()).filter(|leader| !leader.is_empty()),
            nodes,
            etcd_members: (!state.members.is_empty()).then(|| state.members.clone()),
        }
    }

    /// Looking costs no call.
    fn known_nodes(&self) -> BTreeMap<String, NodeInfo> {
        let nodes = self.nodes().unwrap_or_default();
        nodes.into_iter().map(|node| (node.name.clone(), node)).collect()
    }

    pub fn plan(&self, build: &Build) -> Plan {
        plan(build, &self.observe(), &Options::default())
    }

    /// Plans and applies, as the command does.
    pub fn apply(&self, build: &Build) -> Result<Plan, ApplyError> {
        self.learn(&build.deployment);
        let plan = self.plan(build);
        assert_eq!(plan.problems, [], "nothing is in the way");
        self.carry_out(build, &plan).map(|()| plan)
    }

    pub fn carry_out(&self, build: &Build, plan: &Plan) -> Result<(), ApplyError> {
        let hypervisors = self
            .machines
            .iter()
            .map(|(name, machine)| (name.clone(), machine.clone() as Arc<dyn Hypervisor>))
            .collect();
        let open_image = |file: &str| -> io::Result<Box<dyn io::Read + Send>> {
            let mut bytes = image_bytes(file);
            if self.damaged.lock().unwrap().contains(file) {
                bytes[0] ^= 1;
            }
            Ok(Box::new(io::Cursor::new(bytes)))
        };
        let world = World {
            build,
            open_image: &open_image,
            hypervisors: &hypervisors,
            services: self,
            member_urls: self.observe().member_urls(&build.deployment),
            clock: self,
            report: self,
            limits: self.limits.clone(),
        };
        apply(&world, plan)
    }

    /// What happened, without looking at things.
    pub fn log(&self) -> Vec<String> {
        let log = self.shared.log.lock().unwrap();
        log.iter().filter(|line| !line.contains(": observe") && !line.contains("mark domain")).cloned().collect()
    }

    pub fn forget_log(&self) {
        self.shared.log.lock().unwrap().clear();
    }

    /// Names of started domains, in order.
    pub fn started(&self) -> Vec<String> {
        let log = self.log();
        log.iter().filter_map(|line| Some(line.split_once("start domain dev-")?.1.to_owned())).collect()
    }

    fn node(&self, choose: impl Fn(&Node) -> bool) -> Option<Node> {
        self.deployment.lock().unwrap().nodes.iter().find(|node| choose(node)).cloned()
    }

    /// Runs for long enough, and its bundle is a good one. Gives the bundle.
    pub fn up(&self, name: &str) -> Option<String> {
        for machine in self.machines.values() {
            let since =
                machine.inner.lock().unwrap().domains.get(&format!("dev-{name}")).and_then(|domain| domain.since);
            let Some(since) = since else { continue };
            let domain = machine.snapshot().domains.into_iter().find(|domain| domain.name == format!("dev-{name}"))?;
            let bundle = domain.mark?.bundle;
            let ready = self.shared.now() >= since + BOOT && !self.broken.lock().unwrap().contains(&bundle);
            return ready.then_some(bundle);
        }
        None
    }

    /// What Kubernetes knows of a node: it believes the last word of a kubelet for a while.
    fn told(&self, name: &str) -> Option<(String, Duration)> {
        if let Some(bundle) = self.up(name) {
            let since = self.machines.values().find_map(|machine| {
                machine.inner.lock().unwrap().domains.get(&format!("dev-{name}")).and_then(|domain| domain.since)
            });
            self.told.lock().unwrap().insert(name.to_owned(), (self.shared.now(), bundle, since?));
        }
        let (at, bundle, since) = self.told.lock().unwrap().get(name)?.clone();
        (self.shared.now() < at + GRACE).then_some((bundle, since))
    }

    fn hiccup(&self) -> Result<(), ServiceError> {
        let mut left = self.hiccups.lock().unwrap();
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        Err(self.refused("not now"))
    }

    fn healthy_members(&self) -> usize {
        let members = self.state.lock().unwrap().members.clone();
        members.iter().filter(|name| self.up(name).is_some()).count()
    }

    fn has_quorum(&self) -> bool {
        let members = self.state.lock().unwrap().members.len();
        self.healthy_members() > members / 2
    }

    /// All three started at once: they form etcd.
    fn form(&self) {
        let mut state = self.state.lock().unwrap();
        if state.members.is_empty() {
            let deployment = self.deployment.lock().unwrap();
            state.members = deployment.etcd_members().map(|(_, member)| member.name.clone()).collect();
            state.leader = state.members.first().cloned().unwrap_or_default();
        }
    }

    fn refused(&self, message: &str) -> ServiceError {
        ServiceError::Refused { url: "etcd".into(), status: 500, message: message.into() }
    }
}

impl Clock for Fake {
    fn now(&self) -> Duration {
        self.shared.now()
    }

    fn sleep(&self, duration: Duration) {
        *self.shared.now.lock().unwrap() += duration;
    }
}

impl Report for Fake {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

impl Services for Fake {
    fn holds(&self, wait: &Wait) -> Result<(), String> {
        let name = match wait {
            Wait::EtcdMember { url } => {
                self.form();
                if !self.has_quorum() {
                    return Err("etcd has no quorum".into());
                }
                self.addresses.lock().unwrap().get(url).expect("somebody has been there").clone()
            }
            Wait::ApiServer { url } => {
                self.node(|node| node.wait_for.contains(&Wait::ApiServer { url: url.clone() })).unwrap().name
            }
            Wait::Node { name, label } => {
                let (bundle, _) = self.told(name).ok_or("not up")?;
                return if bundle[7..70] == **label { Ok(()) } else { Err("another label".into()) };
            }
        };
        self.up(&name).map(drop).ok_or_else(|| "not up".into())
    }

    fn etcd_status(&self, member: &EtcdMember) -> Result<MemberStatus, ServiceError> {
        self.up(&member.name).ok_or_else(|| self.refused("down"))?;
        let leader = self.state.lock().unwrap().leader.clone();
        let version = "3.6".to_owned();
        Ok(MemberStatus { id: member.name.clone(), leader, version, database_size: 1, raft_index: 1 })
    }

    fn etcd_members(&self) -> Result<Vec<MemberInfo>, ServiceError> {
        let state = self.state.lock().unwrap();
        let info = |name: &String| MemberInfo {
            id: name.clone(),
            name: name.clone(),
            peer_urls: vec![format!("https://peer-{name}:2380")],
        };
        Ok(state.members.iter().map(info).collect())
    }

    fn etcd_add(&self, peer_url: &str) -> Result<(), ServiceError> {
        self.shared.call(format!("etcd: add {peer_url}")).map_err(|error| self.refused(&error.to_string()))?;
        let name = peer_url.trim_start_matches("https://peer-").trim_end_matches(":2380");
        self.state.lock().unwrap().members.insert(name.to_owned());
        Ok(())
    }

    fn etcd_remove(&self, id: &str) -> Result<(), ServiceError> {
        self.shared.call(format!("etcd: remove {id}")).map_err(|error| self.refused(&error.to_string()))?;
        assert!(self.has_quorum(), "etcd cannot be asked without a quorum");
        self.state.lock().unwrap().members.remove(id);
        Ok(())
    }

    fn etcd_move_leader(&self, from: &EtcdMember, to: &str) -> Result<(), ServiceError> {
        self.shared
            .call(format!("etcd: {} hands over to {to}", from.name))
            .map_err(|e| self.refused(&e.to_string()))?;
        self.state.lock().unwrap().leader = to.to_owned();
        Ok(())
    }

    fn nodes(&self) -> Result<Vec<NodeInfo>, ServiceError> {
        let nodes = self.kubernetes_nodes.lock().unwrap().clone();
        if !nodes.iter().any(|name| name.starts_with("c-") && self.up(name).is_some()) {
            return Err(self.refused("no API server"));
        }
        self.hiccup()?;
        let cordoned = self.state.lock().unwrap().cordoned.clone();
        let info = |name: &String| NodeInfo {
            name: name.clone(),
            ready: self.told(name).is_some(),
            schedulable: !cordoned.contains(name),
            cordoned: cordoned.contains(name),
            tainted: self.tainted.lock().unwrap().contains(name),
            boot: self.told.lock().unwrap().get(name).map(|(.., since)| format!("{since:?}")).unwrap_or_default(),
            ..NodeInfo::default()
        };
        Ok(nodes.iter().map(info).collect())
    }

    fn cordon(&self, node: &str) -> Result<(), ServiceError> {
        self.shared.call(format!("kubernetes: cordon {node}")).map_err(|error| self.refused(&error.to_string()))?;
        self.state.lock().unwrap().cordoned.insert(node.to_owned());
        Ok(())
    }

    fn uncordon(&self, node: &str) -> Result<(), ServiceError> {
        self.state.lock().unwrap().cordoned.remove(node);
        Ok(())
    }

    fn pods(&self, node: &str) -> Result<Vec<Pod>, ServiceError> {
        self.hiccup()?;
        let state = self.state.lock().unwrap();
        Ok(state.pods.iter().filter(|pod| pod.node == node).cloned().collect())
    }

    fn evict(&self, pod: &Pod) -> Result<bool, ServiceError> {
        let mut state = self.state.lock().unwrap();
        if state.held.contains(&pod.name) {
            return Ok(false);
        }
        self.shared.log.lock().unwrap().push(format!("kubernetes: evict {}", pod.name));
        state.pods.retain(|other| other.name != pod.name);
        Ok(true)
    }

    fn delete_node(&self, node: &str) -> Result<(), ServiceError> {
        self.state.lock().unwrap().deleted_nodes.push(node.to_owned());
        self.kubernetes_nodes.lock().unwrap().remove(node);
        Ok(())
    }
}
