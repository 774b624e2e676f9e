//! `kubi lock`, `kubi fetch`, `kubi vendor` and `kubi base` as a user runs them, without a network.

use assert_cmd::Command;
use std::fs;
use std::path::Path;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubicluster/cluster.yaml");
        fs::copy(example, folder.path().join("cluster.yaml")).unwrap();
        Self(folder)
    }

    /// Runs kubi in the folder: exit code, standard output, standard error.
    fn kubi(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("kubi").unwrap();
        command.current_dir(self.0.path()).env("KUBI_CACHE", self.0.path().join("cache")).args(arguments);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_lock_is_written_once_and_edits_are_found() {
    let folder = Folder::new();
    assert_eq!(folder.kubi(&["lock", "--check"]).0, 1, "there is no lock yet");
    let (code, out, _) = folder.kubi(&["lock"]);
    assert!(code == 0 && out.contains("+ kube-apiserver 1.36.4 for amd64"), "{out}");
    let lock = folder.read("kubi.lock");
    assert_eq!(folder.kubi(&["lock", "--check"]).0, 0);
    folder.write("kubi.lock", lock.replace("platform: amd64", "platform:  amd64").as_bytes());
    let (code, _, err) = folder.kubi(&["fetch"]);
    assert!(
        code == 1 && err.contains("kubi.lock") && err.contains("line ") && err.contains("run `kubi lock`"),
        "{err}"
    );
    folder.kubi(&["lock"]);
    assert_eq!(folder.read("kubi.lock"), lock);
    let digest = lock.lines().find(|line| line.contains("digest: sha256:")).unwrap();
    folder.write("kubi.lock", lock.replace(digest, &digest.replace(&digest[digest.len() - 4..], "0000")).as_bytes());
    let (code, _, err) = folder.kubi(&["fetch"]);
    assert!(code == 1 && err.contains("is published as"), "{err}");
}

#[test]
fn what_cannot_be_had_is_named_and_can_be_brought() {
    let folder = Folder::new();
    // A release that is small enough to make here.
    let digest = kubi::tree::Digest::of(b"a kubectl");
    folder.write(
        "vendor/catalog.yaml",
        format!(
            "apiVersion: kubi/v1alpha1\nkind: Catalog\nartifacts:\n  kubectl:\n    summary: s\n    source: https://example.org/kubectl\n    format: binary\n    install: {{kubectl: bin/kubectl}}\n    releases: {{\"1.36.5\": {{amd64: \"{digest}\"}}}}\n"
        )
        .as_bytes(),
    );
    let spec =
        folder.read("cluster.yaml").replacen("spec:\n", "spec:\n  components: {kubectl: {version: 1.36.5}}\n", 1);
    folder.write("cluster.yaml", spec.as_bytes());
    let (code, _, err) = folder.kubi(&["lock"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = folder.kubi(&["fetch", "--mirror", "file:///nowhere"]);
    assert!(code == 3 && out.contains("kubectl 1.36.5 for amd64") && out.contains(digest.as_str()), "{out}");
    assert!(out.contains("kubi vendor add FILE"), "{out}");
    folder.write("files/some download", b"a kubectl");
    folder.write("files/other", b"something else");
    let (code, out, _) = folder.kubi(&["vendor", "add", "files"]);
    assert!(code == 0 && out.contains("some download: kubectl 1.36.5 for amd64"), "{out}");
    assert!(out.contains("other: unknown, left alone"), "{out}");
    let (_, out, _) = folder.kubi(&["vendor", "list"]);
    assert!(out.contains("cached   kubectl 1.36.5") && out.contains("missing  kubelet"), "{out}");
    let mirror = folder.0.path().join("mirror");
    folder.write("mirror/kubectl", b"a kubectl");
    fs::remove_dir_all(folder.0.path().join("cache")).unwrap();
    let prefix = format!("file://{}", mirror.display());
    let (_, out, _) = folder.kubi(&["fetch", "--mirror", &prefix, "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["fetched"], 1, "{out}");
}

#[test]
fn an_own_build_needs_consent() {
    let folder = Folder::new();
    folder.kubi(&["lock"]);
    folder.write("kubelet", b"my kubelet");
    let (code, _, err) = folder.kubi(&["vendor", "add", "kubelet"]);
    assert!(code == 1 && err.contains("--trust"), "{err}");
    let own = ["vendor", "add", "kubelet", "--name", "kubelet", "--version", "1.36.4"];
    assert_eq!(folder.kubi(&own).0, 2, "pinned without --trust");
    let (code, _, err) = folder.kubi(&[&own[..], &["--trust"]].concat());
    assert!(code == 1 && err.contains("--arch"), "{err}");
    let (code, _, err) = folder.kubi(&[&own[..], &["--trust", "--arch", "amd64"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(folder.read("kubi.lock").contains("vendored:kubelet"));
    assert_eq!(folder.kubi(&["lock", "--check"]).0, 0, "`kubi lock` keeps it");
    assert_eq!(folder.kubi(&["vendor", "remove", "kubelet", "1.36.4"]).0, 0);
    folder.kubi(&["lock"]);
    assert!(!folder.read("kubi.lock").contains("vendored:"));
    let (code, _, err) = folder.kubi(&["vendor", "add", "kubelet", "--name", "kublet", "--version", "1", "--trust"]);
    assert!(code == 1 && err.contains("no artifact is called") && err.contains("kubelet"), "{err}");
}

#[test]
fn an_own_build_must_be_packed_as_the_published_one() {
    let folder = Folder::new();
    folder.kubi(&["lock"]);
    folder.write("crictl", b"a program, not an archive of one");
    let add = ["vendor", "add", "crictl", "--name", "crictl", "--version", "1.36.0", "--arch", "amd64", "--trust"];
    let (code, _, err) = folder.kubi(&add);
    assert!(code == 1 && err.contains("crictl is a tar.gz archive with crictl"), "{err}");
    assert!(!folder.read("kubi.lock").contains("vendored:"));
}

#[test]
fn a_base_must_be_an_image() {
    let folder = Folder::new();
    folder.write("image.raw", &vec![0; 1 << 20]);
    let (code, _, err) = folder.kubi(&["base", "add", "image.raw"]);
    assert!(code == 3 && err.contains("image.raw"), "{err}");
    assert!(!folder.0.path().join("kubi.lock").exists());
    let (code, _, err) = folder.kubi(&["base", "list"]);
    assert!(code == 0 && err.contains("kubi base build"), "{err}");
    let (code, _, err) = folder.kubi(&["base", "build", "--packages", "curl,--oops"]);
    assert!(code == 2 && err.contains("no package"), "{err}");
    let (code, _, err) = folder.kubi(&["base", "build", "--size", "100MiB"]);
    assert!(code == 3, "{err}");
}
