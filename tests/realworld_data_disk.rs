//! The script that makes a data disk's file system, run on disks as they come, with the programs that a node has.
#![allow(clippy::disallowed_methods, reason = "tests run programs and look at their files")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::require_tool;
use std::path::Path;
use std::process::Command;

const SIZE: u64 = 64 << 20;
const SCRIPT: &str = include_str!("../recipes/node/base/files/usr/local/lib/kubi/format-data");

/// A disk with these bytes at an offset, and nothing else.
fn disk(folder: &Path, name: &str, offset: usize, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    let mut contents = vec![0; SIZE as usize];
    contents[offset..offset + bytes.len()].copy_from_slice(bytes);
    std::fs::write(&path, contents).unwrap();
    path
}

/// Whether the script succeeds on a disk, and what it says on the console.
fn format(folder: &Path, disk: &Path) -> (bool, String) {
    let console = folder.join("console");
    std::fs::write(&console, "").unwrap();
    let script = SCRIPT.replace("/dev/console", console.to_str().unwrap());
    let output = Command::new("sh").args(["-c", &script, "format-data"]).arg(disk).output().unwrap();
    (output.status.success(), std::fs::read_to_string(console).unwrap())
}

#[test]
fn only_a_blank_disk_is_formatted() {
    require_tool("blkid", "util-linux");
    require_tool("mkfs.ext4", "e2fsprogs");
    let folder = tempfile::tempdir().unwrap();
    let blank = disk(folder.path(), "blank", 0, b"");
    assert_eq!(format(folder.path(), &blank), (true, String::new()));
    let formatted = std::fs::read(&blank).unwrap();
    assert_eq!(formatted[1080..1082], [0x53, 0xef], "the magic number of ext4");
    assert_eq!(format(folder.path(), &blank), (true, String::new()));
    assert!(std::fs::read(&blank).unwrap() == formatted, "a second boot changes nothing");

    // The same file system without its superblock.
    let mut lost = formatted;
    lost[1024..2048].fill(0);
    std::fs::write(&blank, &lost).unwrap();
    // An MBR, and something that no program knows.
    let table = disk(folder.path(), "table", 510, &[0x55, 0xaa]);
    let unknown = disk(folder.path(), "unknown", 1 << 19, b"x");
    for disk in [blank, table, unknown] {
        let before = std::fs::read(&disk).unwrap();
        let (success, console) = format(folder.path(), &disk);
        assert!(!success && console.contains("nothing on it was changed"), "{}: {console}", disk.display());
        assert!(std::fs::read(&disk).unwrap() == before, "{}", disk.display());
    }
}
