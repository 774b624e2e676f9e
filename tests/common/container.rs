//! A container image made here, from a static busybox, on an artifact disk of its own: no registry is asked.

use super::{require_tool, run};
use kubi::tree::Digest;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The image's name, as nodes list it.
pub const IMAGE: &str = "localhost/kubi-greeter:1";
/// What a container of it prints.
pub const GREETING: &str = "greetings from a container";

/// A squashfs with `images/greeter.tar`, as an artifact disk has it.
pub fn artifact_disk(scratch: &Path) -> PathBuf {
    let root = scratch.join("artifact-disk");
    std::fs::create_dir_all(root.join("images")).unwrap();
    std::fs::write(root.join("images/greeter.tar"), archive()).unwrap();
    let disk = scratch.join("artifacts.squashfs");
    let mut command = Command::new(require_tool("mksquashfs", "squashfs-tools"));
    command.arg(&root).arg(&disk).args(["-quiet", "-no-progress", "-all-root", "-comp", "zstd"]);
    run(&mut command, Duration::from_secs(60)).success();
    disk
}

/// A docker archive: a layer, a configuration that names it by digest, and a manifest that names both.
fn archive() -> Vec<u8> {
    let busybox = require_tool("busybox", "busybox-static");
    let busybox = std::fs::read(busybox).unwrap();
    let script = format!("#!/bin/busybox sh\necho {GREETING}\n");
    let files = [("bin/busybox", busybox.as_slice()), ("bin/greet", script.as_bytes())];
    let layer = tar(&files);
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/greet"]},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
    });
    let config = serde_json::to_vec(&config).unwrap();
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    tar(&[(&config_name, config.as_slice()), ("layer.tar", layer.as_slice()), ("manifest.json", manifest.as_slice())])
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}
