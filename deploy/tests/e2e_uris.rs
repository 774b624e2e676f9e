//! kubi-deploy over TLS, over ssh, and as a user without rights, with machines that boot nothing. Run by `make e2e`.

mod common;

use common::e2e::{output, virsh};
use common::mini::{BRIDGE, Mini, NAT, deploy, expect};
use common::second::{Second, new_folder};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const APPLY: [&str; 4] = ["apply", "--yes", "--shutdown-timeout", "1"];

/// Runs shell lines in a folder.
#[track_caller]
fn shell(folder: &Path, script: &str) {
    output(Command::new("bash").args(["-euc", script]).current_dir(folder));
}

/// Two authorities; a server's certificate of one, and clients' of both.
const CERTIFICATES: &str = r#"
    authority() {
        mkdir -p "$1"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$1/cakey.pem" -out "$1/cacert.pem"
    }
    issue() {
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1/$2key.pem" -out "$1/$2.csr"
        printf '%s\n' "$3" > "$1/extensions"
        openssl x509 -req -in "$1/$2.csr" -CA "$1/cacert.pem" -CAkey "$1/cakey.pem" -days 2 -extfile "$1/extensions" -out "$1/$2cert.pem"
    }
    authority good
    issue good server 'subjectAltName=IP:127.0.0.1'
    issue good client 'extendedKeyUsage=clientAuth'
    authority strange
    issue strange client 'extendedKeyUsage=clientAuth'
    # The client trusts the server, and its own certificate.
    cat good/cacert.pem >> strange/cacert.pem
"#;

const KEYS: &str = r#"
    ssh-keygen -q -t ed25519 -N '' -f host
    ssh-keygen -q -t ed25519 -N '' -f client
    cp client.pub authorized_keys
    printf '[127.0.0.1]:2222 %s\n' "$(cat host.pub)" > known_hosts
"#;

/// The daemon with TLS, and an sshd whose sessions find that daemon.
const SERVE: &str = r#"
    mkdir -p /run/sshd
    printf '%s\n' 'Port 2222' 'ListenAddress 127.0.0.1' "HostKey $1/host" "AuthorizedKeysFile $1/authorized_keys" \
        'StrictModes no' 'PasswordAuthentication no' > "$1/sshd_config"
    /usr/sbin/sshd -f "$1/sshd_config"
    printf '%s\n' 'listen_tls = 1' 'listen_tcp = 0' 'listen_addr = "127.0.0.1"' "ca_file = \"$1/good/cacert.pem\"" \
        "cert_file = \"$1/good/servercert.pem\"" "key_file = \"$1/good/serverkey.pem\"" > /etc/libvirt/libvirtd.conf
    exec libvirtd --listen"#;

#[test]
#[ignore = "needs libvirt: make e2e"]
fn over_tls_and_ssh() {
    let place = new_folder("remote");
    shell(&place, CERTIFICATES);
    shell(&place, KEYS);
    let tls = |who: &str| format!("qemu+tls://127.0.0.1/system?pkipath={}/{who}", place.display());
    let ssh = format!("qemu+ssh://root@127.0.0.1:2222/system?keyfile={}/client", place.display());
    let second = Second::beside(&place, SERVE, &tls("good"));

    let mut mini = Mini::new(new_folder("mini"), "two", tls("strange"), NAT);
    mini.write();
    let plan = deploy(&mini.folder, 2, &["plan"]);
    assert!(plan.contains("hypervisor two cannot be reached"), "a stranger's certificate is refused: {plan}");

    // Uploads, domains and all.
    mini.again(tls("good"));
    deploy(&mini.folder, 0, &APPLY);
    assert!(deploy(&mini.folder, 0, &["plan"]).contains("nothing to do"));
    assert!(deploy(&mini.folder, 0, &["status"]).contains("running"));

    // The same machine by another way, which nobody vouches for at first, and which nobody is asked about.
    mini.again(ssh);
    let plan = deploy(&mini.folder, 2, &["plan"]);
    assert!(plan.contains("Host key verification failed"), "{plan}");
    let known = format!("Host 127.0.0.1\n  UserKnownHostsFile {}/known_hosts\n", place.display());
    std::fs::write("/etc/ssh/ssh_config", known).unwrap();
    let plan = deploy(&mini.folder, 0, &["plan"]);
    assert!(plan.contains("nothing to do"), "a hypervisor is its name, however it is reached: {plan}");
    mini.change();
    let applied = deploy(&mini.folder, 0, &APPLY);
    assert!(applied.contains("replace on-two on two: domain XML"), "{applied}");
    assert!(deploy(&mini.folder, 0, &["status"]).contains("running"));
    deploy(&mini.folder, 0, &["destroy", "--confirm", "mini", "--with-data"]);
    drop(second);
}

/// A user who is in no group, with a home of its own.
const USER: u32 = 4711;

/// What docs/operations.md asks of the administrator.
const ADMINISTRATOR: &str = r"
    ip link add br-mini type bridge
    ip link set br-mini up
    mkdir -p /etc/qemu
    echo 'allow br-mini' > /etc/qemu/bridge.conf
    cp /usr/lib/qemu/qemu-bridge-helper /run/
    mount --bind /run/qemu-bridge-helper /usr/lib/qemu/qemu-bridge-helper
    chmod u+s /usr/lib/qemu/qemu-bridge-helper
";

/// kubi-deploy as that user, who needs a copy of it: the checkout may be in somebody's home.
#[track_caller]
fn session(home: &Path, code: i32, arguments: &[&str]) -> String {
    shell(home, &format!("chown -R {USER}:{USER} mini"));
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
    command.arg(home.join("kubi-deploy")).args(arguments).current_dir(home.join("mini"));
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run"));
    eprintln!("kubi-deploy {arguments:?}, without rights");
    expect(code, arguments, &command.output().unwrap())
}

#[test]
#[ignore = "needs libvirt: make e2e"]
fn without_rights() {
    let home = tempfile::Builder::new().prefix("kubi-session").tempdir().unwrap();
    let home = home.path();
    std::fs::set_permissions(home, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_kubi-deploy"), home.join("kubi-deploy")).unwrap();
    let entry = format!("kubi-e2e:x:{USER}:{USER}::{}:/bin/sh", home.display());
    shell(
        home,
        &format!(
            "mkdir run; chown {USER}:{USER} . run; echo '{entry}' >> /etc/passwd; echo 'kubi-e2e:x:{USER}:' >> /etc/group"
        ),
    );

    let mut mini = Mini::new(home.join("mini"), "here", "qemu:///session".into(), NAT);
    mini.write();
    let plan = session(home, 1, &["plan"]);
    assert!(plan.contains("whose libvirt may not make the network mini-management"), "{plan}");
    assert!(plan.contains("mode: bridge"), "{plan}");

    // A bridge that the administrator has made, and lets everybody use.
    shell(home, ADMINISTRATOR);
    mini.network = BRIDGE;
    mini.next();
    let applied = session(home, 0, &APPLY);
    let pool = home.join(".local/share/libvirt/images");
    assert!(applied.contains(&format!("make pool default in {}", pool.display())), "{applied}");
    assert!(session(home, 0, &["plan"]).contains("nothing to do"));
    assert!(session(home, 0, &["status"]).contains("running"));
    mini.change();
    assert!(session(home, 0, &APPLY).contains("replace on-here on here: domain XML"));
    session(home, 0, &["destroy", "--confirm", "mini", "--with-data"]);
    assert_eq!(std::fs::read_dir(pool).unwrap().count(), 0);
    // Root's libvirt has seen nothing of it.
    assert!(!virsh(&["list", "--all", "--name"]).contains("mini"));
}
