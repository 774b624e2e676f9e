//! Everything that one hypervisor has.

use super::HypervisorError;
use super::connection::{Connection, absent};
use crate::network_facts::NetworkFacts;
use crate::observed::{Domain, Network, Pool, State, Volume};
use roxmltree::Document;
use std::thread;
use std::time::Duration;
use virt::domain::DomainState;
use virt::error::ErrorNumber;
use virt::storage_pool::StoragePool;
use virt::sys::VIR_DOMAIN_XML_INACTIVE;

/// How often, and after which pause, a busy pool is asked to look at its directory again.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

pub fn observe(connection: &Connection, pool: &str) -> Result<State, HypervisorError> {
    let capabilities = connection.say(|| "asking for capabilities".to_owned(), connection.raw().capabilities())?;
    Ok(State {
        kvm: has_kvm(&capabilities),
        pool: find_pool(connection, pool)?,
        own_images: None,
        networks: networks(connection)?,
        domains: domains(connection)?,
    })
}

fn has_kvm(capabilities: &str) -> bool {
    let Ok(document) = Document::parse(capabilities) else { return false };
    document.descendants().any(|node| node.has_tag_name("domain") && node.attribute("type") == Some("kvm"))
}

fn find_pool(connection: &Connection, name: &str) -> Result<Option<Pool>, HypervisorError> {
    let doing = || format!("looking at pool {name}");
    let Some(pool) = connection.find_pool(name)? else { return Ok(None) };
    let active = connection.say(doing, pool.is_active())?;
    let xml = connection.say(doing, pool.xml_desc(0))?;
    let (kind, directory) = kind_and_directory(&xml);
    let mut observed = Pool { active, kind, directory, ..Pool::default() };
    if !active {
        return Ok(Some(observed));
    }
    refresh(connection, &pool, name)?;
    observed.available = connection.say(doing, pool.info())?.available;
    for volume in connection.say(doing, pool.list_all_volumes(0))? {
        let name = connection.say(doing, volume.name())?;
        if let Some(info) = connection.say(doing, absent(volume.info(), ErrorNumber::NoStorageVolume))? {
            observed.volumes.insert(name, Volume { capacity: info.capacity, allocation: info.allocation });
        }
    }
    Ok(Some(observed))
}

/// libvirt refuses while anybody makes or fills a volume. What it knows is then as new as what it did itself.
fn refresh(connection: &Connection, pool: &StoragePool, name: &str) -> Result<(), HypervisorError> {
    for _ in 0..ATTEMPTS {
        match pool.refresh(0) {
            Ok(()) => return Ok(()),
            Err(error) if error.message().contains("asynchronous jobs") => thread::sleep(PAUSE),
            Err(error) => return connection.say(|| format!("looking at pool {name}"), Err(error)),
        }
    }
    Ok(())
}

fn kind_and_directory(xml: &str) -> (String, String) {
    let Ok(document) = Document::parse(xml) else { return Default::default() };
    let root = document.root_element();
    let path = root.descendants().find(|node| node.has_tag_name("path")).and_then(|node| node.text());
    (root.attribute("type").unwrap_or_default().to_owned(), path.unwrap_or_default().to_owned())
}

fn networks(connection: &Connection) -> Result<Vec<Network>, HypervisorError> {
    let doing = || "listing networks".to_owned();
    let mut networks = Vec::new();
    for network in connection.say(doing, connection.raw().list_all_networks(0))? {
        let xml = connection.say(doing, network.xml_desc(0))?;
        networks.push(Network {
            name: connection.say(doing, network.name())?,
            uuid: connection.say(doing, network.uuid_string())?,
            active: connection.say(doing, network.is_active())?,
            facts: NetworkFacts::read(&xml).unwrap_or_default(),
        });
    }
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(networks)
}

fn domains(connection: &Connection) -> Result<Vec<Domain>, HypervisorError> {
    let doing = || "listing domains".to_owned();
    let mut domains = Vec::new();
    for domain in connection.say(doing, connection.raw().list_all_domains(0))? {
        let xml = connection.say(doing, absent(domain.xml_desc(VIR_DOMAIN_XML_INACTIVE), ErrorNumber::NoDomain))?;
        let running = connection.say(doing, absent(domain.is_active(), ErrorNumber::NoDomain))?;
        // One that somebody else removed meanwhile is not there. Any other error must not look like that.
        let (Some(xml), Some(running)) = (xml, running) else { continue };
        let mut read = Domain::read(&xml, running).map_err(|error| HypervisorError::Failed {
            doing: "reading a domain's XML".to_owned(),
            reason: error.to_string(),
        })?;
        read.paused = domain.state().is_ok_and(|(state, _)| state.known() == Some(DomainState::Paused));
        domains.push(read);
    }
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(domains)
}
