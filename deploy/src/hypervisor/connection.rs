//! An open connection, and looking things up on it.

use super::HypervisorError;
use super::alive::{keep_alive, start_events, within, without_questions};
use super::error::kind;
use std::time::Duration;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber, clear_error_callback};
use virt::network::Network;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;

/// How long a connection may take to be opened.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Connection {
    uri: String,
    connect: Connect,
}

impl Connection {
    pub fn open(uri: &str) -> Result<Self, HypervisorError> {
        // libvirt would print every error by itself.
        clear_error_callback();
        start_events();
        let asked = without_questions(uri);
        let opened = within(PATIENCE, move || Connect::open(Some(&asked)));
        let connect = opened.ok_or_else(|| HypervisorError::no_answer(uri, PATIENCE))?;
        let connect = connect.map_err(|error| HypervisorError::open(uri, &error))?;
        keep_alive(&connect);
        Ok(Self { uri: uri.to_owned(), connect })
    }

    pub fn uri(&self) -> &str {
        &self.uri
    }

    pub fn raw(&self) -> &Connect {
        &self.connect
    }

    /// Turns a call's error into one that says what was being done.
    pub fn say<T>(&self, doing: impl FnOnce() -> String, result: Result<T, Error>) -> Result<T, HypervisorError> {
        result.map_err(|error| {
            let alive = self.connect.is_alive().unwrap_or(false);
            HypervisorError::call(&self.uri, alive, doing(), &error)
        })
    }

    pub fn pool(&self, name: &str) -> Result<StoragePool, HypervisorError> {
        self.say(|| format!("looking up pool {name}"), self.connect.lookup_storage_pool_by_name(name))
    }

    pub fn find_pool(&self, name: &str) -> Result<Option<StoragePool>, HypervisorError> {
        let found = absent(self.connect.lookup_storage_pool_by_name(name), ErrorNumber::NoStoragePool);
        self.say(|| format!("looking up pool {name}"), found)
    }

    pub fn volume(&self, pool: &str, name: &str) -> Result<StorageVol, HypervisorError> {
        let pool = self.pool(pool)?;
        self.say(|| format!("looking up volume {name}"), pool.lookup_storage_vol_by_name(name))
    }

    pub fn find_volume(&self, pool: &str, name: &str) -> Result<Option<StorageVol>, HypervisorError> {
        let pool = self.pool(pool)?;
        let found = absent(pool.lookup_storage_vol_by_name(name), ErrorNumber::NoStorageVolume);
        self.say(|| format!("looking up volume {name}"), found)
    }

    pub fn network(&self, name: &str) -> Result<Network, HypervisorError> {
        self.say(|| format!("looking up network {name}"), self.connect.lookup_network_by_name(name))
    }

    pub fn find_network(&self, name: &str) -> Result<Option<Network>, HypervisorError> {
        let found = absent(self.connect.lookup_network_by_name(name), ErrorNumber::NoNetwork);
        self.say(|| format!("looking up network {name}"), found)
    }

    pub fn domain(&self, name: &str) -> Result<Domain, HypervisorError> {
        self.say(|| format!("looking up domain {name}"), self.connect.lookup_domain_by_name(name))
    }
}

/// Nothing instead of the error that says so.
pub fn absent<T>(result: Result<T, Error>, number: ErrorNumber) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if kind(&error) == Some(number) => Ok(None),
        Err(error) => Err(error),
    }
}
