//! Base images made with e2fsprogs and QEMU's tools, overlays checked with them. Needs neither root nor loop devices.
#![allow(dead_code, clippy::disallowed_methods, reason = "every test file uses its own part; tests reach the machine")]

use kubi::image::{Base, ImageFormat, Overlay, OverlayOptions, write_overlay};
use kubi::tree::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use zeroize::Zeroizing;

pub const MIB: u64 = 1 << 20;
/// The root partition is the first in the table and the third on the disk, as in Debian's cloud images.
pub const ROOT_START: u64 = 8 * MIB;
pub const EPOCH: i64 = 1_793_491_200;
pub const ROOT_GUID: &str = "5b1e7c3a-92d4-4f0e-8a6b-0123456789ab";

/// Runs a tool; a missing one fails the test.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|e| panic!("{program} cannot be started ({e}): install e2fsprogs, fdisk, qemu-utils"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}", output.status);
    text
}

/// Runs a tool that may report by its exit status that it changed something.
pub fn run_repair(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .output()
        .unwrap_or_else(|e| panic!("{program} cannot be started ({e}): install e2fsprogs, fdisk, qemu-utils"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code().is_some_and(|code| code <= 1), "{program} {arguments:?}: {}\n{text}", output.status);
}

pub fn run_input(program: &str, arguments: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program} cannot be started ({e}): install e2fsprogs, fdisk, qemu-utils"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A scratch directory in memory where there is such a place: e2fsprogs flush every file to its disk.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A directory that becomes a base image's root.
pub struct Host {
    pub directory: tempfile::TempDir,
}

impl Host {
    /// A small root with what overlays meet: links instead of directories, hard links, existing files and directories.
    pub fn new() -> Self {
        let host = Self { directory: scratch() };
        host.file("etc/hostname", "debian\n");
        host.file("etc/hosts", "127.0.0.1 localhost\n");
        host.file("etc/machine-id", "");
        host.file("usr/bin/true", "#!/bin/sh\n");
        host.file("usr/lib/systemd/systemd", &"x".repeat(70_000));
        host.file("var/lib/dpkg/status", "Package: runc\nStatus: install ok installed\nVersion: 1.1.15+ds1-2\n\n");
        host.link("bin", "usr/bin");
        host.link("lib", "usr/lib");
        host.link("var/run", "/run");
        host.link("etc/resolv.conf", "../run/resolv.conf");
        host.link("etc/dangling", "nowhere/at/all");
        host.link("etc/long", &format!("../usr/{}", "long/".repeat(20)));
        host.directory("run");
        host.directory("etc/systemd/system");
        host.file("etc/alpha", "one inode, two names\n");
        fs::hard_link(host.path("etc/alpha"), host.path("etc/beta")).unwrap();
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn directory(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    pub fn file(&self, name: &str, contents: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), contents).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    pub fn link(&self, name: &str, target: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }
}

/// A raw image with a GPT: BIOS boot and ESP first on the disk, the root first in the table.
pub struct Image {
    pub directory: tempfile::TempDir,
    pub path: PathBuf,
    pub root_bytes: u64,
}

impl Image {
    pub fn new(host: &Host, root_mib: u64, options: &[&str]) -> Self {
        let directory = scratch();
        let path = directory.path().join("base.raw");
        let root_bytes = root_mib * MIB;
        fs::File::create(&path).unwrap().set_len(ROOT_START + root_bytes + MIB).unwrap();
        let sectors = |bytes: u64| bytes / 512;
        let script = format!(
            "label: gpt\nunit: sectors\nfirst-lba: 2048\n\
             14 : start={}, size={}, type=21686148-6449-6E6F-744E-656564454649\n\
             15 : start={}, size={}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n\
             1 : start={}, size={}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid={ROOT_GUID}\n",
            sectors(MIB),
            sectors(3 * MIB),
            sectors(4 * MIB),
            sectors(4 * MIB),
            sectors(ROOT_START),
            sectors(root_bytes),
        );
        run_input("sfdisk", &["-q", text(&path)], &script);
        let offset = format!("offset={ROOT_START}");
        let root = text(host.directory.path()).to_owned();
        let size = format!("{}k", root_bytes / 1024);
        let mut arguments = vec!["-q", "-F", "-t", "ext4", "-b", "4096", "-L", "root", "-E", &offset, "-d", &root];
        arguments.extend(options);
        arguments.extend([text(&path), &size]);
        run("mke2fs", &arguments);
        Self { directory, path, root_bytes }
    }

    /// The root file system, as e2fsprogs name it inside the image.
    pub fn root(&self) -> String {
        format!("{}?offset={ROOT_START}", text(&self.path))
    }

    pub fn base(&self) -> Base {
        open(&self.path, ImageFormat::Raw)
    }

    /// Runs `debugfs` commands that change the root.
    pub fn change(&self, commands: &str) {
        let script = self.directory.path().join("change.commands");
        fs::write(&script, commands).unwrap();
        run("debugfs", &["-w", "-f", text(&script), &self.root()]);
    }

    /// The same disk in another form, and its path.
    pub fn convert(&self, name: &str, options: &[&str]) -> PathBuf {
        let path = self.directory.path().join(name);
        let mut arguments = vec!["convert", "-f", "raw"];
        arguments.extend(options);
        arguments.extend([text(&self.path), text(&path)]);
        run("qemu-img", &arguments);
        path
    }
}

pub fn open(path: &Path, format: ImageFormat) -> Base {
    Base::open(Box::new(fs::File::open(path).unwrap()), format).unwrap()
}

/// Secrets whose bytes follow from their names.
pub struct Secrets;
impl SecretSource for Secrets {
    fn secret(&self, secret: &SecretRef, _: Encoding) -> Result<Zeroizing<Vec<u8>>, FillError> {
        Ok(Zeroizing::new(format!("secret of {}", secret.name).into_bytes()))
    }
}

pub fn secret(name: &str) -> Contents {
    let mut contents = Contents::public("key: ");
    let secret = SecretRef { name: name.into(), generation: 1, commitment: "sha256:00".into() };
    contents.push_secret(secret, Encoding::Raw);
    contents.push(b"\n");
    contents
}

pub fn file(bytes: impl Into<Vec<u8>>) -> Kind {
    Kind::File(Contents::public(bytes.into()))
}

pub fn link(target: &str) -> Kind {
    Kind::Symlink(target.into())
}

/// A tree from path, kind, mode and owner.
pub fn tree(entries: impl IntoIterator<Item = (&'static str, Kind, u16, (u32, u32))>) -> Tree {
    let mut tree = Tree::default();
    for (path, kind, mode, (uid, gid)) in entries {
        add(&mut tree, path, kind, mode, (uid, gid));
    }
    tree
}

pub fn add(tree: &mut Tree, path: &str, kind: Kind, mode: u16, (uid, gid): (u32, u32)) {
    let entry = Entry { kind, mode: Mode::new(mode).unwrap(), owner: Owner { uid, gid }, origin: Origin::default() };
    tree.insert(NodePath::new(path).unwrap(), entry).unwrap();
}

pub fn overlay(base: &Base, tree: &Tree) -> Overlay {
    write_overlay(base, &options(base), tree, &Secrets).unwrap()
}

pub fn options(base: &Base) -> OverlayOptions<'static> {
    let backing_name = match base.format() {
        ImageFormat::Raw => "base.raw",
        ImageFormat::Qcow2 => "base.qcow2",
    };
    OverlayOptions { backing_name, disk_size: base.virtual_size() + 64 * MIB, epoch: EPOCH }
}

/// Writes an overlay beside its base image, checks it with QEMU's and e2fsprogs' tools, and gives the root's path.
pub fn check(directory: &Path, overlay: &Overlay, root_bytes: u64) -> PathBuf {
    let path = directory.join("node.qcow2");
    fs::write(&path, overlay.to_bytes().as_slice()).unwrap();
    let report = run("qemu-img", &["check", text(&path)]);
    assert!(report.contains("No errors were found"), "{report}");
    let disk = directory.join("node.raw");
    run("qemu-img", &["convert", "-O", "raw", text(&path), text(&disk)]);
    run("qemu-img", &["compare", text(&path), text(&disk)]);
    let root = directory.join("node.ext4");
    cut(&disk, &root, root_bytes);
    fs::remove_file(&disk).unwrap();
    run("e2fsck", &["-fn", text(&root)]);
    root
}

/// Copies the root partition to a file of its own, keeping it sparse.
pub fn cut(disk: &Path, to: &Path, bytes: u64) {
    let (from, to) = (format!("if={}", text(disk)), format!("of={}", text(to)));
    let (skip, count) = (format!("skip={}", ROOT_START / MIB), format!("count={}", bytes / MIB));
    run("dd", &["status=none", "bs=1M", "conv=sparse", &from, &to, &skip, &count]);
}

/// What `debugfs` says about every path: mode, owner, size, links and times as in its `stat`.
pub fn stat(root: &Path, paths: &[&str]) -> Vec<BTreeMap<String, String>> {
    let commands: String = paths.iter().map(|path| format!("stat \"{path}\"\n")).collect();
    let script = root.with_extension("commands");
    fs::write(&script, commands).unwrap();
    let output = run("debugfs", &["-f", text(&script), text(root)]);
    let mut all = Vec::new();
    for part in output.split("debugfs: stat ").skip(1) {
        let words: Vec<&str> = part.split_whitespace().collect();
        let mut facts = BTreeMap::new();
        for pair in words.windows(2) {
            if let Some(name) = pair[0].strip_suffix(':') {
                facts.entry(name.to_owned()).or_insert(pair[1].to_owned());
            }
        }
        if let Some(target) = part.split("Fast link dest: ").nth(1) {
            facts.insert("Target".into(), target.lines().next().unwrap().trim_matches('"').to_owned());
        }
        facts.insert("Text".into(), part.to_owned());
        all.push(facts);
    }
    assert_eq!(all.len(), paths.len(), "{output}");
    all
}

/// The whole file system as files on the host.
pub fn dump(root: &Path) -> tempfile::TempDir {
    let directory = scratch();
    run("debugfs", &["-R", &format!("rdump / {}", text(directory.path())), text(root)]);
    directory
}

/// Compares every entry of a tree with what e2fsprogs read back.
pub fn compare(root: &Path, tree: &Tree) {
    let dumped = dump(root);
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path.as_str()).collect();
    let facts = stat(root, &paths);
    for ((path, entry), facts) in tree.iter().zip(facts) {
        let on_host = dumped.path().join(path.relative());
        let (kind, mode) = match &entry.kind {
            Kind::Directory => ("directory", entry.mode),
            Kind::File(contents) => {
                let expected = contents.fill(&Secrets).unwrap();
                assert!(fs::read(&on_host).unwrap() == expected.as_slice(), "{path}: other contents");
                assert_eq!(facts["Size"], expected.len().to_string(), "{path}");
                ("regular", entry.mode)
            }
            Kind::Symlink(target) => {
                assert_eq!(fs::read_link(&on_host).unwrap().to_str(), Some(target.as_str()), "{path}");
                ("symlink", entry.mode)
            }
        };
        assert_eq!(facts["Type"], kind, "{path}");
        assert_eq!(u16::from_str_radix(&facts["Mode"], 8), Ok(mode.bits()), "{path}");
        assert_eq!(facts["User"], entry.owner.uid.to_string(), "{path}");
        assert_eq!(facts["Group"], entry.owner.gid.to_string(), "{path}");
    }
}
