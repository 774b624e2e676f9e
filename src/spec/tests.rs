//! Specs that other modules' tests start from, and tests of reading as a whole.

use super::*;

/// One controller, one worker, everything else by default.
pub const MINIMAL: &str = "\
apiVersion: kubi/v1alpha1
kind: Cluster
metadata: {name: dev}
spec:
  kubernetes: {version: 1.36.4}
  base: debian-13
  pki: {epoch: 2026-11-01}
  nodes:
    - {name: controller, roles: [controller], addresses: {cluster: 192.168.24.11, management: 192.168.122.11}}
    - {name: worker, roles: [worker], addresses: {cluster: 192.168.24.21, management: 192.168.122.21}}
";

pub fn minimal() -> Cluster {
    parse(MINIMAL).unwrap()
}

pub fn node(name: &str, cluster: &str, management: &str) -> Node {
    let mut node = minimal().spec.nodes.remove(1);
    node.name = name.to_owned();
    node.addresses = Addresses { cluster: cluster.parse().unwrap(), management: management.parse().unwrap() };
    node
}

fn codes(text: &str) -> Vec<&'static str> {
    let problems = match read(text, &Facts::default()) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn the_smallest_spec_has_no_problem() {
    assert_eq!(codes(MINIMAL), [""; 0]);
    assert!(MINIMAL.lines().count() < 20);
}
