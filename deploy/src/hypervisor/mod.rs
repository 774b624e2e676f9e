//! One hypervisor: what kubi-deploy asks of it, and libvirt's answer to that.
//!
//! The trait is as small as the program needs, so that tests can stand in for a machine and fail wherever they like.

mod alive;
mod connection;
mod error;
mod libvirt;
mod observe;
mod volumes;

pub use alive::within;
pub use error::HypervisorError;
pub use libvirt::Libvirt;

use crate::deployment::Format;
use crate::mark::Mark;
use crate::observed::State;

/// A volume to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVolume {
    pub name: String,
    pub format: Format,
    /// Virtual size; that of the backing file when absent.
    pub capacity: Option<u64>,
    /// Absolute path and format of the file that it is a layer on.
    pub backing: Option<(String, Format)>,
}

/// All calls come back when the thing is done, or fail. Names are libvirt's.
pub trait Hypervisor: Send + Sync {
    /// Everything that is there; `pool` is the one that the deployment names.
    fn observe(&self, pool: &str) -> Result<State, HypervisorError>;

    fn create_pool(&self, pool: &str, directory: &str) -> Result<(), HypervisorError>;
    fn start_pool(&self, pool: &str) -> Result<(), HypervisorError>;

    fn define_network(&self, xml: &str) -> Result<(), HypervisorError>;
    fn start_network(&self, name: &str) -> Result<(), HypervisorError>;
    /// Stops and forgets it, if it is there.
    fn remove_network(&self, name: &str) -> Result<(), HypervisorError>;

    fn create_volume(&self, pool: &str, volume: &NewVolume) -> Result<(), HypervisorError>;
    /// No error when it is not there.
    fn delete_volume(&self, pool: &str, name: &str) -> Result<(), HypervisorError>;
    fn grow_volume(&self, pool: &str, name: &str, capacity: u64) -> Result<(), HypervisorError>;
    /// Writes bytes of the volume's file.
    fn write_volume(&self, pool: &str, name: &str, offset: u64, bytes: &[u8]) -> Result<(), HypervisorError>;
    /// Reads bytes of the volume's file; fewer at its end.
    fn read_volume(&self, pool: &str, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, HypervisorError>;

    fn define_domain(&self, xml: &str) -> Result<(), HypervisorError>;
    fn start_domain(&self, name: &str) -> Result<(), HypervisorError>;
    /// Asks the guest to power off; comes back at once.
    fn shutdown_domain(&self, name: &str) -> Result<(), HypervisorError>;
    /// Cuts the power. No error when it does not run.
    fn stop_domain(&self, name: &str) -> Result<(), HypervisorError>;
    fn undefine_domain(&self, name: &str) -> Result<(), HypervisorError>;
    fn is_running(&self, name: &str) -> Result<bool, HypervisorError>;
    fn set_mark(&self, name: &str, mark: &Mark) -> Result<(), HypervisorError>;
}
