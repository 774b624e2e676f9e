//! A whole pretended world: hypervisors, the cluster's services on top of what runs there, and time.

mod services;

use super::cluster::image_bytes;
use super::etcd::{BOOT, Etcd, Guest};
use super::machine::{Machine, Shared};
use kubi_deploy::apply::{ApplyError, Clock, Event, Limits, Report, World, apply};
use kubi_deploy::build::Build;
use kubi_deploy::deployment::{Deployment, Node};
use kubi_deploy::hypervisor::Hypervisor;
use kubi_deploy::mark::Mark;
use kubi_deploy::observed::{Domain, Observed};
use kubi_deploy::plan::{Options, Plan, plan};
use kubi_deploy::services::{NodeInfo, Pod, ServiceError, Services, look_at_etcd};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// From a kubelet's last word until its Node is not Ready.
const GRACE: Duration = Duration::from_secs(40);

#[derive(Default)]
pub struct ServiceState {
    pub etcd: Etcd,
    pub cordoned: BTreeSet<String>,
    pub pods: Vec<Pod>,
    /// Pods that a disruption budget holds.
    pub held: BTreeSet<String>,
    pub deleted_nodes: Vec<String>,
    /// As Nodes were told to have them.
    pub taints: BTreeMap<String, Vec<String>>,
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
    /// Image files that are gone.
    pub missing: Mutex<BTreeSet<String>>,
    pub limits: Limits,
    /// etcd may not stand still, whatever happens.
    pub quorum_must_hold: AtomicBool,
    /// Hypervisors that cannot be reached.
    pub out_of_reach: Mutex<BTreeSet<String>>,
    pub places: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Members by the URL that they have or had.
    addresses: Mutex<BTreeMap<String, String>>,
    kubernetes_nodes: Mutex<BTreeSet<String>>,
    /// What kubelets told last: when, their bundle, and since when they run.
    told: Mutex<BTreeMap<String, (Duration, String, Duration)>>,
    /// Nodes that ordinary pods do not come to.
    pub tainted: Mutex<BTreeSet<String>>,
    /// What the plan was made from, when that is not what there is now.
    pub marks: Mutex<Option<BTreeMap<String, Mark>>>,
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
            missing: Mutex::default(),
            limits: Limits::default(),
            quorum_must_hold: AtomicBool::new(false),
            out_of_reach: Mutex::default(),
            places: Mutex::default(),
            addresses: Mutex::default(),
            kubernetes_nodes: Mutex::default(),
            told: Mutex::default(),
            tainted: Mutex::default(),
            hiccups: Mutex::default(),
            marks: Mutex::default(),
        }
    }

    fn learn(&self, deployment: &Deployment) {
        let members = deployment.etcd_members().map(|(_, member)| (member.management_url.clone(), member.name.clone()));
        self.addresses.lock().unwrap().extend(members);
        self.kubernetes_nodes.lock().unwrap().extend(deployment.nodes.iter().map(|node| node.name.clone()));
        *self.deployment.lock().unwrap() = deployment.clone();
    }

    pub fn observe(&self) -> Observed {
        let out_of_reach = self.out_of_reach.lock().unwrap().clone();
        let look = |(name, machine): (&String, &Arc<Machine>)| match out_of_reach.contains(name) {
            true => (name.clone(), Err("no route".to_owned())),
            false => (name.clone(), Ok(machine.snapshot())),
        };
        let mut observed = Observed {
            hypervisors: self.machines.iter().map(look).collect(),
            places: self.places.lock().unwrap().clone(),
            nodes: self.known_nodes(),
            etcd: None,
        };
        let deployment = self.deployment.lock().unwrap().clone();
        observed.etcd = look_at_etcd(self, &observed.member_urls(&deployment));
        observed
    }

    /// Looking costs no call.
    fn known_nodes(&self) -> BTreeMap<String, NodeInfo> {
        let nodes = self.nodes().unwrap_or_default();
        nodes.into_iter().map(|node| (node.name.clone(), node)).collect()
    }

    pub fn plan(&self, build: &Build) -> Plan {
        self.plan_with(build, &Options::default())
    }

    pub fn plan_with(&self, build: &Build, options: &Options) -> Plan {
        self.learn(&build.deployment);
        plan(build, &self.observe(), options)
    }

    /// Plans and applies, as the command does.
    pub fn apply(&self, build: &Build) -> Result<Plan, ApplyError> {
        self.apply_with(build, &Options::default())
    }

    pub fn apply_with(&self, build: &Build, options: &Options) -> Result<Plan, ApplyError> {
        loop {
            let plan = self.plan_with(build, options);
            assert_eq!(plan.problems, [], "nothing is in the way");
            for node in &build.deployment.nodes {
                let mut places = self.places.lock().unwrap();
                places.entry(node.name.clone()).or_default().insert(node.hypervisor.clone());
            }
            self.carry_out(build, &plan)?;
            if !plan.look_again {
                return Ok(plan);
            }
        }
    }

    pub fn carry_out(&self, build: &Build, plan: &Plan) -> Result<(), ApplyError> {
        let out_of_reach = self.out_of_reach.lock().unwrap().clone();
        let hypervisors = self
            .machines
            .iter()
            .filter(|(name, _)| !out_of_reach.contains(*name))
            .map(|(name, machine)| (name.clone(), machine.clone() as Arc<dyn Hypervisor>))
            .collect();
        let open_image = |file: &str| -> io::Result<Box<dyn io::Read + Send>> {
            if self.missing.lock().unwrap().contains(file) {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
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
            pools: self.machines.keys().map(|name| (name.clone(), "default".to_owned())).collect(),
            member_urls: self.observe().member_urls(&build.deployment),
            marks: self.marks.lock().unwrap().clone().unwrap_or_else(|| self.observe().marks(&build.deployment)),
            clock: self,
            report: self,
            limits: self.limits.clone(),
        };
        apply(&world, plan)
    }

    /// What happened, without looking at things.
    pub fn log(&self) -> Vec<String> {
        let log = self.shared.log.lock().unwrap();
        let looks = [": observe", "mark domain", "ask ", "uncordon"];
        log.iter().filter(|line| !looks.iter().any(|look| line.contains(look))).cloned().collect()
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

    /// Whatever machine it is on: a node runs once.
    fn domain(&self, name: &str) -> Option<(Domain, String, Duration, Arc<Machine>)> {
        let domain = format!("dev-{name}");
        let mut found = self.machines.values().filter_map(|machine| {
            let (since, xml) = {
                let inner = machine.inner.lock().unwrap();
                let found = inner.domains.get(&domain)?;
                (found.since?, found.xml.clone())
            };
            Some((Domain::read(&xml, true).unwrap(), xml, since, machine.clone()))
        });
        let first = found.next();
        assert!(found.next().is_none(), "{name} runs twice");
        first
    }

    /// Runs for long enough, and its bundle is a good one. Gives the bundle.
    pub fn up(&self, name: &str) -> Option<String> {
        let (domain, _, since, _) = self.domain(name)?;
        let bundle = domain.mark?.bundle;
        let ready = self.shared.now() >= since + BOOT && !self.broken.lock().unwrap().contains(&bundle);
        ready.then_some(bundle)
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

    /// The guest of a member that is up, and where its data disk is.
    fn guest(&self, name: &str) -> Option<(Guest, String, Arc<Machine>)> {
        self.up(name)?;
        let (domain, xml, since, machine) = self.domain(name)?;
        let document = roxmltree::Document::parse(&xml).unwrap();
        let entries: Vec<&str> =
            document.descendants().filter(|n| n.has_tag_name("entry")).filter_map(|n| n.text()).collect();
        let entry = |key: &str| entries.iter().find_map(|entry| entry.strip_prefix(key)).map(str::to_owned);
        let volume = domain.disks["kubi-data"].chain[0].clone();
        // One whose file was deleted under it goes on as it is.
        let bytes = machine.inner.lock().unwrap().volumes.get(&volume).map(|volume| volume.1.clone());
        let id = bytes.map(|bytes| String::from_utf8(bytes).unwrap()).filter(|id| !id.is_empty());
        let existing = entry("kubi.etcd=existing").and_then(|_| entry("kubi.etcd.initial-cluster="));
        let (peer_url, initial) = (entry("guest.peer=")?, entry("guest.initial=")?);
        Some((Guest { name: name.into(), peer_url, initial, existing, id, up: since + BOOT }, volume, machine))
    }

    /// Lets etcd see who is there by now.
    fn settle(&self) {
        let names: BTreeSet<String> = self.addresses.lock().unwrap().values().cloned().collect();
        let guests: Vec<_> = names.iter().filter_map(|name| self.guest(name)).collect();
        let there = guests.iter().map(|(guest, ..)| guest.clone()).collect();
        let mut state = self.state.lock().unwrap();
        let written = state.etcd.settle(there);
        if self.quorum_must_hold.load(Ordering::SeqCst) {
            assert!(state.etcd.has_quorum(), "etcd stands still: {:?}\n{:#?}", state.etcd.members, self.log());
        }
        drop(state);
        for (guest, volume, machine) in guests {
            if let Some(id) = written.get(&guest.name) {
                machine.inner.lock().unwrap().volumes.get_mut(&volume).unwrap().1 = id.clone().into_bytes();
            }
        }
    }

    /// The power of these nodes is cut.
    pub fn cut(&self, names: &[&str]) {
        for machine in self.machines.values() {
            let mut inner = machine.inner.lock().unwrap();
            for name in names {
                inner.domains.get_mut(&format!("dev-{name}")).into_iter().for_each(|domain| domain.since = None);
            }
        }
    }

    /// Calls that hold the text fail so many times.
    pub fn fail(&self, text: &str, times: u32) {
        *self.shared.failing.lock().unwrap() = Some((text.to_owned(), times));
    }

    /// Names as etcd lists them; a learner's with a question mark.
    pub fn members(&self) -> Vec<String> {
        self.settle();
        let state = self.state.lock().unwrap();
        let label = |member: &super::etcd::Member| format!("{}{}", member.name, if member.learner { "?" } else { "" });
        state.etcd.members.iter().map(label).collect()
    }

    fn refused(&self, message: &str) -> ServiceError {
        ServiceError::Refused { url: "etcd".into(), status: 500, message: message.into() }
    }

    /// Every call of a service: it may be the last one.
    fn ask(&self, what: String) -> Result<(), ServiceError> {
        self.shared.call(what).map_err(|error| self.refused(&error.to_string()))?;
        self.settle();
        Ok(())
    }

    fn etcd<T>(&self, what: String, call: impl FnOnce(&mut Etcd) -> Result<T, String>) -> Result<T, ServiceError> {
        self.ask(what)?;
        call(&mut self.state.lock().unwrap().etcd).map_err(|message| self.refused(&message))
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
