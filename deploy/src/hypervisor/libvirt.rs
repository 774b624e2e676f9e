//! [`Hypervisor`] by libvirt's own library.

use super::connection::Connection;
use super::{Hypervisor, HypervisorError, NewVolume, observe, volumes, within};
use crate::mark::{Mark, NAMESPACE, PREFIX, escape};
use crate::observed::State;
use std::sync::Arc;
use std::time::Duration;
use virt::stream::Stream;
use virt::sys;

pub struct Libvirt {
    connection: Connection,
}

impl Libvirt {
    pub fn open(uri: &str) -> Result<Self, HypervisorError> {
        Ok(Self { connection: Connection::open(uri)? })
    }

    /// How long looking at everything may take; a large pool on a network file system takes its time.
    const LOOK: Duration = Duration::from_secs(120);

    /// [`Hypervisor::observe`] of a hypervisor that may have stopped answering.
    pub fn observe_in_time(self: &Arc<Self>, pool: &str) -> Result<State, HypervisorError> {
        let (libvirt, pool) = (self.clone(), pool.to_owned());
        let seen = within(Self::LOOK, move || libvirt.observe(&pool));
        seen.unwrap_or_else(|| Err(HypervisorError::no_answer(self.connection.uri(), Self::LOOK)))
    }

    /// Hands over what a running domain prints on its console from now on, until it stops or `sink` says no.
    pub fn follow_console(&self, domain: &str, sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), HypervisorError> {
        let doing = || format!("reading the console of {domain}");
        let stream = self.connection.say(doing, Stream::new(self.connection.raw(), 0))?;
        let found = self.connection.domain(domain)?;
        self.connection.say(doing, found.open_console(None, &stream, sys::VIR_DOMAIN_CONSOLE_FORCE))?;
        let mut buffer = vec![0; 4096];
        loop {
            let read = self.connection.say(doing, stream.recv(&mut buffer))?;
            let read = usize::try_from(read).unwrap_or(0);
            if read == 0 || !sink(&buffer[..read]) {
                return Ok(());
            }
        }
    }
}

impl Hypervisor for Libvirt {
    fn observe(&self, pool: &str) -> Result<State, HypervisorError> {
        observe::observe(&self.connection, pool)
    }

    fn create_pool(&self, pool: &str, directory: &str) -> Result<(), HypervisorError> {
        let doing = || format!("making pool {pool} in {directory}");
        let xml = format!(
            "<pool type='dir'><name>{}</name><target><path>{}</path></target></pool>",
            escape(pool),
            escape(directory)
        );
        let made = self.connection.say(doing, self.connection.raw().define_storage_pool_xml(&xml, 0))?;
        self.connection.say(doing, made.build(0))?;
        self.start_pool(pool)
    }

    fn start_pool(&self, pool: &str) -> Result<(), HypervisorError> {
        let doing = || format!("starting pool {pool}");
        let found = self.connection.pool(pool)?;
        self.connection.say(doing, found.create(0))?;
        self.connection.say(doing, found.set_autostart(true).map(drop))
    }

    fn define_network(&self, xml: &str) -> Result<(), HypervisorError> {
        self.connection.say(|| "defining a network".to_owned(), self.connection.raw().define_network_xml(xml)).map(drop)
    }

    fn start_network(&self, name: &str) -> Result<(), HypervisorError> {
        let doing = || format!("starting network {name}");
        let network = self.connection.network(name)?;
        self.connection.say(doing, network.create().map(drop))?;
        self.connection.say(doing, network.set_autostart(true).map(drop))
    }

    fn remove_network(&self, name: &str) -> Result<(), HypervisorError> {
        let doing = || format!("removing network {name}");
        let Some(network) = self.connection.find_network(name)? else { return Ok(()) };
        if self.connection.say(doing, network.is_active())? {
            self.connection.say(doing, network.destroy())?;
        }
        self.connection.say(doing, network.undefine())
    }

    fn create_volume(&self, pool: &str, volume: &NewVolume) -> Result<(), HypervisorError> {
        volumes::create(&self.connection, pool, volume)
    }

    fn delete_volume(&self, pool: &str, name: &str) -> Result<(), HypervisorError> {
        let Some(volume) = self.connection.find_volume(pool, name)? else { return Ok(()) };
        self.connection.say(|| format!("deleting volume {name}"), volume.delete(0))
    }

    fn grow_volume(&self, pool: &str, name: &str, capacity: u64) -> Result<(), HypervisorError> {
        let volume = self.connection.volume(pool, name)?;
        self.connection.say(|| format!("growing volume {name} to {capacity} bytes"), volume.resize(capacity, 0))
    }

    fn write_volume(&self, pool: &str, name: &str, offset: u64, bytes: &[u8]) -> Result<(), HypervisorError> {
        volumes::write(&self.connection, pool, name, offset, bytes)
    }

    fn read_volume(&self, pool: &str, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, HypervisorError> {
        volumes::read(&self.connection, pool, name, offset, length)
    }

    fn define_domain(&self, xml: &str) -> Result<(), HypervisorError> {
        self.connection.say(|| "defining a domain".to_owned(), self.connection.raw().define_domain_xml(xml)).map(drop)
    }

    fn start_domain(&self, name: &str) -> Result<(), HypervisorError> {
        let doing = || format!("starting domain {name}");
        let domain = self.connection.domain(name)?;
        // libvirt-guests saves domains when the host shuts down. That memory belongs to the layer that has been replaced.
        if self.connection.say(doing, domain.has_managed_save(0))? {
            self.connection.say(doing, domain.managed_save_remove(0))?;
        }
        self.connection.say(doing, domain.create())?;
        // Nodes come back when their hypervisor does.
        self.connection.say(doing, domain.set_autostart(true).map(drop))
    }

    fn shutdown_domain(&self, name: &str) -> Result<(), HypervisorError> {
        let domain = self.connection.domain(name)?;
        self.connection.say(|| format!("shutting down domain {name}"), domain.shutdown())
    }

    fn stop_domain(&self, name: &str) -> Result<(), HypervisorError> {
        let domain = self.connection.domain(name)?;
        if !self.is_running(name)? {
            return Ok(());
        }
        let stopped = domain.destroy();
        // It may have powered off by itself meanwhile.
        if stopped.is_err() && !self.is_running(name)? {
            return Ok(());
        }
        self.connection.say(|| format!("stopping domain {name}"), stopped)
    }

    fn undefine_domain(&self, name: &str) -> Result<(), HypervisorError> {
        let domain = self.connection.domain(name)?;
        let doing = || format!("undefining domain {name}");
        let xml = self.connection.say(doing, domain.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE))?;
        // What libvirt keeps beside a domain is the domain's own and goes with it: with any of it left it would not go.
        let beside = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        let firmware = if xml.contains("<nvram") { sys::VIR_DOMAIN_UNDEFINE_NVRAM } else { 0 };
        let all = beside | firmware | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        // Not every driver knows of checkpoints.
        let gone = domain.undefine_flags(all).or_else(|_| domain.undefine_flags(beside | firmware));
        self.connection.say(doing, gone)
    }

    fn is_running(&self, name: &str) -> Result<bool, HypervisorError> {
        let domain = self.connection.domain(name)?;
        self.connection.say(|| format!("looking at domain {name}"), domain.is_active())
    }

    fn set_mark(&self, name: &str, mark: &Mark) -> Result<(), HypervisorError> {
        let domain = self.connection.domain(name)?;
        let mut flags = sys::VIR_DOMAIN_AFFECT_CONFIG;
        if self.is_running(name)? {
            flags |= sys::VIR_DOMAIN_AFFECT_LIVE;
        }
        let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or(2);
        let set = domain.set_metadata(kind, Some(&mark.element()), Some(PREFIX), Some(NAMESPACE), flags);
        self.connection.say(|| format!("marking domain {name}"), set)
    }
}
