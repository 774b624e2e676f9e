//! The virtual address of `examples/ha`, held by real keepalived in network namespaces: it is where an API server is ready,
//! moves when that one is not, and stays where it is when the first one comes back.
#![allow(clippy::disallowed_methods, reason = "tests run programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cluster::{Rendered, example, render};
use common::require_tool;
use std::path::Path;
use std::process::Command;

/// `$WORK/NAME` is what a controller has: its files, and `address`. The script says where the address is at each step.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
ip link add cluster-link type bridge
ip address add 192.168.24.250/24 dev cluster-link
ip link set cluster-link up

# A controller: interface, API server (a TLS server with its certificate), keepalived with its own view of /etc and /run.
cat >"$WORK/controller" <<'CONTROLLER'
set -eu
ip link set lo up
until ip link show cluster >/dev/null 2>&1; do sleep 0.05; done
ip address add "$(cat address)/24" dev cluster
ip link set cluster up
mount -t tmpfs tmpfs /run
mkdir -p /etc/keepalived /usr/local/lib/kubi
mount --bind etc/keepalived /etc/keepalived
mount --bind usr/local/lib/kubi /usr/local/lib/kubi
exec keepalived --dont-fork --log-console --log-detail --use-file etc/keepalived/keepalived.conf >keepalived.log 2>&1
CONTROLLER

number=0
for name in $NAMES; do
    number=$((number + 1))
    (cd "$WORK/$name" && exec unshare --net --mount bash "$WORK/controller") & echo $! >"$WORK/$name/pid"
    pid=$(cat "$WORK/$name/pid")
    until [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
    ip link add "link$number" type veth peer name cluster netns "$pid"
    ip link set "link$number" master cluster-link up
done

serve() {
    (cd "$WORK/$1" && exec nsenter --net="/proc/$(cat pid)/ns/net" openssl s_server -quiet -accept 6443 -WWW \
        -cert etc/kubernetes/kube-apiserver/server.crt -key etc/kubernetes/kube-apiserver/server.key >server.log 2>&1) & echo $! >"$WORK/$1/server"
}
holders() {
    for name in $NAMES; do
        [ -e "/proc/$(cat "$WORK/$name/pid")/ns/net" ] || continue
        if nsenter --net="/proc/$(cat "$WORK/$name/pid")/ns/net" ip -o address show dev cluster | grep -q " $VIP/32 "; then echo "$name"; fi
    done
}
# Waits until a client on the cluster network is served by one holder other than $2, and says who it is.
settled() {
    for attempt in $(seq 300); do
        holder=$(holders)
        if [ "$(echo "$holder" | wc -w)" = 1 ] && [ "$holder" != "$2" ] && curl --silent --fail --max-time 2 \
            --cacert "$WORK/${NAMES%% *}/etc/keepalived/kube-apiserver-ca.crt" "https://$VIP:6443/readyz" >/dev/null; then
            echo "$1 $holder"
            return
        fi
        sleep 0.2
    done
    echo "$1 never: ${holder:-nobody} has the address"
    exit 1
}

sleep 5
echo "nobody ready: $(holders)"
for name in $NAMES; do serve "$name"; done
settled first -
first=$holder
kill "$(cat "$WORK/$first/server")"
settled second "$first"
second=$holder
serve "$first"
sleep 9
echo "back $(holders)"
kill -9 "$(cat "$WORK/$second/pid")"
settled third "$second"
"#;

fn controllers(built: &Rendered) -> Vec<String> {
    let nodes = built.cluster.spec.nodes.iter().filter(|node| node.name.contains("controller"));
    nodes.map(|node| node.name.clone()).collect()
}

/// What a controller's part of the script reads.
fn lay_out(built: &Rendered, name: &str, address: &str, to: &Path) {
    for file in [
        "/etc/keepalived/keepalived.conf",
        "/etc/keepalived/kube-apiserver-ca.crt",
        "/usr/local/lib/kubi/check-kube-apiserver",
        "/etc/kubernetes/kube-apiserver/server.crt",
        "/etc/kubernetes/kube-apiserver/server.key",
    ] {
        let target = to.join(&file[1..]);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(built.file(name, file), &target).unwrap();
    }
    // The user that systemd makes on a node is not on this machine.
    let configuration = built.text(name, "/etc/keepalived/keepalived.conf");
    let changed = configuration.replace("script_user kubi-keepalived", "script_user root");
    assert_ne!(configuration, changed);
    std::fs::write(to.join("etc/keepalived/keepalived.conf"), changed).unwrap();
    std::fs::write(to.join("address"), address).unwrap();
    std::fs::write(to.join("readyz"), "ok").unwrap();
}

#[test]
fn the_virtual_address_is_where_an_api_server_is_ready() {
    for (tool, package) in [("ip", "iproute2"), ("keepalived", "keepalived"), ("openssl", "openssl"), ("curl", "curl")]
    {
        require_tool(tool, package);
    }
    let built = render(&example("ha"));
    let work = tempfile::tempdir().unwrap();
    let names = controllers(&built);
    for node in built.cluster.spec.nodes.iter().filter(|node| names.contains(&node.name)) {
        let address = node.addresses.cluster.to_string();
        lay_out(&built, &node.name, &address, &work.path().join(&node.name));
    }
    let vip = built.cluster.spec.networks.api.vip.unwrap().to_string();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        // keepalived gives its check a user and groups, which takes more than one user in the namespace.
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["bash", "-c", SCRIPT]).env("WORK", work.path()).env("NAMES", names.join(" ")).env("VIP", vip);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let logs: String = names
        .iter()
        .map(|name| std::fs::read_to_string(work.path().join(name).join("keepalived.log")).unwrap_or_default())
        .collect();
    assert!(output.status.success(), "{said}\n{}\n{logs}", String::from_utf8_lossy(&output.stderr));
    let step = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
    assert_eq!(step("nobody ready:"), "", "{said}");
    let (first, second, third) = (step("first"), step("second"), step("third"));
    assert!(names.contains(&first) && names.contains(&second) && names.contains(&third), "{said}");
    assert_eq!(step("back"), second, "whoever comes back takes nothing away: {said}");
    for warning in ["SECURITY VIOLATION", "Unknown keyword", "not found"] {
        assert!(!logs.contains(warning), "{logs}");
    }
}
