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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Files, built_in, load};

    #[test]
    fn the_supported_releases_are_those_of_the_recipes() {
        let recipes = load(built_in(), Files::new()).unwrap();
        let minors: Vec<String> = recipes.versions.kubernetes.keys().cloned().collect();
        let facts = Facts::default();
        let supported: Vec<String> = facts.supported_minors.iter().map(|minor| format!("1.{minor}")).collect();
        assert_eq!(minors, supported);
        assert!(facts.known_minors.iter().all(|minor| !facts.supported_minors.contains(minor)));
    }
}
