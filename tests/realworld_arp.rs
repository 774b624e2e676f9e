//! What a node of `cni/bridge` answers on the cluster network, in network namespaces of its own with the rendered rules.
#![allow(clippy::disallowed_methods, reason = "tests run programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cluster::{example, render};
use common::require_tool;
use std::collections::BTreeMap;
use std::process::Command;

/// A node with its three interfaces, and another machine on the cluster network that asks for each address.
const SCRIPT: &str = r#"
set -eu
unshare --net sleep 60 & other=$!
trap 'kill $other' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set lo up
ip link add cluster type veth peer name other netns $other
ip link add management type bridge
ip link add cni0 type bridge
ip address add "$NODE/24" dev cluster
ip address add 192.168.122.77/24 dev management
ip address add "$POD_GATEWAY/24" dev cni0
for link in cluster management cni0; do ip link set $link up; done
ip route add default via 192.168.122.1
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv4/conf/cluster/proxy_arp
echo 0 >/proc/sys/net/ipv4/neigh/cluster/proxy_delay
elsewhere() { nsenter --net=/proc/$other/ns/net "$@"; }
elsewhere ip address add 192.168.24.250/24 dev other
elsewhere ip link set other up
elsewhere ip route add default dev other
ask() {
    elsewhere ip neighbour flush dev other
    for address in $ADDRESSES; do elsewhere bash -c "echo >/dev/udp/$address/9" || true; done
    sleep 1
    for address in $ADDRESSES; do
        case "$(elsewhere ip neighbour show "$address")" in
        *lladdr*) echo "$1 $address yes" ;;
        *) echo "$1 $address no" ;;
        esac
    done
}
ask without
nft -f "$RULES"
ask with
"#;

#[test]
fn a_node_answers_for_its_own_addresses_and_pods_alone() {
    for (tool, package) in [("ip", "iproute2"), ("nft", "nftables"), ("unshare", "util-linux"), ("bash", "bash")] {
        require_tool(tool, package);
    }
    let built = render(&example("lab"));
    let node = &built.cluster.spec.nodes[0];
    let pods = built.text(&node.name, "/etc/cni/net.d/10-kubi.conflist");
    let gateway = pods.split("\"gateway\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let pod = gateway.rsplit_once('.').unwrap().0.to_owned() + ".5";
    let own = node.addresses.cluster.to_string();
    let (management, internet) = ("192.168.122.1", "203.0.113.7");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "bash", "-c", SCRIPT]).env("NODE", &own);
    command.env("POD_GATEWAY", gateway).env("ADDRESSES", format!("{own} {pod} {management} {internet}"));
    command.env("RULES", built.file(&node.name, "/etc/kubi/pod-masquerade.nft"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let answers: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    for (address, expected) in [(&*own, "yes"), (&pod, "yes"), (management, "no"), (internet, "no")] {
        assert_eq!(answers.get(&*format!("with {address}")), Some(&expected), "{said}");
        // Proxy ARP by itself would answer for everything.
        assert_eq!(answers.get(&*format!("without {address}")), Some(&"yes"), "{said}");
    }
}
