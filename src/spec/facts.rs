//! What the checks must know about the world besides the spec.

use super::units::PortRange;

/// Kubernetes minors and kernel settings that a spec is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Kubernetes 1.x that the built-in recipes render.
    pub supported_minors: Vec<u32>,
    /// Kubernetes 1.x that exist, but that no recipe knows yet.
    pub known_minors: Vec<u32>,
    /// Ports that Linux hands out to outgoing connections (`net.ipv4.ip_local_port_range`).
    pub local_ports: PortRange,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            supported_minors: vec![34, 35, 36],
            known_minors: vec![37],
            local_ports: PortRange { first: 32768, last: 60999 },
        }
    }
}
