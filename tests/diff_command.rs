//! `kubi diff` as a user runs it: builds, revisions, the working spec, bundles; what it must refuse; no secret in any format.

mod common;

use common::compare::{LIMIT, commit, diff, git, json, replaced};
use common::workspace::Workspace;
use common::{require_tool, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What two kinds of sides must agree on.
fn essence(diff: &Value) -> Value {
    let mut diff = diff.clone();
    let object = diff.as_object_mut().unwrap();
    ["before", "after"].iter().for_each(|key| drop(object.remove(*key)));
    diff
}

#[test]
fn all_kinds_of_sides_say_the_same() {
    let workspace = Workspace::example("ha");
    git(&workspace, &["init", "-q", "-b", "main"]);
    commit(&workspace, "one");
    workspace.kubi(["build", "--out", "first"]).success();
    workspace.kubi(["build"]).success();
    assert!(diff(&workspace, &[]).success().contains("no differences"));

    replaced(&workspace, "maxPods: 200", "maxPods: 210");
    let working = json(&workspace, &[]);
    assert_eq!(working["summary"]["nodesChanged"], 3);
    assert_eq!(working["groups"][0]["nodes"]["text"], "kubi-worker-0001..0003");
    let change = &working["groups"][0]["changes"][0];
    assert_eq!(change["path"], "/etc/kubernetes/kubelet/config.yaml");
    assert_eq!(
        change["fields"][0],
        serde_json::json!({"path": "maxPods", "kind": "changed", "before": "200", "after": "210"})
    );
    assert_eq!(change["why"]["spec"][0], "spec.roles.worker.params.kubelet/standard.maxPods");
    assert_eq!(change["origin"]["recipe"], "kubelet/standard");

    commit(&workspace, "two");
    let before = git(&workspace, &["status", "--porcelain"]);
    let revisions = json(&workspace, &["main~1..main"]);
    assert_eq!(git(&workspace, &["status", "--porcelain"]), before, "a checkout was touched");
    workspace.kubi(["build"]).success();
    let builds = json(&workspace, &["first", "out"]);
    let numbers = json(&workspace, &["build:1", "build:2"]);
    assert_eq!(essence(&working), essence(&revisions));
    assert_eq!(essence(&working), essence(&builds));
    assert_eq!(essence(&working), essence(&numbers));
    let node = |side: &str| working["nodes"][0][side].as_str().unwrap().to_owned();
    let bundles = json(&workspace, &[&node("before"), &node("after")]);
    assert_eq!(bundles["groups"][0]["changes"][0]["fields"], change["fields"]);
}

#[test]
fn one_change_is_shown_once_although_the_lines_around_it_differ() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    replaced(&workspace, "vip: 192.168.24.10", "vip: 192.168.24.9");
    let diff = json(&workspace, &[]);
    let groups = diff["groups"].as_array().unwrap().iter();
    let changes = groups.flat_map(|group| group["changes"].as_array().unwrap().iter().map(move |c| (group, c)));
    // Each controller lists the others as peers, three lines above.
    let found: Vec<_> = changes.filter(|(_, change)| change["path"] == "/etc/keepalived/keepalived.conf").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0["nodes"]["text"], "kubi-controller-01..03");
}

#[test]
fn only_what_a_build_reads_matters_in_a_revision() {
    let workspace = Workspace::example("single");
    git(&workspace, &["init", "-q", "-b", "main"]);
    let folder = workspace.path();
    std::os::unix::fs::symlink("cluster.yaml", folder.join("link.yaml")).unwrap();
    std::os::unix::fs::symlink("/etc/hosts", folder.join("secrets/link")).unwrap();
    std::fs::File::create(folder.join("large.bin")).unwrap().set_len((64 << 20) + 1).unwrap();
    git(&workspace, &["add", "link.yaml", "large.bin", "secrets/link"]);
    let object = "160000,1234567890123456789012345678901234567890,module";
    git(&workspace, &["update-index", "--add", "--cacheinfo", object]);
    commit(&workspace, "one");
    // An own recipe wins over the one that is built in, and the lock moves.
    let copied = folder.join("recipes/node/base");
    std::fs::create_dir_all(&copied).unwrap();
    let source = common::package_directory().join("recipes/node/base");
    run(Command::new("cp").arg("-r").arg(source.join(".")).arg(&copied), LIMIT).success();
    std::fs::create_dir_all(copied.join("files/etc")).unwrap();
    std::fs::write(copied.join("files/etc/motd"), "hello\n").unwrap();
    let lock = std::fs::read_to_string(folder.join("kubi.lock")).unwrap();
    let digest = lock.split("sha256:").nth(1).unwrap()[..64].to_owned();
    std::fs::write(folder.join("kubi.lock"), lock.replace(&digest, &"ab".repeat(32))).unwrap();
    git(&workspace, &["add", "recipes"]);
    commit(&workspace, "two");
    let listed = |folder: &Path| -> Vec<String> {
        run(Command::new("find").arg(folder).args(["-not", "-path", "*/.git/*"]), LIMIT)
            .success()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let before = listed(folder);
    let diff = json(&workspace, &["main~1..main"]);
    assert_eq!(listed(folder), before, "a diff wrote a file");
    let inputs: Vec<&str> = diff["inputs"].as_array().unwrap().iter().map(|i| i["path"].as_str().unwrap()).collect();
    assert!(inputs.contains(&"recipe node/base"), "{inputs:?}");
    assert!(
        inputs
            .iter()
            .any(|path| *path == "base image" || path.starts_with("artifact") || path.starts_with("component")),
        "{inputs:?}"
    );
    let change = &diff["groups"][0]["changes"];
    let motd = change.as_array().unwrap().iter().find(|change| change["path"] == "/etc/motd").unwrap();
    assert_eq!(
        (&motd["origin"]["recipe"], &motd["why"]["inputs"][0]),
        (&"node/base".into(), &"recipe node/base".into())
    );

    std::fs::rename(folder.join("recipes"), folder.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.join("recipes")).unwrap();
    git(&workspace, &["add", "-A", "recipes", "elsewhere"]);
    git(&workspace, &["commit", "-q", "-m", "three"]);
    let said = self::diff(&workspace, &["main~1..main"]).failure();
    assert!(said.contains("recipes is a link") && said.contains("without a checkout"), "{said}");
}

#[test]
fn other_addresses_are_told_node_by_node() {
    let workspace = Workspace::example("ha");
    git(&workspace, &["init", "-q", "-b", "main"]);
    commit(&workspace, "one");
    workspace.write_spec(&workspace.spec().replace("cluster: 192.168.24.2", "cluster: 192.168.24.4"));
    commit(&workspace, "two");
    let text = diff(&workspace, &["main~1..main"]).success();
    for wanted in [
        "~ [Network] Address: <cluster address>/24 → <cluster address>/24",
        "kubi-worker-0002: [Network] Address: 192.168.24.22/24 → 192.168.24.42/24",
        "kubi-worker-0003: - subjectAltName: IP:192.168.24.23; + subjectAltName: IP:192.168.24.43",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let json = json(&workspace, &["main~1..main"]);
    let groups = json["groups"].as_array().unwrap().iter();
    let mut changes = groups.flat_map(|group| group["changes"].as_array().unwrap());
    let unit = changes.find(|change| change["path"] == "/etc/systemd/network/05-cluster.network").unwrap();
    assert_eq!(unit["perNode"][2]["node"], "kubi-worker-0003");
    assert_eq!(unit["perNode"][2]["fields"][0]["after"], "192.168.24.43/24");
}

#[test]
fn a_diff_keeps_no_keys() {
    let workspace = Workspace::example("single");
    git(&workspace, &["init", "-q", "-b", "main"]);
    replaced(&workspace, "pki: {epoch: 2026-11-01}", "pki: {epoch: 2026-11-01, algorithm: rsa-2048}");
    commit(&workspace, "one");
    replaced(&workspace, "algorithm: rsa-2048", "algorithm: rsa-2048, sans: {kube-apiserver: [api.example.com]}");
    commit(&workspace, "two");
    // Keys of RSA take long to make in a build without optimisation.
    let mut command = workspace.command();
    command.args(["diff", "--today", "2026-11-20", "--format", "json", "main~1..main"]);
    let json: Value = serde_json::from_str(&run(&mut command, LIMIT * 5).success()).unwrap();
    assert!(json["notes"].as_array().unwrap().is_empty(), "with the real keys: {}", json["notes"]);
    assert!(json.to_string().contains("DNS:api.example.com"));
    assert!(!workspace.path().join("secrets/cache").exists(), "keys were written");
}

#[test]
fn revisions_are_compared_without_the_root_secret() {
    let workspace = Workspace::example("ha");
    git(&workspace, &["init", "-q", "-b", "main"]);
    commit(&workspace, "one");
    workspace.kubi(["build"]).success();
    replaced(
        &workspace,
        "pki: {epoch: 2026-11-01}",
        "pki: {epoch: 2026-11-01, generations: {etcd-server: 2}, sans: {kube-apiserver: [api.example.com]}}",
    );
    commit(&workspace, "two");
    let with = json(&workspace, &["main~1..main"]);
    std::fs::rename(workspace.path().join("identity"), workspace.path().join("elsewhere")).unwrap();
    let without = json(&workspace, &["main~1..main"]);
    assert!(without["notes"][0].as_str().unwrap().contains("stand-in"), "{}", without["notes"]);
    let changes = |diff: &Value| -> Vec<(String, Vec<String>)> {
        let of = |change: &Value| {
            let fields = change["fields"].as_array().unwrap().iter();
            (change["path"].to_string(), fields.map(|field| format!("{} {}", field["path"], field["kind"])).collect())
        };
        let groups = diff["groups"].as_array().unwrap().iter();
        groups.flat_map(|group| group["changes"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()).collect()
    };
    assert_eq!(changes(&with), changes(&without));
    // Against a build, whose keys are real, only what the keys do not decide is left.
    let build = json(&workspace, &["out"]);
    let shown = build.to_string();
    assert!(shown.contains("DNS:api.example.com") && shown.contains("generation 2"), "{shown}");
    assert_eq!(build["summary"]["nodesChanged"], 3, "{}", build["summary"]);
    assert!(!shown.contains("authority-key-changed"), "{shown}");
}

/// Keys of all objects in a JSON value.
fn keys(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_json_is_documented() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    let text = workspace.spec();
    let workers = text.lines().filter(|line| line.contains("kubi-worker-0003"));
    let without: String = workers.fold(text.clone(), |text, line| text.replace(&format!("{line}\n"), ""));
    workspace.write_spec(
        &without
            .replace(
                "pki: {epoch: 2026-11-01}",
                "pki: {epoch: 2026-11-01, generations: {service-account: 2, ca/cluster: 2}}",
            )
            .replace("maxPods: 200", "maxPods: 100")
            .replace("data: 100GiB", "data: 50GiB"),
    );
    let json = json(&workspace, &[]);
    let mut found = std::collections::BTreeSet::new();
    keys(&json, &mut found);
    assert!(found.len() > 50 && found.contains("reason") && found.contains("morePaths"), "{found:?}");
    let page = std::fs::read_to_string(common::package_directory().join("docs/diff-json.md")).unwrap();
    for key in found {
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!("\"{key}\"")), "{key} is not documented");
    }
    for risk in kubi::diff::risk::TABLE {
        assert!(page.contains(&format!("`{}`", risk.id)), "{} is not documented", risk.id);
    }
}

#[test]
fn a_terminal_gets_colours_and_a_pager() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    replaced(&workspace, "maxPods: 200", "maxPods: 210");
    let script = require_tool("script", "bsdutils");
    let on_terminal = |variables: &[(&str, &str)]| {
        let line = format!("stty rows 10 cols 70; {} diff --today 2026-11-20", env!("CARGO_BIN_EXE_kubi"));
        let mut command = Command::new(&script);
        let environment = workspace.command();
        let known = environment.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.args(["-qec", &line, "/dev/null"]).current_dir(workspace.path()).env_clear().envs(known);
        run(command.envs(variables.iter().copied()), LIMIT).success().replace("\r\n", "\n")
    };
    let plain = diff(&workspace, &[]).success();
    let shown = on_terminal(&[("PAGER", "cat > paged; echo paged")]);
    assert_eq!(shown, "paged\n");
    let paged = std::fs::read_to_string(workspace.path().join("paged")).unwrap();
    assert!(paged.contains("\u{1b}[33m~ /etc/kubernetes/kubelet/config.yaml\u{1b}[0m"), "{paged:?}");
    let without: String =
        paged.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
    let long: Vec<&str> = without.lines().filter(|line| line.chars().count() > 70).collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(on_terminal(&[("PAGER", "cat"), ("NO_COLOR", "1")]).starts_with("ha: build 1 → cluster.yaml\n"));
    assert_eq!(on_terminal(&[("PAGER", "cat"), ("NO_COLOR", "1"), ("COLUMNS", "120")]), plain);
    // What the reader has chosen for less stays.
    on_terminal(&[("PAGER", "cat > /dev/null; echo $LESS > less"), ("LESS", "-i")]);
    assert_eq!(std::fs::read_to_string(workspace.path().join("less")).unwrap(), "-i\n");
    std::fs::write(workspace.path().join("no-program"), "x").unwrap();
    assert!(on_terminal(&[("PAGER", "./no-program"), ("NO_COLOR", "1")]).contains("maxPods: 200 → 210"));
    // An interrupt is the pager's, and the exit code is that of the comparison.
    assert_eq!(on_terminal(&[("PAGER", "kill -INT $PPID; sleep 0.2; echo still here")]), "still here\n");
    // No pager is no reason to show nothing.
    assert!(on_terminal(&[("PAGER", "no-such-pager"), ("NO_COLOR", "1")]).contains("maxPods: 200 → 210"));
}

#[test]
fn libvirt_gets_other_machines() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build", "--out", "first"]).success();
    replaced(&workspace, "cpus: 8, memory: 16GiB", "cpus: 6, memory: 16GiB");
    replaced(&workspace, "bridge: br-cluster", "bridge: br-other");
    workspace.kubi(["build"]).success();
    let json = json(&workspace, &["first", "out"]);
    let shown: Vec<String> = json["libvirt"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| {
            let changes = group["changes"].as_array().unwrap().iter();
            changes
                .map(|change| format!("{} {} {}", group["nodes"]["text"], change["path"], change["fields"]))
                .collect::<Vec<_>>()
        })
        .collect();
    let workers = shown.iter().find(|text| text.starts_with("\"kubi-worker-0001..0003\" \"domain\"")).unwrap();
    assert!(
        workers.contains(r#""after":"6","before":"8""#) || workers.contains(r#""before":"8","after":"6""#),
        "{workers}"
    );
    assert!(
        shown.iter().any(|text| text.contains("networks/hv1/cluster.xml") && text.contains("br-other")),
        "{shown:#?}"
    );
    let text = diff(&workspace, &["first", "out"]).success();
    assert!(text.contains("libvirt") && text.contains("domain.vcpu: 8 → 6"), "{text}");
}

#[test]
fn risks_decide_the_exit_code() {
    let workspace = Workspace::example("ha");
    workspace.kubi(["build"]).success();
    replaced(&workspace, "api: {vip: 192.168.24.10}", "api: {vip: 192.168.24.10}\n    services: {cidr: 10.77.0.0/24}");
    let high = diff(&workspace, &["--fail-on", "high"]);
    assert_eq!(high.status.code(), Some(5), "{}", high.stderr);
    assert!(high.stdout.contains("service-network-changed"), "{}", high.stdout);
    assert_eq!(diff(&workspace, &[]).status.code(), Some(0));
    replaced(&workspace, "\n    services: {cidr: 10.77.0.0/24}", "");
    assert_eq!(diff(&workspace, &["--fail-on", "any"]).status.code(), Some(0));
    // Nothing changed, and it is a risk all the same.
    for (format, expected) in
        [("terminal", "medium  certificate-expires-soon"), ("markdown", "`certificate-expires-soon`")]
    {
        let arguments = ["diff", "--today", "2027-10-20", "--fail-on", "medium", "--format", format];
        let late = run(workspace.command().args(arguments), LIMIT);
        assert_eq!(late.status.code(), Some(5), "{}", late.stderr);
        assert!(
            late.stdout.to_lowercase().contains("no differences") && late.stdout.contains(expected),
            "{}",
            late.stdout
        );
    }
    replaced(&workspace, "ssd", "nvme");
    assert_eq!(diff(&workspace, &["--fail-on", "any"]).status.code(), Some(5));
    assert_eq!(diff(&workspace, &["--fail-on", "high"]).status.code(), Some(0));
}

#[test]
fn the_ci_script_keeps_its_verdict_when_it_cannot_post() {
    let workspace = Workspace::example("single");
    git(&workspace, &["init", "-q", "-b", "main"]);
    commit(&workspace, "one");
    replaced(&workspace, "spec:\n", "spec:\n  networks: {services: {cidr: 10.77.0.0/24}}\n");
    commit(&workspace, "two");
    let review = |post: &str| {
        let environment = workspace.command();
        let known = environment.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let mut command = Command::new("sh");
        command.current_dir(workspace.path()).env_clear().envs(known).env("KUBI_REVIEW_POST", post);
        let kubi = Path::new(env!("CARGO_BIN_EXE_kubi")).parent().unwrap();
        command.env("PATH", format!("{}:{}", kubi.display(), std::env::var("PATH").unwrap()));
        command.arg(common::package_directory().join("examples/ci/review.sh"));
        run(command.args(["main~1", "main"]), LIMIT)
    };
    let refused = review("false");
    assert_eq!(refused.status.code(), Some(5), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stdout.contains("service-network-changed") && refused.stderr.contains("could not be posted"));
    let posted = review("cat > posted");
    assert_eq!((posted.status.code(), posted.stdout.as_str()), (Some(5), ""));
    assert!(std::fs::read_to_string(workspace.path().join("posted")).unwrap().contains("service-network-changed"));
}

/// Every line of every secret in the built trees. Commitments are public: they are made to be shown.
fn secret_lines(workspace: &Workspace, out: &str) -> Vec<(String, String)> {
    use kubi::tree::{Kind, SecretSource};
    let (cluster, _) = kubi::spec::read(&workspace.spec(), &Default::default()).unwrap();
    let root = kubi::secret::RootSecret::from_bytes(&common::workspace::ROOT).unwrap();
    let keys = kubi::pki::Keys::new(root, &cluster.metadata.name, &cluster.spec.pki);
    let output = kubi::edge::output::Output::open(&workspace.path().join(out)).unwrap();
    let mut lines = Vec::new();
    for node in output.built(&cluster.metadata.name).unwrap().nodes.values() {
        for (path, entry) in output.tree(&node.bundle).unwrap().iter() {
            let Kind::File(contents) = &entry.kind else { continue };
            for hole in contents.holes() {
                let bytes = keys.secret(&hole.secret, hole.encoding).unwrap();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                let body = text.lines().filter(|line| !line.starts_with("-----") && line.len() >= 16);
                lines.extend(body.map(|line| (path.to_string(), line.to_owned())));
            }
        }
    }
    lines
}

#[test]
fn no_format_holds_a_line_of_a_secret() {
    let workspace = Workspace::example("single");
    workspace.kubi(["build"]).success();
    let mut secrets = secret_lines(&workspace, "out");
    replaced(
        &workspace,
        "pki: {epoch: 2026-11-01}",
        "pki: {epoch: 2026-11-01, generations: {etcd-server: 2, service-account: 2}}\n  encryption: {keys: [key2, key1]}",
    );
    workspace.kubi(["build", "--out", "new"]).success();
    secrets.extend(secret_lines(&workspace, "new"));
    assert!(
        secrets.len() > 40 && secrets.iter().any(|(path, _)| path.ends_with("encryption.yaml")),
        "{}",
        secrets.len()
    );
    for format in ["terminal", "markdown", "json", "html"] {
        let text = diff(&workspace, &["--format", format, "--lines"]).success();
        assert!(text.contains("generation 2"), "{format}: {text}");
        for (path, line) in &secrets {
            assert!(!text.contains(line), "{format} holds {path}'s secret");
        }
    }
}

#[test]
fn bad_input_is_refused_with_words_that_help() {
    let workspace = Workspace::example("single");
    let check = |arguments: &[&str], expected: &[&str]| {
        let said = diff(&workspace, arguments).failure();
        for part in expected {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    };
    check(&[], &["has been built in", "kubi build"]);
    check(&["main..HEAD"], &["in no git repository", "build:NUMBER"]);
    workspace.kubi(["build"]).success();
    git(&workspace, &["init", "-q", "-b", "main"]);
    git(&workspace, &["commit", "-q", "--allow-empty", "-m", "nothing yet"]);
    check(&["nonsense"], &["\"nonsense\" is neither a folder", "HEAD~1"]);
    check(&["../gone"], &["\"../gone\" is neither a folder"]);
    check(&["main..main"], &["has no", "cluster.yaml", "-f"]);
    check(&["main...main"], &["three dots", "merge-base"]);
    check(&["build:9"], &["keeps no build 9", "there is build 1"]);
    check(&["build:x"], &["names no build"]);
    check(&["sha256:12"], &["is no digest"]);
    check(&["--node", "nobody"], &["neither side has a node \"nobody\"", "there is"]);
    let unknown = format!("sha256:{}", "0".repeat(64));
    check(&[&unknown], &["is not whole", "bring its store"]);

    std::fs::create_dir(workspace.path().join("other")).unwrap();
    let name = workspace.spec().lines().find(|line| line.starts_with("metadata:")).unwrap().to_owned();
    let other = workspace.spec().replace(&name, "metadata: {name: other}");
    let output = kubi::edge::output::Output::open(&workspace.out()).unwrap();
    let cluster = output.clusters().unwrap().pop_first().unwrap();
    let record = output.built(&cluster).unwrap();
    let text = workspace.spec();
    workspace.write_spec(&other);
    check(&["--cluster", &cluster], &["two clusters", "--cluster NAME"]);
    workspace.write_spec(&text.replace("debian-13", "debian-13\n  bogus: 1"));
    check(&[], &["bogus"]);
    workspace.write_spec(
        &text.replace("kubernetes: {version: 1.36.4}", "kubernetes: {version: 1.36.4}\n  machine: {cpus: 3}"),
    );

    let facts = output.blob_path(record.facts().unwrap());
    damage_and_check(&facts, b"{}", &|| check(&[], &["was made from cannot be read", "another digest", "build again"]));
    // A record that names facts of another version, as that version would have left it.
    let newer = std::fs::read_to_string(&facts).unwrap().replacen("\"format\":1", "\"format\":9", 1);
    let file = workspace.out().join(&cluster).join("build.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let digest = kubi::tree::Digest::of(newer.as_bytes());
    std::fs::write(output.blob_path(&digest), newer).unwrap();
    let other = text.replace(record.facts().unwrap().as_str(), digest.as_str());
    assert_ne!(text, other);
    damage_and_check(&file, other.as_bytes(), &|| check(&[], &["has format 9", "the version of kubi that built it"]));
    std::fs::remove_file(output.blob_path(&digest)).unwrap();
    damage_and_check(&file, other.as_bytes(), &|| {
        let finished = diff(&workspace, &["--fail-on", "high"]);
        assert_eq!(finished.status.code(), Some(5), "{}", finished.stderr);
        assert!(finished.stdout.contains("high    not-judged"), "{}", finished.stdout);
    });

    let digest = &record.nodes.values().next().unwrap().bundle;
    let manifest = output.blob_path(digest);
    damage_and_check(&manifest, b"{}", &|| check(&[digest.as_str()], &["cannot be read", "kubi verify"]));
    // What another version would have written: every digest is right.
    let text = std::fs::read_to_string(output.blob_path(&output.manifest(digest).unwrap().config.digest)).unwrap();
    let newer = text.replacen("\"kubi\":{", "\"kubi\":{\"added\":1,", 1);
    let config_digest = kubi::tree::Digest::of(newer.as_bytes());
    std::fs::write(output.blob_path(&config_digest), &newer).unwrap();
    let about = std::fs::read_to_string(&manifest).unwrap();
    let about = about.replace(output.manifest(digest).unwrap().config.digest.as_str(), config_digest.as_str());
    let about = about.replace(&format!("\"size\":{}", text.len()), &format!("\"size\":{}", newer.len()));
    let foreign = kubi::tree::Digest::of(about.as_bytes());
    std::fs::write(output.blob_path(&foreign), about).unwrap();
    check(&[foreign.as_str()], &["unknown field `added`", "read by the kubi that wrote it"]);
    let config = output.blob_path(&output.manifest(digest).unwrap().config.digest);
    damage_and_check(&config, b"{\"kubi\": 9}", &|| check(&[digest.as_str()], &["cannot be read", "kubi verify"]));
}

fn damage_and_check(file: &Path, bytes: &[u8], check: &dyn Fn()) {
    let good = std::fs::read(file).unwrap();
    std::fs::write(file, bytes).unwrap();
    check();
    std::fs::write(file, good).unwrap();
}
