//! Why a command failed, and the exit code that says so.

use crate::apply::ApplyError;
use crate::edge::FolderError;
use crate::hypervisor::HypervisorError;
use std::fmt;

/// Exit codes, as `kubi-deploy --help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// Something is in the way of the plan, or the build is wrong.
    Blocked = 1,
    /// `plan` only: there is something to do.
    Changes = 2,
    /// libvirt, a file or a service failed.
    Failed = 3,
    NotConfirmed = 4,
    NotHealthy = 5,
}

pub type Outcome = Result<Exit, Failure>;

/// A message for people.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let exit = match &error {
            FolderError::Io { .. } | FolderError::Busy { .. } => Exit::Failed,
            _ => Exit::Blocked,
        };
        Self::new(exit, error)
    }
}

impl From<HypervisorError> for Failure {
    fn from(error: HypervisorError) -> Self {
        Self::new(Exit::Failed, error)
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let exit = match &error {
            ApplyError::NotHealthy { .. } | ApplyError::NodeStopped { .. } => Exit::NotHealthy,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}
