//! The identities that kubi derives from names alone (docs/deploy-json.md, "Identities"), as far as they tell whose a domain or a
//! network is.

use crate::build::hex;
use sha2::{Digest as _, Sha256};

/// A node's domain has this UUID, on whatever hypervisor and in whatever build.
pub fn domain_uuid(cluster: &str, node: &str) -> String {
    uuid(&["kubi/domain", cluster, node])
}

/// A hypervisor's network of one kind (`management` or `cluster`) has this UUID in every build.
pub fn network_uuid(cluster: &str, hypervisor: &str, kind: &str) -> String {
    uuid(&["kubi/network", cluster, hypervisor, kind])
}

fn uuid(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field.as_bytes());
    }
    let mut bytes = hash.finalize();
    // Version 8 and the variant of RFC 9562.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes[..16]);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_kubi_derives() {
        assert_eq!(domain_uuid("dev", "kubi-controller-01"), "3c3dc443-0164-8b40-923b-0d929ffe5b0d");
        assert_eq!(network_uuid("quorum", "local", "cluster"), "b450d59c-45ea-8bf0-9e35-3950897944bf");
    }
}
