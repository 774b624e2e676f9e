//! Images on their way in a pretended world: damaged, gone, cut off, and a pool without room.

mod common;

use common::cluster::{BIG, ha};
use common::scenes::running;
use kubi_deploy::apply::ApplyError;
use kubi_deploy::plan::Step;
use kubi_deploy::upload::SEGMENT;
use std::sync::atomic::Ordering;

#[test]
fn damaged_images_go_nowhere() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.damaged.lock().unwrap().insert("artifacts-2.squashfs".into());
    let error = fake.apply(&next).unwrap_err();
    assert!(matches!(error, ApplyError::ImageDamaged { .. }), "{error}");
    assert_eq!(fake.log(), [""; 0], "nothing was touched");
}

#[test]
fn an_image_that_is_gone_is_named_with_what_to_do() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.missing.lock().unwrap().insert("artifacts-2.squashfs".into());
    let error = fake.apply(&next).unwrap_err().to_string();
    assert!(
        error.starts_with("the image artifacts-2.squashfs cannot be read: ") && error.contains("kubi build"),
        "{error}"
    );
    assert_eq!(fake.log(), [""; 0], "nothing was touched");
}

#[test]
fn a_pool_that_becomes_full_is_said_and_gone_on_from() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.machines["one"].inner.lock().unwrap().full = true;
    let error = fake.apply(&next).unwrap_err().to_string();
    assert!(error.starts_with("the storage is full while uploading volume artifacts-2.squashfs"), "{error}");
    assert!(error.ends_with("run the same command again"), "{error}");
    assert_eq!(fake.started(), [""; 0]);
    fake.machines["one"].inner.lock().unwrap().full = false;
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn what_arrives_damaged_is_sent_again() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    fake.machines["one"].inner.lock().unwrap().corrupt = Some("artifacts-2.squashfs".into());
    let error = fake.apply(&next).unwrap_err();
    assert!(matches!(error, ApplyError::UploadDamaged { .. }), "{error}");
    assert_eq!(fake.started(), [""; 0]);
    fake.machines["one"].inner.lock().unwrap().corrupt = None;
    fake.apply(&next).unwrap();
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn an_upload_goes_on_where_it_was_cut_off() {
    let cluster = ha();
    let fake = running(&cluster);
    let next = cluster.change(|c| c.node("w-1").base = BIG).build();
    let is_write = |line: &&String| line.contains("write volume base-9.qcow2");
    let second = {
        let whole = running(&cluster);
        whole.apply(&next).unwrap();
        let log = whole.shared.log.lock().unwrap();
        let writes: Vec<usize> = log.iter().enumerate().filter(|(_, line)| is_write(line)).map(|(at, _)| at).collect();
        assert_eq!(writes.len(), 3);
        writes[1]
    };
    fake.shared.calls_left.store(i64::try_from(second).unwrap() + 1, Ordering::SeqCst);
    assert!(fake.apply(&next).is_err());
    fake.forget_log();
    fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
    let plan = fake.plan(&next);
    let done = plan.steps.iter().find_map(|step| match step {
        Step::Upload { file, done, .. } if file == "base-9.qcow2" => Some(*done),
        _ => None,
    });
    assert_eq!(done, Some(SEGMENT), "the second segment was sent, but not yet told");
    fake.apply(&next).unwrap();
    assert_eq!(fake.log().iter().filter(is_write).count(), 2);
    assert_eq!(fake.started(), ["w-1"]);
}

#[test]
fn an_upload_killed_twice_never_counts_as_whole() {
    let cluster = ha();
    let next = cluster.change(|c| c.node("w-1").artifacts = 2).build();
    for first in 0..8 {
        for second in 0..8 {
            let fake = running(&cluster);
            for calls in [first, second] {
                fake.shared.calls_left.store(calls, Ordering::SeqCst);
                assert!(fake.apply(&next).is_err(), "an upload and a replacement take longer");
            }
            fake.shared.calls_left.store(i64::MAX, Ordering::SeqCst);
            fake.apply(&next).unwrap();
            let inner = fake.machines["one"].inner.lock().unwrap();
            let sent = &inner.volumes["artifacts-2.squashfs"].1;
            assert_eq!(*sent, common::cluster::image_bytes("artifacts-2.squashfs"), "killed at {first} and {second}");
        }
    }
}
