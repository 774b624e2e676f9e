//! What `kubi diff` says about keys, with and without an identity: a rotation must never pass for nothing.

mod common;

use common::compare::{changes, commit, diff, json, replaced, risk, risks, seal, without_identity};
use common::workspace::Workspace;
use common::{require_tool, run_tool};
use serde_json::Value;
use std::path::Path;

const PKI: &str = "pki: {epoch: 2026-11-01}";

/// Whether the diff has a change of this path on these nodes, with a field of this kind.
fn has(diff: &Value, nodes: &str, path: &str, kind: &str) -> bool {
    let wanted = |fields: &Value| fields.as_array().unwrap().iter().any(|field| field["kind"] == kind);
    changes(diff).iter().any(|(on, at, fields)| on == nodes && at == path && wanted(fields))
}

#[test]
fn rotations_that_the_spec_names_show_without_the_identity() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    let unchanged = without_identity(&workspace, || json(&workspace, &[]));
    assert_eq!(unchanged["summary"]["nodesSame"], 6, "{}", unchanged["summary"]);
    assert!(risks(&unchanged).is_empty());

    replaced(&workspace, PKI, "pki: {epoch: 2026-11-01, generations: {ca/cluster: 2, service-account: 2}}");
    let with = json(&workspace, &[]);
    let without = without_identity(&workspace, || {
        assert_eq!(diff(&workspace, &["--fail-on", "high"]).status.code(), Some(5));
        json(&workspace, &[])
    });
    assert_eq!(risks(&with), risks(&without));
    assert_eq!(
        risks(&without),
        ["high authority-key-changed", "high service-account-key-changed", "low all-controllers-replaced"]
    );
    for id in ["authority-key-changed", "service-account-key-changed"] {
        let place = |diff: &Value| (risk(diff, id)["nodes"].clone(), risk(diff, id)["path"].clone());
        assert_eq!(place(&with), place(&without), "{id}");
    }
    assert_eq!(without["summary"]["nodesChanged"], 6);
    let paths = |diff: &Value| -> Vec<(String, String)> {
        changes(diff)
            .into_iter()
            .map(|(nodes, path, _)| (nodes, path))
            // Names the node's whole plan.
            .filter(|(_, path)| !path.ends_with("meta-data"))
            .collect()
    };
    assert_eq!(paths(&with), paths(&without), "the same files, whether the keys are known or not");
    let all = "kubi-controller-01..03, kubi-worker-0001..0003";
    assert!(has(&without, all, "/etc/kubernetes/kubelet/ca.crt", "rotated"), "{:#?}", changes(&without));
    let etcd = changes(&without).into_iter().find(|(_, path, _)| path.contains("etcd"));
    assert!(etcd.is_none(), "etcd has an authority of its own: {etcd:?}");
}

#[test]
fn one_key_of_one_node_is_told_without_the_identity() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    replaced(&workspace, PKI, "pki: {epoch: 2026-11-01, generations: {etcd-server/kubi-controller-02: 2}}");
    let json = without_identity(&workspace, || json(&workspace, &[]));
    assert_eq!(json["summary"]["nodesChanged"], 1, "{:#?}", changes(&json));
    assert!(has(&json, "kubi-controller-02", "/etc/etcd/server.crt", "rotated"), "{:#?}", changes(&json));
    assert!(risks(&json).is_empty(), "{:?}", risks(&json));
}

#[test]
fn another_root_secret_is_a_risk_and_the_same_one_sealed_again_is_none() {
    let workspace = Workspace::example("single");
    commit(&workspace, "one");
    workspace.kubi(["build"]).success();
    seal(&workspace, &common::workspace::ROOT, "secrets/root.age");
    commit(&workspace, "sealed again");
    let again = json(&workspace, &[]);
    assert!(risks(&again).is_empty() && again["inputs"][0]["path"] == "sealed file secrets/root.age");

    let cannot_tell = |sides: &[&str]| {
        let mut arguments = sides.to_vec();
        arguments.extend(["--fail-on", "high"]);
        let finished = diff(&workspace, &arguments);
        assert_eq!(finished.status.code(), Some(5), "{}", finished.stdout);
        assert!(finished.stdout.contains("high    sealed-root-changed"), "{}", finished.stdout);
        assert!(finished.stdout.contains("could not be compared"), "{}", finished.stdout);
    };
    without_identity(&workspace, || [&[][..], &["main~1..main"]].iter().for_each(|sides| cannot_tell(sides)));

    seal(&workspace, &[9; 32], "secrets/root.age");
    commit(&workspace, "another");
    for sides in [&[][..], &["main~1..main"]] {
        let found = risks(&json(&workspace, sides));
        assert!(found.contains(&"high authority-key-changed".to_owned()), "{found:?}");
        assert!(found.contains(&"high service-account-key-changed".to_owned()), "{found:?}");
        assert!(!found.iter().any(|risk| risk.contains("sealed-root")), "{found:?}");
        without_identity(&workspace, || cannot_tell(sides));
    }
}

/// A self-signed authority's PEM pair, valid from the day that the machine's clock has.
fn authority(workspace: &Workspace, name: &str) -> Vec<u8> {
    let openssl = require_tool("openssl", "openssl");
    let file = |end: &str| workspace.path().join(format!("{name}.{end}"));
    let (key, certificate) = (file("key"), file("crt"));
    let curve = ["genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    run_tool(&openssl, curve.iter().map(Path::new).chain([key.as_path()])).success();
    let request = ["req", "-new", "-x509", "-days", "10950", "-subj", "/O=Example/CN=Own", "-key"];
    let files = [key.as_path(), Path::new("-out"), certificate.as_path()];
    run_tool(&openssl, request.iter().map(Path::new).chain(files)).success();
    [std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap()].concat()
}

#[test]
fn a_replaced_imported_authority_is_seen_by_build_and_diff() {
    let workspace = Workspace::example("single");
    // The authority begins on the day of the test.
    replaced(&workspace, "epoch: 2026-11-01", "epoch: 2050-01-01");
    workspace.kubi(["build"]).success();
    let (one, other) = (authority(&workspace, "one"), authority(&workspace, "other"));
    seal(&workspace, &one, "secrets/ca.age");
    replaced(&workspace, "pki: {epoch: 2050-01-01", "pki: {import: {cluster: secrets/ca.age}, epoch: 2050-01-01");
    assert!(risks(&json(&workspace, &[])).contains(&"high authority-key-changed".to_owned()));
    let imported = without_identity(&workspace, || json(&workspace, &[]));
    assert!(risks(&imported).contains(&"high authority-key-changed".to_owned()), "{:?}", risks(&imported));

    commit(&workspace, "one");
    workspace.kubi(["build"]).success();
    let same = without_identity(&workspace, || json(&workspace, &[]));
    assert_eq!(same["summary"]["nodesSame"], 1, "a stand-in's name and dates: {:#?}", changes(&same));
    assert!(risks(&same).is_empty(), "{:?}", risks(&same));

    seal(&workspace, &other, "secrets/ca.age");
    commit(&workspace, "another");
    for sides in [&[][..], &["main~1..main"]] {
        let known = json(&workspace, sides);
        assert_eq!(known["summary"]["nodesChanged"], 1);
        let place = &risk(&known, "authority-key-changed")["nodes"]["text"];
        assert_eq!(place, "kubi", "with the identity the files tell");
        assert!(known["inputs"].to_string().contains("sealed file secrets/ca.age"), "{}", known["inputs"]);
        let unknown = without_identity(&workspace, || json(&workspace, sides));
        let finding = risk(&unknown, "authority-key-changed")["finding"].as_str().unwrap();
        assert!(finding.contains("secrets/ca.age") && finding.contains("sealed again"), "{finding}");
    }
    workspace.kubi(["build"]).success();
    assert!(diff(&workspace, &[]).success().contains("no differences"), "the build took the new authority");
    assert_eq!(json(&workspace, &["build:2", "build:3"])["summary"]["nodesChanged"], 1);
}
