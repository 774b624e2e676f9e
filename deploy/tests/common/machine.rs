//! A hypervisor that is only pretended. It refuses what a real one would, and what kubi-deploy must never do.

use kubi_deploy::hypervisor::{Hypervisor, HypervisorError, NewVolume};
use kubi_deploy::mark::Mark;
use kubi_deploy::network_facts::NetworkFacts;
use kubi_deploy::observed::{Domain, Network, Pool, State, Volume};
use kubi_deploy::upload::marker;
use roxmltree::Document;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// What all machines of a world share.
#[derive(Default)]
pub struct Shared {
    pub now: Mutex<Duration>,
    /// Calls that still go through; then the program has been killed.
    pub calls_left: AtomicI64,
    pub log: Mutex<Vec<String>>,
    /// Calls that hold the text fail so many times.
    pub failing: Mutex<Option<(String, u32)>>,
}

impl Shared {
    pub fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    /// Every call of anything goes through here first.
    pub fn call(&self, what: String) -> Result<(), HypervisorError> {
        if self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(HypervisorError::Failed { doing: what, reason: "killed".into() });
        }
        if let Some((text, times)) = self.failing.lock().unwrap().as_mut()
            && *times > 0
            && what.contains(text.as_str())
        {
            *times -= 1;
            return Err(HypervisorError::Failed { doing: what, reason: "told to".into() });
        }
        self.log.lock().unwrap().push(what);
        Ok(())
    }
}

pub struct FakeDomain {
    pub xml: String,
    /// Since when it runs.
    pub since: Option<Duration>,
}

#[derive(Default)]
pub struct Inner {
    pub kvm: bool,
    pub pool_off: bool,
    pub volumes: BTreeMap<String, (u64, Vec<u8>, Option<String>)>,
    pub networks: BTreeMap<String, (String, bool)>,
    pub domains: BTreeMap<String, FakeDomain>,
    /// Flips a bit in what is written to the volume of this name.
    pub corrupt: Option<String>,
    /// Nothing more can be written.
    pub full: bool,
}

pub struct Machine {
    pub name: String,
    pub shared: std::sync::Arc<Shared>,
    pub inner: Mutex<Inner>,
}

const DIRECTORY: &str = "/pool";

fn failed(reason: impl Into<String>) -> HypervisorError {
    HypervisorError::Failed { doing: "a call".into(), reason: reason.into() }
}

impl Machine {
    pub fn new(name: &str, shared: &std::sync::Arc<Shared>) -> Self {
        let inner = Inner { kvm: true, ..Inner::default() };
        Self { name: name.into(), shared: shared.clone(), inner: Mutex::new(inner) }
    }

    fn call(&self, what: &str) -> Result<(), HypervisorError> {
        self.shared.call(format!("{}: {what}", self.name))
    }

    pub fn snapshot(&self) -> State {
        let inner = self.inner.lock().unwrap();
        let volume = |(capacity, bytes, _): &(u64, Vec<u8>, Option<String>)| Volume {
            capacity: *capacity,
            allocation: bytes.len() as u64,
        };
        // libvirt lists nothing of a pool that is off.
        let volumes = inner.volumes.iter().filter(|_| !inner.pool_off);
        let pool = Pool {
            active: !inner.pool_off,
            kind: "dir".into(),
            directory: DIRECTORY.into(),
            available: 1 << 40,
            volumes: volumes.map(|(name, entry)| (name.clone(), volume(entry))).collect(),
        };
        let networks = inner.networks.iter().map(|(name, (xml, active))| Network {
            name: name.clone(),
            uuid: text_of(xml, "uuid"),
            active: *active,
            facts: NetworkFacts::read(xml).unwrap(),
        });
        let domains = inner.domains.values().map(|domain| Domain::read(&domain.xml, domain.since.is_some()).unwrap());
        let (networks, domains) = (networks.collect(), domains.collect());
        State { kvm: inner.kvm, pool: Some(pool), networks, domains, ..State::default() }
    }
}

pub fn text_of(xml: &str, tag: &str) -> String {
    let document = Document::parse(xml).unwrap();
    let found = document.descendants().find(|node| node.has_tag_name(tag)).unwrap();
    found.text().unwrap().to_owned()
}

/// No kubelet of a worker may be newer than an API server, as far as one machine can see.
fn refuse_newer_kubelets(inner: &Inner, name: &str, starting: &Domain) {
    let minor = |domain: &Domain| {
        let version = domain.mark.as_ref()?.kubernetes.clone()?;
        version.split('.').nth(1)?.parse::<u32>().ok()
    };
    let running = inner.domains.iter().filter(|(other, domain)| *other != name && domain.since.is_some());
    let running: Vec<Domain> = running.map(|(_, domain)| Domain::read(&domain.xml, true).unwrap()).collect();
    let is_controller = |domain: &Domain| domain.name.contains("-c-");
    for other in running.iter().filter(|other| is_controller(other) != is_controller(starting)) {
        let (api, kubelet) = if is_controller(starting) { (starting, other) } else { (other, starting) };
        assert!(
            minor(kubelet) <= minor(api),
            "{} has a newer kubelet than the API server of {}",
            kubelet.name,
            api.name
        );
    }
}

impl Hypervisor for Machine {
    fn observe(&self, _: &str) -> Result<State, HypervisorError> {
        self.call("observe")?;
        Ok(self.snapshot())
    }

    fn create_pool(&self, pool: &str, _: &str) -> Result<(), HypervisorError> {
        self.call(&format!("create pool {pool}"))
    }

    fn start_pool(&self, pool: &str) -> Result<(), HypervisorError> {
        self.call(&format!("start pool {pool}"))?;
        self.inner.lock().unwrap().pool_off = false;
        Ok(())
    }

    fn define_network(&self, xml: &str) -> Result<(), HypervisorError> {
        let name = text_of(xml, "name");
        self.call(&format!("define network {name}"))?;
        self.inner.lock().unwrap().networks.insert(name, (xml.into(), false));
        Ok(())
    }

    fn start_network(&self, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("start network {name}"))?;
        let mut inner = self.inner.lock().unwrap();
        inner.networks.get_mut(name).ok_or_else(|| failed("no such network"))?.1 = true;
        Ok(())
    }

    fn remove_network(&self, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("remove network {name}"))?;
        self.inner.lock().unwrap().networks.remove(name);
        Ok(())
    }

    fn create_volume(&self, _: &str, volume: &NewVolume) -> Result<(), HypervisorError> {
        self.call(&format!("create volume {}", volume.name))?;
        let mut inner = self.inner.lock().unwrap();
        if inner.volumes.contains_key(&volume.name) {
            return Err(failed(format!("volume {} exists", volume.name)));
        }
        let backing = volume.backing.as_ref().map(|(path, _)| path.strip_prefix("/pool/").unwrap().to_owned());
        if let Some(backing) = &backing {
            let (capacity, bytes, _) = inner.volumes.get(backing).expect("a layer is made on an image that is there");
            assert!(!inner.volumes.contains_key(&marker(backing)), "a layer is made on {backing}, which is not whole");
            assert_eq!(*capacity, bytes.len() as u64, "{backing} is not whole");
        }
        inner.volumes.insert(volume.name.clone(), (volume.capacity.unwrap_or(9), Vec::new(), backing));
        Ok(())
    }

    fn delete_volume(&self, _: &str, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("delete volume {name}"))?;
        assert!(!name.ends_with("-data.raw"), "a data disk is deleted: {name}");
        let mut inner = self.inner.lock().unwrap();
        assert!(!inner.pool_off, "the pool is off");
        for (layer, (_, _, backing)) in &inner.volumes {
            assert_ne!(backing.as_deref(), Some(name), "{name} is deleted under {layer}");
        }
        for domain in inner.domains.values().filter(|domain| domain.since.is_some()) {
            let used = Domain::read(&domain.xml, true).unwrap().volumes;
            assert!(!used.contains(name), "{name} is deleted under a running domain");
        }
        inner.volumes.remove(name);
        Ok(())
    }

    fn grow_volume(&self, _: &str, name: &str, capacity: u64) -> Result<(), HypervisorError> {
        self.call(&format!("grow volume {name}"))?;
        let mut inner = self.inner.lock().unwrap();
        let volume = inner.volumes.get_mut(name).ok_or_else(|| failed("no such volume"))?;
        assert!(capacity >= volume.0, "{name} shrinks");
        volume.0 = capacity;
        Ok(())
    }

    fn write_volume(&self, _: &str, name: &str, offset: u64, bytes: &[u8]) -> Result<(), HypervisorError> {
        self.call(&format!("write volume {name}"))?;
        let mut inner = self.inner.lock().unwrap();
        assert!(inner.volumes.contains_key(&marker(name)), "{name} is written without a marker");
        if inner.full {
            let (doing, reason) = (format!("uploading volume {name}"), "No space left on device".into());
            return Err(HypervisorError::Full { doing, reason });
        }
        let corrupt = inner.corrupt.as_deref() == Some(name);
        let volume = inner.volumes.get_mut(name).ok_or_else(|| failed("no such volume"))?;
        volume.1.truncate(usize::try_from(offset).unwrap());
        volume.1.extend(bytes.iter().map(|byte| byte ^ u8::from(corrupt)));
        Ok(())
    }

    fn read_volume(&self, _: &str, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, HypervisorError> {
        self.call(&format!("read volume {name}"))?;
        let inner = self.inner.lock().unwrap();
        let volume = inner.volumes.get(name).ok_or_else(|| failed("no such volume"))?;
        let rest = volume.1.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        Ok(rest[..rest.len().min(usize::try_from(length).unwrap())].to_vec())
    }

    fn define_domain(&self, xml: &str) -> Result<(), HypervisorError> {
        let name = text_of(xml, "name");
        self.call(&format!("define domain {name}"))?;
        let mut inner = self.inner.lock().unwrap();
        let since = inner.domains.get(&name).and_then(|domain| domain.since);
        assert_eq!(since, None, "{name} is defined while it runs");
        inner.domains.insert(name, FakeDomain { xml: xml.into(), since: None });
        Ok(())
    }

    fn start_domain(&self, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("start domain {name}"))?;
        let mut inner = self.inner.lock().unwrap();
        let domain =
            Domain::read(&inner.domains.get(name).ok_or_else(|| failed("no such domain"))?.xml, false).unwrap();
        for volume in &domain.volumes {
            assert!(inner.volumes.contains_key(volume), "{name} starts without {volume}");
        }
        // AppArmor's helper cannot look into pools.
        assert!(!inner.domains[name].xml.contains("type='volume'"), "{name} starts with volumes, not files");
        for network in &domain.networks {
            assert!(inner.networks.get(network).is_some_and(|(_, active)| *active), "{name} starts without {network}");
        }
        let root = &domain.disks["kubi-root"].chain;
        assert_eq!(inner.volumes[&root[0]].2.as_ref(), Some(&root[1]), "{name} starts on the layer of another overlay");
        refuse_newer_kubelets(&inner, name, &domain);
        inner.domains.get_mut(name).unwrap().since = Some(self.shared.now());
        Ok(())
    }

    fn shutdown_domain(&self, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("shut down domain {name}"))?;
        self.inner.lock().unwrap().domains.get_mut(name).ok_or_else(|| failed("no such domain"))?.since = None;
        Ok(())
    }

    fn stop_domain(&self, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("stop domain {name}"))?;
        self.inner.lock().unwrap().domains.get_mut(name).ok_or_else(|| failed("no such domain"))?.since = None;
        Ok(())
    }

    fn undefine_domain(&self, name: &str) -> Result<(), HypervisorError> {
        self.call(&format!("undefine domain {name}"))?;
        self.inner.lock().unwrap().domains.remove(name);
        Ok(())
    }

    fn is_running(&self, name: &str) -> Result<bool, HypervisorError> {
        self.call(&format!("ask whether {name} runs"))?;
        let inner = self.inner.lock().unwrap();
        Ok(inner.domains.get(name).ok_or_else(|| failed("no such domain"))?.since.is_some())
    }

    fn set_mark(&self, name: &str, mark: &Mark) -> Result<(), HypervisorError> {
        self.call(&format!("mark domain {name}"))?;
        let mut inner = self.inner.lock().unwrap();
        let domain = inner.domains.get_mut(name).ok_or_else(|| failed("no such domain"))?;
        let start = domain.xml.find("<kubi:node").unwrap();
        let end = start + domain.xml[start..].find("/>").unwrap() + 2;
        domain.xml.replace_range(start..end, &mark.namespaced());
        Ok(())
    }
}
