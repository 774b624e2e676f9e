//! A case for every row of the table, and what must not be taken for a risk.

mod harmless;
mod risky;
mod world;

use super::{Authority, Standing, TABLE, judge_alone};
use harmless::HARMLESS;
use risky::RISKY;
use world::{EPOCH, World};

#[test]
fn every_row_has_a_case_and_every_case_is_found() {
    for row in &TABLE {
        assert!(RISKY.iter().any(|(id, _)| *id == row.id), "{} has no case", row.id);
        assert!(!row.reason.is_empty() && !row.action.is_empty());
    }
    for (number, (id, change)) in RISKY.iter().enumerate() {
        assert!(TABLE.iter().any(|row| row.id == *id), "{id} is no row");
        let mut world = World::new();
        assert!(!world.found().contains_key(*id), "{id} is found where nothing changed");
        change(&mut world);
        assert!(world.found().contains_key(*id), "case {number}: {id} is not found: {:?}", world.found());
    }
}

#[test]
fn harmless_changes_are_no_risks() {
    for (number, (id, change)) in HARMLESS.iter().enumerate() {
        let mut world = World::new();
        change(&mut world);
        assert!(!world.found().contains_key(*id), "case {number}: {id}: {:?}", world.found());
    }
}

#[test]
fn quorum_is_told_before_and_after() {
    let mut world = World::new();
    world.after.nodes.remove(2);
    let expected = "3 members (quorum 2, 1 may fail) before, 2 members (quorum 2, 0 may fail) after";
    assert_eq!(world.found()["etcd-member-removed"], expected);
}

#[test]
fn the_documented_table_is_this_one() {
    let page = include_str!("../../../../docs/diff-json.md");
    let documented = page.lines().filter(|line| line.starts_with("| `") && line.contains("` | high |")).count()
        + page.lines().filter(|line| line.contains("` | medium |") || line.contains("` | low |")).count();
    assert_eq!(documented, TABLE.len());
    for row in &TABLE {
        let line = format!("| `{}` | {} | {} |", row.id, row.severity.name(), row.reason);
        assert!(page.lines().any(|other| other == line), "docs/diff-json.md lacks {line}");
    }
}

#[test]
fn one_side_alone_is_judged_by_the_same_table() {
    let mut world = World::new();
    world.after.spec["pki"]["import"] = serde_json::json!({"etcd": "pki/ca.age"});
    let authority = Authority { path: "/etcd/ca.crt".into(), subject: "CN=etcd".into(), not_after: EPOCH + 86_400 };
    let standing = Standing { facts: Some(&world.after), now: Some(EPOCH), authorities: &[authority], weak: &[] };
    let found: Vec<String> =
        judge_alone(&standing).into_iter().map(|risk| format!("{} {}", risk.id, risk.finding)).collect();
    let expected = [
        "authority-expires-soon certificates of CN=etcd expire on 2026-11-02, in 1 days",
        "etcd-on-one-hypervisor hypervisor local has 3 of 3 etcd members",
    ];
    assert_eq!(found, expected);
}
