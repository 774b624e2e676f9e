//! One table for all formats: two texts, and what is said about them.

use super::{Format, compare, document};
use crate::diff::model::ChangeKind;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        (0..3).prop_map(serde_json::Value::from),
        "[0-2]|a\n|a \n|b".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object = proptest::collection::btree_map("name|key|kind|[a-c]", inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(serde_json::Value::from),
            object.prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_differ_exactly_where_fields_say_so(before in value(), after in value()) {
        let same = before == after;
        prop_assert_eq!(document::compare(&before, &after).is_empty(), same);
        prop_assert_eq!(document::compare_leaves(&before, &after).is_empty(), same);
        prop_assert!(document::compare(&before, &before).is_empty());
    }
}

/// Fields as `sign path: before -> after`.
fn fields(path: &str, before: &str, after: &str) -> (Format, Vec<String>) {
    let compared = compare(path, Some(before.as_bytes()), Some(after.as_bytes()));
    let text = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    let shown = compared.fields.into_iter().map(|field| match field.kind {
        ChangeKind::Added => format!("+ {}: {}", field.path, text(field.after)),
        ChangeKind::Removed => format!("- {}: {}", field.path, text(field.before)),
        kind => format!("{kind:?} {}: {} -> {}", field.path, text(field.before), text(field.after)),
    });
    (compared.format, shown.collect())
}

#[track_caller]
fn check(path: &str, before: &str, after: &str, format: Format, expected: &[&str]) {
    assert_eq!(fields(path, before, after), (format, expected.iter().map(|text| (*text).to_owned()).collect()));
}

#[test]
fn units_are_read_flag_by_flag() {
    let before =
        "[Unit]\nAfter=a.service b.service\n[Service]\nExecStart=/bin/x \\\n  --a=1 \\\n  --list=x,y \\\n  --gone\n";
    let after =
        "[Unit]\nAfter=b.service a.service c.service\n[Service]\nExecStart=/bin/x --list=x,z --a=2 --new=1\nUser=x\n";
    let expected = [
        "+ [Unit] After: c.service",
        "Reordered [Unit] After: a.service, b.service -> b.service, a.service",
        "Changed [Service] ExecStart --a: 1 -> 2",
        "- [Service] ExecStart --gone: ",
        "- [Service] ExecStart --list: y",
        "+ [Service] ExecStart --list: z",
        "+ [Service] ExecStart --new: 1",
        "+ [Service] User: x",
    ];
    check("/etc/systemd/system/x.service", before, after, Format::Unit, &expected);
}

#[test]
fn only_order_is_told_as_such() {
    let unit = |flags: &str| format!("[Service]\nExecStart=/bin/x {flags}\n");
    let expected = "Reordered [Service] ExecStart: /bin/x --a=1 --b=2 -> /bin/x --b=2 --a=1";
    check("/x.service", &unit("--a=1 --b=2"), &unit("--b=2 --a=1"), Format::Unit, &[expected]);
    check("/x.json", "{\"a\": [1, 2]}", "{\"a\": [2, 1]}", Format::Json, &["Reordered a: 1, 2 -> 2, 1"]);
    check("/x.json", "{\"a\": 1, \"b\": 2}", "{\"b\": 2, \"a\": 1}", Format::Json, &[]);
}

#[test]
fn list_items_are_matched_by_what_names_them() {
    let before = "a:\n- {name: x, v: 1}\n- {name: y, v: 1}\n";
    let after = "a:\n- {name: z, v: 0}\n- {name: y, v: 2}\n";
    let expected = ["- a[x]: {\"name\":\"x\",\"v\":1}", "Changed a[y].v: 1 -> 2", "+ a[z]: {\"name\":\"z\",\"v\":0}"];
    check("/x.yaml", before, after, Format::Yaml, &expected);
    let providers = |order: [&str; 2]| format!("providers: [{{{}: {{}}}}, {{{}: {{}}}}]\n", order[0], order[1]);
    let expected = ["+ p[b]: {\"b\":1}", "Reordered p: a -> b, a"];
    check("/x.yaml", "p: [{a: 1}]\n", "p: [{b: 1}, {a: 1}]\n", Format::Yaml, &expected);
    let expected = ["Reordered providers: secretbox, identity -> identity, secretbox"];
    check(
        "/x.yaml",
        &providers(["secretbox", "identity"]),
        &providers(["identity", "secretbox"]),
        Format::Yaml,
        &expected,
    );
}

#[test]
fn manifests_are_compared_object_by_object() {
    let object = |name: &str, value: u32| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: n}}\ndata: {{k: {value}}}\n")
    };
    let before = format!("{}---\n{}", object("a", 1), object("b", 1));
    let after = format!("{}---\n{}", object("b", 2), object("a", 1));
    let expected = [
        "Changed ConfigMap n/b: data.k: 1 -> 2",
        "Reordered objects: ConfigMap n/a, ConfigMap n/b -> ConfigMap n/b, ConfigMap n/a",
    ];
    check("/x.yaml", &before, &after, Format::Manifest, &expected);
}

#[test]
fn types_and_comments_are_not_lost() {
    check("/x.yaml", "a: \"1\"\n", "a: 1\n", Format::Yaml, &["Changed a: \"1\" -> 1"]);
    check("/x.yaml", "a: 1\n# old\n", "a: 1\n# new\n", Format::Yaml, &["Changed comment: old -> new"]);
    check("/etc/sysctl.d/x.conf", "# x\na = 1\n", "a = 2\n", Format::Sysctl, &["Changed a: 1 -> 2", "- comment: x"]);
}

#[test]
fn the_other_formats() {
    let hosts = ("10.0.0.1 a b\n127.0.0.1 localhost\n", "10.0.0.2 a\n127.0.0.1 localhost\n10.0.0.3 c\n");
    let expected = ["Changed a: 10.0.0.1 -> 10.0.0.2", "- b: 10.0.0.1", "+ c: 10.0.0.3"];
    check("/etc/hosts", hosts.0, hosts.1, Format::Hosts, &expected);
    let toml = ("[a.b]\nx = 1\nl = [\"p\"]\n", "[a.b]\nx = 2\nl = [\"p\", \"q\"]\n");
    check("/x.toml", toml.0, toml.1, Format::Toml, &["Changed a.b.x: 1 -> 2", "+ a.b.l: q"]);
    let crio = ("[crio.runtime]\nx = \"a\"\n", "[crio.runtime]\nx = \"b\"\n");
    check("/etc/crio/crio.conf.d/1.conf", crio.0, crio.1, Format::Toml, &["Changed crio.runtime.x: a -> b"]);
    let xml = (
        "<domain type='kvm'><name>a</name><vcpu>1</vcpu></domain>",
        "<domain type='qemu'><name>a</name><vcpu>2</vcpu></domain>",
    );
    let expected = ["Changed domain[\"@type\"]: kvm -> qemu", "Changed domain.vcpu: 1 -> 2"];
    check("/x.xml", xml.0, xml.1, Format::Xml, &expected);
    let cloud = ("#cloud-config\nssh_pwauth: false\n", "#cloud-config\nssh_pwauth: true\n");
    check("/etc/cloud/cloud.cfg.d/99.cfg", cloud.0, cloud.1, Format::CloudInit, &["Changed ssh_pwauth: false -> true"]);
    check("/etc/default/x", "A=1\n", "A=2\n", Format::Ini, &["Changed A: 1 -> 2"]);
    check("/etc/motd", "a\n", "b\n", Format::Text, &[]);
}

#[test]
fn what_cannot_be_parsed_is_compared_as_text() {
    for path in ["/x.json", "/x.yaml", "/x.toml", "/x.xml", "/x.service", "/etc/sysctl.d/x.conf", "/x.crt"] {
        let compared = compare(path, Some(b"{ a: [\n<\n"), Some(b"{ b: [\n<\n"));
        assert_eq!(compared.format, Format::Text, "{path}");
        assert_eq!(compared.hunks.len(), 1, "{path}");
    }
    assert_eq!(compare("/x", Some(b"a\0b"), Some(b"a")).format, Format::Binary);
    assert_eq!(compare("/x", Some(b"\xff"), None).format, Format::Binary);
}

#[test]
fn words_are_emphasised_within_lines() {
    let compared = compare("/etc/motd", Some(b"one two three\n"), Some(b"one 2 three\n"));
    let [hunk] = &compared.hunks[..] else { panic!("{:?}", compared.hunks) };
    let emphasised: Vec<&str> =
        hunk.lines.iter().flat_map(|line| line.emphasis.iter().map(|(start, end)| &line.text[*start..*end])).collect();
    assert_eq!(emphasised, ["two", "2"]);
}

#[test]
fn numbers_are_shown_as_they_are_written() {
    check("/x.yaml", "mode: 0640\n", "mode: 0600\n", Format::Yaml, &["Changed mode: 0640 -> 0600"]);
    check(
        "/x.yaml",
        "a: 1.50\nb: [0x10]\n",
        "a: 1.5\nb: [0x11]\n",
        Format::Yaml,
        &["Changed a: 1.50 -> 1.5", "Changed b: 0x10 -> 0x11"],
    );
    check("/x.yaml", "a: 0640\n", "a: \"0640\"\n", Format::Yaml, &["Changed a: 0640 -> \"0640\""]);
    check("/x.yaml", "a: {m: 0640}\n", "b: {m: 0640}\n", Format::Yaml, &["- a: {\"m\":0640}", "+ b: {\"m\":0640}"]);
    let large = ["100000000000000000000", "100000000000000000001"];
    for (path, format) in [("/x.json", Format::Json), ("/x.yaml", Format::Yaml)] {
        let text = |number: &str| format!("{{\"a\": {number}}}\n");
        let expected = format!("Changed a: {} -> {}", large[0], large[1]);
        check(path, &text(large[0]), &text(large[1]), format, &[&expected]);
    }
    check("/x.toml", "m = 0o640\n", "m = 0o600\n", Format::Toml, &["Changed m: 0o640 -> 0o600"]);
}

#[test]
fn yaml_is_read_as_it_is_written() {
    let before = "a: &x {k: no}\nb: *x\n<<: *x\nc: !!str 1\nd: ~\ne: {}\n";
    let after = "a: &x {k: off}\nb: *x\n<<: *x\nc: 1\nd:\ne: []\n";
    let expected = [
        "Changed a.k: no -> off",
        "Changed b.k: no -> off",
        "Changed [\"<<\"].k: no -> off",
        "Changed c: \"1\" -> 1",
        "Changed e: {} -> []",
    ];
    check("/x.yaml", before, after, Format::Yaml, &expected);
    // Twice the same key has no one meaning.
    check("/x.yaml", "a: 1\na: 2\n", "a: 1\na: 3\n", Format::Text, &[]);
}

#[test]
fn lists_without_names_are_aligned() {
    let rules =
        |rules: &[&str]| format!("rules:\n{}", rules.iter().map(|rule| format!("- {rule}\n")).collect::<String>());
    let (a, b, c) = ("{level: None, users: [a]}", "{level: None, users: [b]}", "{level: Metadata}");
    let new = "{level: Request, users: [n]}";
    let expected = ["+ rules[0]: {\"level\":\"Request\",\"users\":[\"n\"]}"];
    check("/x.yaml", &rules(&[a, b, c]), &rules(&[new, a, b, c]), Format::Yaml, &expected);
    check("/x.yaml", &rules(&[a, b, c]), &rules(&[b, a, c]), Format::Yaml, &["Reordered rules[0]: place 2 -> place 1"]);
    let edited = "{level: None, users: [z]}";
    check("/x.yaml", &rules(&[a, b, c]), &rules(&[a, edited, c]), Format::Yaml, &["Changed rules[1].users: b -> z"]);
    let disk = |dev: &str| format!("<disk type='file'><target dev='{dev}'/></disk>");
    let domain = |disks: &[&str]| {
        format!("<domain><devices>{}</devices></domain>", disks.iter().map(|d| disk(d)).collect::<String>())
    };
    let expected = ["+ domain.devices.disk[1]: {\"@type\":\"file\",\"target\":{\"@dev\":\"vdb\"}}"];
    check("/x.xml", &domain(&["vda"]), &domain(&["vda", "vdb"]), Format::Xml, &expected);
}

#[test]
fn flags_with_values_behind_them_keep_their_names() {
    let unit = |commands: &[&str]| {
        format!("[Service]\n{}", commands.iter().map(|c| format!("ExecStartPre={c}\n")).collect::<String>())
    };
    let expected = ["- [Service] ExecStartPre --config: /etc/a", "- [Service] ExecStartPre -v: 3"];
    check("/x.service", &unit(&["/bin/x run --config /etc/a -v 3"]), &unit(&["/bin/x run"]), Format::Unit, &expected);
    let expected = ["Changed [Service] ExecStartPre -v: 3 -> 4"];
    check("/x.service", &unit(&["/bin/x -v 3 --all"]), &unit(&["/bin/x -v 4 --all"]), Format::Unit, &expected);
    let expected = ["Changed [Service] ExecStartPre --a: 1 -> 2", "+ [Service] ExecStartPre: /bin/z"];
    check(
        "/x.service",
        &unit(&["/bin/x --a=1", "/bin/y"]),
        &unit(&["/bin/x --a=2", "/bin/y", "/bin/z"]),
        Format::Unit,
        &expected,
    );
}

/// Changed lines that are shown although there are fields.
fn untold(path: &str, before: &str, after: &str) -> Vec<String> {
    let compared = compare(path, Some(before.as_bytes()), Some(after.as_bytes()));
    assert!(!compared.fields.is_empty(), "{compared:?}");
    let hunks = compared.untold.iter().map(|at| &compared.hunks[*at]);
    hunks
        .flat_map(|hunk| &hunk.lines)
        .filter(|line| line.kind != crate::diff::LineKind::Same)
        .map(|line| line.text.clone())
        .collect()
}

#[test]
fn what_no_field_tells_is_shown_as_lines() {
    let far = "k1: 1\nk2: 1\nk3: 1\nk4: 1\nk5: 1\nk6: 1\nk7: 1\n";
    let text = |quoted: &str, value: u32| format!("a: {quoted}\n{far}b: {value}\n");
    assert_eq!(untold("/x.yaml", &text("one", 1), &text("\"one\"", 2)), ["a: one", "a: \"one\""]);
    assert!(untold("/x.yaml", &text("one", 1), &text("two", 2)).is_empty());
    let hosts = |lines: &str| format!("{lines}127.0.0.1 localhost\n");
    let moved = untold(
        "/etc/hosts",
        &hosts("10.0.0.1 a\n10.0.0.2 b\n10.0.0.3 c\n"),
        &hosts("10.0.0.2 b\n10.0.0.1 a\n10.0.0.4 c\n"),
    );
    assert!(moved.iter().filter(|line| *line == "10.0.0.2 b").count() == 2, "{moved:?}");
    check(
        "/x.yaml",
        "a: 1 # careful\nb: 1\n",
        "a: 1 # harmless\nb: 2\n",
        Format::Yaml,
        &["Changed b: 1 -> 2", "Changed comment: careful -> harmless"],
    );
    check("/x.yaml", "a: 'x # y'\n", "a: 'x # z'\n", Format::Yaml, &["Changed a: x # y -> x # z"]);
    check("/x.yaml", "s: |\n  x \n  y\n", "s: |\n  x\n  z\n", Format::Yaml, &["- s: x ", "- s: y", "+ s: x", "+ s: z"]);
    let xml = |comment: &str, value: u32| format!("<a><!-- {comment} --><b>{value}</b></a>");
    check(
        "/x.xml",
        &xml("old", 1),
        &xml("new", 2),
        Format::Xml,
        &["Changed a.b: 1 -> 2", "Changed comment: old -> new"],
    );
}

#[test]
fn deep_and_large_files_cost_little() {
    let deep = |open: &str, close: &str, inner: &str| open.repeat(200_000) + inner + &close.repeat(200_000);
    let cases = [
        ("/x.xml", deep("<a x=\"/>\">", "</a>", "1"), deep("<a x=\"/>\">", "</a>", "2")),
        ("/x.json", deep("[", "]", "1"), deep("[", "]", "2")),
        ("/x.yaml", deep("[", "]", "1"), deep("[", "]", "2")),
        ("/x.yaml", deep("- ", "", "1"), deep("- ", "", "2")),
        ("/x.toml", format!("a = {}", deep("[", "]", "1")), format!("a = {}", deep("[", "]", "2"))),
    ];
    for (path, before, after) in cases {
        let compared = compare(path, Some(before.as_bytes()), Some(after.as_bytes()));
        assert_eq!(compared.format, Format::Text, "{path}");
    }
    let large = "x".repeat((4 << 20) + 1);
    assert_eq!(compare("/x.yaml", Some(b"a"), Some(large.as_bytes())).format, Format::Large);
}

#[test]
fn the_time_grows_with_the_size() {
    let lines = |mark: &str| (0..20_000).map(|number| format!("  line {number} {mark}\n")).collect::<String>();
    let items =
        |mark: &str| (0..20_000).map(|number| format!("- {{name: n{number}, v: {mark}}}\n")).collect::<String>();
    let keys = |mark: &str| (0..20_000).map(|number| format!("key{number}={mark}\n")).collect::<String>();
    let words = |mark: &str| (0..20_000).map(|number| format!("- w{number}{mark}\n")).collect::<String>();
    let rules = |mark: &str| (0..20_000).map(|number| format!("- {{v: [{number}, {mark}]}}\n")).collect::<String>();
    for (path, head, text) in [
        ("/x.yaml", "l:\n", &rules as &dyn Fn(&str) -> String),
        ("/x.yaml", "s: |\n", &lines),
        ("/x.yaml", "l:\n", &items),
        ("/x.yaml", "l:\n", &words),
        ("/x.service", "[S]\n", &keys),
    ] {
        let start = std::time::Instant::now();
        let (before, after) = (format!("{head}{}", text("1")), format!("{head}{}", text("2")));
        let compared = compare(path, Some(before.as_bytes()), Some(after.as_bytes()));
        assert!(compared.fields.len() >= 20_000, "{path} {head}");
        // Quadratic work takes minutes at this size in an unoptimised build.
        assert!(start.elapsed().as_secs() < 20, "{path} {head}: {:?}", start.elapsed());
    }
}

#[test]
fn another_tag_is_another_value() {
    let expected = ["Changed a: !x 1 -> !y 1", "Changed b: 2 -> 3"];
    check("/x.yaml", "a: !x 1\nb: 2\n", "a: !y 1\nb: 3\n", Format::Yaml, &expected);
    // Lists and maps with tags are compared line by line.
    let compared = compare("/x.yaml", Some(b"a: !x [1]\n"), Some(b"a: !y [1]\n"));
    assert_eq!((compared.format, compared.hunks.len()), (Format::Text, 1));
}
