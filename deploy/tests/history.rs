//! What is noted of deployed builds, and read again for going back.

mod common;

use common::folder::copy;
use kubi_deploy::edge::{Folder, FolderError, Lock};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

#[test]
fn deployed_builds_can_be_read_again_until_they_are_old() {
    let out = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), out.path());
    let folder = Folder::find(out.path(), None).unwrap();
    let build = folder.build().unwrap();
    assert!(matches!(folder.deployed(build.number), Err(FolderError::NotDeployed { .. })));
    let operator = out.path().join("quorum/operator");
    std::fs::create_dir_all(&operator).unwrap();
    for path in build.deployment.operator_files() {
        std::fs::write(out.path().join("quorum/deploy").join(path), "secret").unwrap();
    }
    folder.remember(&build).unwrap();
    folder.remember(&build).unwrap();
    // Its credentials are kept, for nobody else to read.
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let kept = folder.deployed_folder().join(build.number.to_string()).join("operator");
    assert_eq!((mode(&kept), mode(&kept.join("etcd.key"))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), build.deployment.operator_files().count());
    let again = folder.deployed(build.number).unwrap();
    assert_eq!((again.number, &again.deployment, &again.xml), (build.number, &build.deployment, &build.xml));
    // A build that was published meanwhile is not noted under the number of the one that was planned.
    let mut other = build.clone();
    other.number += 1;
    assert!(matches!(folder.remember(&other), Err(FolderError::NotOfBuild { .. })));

    for number in 10..16 {
        std::fs::create_dir_all(folder.deployed_folder().join(number.to_string())).unwrap();
    }
    assert_eq!(folder.old_and_kept(), (vec![build.number, 10], vec![11, 12, 13, 14, 15]));
    folder.forget(build.number).unwrap();
    assert!(matches!(folder.deployed(build.number), Err(FolderError::NotDeployed { .. })));
    // Written in part, then interrupted.
    assert!(matches!(folder.deployed(12), Err(FolderError::NotDeployed { .. })));
}

#[test]
fn two_deployers_do_not_meet() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("deployed/.lock");
    let first = Lock::acquire(&path).unwrap();
    assert!(matches!(Lock::acquire(&path), Err(FolderError::Busy { .. })));
    drop(first);
    Lock::acquire(&path).unwrap();
}
