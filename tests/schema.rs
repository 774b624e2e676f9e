//! The JSON schema: committed for editors, and it accepts every spec that kubi accepts.
//!
//! `KUBI_BLESS=1` writes `cluster.schema.json` as it is now, and still fails.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read their cases")]

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder(path: &str) -> Vec<PathBuf> {
    std::fs::read_dir(root().join(path)).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn validator() -> jsonschema::Validator {
    let schema = serde_json::to_value(kubi::spec::schema()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

fn errors(validator: &jsonschema::Validator, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: serde_json::Value = serde_saphyr::from_str_with_options(&text, options).unwrap();
    validator
        .iter_errors(&value)
        .map(|error| format!("{}: {} at {}", file.display(), error, error.instance_path()))
        .collect()
}

#[test]
fn the_schema_accepts_every_example() {
    let validator = validator();
    let examples: Vec<PathBuf> = folder("examples")
        .into_iter()
        .map(|folder| folder.join("cluster.yaml"))
        .filter(|file| file.is_file())
        .collect();
    assert!(examples.len() >= 4, "{examples:?}");
    for example in examples {
        assert_eq!(errors(&validator, &example), [""; 0]);
        let line = std::fs::read_to_string(&example).unwrap();
        assert!(
            line.starts_with("# yaml-language-server: $schema=../../cluster.schema.json\n"),
            "{}",
            example.display()
        );
    }
}

/// What the types refuse, the schema refuses too, so that editors show it.
#[test]
fn the_schema_knows_the_types() {
    let validator = validator();
    let mut seen = 0;
    for case in folder("tests/spec_problems") {
        let stem = case.file_stem().unwrap().to_str().unwrap().to_owned();
        if case.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let code = stem.split("--").next().unwrap();
        match code {
            "unknown-key" | "missing-key" | "unknown-value"
                if !stem.contains("bomb") && !stem.contains("and-a-check") =>
            {
                assert_ne!(errors(&validator, &case), [""; 0], "{stem}");
                seen += 1;
            }
            "fine" => assert_eq!(errors(&validator, &case), [""; 0], "{stem}"),
            _ => {}
        }
    }
    assert!(seen > 4);
}

#[test]
fn the_committed_schema_is_the_current_one() {
    let file = root().join("cluster.schema.json");
    let current = kubi::cli::schema::text();
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    if committed != current && std::env::var_os("KUBI_BLESS").is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    assert_eq!(committed, current, "run `kubi schema > cluster.schema.json`");
}
