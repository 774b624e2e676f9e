//! A user's cluster folder with everything pinned: an example's spec, a sealed root, a small base image, a cache.

use super::cluster::debian_13;
use super::{package_directory, require_tool, run, run_tool};
use kubi::build::Prepared;
use kubi::edge::inputs::Inputs;
use kubi::plan::Pins;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The same root secret in every test, so that outputs can be compared between them.
pub const ROOT: [u8; 32] = [7; 32];

/// A folder to run `kubi` in. Nothing of the user's own configuration reaches it.
pub struct Workspace {
    pub directory: TempDir,
}

impl Workspace {
    /// An example, ready to build: bundles and overlays, no artifact disk.
    pub fn example(name: &str) -> Self {
        let text =
            std::fs::read_to_string(package_directory().join("examples").join(name).join("cluster.yaml")).unwrap();
        Self::with_spec(&text)
    }

    /// A folder without a cluster.
    pub fn empty() -> Self {
        let this = Self { directory: tempfile::tempdir().unwrap() };
        let keygen = require_tool("age-keygen", "age");
        run_tool(&keygen, [Path::new("-o"), &this.path().join("identity")]).success();
        this
    }

    pub fn with_spec(text: &str) -> Self {
        let this = Self::empty();
        this.write_spec(text);
        this.seal_root();
        this.pin_base_in(this.path());
        this.kubi(["lock"]).success();
        this
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    pub fn write_spec(&self, text: &str) {
        std::fs::write(self.path().join("cluster.yaml"), text).unwrap();
    }

    pub fn spec(&self) -> String {
        std::fs::read_to_string(self.path().join("cluster.yaml")).unwrap()
    }

    /// A `kubi` command in this folder, with a fixed environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubi"));
        command.current_dir(self.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path().join("home")).env("KUBI_CACHE", self.path().join("cache"));
        command.env("KUBI_IDENTITY", self.path().join("identity"));
        command
    }

    #[track_caller]
    pub fn kubi<const N: usize>(&self, arguments: [&str; N]) -> super::Finished {
        run(self.command().args(arguments), Duration::from_secs(300))
    }

    fn seal_root(&self) {
        let keygen = require_tool("age-keygen", "age");
        let age = require_tool("age", "age");
        let identity = self.path().join("identity");
        let recipient = run_tool(&keygen, [Path::new("-y"), &identity]).success();
        let secrets = self.path().join("secrets");
        std::fs::create_dir_all(&secrets).unwrap();
        let plain = self.path().join("root.bin");
        std::fs::write(&plain, ROOT).unwrap();
        let sealed = secrets.join("root.age");
        run(
            Command::new(age).args(["-a", "-r", recipient.trim(), "-o"]).arg(&sealed).arg(&plain),
            Duration::from_secs(60),
        )
        .success();
        std::fs::remove_file(plain).unwrap();
    }

    /// Adds an ext4 image of 64 MiB whose package database has what the spec needs.
    pub fn pin_base_in(&self, folder: &Path) {
        let inputs = Inputs::read(&folder.join("cluster.yaml")).unwrap();
        let prepared = Prepared::new(&inputs).unwrap_or_else(|error| panic!("{error:?}"));
        let packages = prepared.plan(Pins::Open).unwrap_or_else(|error| panic!("{error:?}")).packages();
        let root = self.path().join("base-root");
        for folder in ["etc/systemd/system", "usr/lib/systemd/system", "usr/bin", "var/lib/dpkg", "var/log", "boot"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("etc/hostname"), "debian\n").unwrap();
        let known = debian_13();
        let version = |package: &String| known.get(package).map_or("1.0-1", String::as_str).to_owned();
        let status: String = packages
            .iter()
            .map(|p| format!("Package: {p}\nStatus: install ok installed\nVersion: {}\n\n", version(p)))
            .collect();
        std::fs::write(root.join("var/lib/dpkg/status"), status).unwrap();
        let image = self.path().join("base.raw");
        let make = require_tool("mke2fs", "e2fsprogs");
        let arguments = ["-q", "-t", "ext4", "-U", "11111111-2222-4333-8444-555555555555", "-E"];
        let mut command = Command::new(make);
        command.env("SOURCE_DATE_EPOCH", "1793491200").args(arguments);
        command.args(["hash_seed=11111111-2222-4333-8444-555555555555", "-d"]).arg(&root).arg(&image).arg("64M");
        run(&mut command, Duration::from_secs(60)).success();
        let name = prepared.cluster.spec.base.clone();
        let mut add = self.command();
        add.current_dir(folder).args(["base", "add", "--name", &name, "--arch", "amd64"]).arg(&image);
        run(&mut add, Duration::from_secs(300)).success();
    }
}
