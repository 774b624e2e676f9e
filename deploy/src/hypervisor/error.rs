//! What libvirt's errors mean, and what to do about them.

use std::time::Duration;
use virt::error::{Error, ErrorNumber};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HypervisorError {
    #[error("no libvirt answers at {uri}: {reason}. Is libvirtd installed and running there?")]
    Unreachable { uri: String, reason: String },
    #[error("no permission for {uri}: {reason}. Join the group libvirt there, or use qemu:///session")]
    Denied { uri: String, reason: String },
    #[error(
        "the connection to libvirt at {uri} was lost while {doing}: {reason}. Run the same command again: it goes on from there"
    )]
    Lost { uri: String, doing: String, reason: String },
    #[error("the storage is full while {doing}: {reason}. Free some space, then run the same command again")]
    Full { doing: String, reason: String },
    #[error("{doing} failed: {reason}")]
    Failed { doing: String, reason: String },
}

impl HypervisorError {
    /// For a connection that could not be opened.
    pub fn open(uri: &str, error: &Error) -> Self {
        let (uri, reason) = (uri.to_owned(), error.message().to_owned());
        match kind(error) {
            Some(
                ErrorNumber::AuthFailed
                | ErrorNumber::AuthUnavailable
                | ErrorNumber::AuthCancelled
                | ErrorNumber::AccessDenied,
            ) => Self::Denied { uri, reason },
            _ if reason.contains("Permission denied") => Self::Denied { uri, reason },
            _ => Self::Unreachable { uri, reason },
        }
    }

    /// For a hypervisor that takes too long.
    pub fn no_answer(uri: &str, limit: Duration) -> Self {
        Self::Unreachable { uri: uri.to_owned(), reason: format!("no answer within {} s", limit.as_secs()) }
    }

    /// For a call that failed; `doing` reads like "starting domain dev-c".
    pub fn call(uri: &str, alive: bool, doing: String, error: &Error) -> Self {
        let reason = error.message().to_owned();
        if !alive {
            return Self::Lost { uri: uri.to_owned(), doing, reason };
        }
        // There may be several hypervisors, and the operator has to know which one.
        let doing = format!("{doing} at {uri}");
        if reason.contains("No space left on device") || reason.contains("Disk quota exceeded") {
            return Self::Full { doing, reason };
        }
        Self::Failed { doing, reason }
    }
}

/// libvirt's number for the error, when its bindings know it.
pub fn kind(error: &Error) -> Option<ErrorNumber> {
    error.code().known()
}
