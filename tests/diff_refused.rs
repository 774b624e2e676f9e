//! What `kubi diff` refuses, and in which words.

mod common;

use common::compare::{diff, git};
use common::workspace::Workspace;
use std::path::Path;

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
