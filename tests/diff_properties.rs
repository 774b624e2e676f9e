//! What must hold for a diff of any two trees.

mod common;

use common::sides::TreeSide;
use kubi::diff::terminal::{Long, Style};
use kubi::diff::{Diff, EntryFacts, Options, Side, apply, diff, markdown, terminal};
use kubi::tree::{Contents, Encoding, Entry, Kind, Mode, NodePath, Origin, Owner, SecretRef, Tree};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// Few paths and few contents, so that entries change, move and stay.
const PATHS: [&str; 12] = [
    "/etc/hosts",
    "/etc/sysctl.d/k.conf",
    "/etc/systemd/system/a.service",
    "/etc/a.yaml",
    "/etc/a.json",
    "/etc/a.toml",
    "/etc/a.xml",
    "/etc/pki/ca.crt",
    "/etc/pki/key.pem",
    "/etc/cloud/x.cfg",
    "/opt/plain",
    "/opt/binary",
];

fn contents() -> impl Strategy<Value = Contents> {
    let text = prop_oneof![
        "[a-c]{0,3}(: |=| = )[0-3]\n",
        "\\[S\\]\nExecStart=/x --a=[0-2] --b=[0-2]\n",
        "\\{\"a\": [0-2], \"l\": \\[[0-2], [0-2]\\]\\}",
        "a: [0-2]\nl:\n- name: [a-c]\n- name: d\n",
        "<a x='[0-2]'><b/></a>",
        "\\PC{0,30}",
    ];
    let public = prop_oneof![text.prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..20)];
    (public, proptest::option::of((0u32..3, 0u8..3))).prop_map(|(bytes, secret)| {
        let mut contents = Contents::public(bytes);
        if let Some((generation, commitment)) = secret {
            let commitment = format!("sha256:{}", format!("{commitment:02x}").repeat(32));
            contents.push_secret(SecretRef { name: "key/x".into(), generation, commitment }, Encoding::Pem);
        }
        contents
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        1 => Just(Kind::Directory),
        6 => contents().prop_map(Kind::File),
        1 => "[a-c]{1,2}".prop_map(Kind::Symlink),
    ];
    (kind, prop_oneof![Just(0o600), Just(0o644)], 0u32..2).prop_map(|(kind, mode, uid)| Entry {
        kind,
        mode: Mode::new(mode).unwrap(),
        owner: Owner { uid, gid: 0 },
        origin: Origin::default(),
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    proptest::collection::btree_map(0usize..PATHS.len(), entry(), 0..8).prop_map(|entries| {
        let mut tree = Tree::default();
        for (path, entry) in entries {
            tree.insert(NodePath::new(PATHS[path]).unwrap(), entry).unwrap();
        }
        tree
    })
}

fn cluster() -> impl Strategy<Value = BTreeMap<String, Tree>> {
    proptest::collection::btree_map("n-[0-3]", tree(), 1..4)
}

fn compare(before: &TreeSide, after: &TreeSide) -> Diff {
    diff(before, after, &Options::default()).unwrap()
}

fn manifest(side: &TreeSide, node: &str) -> BTreeMap<String, EntryFacts> {
    side.entries(node).unwrap().iter().map(|entry| (entry.path.clone(), entry.facts())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_side_does_not_differ_from_itself(trees in cluster()) {
        let (one, other) = (TreeSide::new(trees.clone()), TreeSide::new(trees));
        let diff = compare(&one, &other);
        prop_assert!(diff.is_empty() && diff.risks.is_empty());
        prop_assert_eq!(one.listed.load(Ordering::Relaxed) + other.listed.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn every_changed_entry_is_reported_and_nothing_else(before in cluster(), after in cluster()) {
        let (old, new) = (TreeSide::new(before), TreeSide::new(after));
        let diff = compare(&old, &new);
        let both = old.trees.keys().filter(|name| new.trees.contains_key(*name));
        for node in both {
            let (mine, theirs) = (manifest(&old, node), manifest(&new, node));
            let paths: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
            let differ: BTreeSet<String> =
                paths.into_iter().filter(|path| mine.get(*path) != theirs.get(*path)).cloned().collect();
            let listed = diff.nodes.iter().find(|other| other.name == *node);
            let mut reported: BTreeSet<String> = BTreeSet::new();
            for entry in listed.iter().flat_map(|node| &node.entries) {
                reported.insert(entry.path.clone());
                reported.extend(entry.renamed_from.clone());
            }
            prop_assert_eq!(&reported, &differ);
            let grouped: BTreeSet<String> = diff.groups.iter()
                .filter(|group| group.nodes.names.contains(node))
                .flat_map(|group| &group.changes)
                .flat_map(|change| [Some(change.path.clone()), change.renamed_from.clone()])
                .flatten()
                .collect();
            prop_assert_eq!(grouped, differ);
        }
    }

    #[test]
    fn every_reported_change_says_what_changed(before in cluster(), after in cluster()) {
        let diff = compare(&TreeSide::new(before), &TreeSide::new(after));
        for change in diff.groups.iter().flat_map(|group| &group.changes) {
            let said = !change.fields.is_empty() || !change.hunks.is_empty() || change.renamed_from.is_some();
            // An empty file with nothing unusual about it has nothing to say but that it is there.
            let whole = matches!(change.state, kubi::diff::State::Added | kubi::diff::State::Removed);
            prop_assert!(said || whole && !change.format.is_empty(), "{:?}", change);
        }
    }

    #[test]
    fn a_json_diff_turns_one_side_into_the_other(before in cluster(), after in cluster()) {
        let (old, new) = (TreeSide::new(before), TreeSide::new(after));
        let json = serde_json::to_string(&compare(&old, &new)).unwrap();
        let diff: Diff = serde_json::from_str(&json).unwrap();
        let mut manifests: BTreeMap<String, _> = old.trees.keys().map(|node| (node.clone(), manifest(&old, node))).collect();
        for node in &diff.nodes {
            let applied = apply(&manifests.remove(&node.name).unwrap_or_default(), &node.entries);
            if node.state != kubi::diff::State::Removed {
                manifests.insert(node.name.clone(), applied);
            } else {
                prop_assert!(applied.is_empty());
            }
        }
        let expected: BTreeMap<String, _> = new.trees.keys().map(|node| (node.clone(), manifest(&new, node))).collect();
        prop_assert_eq!(manifests, expected);
    }

    #[test]
    fn every_format_is_deterministic_and_within_its_limits(before in cluster(), after in cluster()) {
        let (old, new) = (TreeSide::new(before), TreeSide::new(after));
        let texts = || {
            let diff = compare(&old, &new);
            let style = Style { colour: true, width: 60, long: Long::Cut, lines: true };
            [terminal::text(&diff, style), markdown::text(&diff, 3000), serde_json::to_string(&diff).unwrap()]
        };
        let first = texts();
        prop_assert_eq!(&first, &texts());
        prop_assert!(first[1].len() <= 3000, "{}", first[1].len());
        let plain = terminal::text(&compare(&old, &new), Style { colour: false, width: 60, long: Long::Cut, lines: true });
        prop_assert!(plain.chars().all(|c| c == '\n' || !c.is_control()), "{plain:?}");
    }
}
