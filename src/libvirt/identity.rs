//! Identities that must survive every rebuild: MAC addresses, UUIDs, machine ids and bridge names, from names alone.
//!
//! Each is cut from SHA-256 over a list of fields. A field is its length in bytes as an unsigned 64-bit little-endian
//! number, then its UTF-8 bytes; so no two lists of fields give the same input. The first field says what is derived.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A network interface's MAC address: octet `52` (unicast, locally administered), then the first five bytes of the
/// hash over `kubi/mac`, cluster, node and network (`management` or `cluster`).
pub fn mac(cluster: &str, node: &str, network: &str) -> String {
    mac_from(mac_octets(cluster, node, network))
}

/// What follows the first octet of [`mac`].
pub fn mac_octets(cluster: &str, node: &str, network: &str) -> [u8; 5] {
    octets(&hash(&["kubi/mac", cluster, node, network]))
}

/// The MAC address of the bridge that libvirt makes for a network on one hypervisor; fields `kubi/bridge-mac`,
/// cluster, hypervisor, network.
pub fn bridge_mac(cluster: &str, hypervisor: &str, network: &str) -> String {
    mac_from(octets(&hash(&["kubi/bridge-mac", cluster, hypervisor, network])))
}

/// A node's domain UUID (version 8, RFC 9562 section 5.8); fields `kubi/domain`, cluster, node.
pub fn domain_uuid(cluster: &str, node: &str) -> String {
    uuid_from(&hash(&["kubi/domain", cluster, node]), 8)
}

/// A libvirt network's UUID (version 8); fields `kubi/network`, cluster, hypervisor, network.
pub fn network_uuid(cluster: &str, hypervisor: &str, network: &str) -> String {
    uuid_from(&hash(&["kubi/network", cluster, hypervisor, network]), 8)
}

/// The contents of a node's `/etc/machine-id`, without newline: 32 hex digits that also form a version 4 UUID, as
/// machine-id(5) recommends; fields `kubi/machine-id`, cluster, node.
pub fn machine_id(cluster: &str, node: &str) -> String {
    uuid_from(&hash(&["kubi/machine-id", cluster, node]), 4).replace('-', "")
}

/// The host interface of a network that libvirt makes: `kubi` and ten hex digits, within Linux' 15 bytes; fields
/// `kubi/bridge`, cluster, network. The same on every hypervisor.
pub fn bridge_name(cluster: &str, network: &str) -> String {
    format!("kubi{}", hex(&hash(&["kubi/bridge", cluster, network])[..5]))
}

fn hash(fields: &[&str]) -> [u8; 32] {
    let mut state = Sha256::new();
    for field in fields {
        state.update((field.len() as u64).to_le_bytes());
        state.update(field.as_bytes());
    }
    state.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn octets(hash: &[u8; 32]) -> [u8; 5] {
    let [a, b, c, d, e, ..] = *hash;
    [a, b, c, d, e]
}

fn mac_from(octets: [u8; 5]) -> String {
    octets.iter().fold("52".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, ":{byte:02x}");
        text
    })
}

fn uuid_from(hash: &[u8; 32], version: u8) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex(&bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Computed independently, by a few lines of Python: a change here renumbers every deployed cluster.
    #[test]
    fn identities_never_change() {
        assert_eq!(mac("dev", "kubi-controller-01", "management"), "52:65:0a:e8:66:38");
        assert_eq!(domain_uuid("dev", "kubi-controller-01"), "3c3dc443-0164-8b40-923b-0d929ffe5b0d");
        assert_eq!(machine_id("dev", "kubi-controller-01"), "193ec87b715842dcae5d97274df424bf");
        assert_eq!(bridge_name("dev", "cluster"), "kubid34a8408a6");
    }

    #[test]
    fn names_do_not_run_into_each_other() {
        assert_ne!(domain_uuid("a", "bc"), domain_uuid("ab", "c"));
        assert_ne!(mac("a", "b", "cluster"), mac("a", "b", "management"));
        assert_ne!(domain_uuid("a", "b").replace('-', ""), machine_id("a", "b"));
    }

    #[test]
    fn a_thousand_nodes_have_as_many_addresses() {
        let all: BTreeSet<_> = (0..1000).map(|n| mac("dev", &format!("worker-{n:04}"), "cluster")).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|mac| mac.len() == 17 && mac.starts_with("52:")));
    }

    #[test]
    fn version_and_variant_bits_are_set() {
        for n in 0..64 {
            let uuid = domain_uuid("dev", &n.to_string());
            assert!(uuid.len() == 36 && &uuid[14..15] == "8" && "89ab".contains(&uuid[19..20]), "{uuid}");
            let id = machine_id("dev", &n.to_string());
            assert!(id.len() == 32 && &id[12..13] == "4" && "89ab".contains(&id[16..17]), "{id}");
        }
        assert!(bridge_name("dev", "management").len() <= 15);
    }
}
