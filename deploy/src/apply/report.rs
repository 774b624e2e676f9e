//! What is told while a plan is carried out, and the clock that it waits by.

use serde::Serialize;
use std::time::Duration;

/// Something that has begun or is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// A node, a hypervisor, or a hypervisor and a thing on it.
    pub subject: String,
    pub message: String,
}

pub trait Report: Sync {
    fn event(&self, event: Event);
}

/// Time is asked for here only, so that tests need not wait.
pub trait Clock: Sync {
    /// Since some moment.
    fn now(&self) -> Duration;
    fn sleep(&self, duration: Duration);
}
