//! Every spec in `tests/spec_problems/` against the report beside it. A new case is a new file, no code.
//!
//! `KUBI_BLESS=1` writes the reports as they are now, and still fails, so that nobody blesses without looking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read their cases")]

use kubi::spec::{Facts, Report, read};
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec_problems");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    cases.sort();
    cases
}

/// The report on a case, and whether any problem is an error.
fn report(case: &Path) -> (String, bool) {
    let text = std::fs::read_to_string(case).unwrap();
    let result = read(&text, &Facts::default());
    let failed = result.is_err();
    let problems = result.map_or_else(|problems| problems, |(_, warnings)| warnings);
    let name = case.file_name().unwrap().to_str().unwrap();
    let report = Report::new(name, &text, problems);
    assert_eq!(report.counts().0 > 0, failed, "{name}: an error is an error");
    (report.text(false), failed)
}

#[test]
fn reports_are_as_expected() {
    let bless = std::env::var_os("KUBI_BLESS").is_some();
    let mut different = vec![];
    for case in cases() {
        let expected = case.with_extension("expected");
        let (report, _) = report(&case);
        let before = std::fs::read_to_string(&expected).unwrap_or_default();
        if report != before {
            if bless {
                std::fs::write(&expected, &report).unwrap();
            }
            different.push(format!("{}:\n{report}", case.display()));
        }
    }
    assert!(cases().len() > 50, "the cases are where they should be");
    assert!(
        different.is_empty(),
        "{} reports differ{}:\n\n{}",
        different.len(),
        if bless { ", blessed" } else { "" },
        different.join("\n")
    );
}

/// A case is named after the problem that it is about: `CODE.yaml` or `CODE--variant.yaml`.
#[test]
fn each_case_has_the_problem_it_is_named_after() {
    for case in cases() {
        let stem = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let code = stem.split("--").next().unwrap();
        let (report, _) = report(&case);
        let found = code == "fine" && report.is_empty() || report.contains(&format!("[{code}]"));
        assert!(found, "{stem}:\n{report}");
    }
}
