//! `kubi diff` as a user runs it: builds, revisions, the working spec, bundles; machines; exit codes.

mod common;

use common::compare::{LIMIT, commit, diff, git, json, replaced};
use common::run;
use common::workspace::Workspace;
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
