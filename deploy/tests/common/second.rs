//! A second libvirtd with files of its own, which may have networks of its own too, and may be reached over TLS and ssh.

use super::e2e::output;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The daemon's folders are its own; `$1` has its socket and its pool. What else it needs, and its arguments, follow.
const STAGE: &str = r#"
    set -e
    for place in /etc/libvirt /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
        mount -t tmpfs -o mode=755 tmpfs $place
    done
    mkdir -p /etc/libvirt/qemu/networks /run/libvirt /run/lock /var/lib/libvirt/images
    mount --bind "$1/images" /var/lib/libvirt/images
    echo 'security_driver = "none"' > /etc/libvirt/qemu.conf
    ip link set lo up
    virtlogd -d
"#;

pub struct Second {
    process: Child,
    pub folder: PathBuf,
}

impl Second {
    /// With networks of its own, reached by its socket.
    pub fn apart() -> Self {
        let settings = r#"printf 'unix_sock_dir = "%s"\n' "$1" > /etc/libvirt/libvirtd.conf; exec libvirtd"#;
        let second = Self::start(&["--mount", "--net"], &new_folder("second"), settings);
        second.wait(&second.socket_uri());
        second
    }

    /// On this machine's networks; `script` ends with the daemon.
    pub fn beside(folder: &Path, script: &str, uri: &str) -> Self {
        let second = Self::start(&["--mount"], folder, script);
        second.wait(uri);
        second
    }

    fn start(namespaces: &[&str], folder: &Path, script: &str) -> Self {
        std::fs::create_dir_all(folder.join("images")).unwrap();
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["bash", "-c", &format!("{STAGE}{script}"), "second"]).arg(folder);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, folder: folder.to_owned() }
    }

    pub fn socket_uri(&self) -> String {
        format!("qemu+unix:///system?socket={}/libvirt-sock", self.folder.display())
    }

    fn wait(&self, uri: &str) {
        let start = Instant::now();
        while !Command::new("virsh").args(["-q", "-c", uri, "uri"]).output().unwrap().status.success() {
            assert!(start.elapsed() < Duration::from_secs(20), "the second libvirtd does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn signal(&self, name: &str) {
        output(Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]));
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An empty folder among those of the end-to-end tests.
pub fn new_folder(name: &str) -> PathBuf {
    let work = std::env::var_os("KUBI_E2E").expect("this test is run by scripts/e2e");
    let folder = Path::new(&work).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
