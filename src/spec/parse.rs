//! `parse(text) -> Cluster`, or everything that is wrong with the text. Pure; knows YAML and the types, not what the values
//! mean to each other (`check`).
//!
//! A correct text is deserialised in one pass, the usual kind of YAML by a parser made for it. Only when that fails is it
//! read again into a tree with spans and walked along the schema, because the deserialiser stops at the first error.

use super::limits;
use super::model::Cluster;
use super::path::SpecPath;
use super::problem::Problem;
use super::recover::Recovered;
use super::shape::walk;
use super::simple;
use super::yaml::Tree;
use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::{ErrorKind, ScanError};
use serde_saphyr::{DuplicateKeyPolicy, Error, MergeKeyPolicy};
use std::ops::Range;

/// Reads a spec. Values are not yet checked against each other.
pub fn parse(text: &str) -> Result<Cluster, Vec<Problem>> {
    diagnose(text).map_err(|failure| failure.problems)
}

/// What is wrong with a text, and what of it could be read all the same.
pub(super) struct Failure {
    pub problems: Vec<Problem>,
    pub recovered: Option<Box<Recovered>>,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], recovered: None }
    }
}

pub(super) fn diagnose(text: &str) -> Result<Cluster, Failure> {
    if text.len() > limits::TEXT {
        let message = format!("this file has {} MiB; a spec has at most {} MiB", text.len() >> 20, limits::TEXT >> 20);
        return Err(Problem::error("too-large", SpecPath::root(), message).into());
    }
    from_yaml(text).map_err(|error| explain(text, &error))
}

/// Reads YAML as kubi wants it everywhere: no duplicate key, no merge key, no tag, `true` and `false` alone are booleans,
/// and nothing grows without bound.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    simple::parse(text).map_or_else(|| parse_fully(text), Ok)
}

/// Reads all of YAML.
pub(super) fn parse_fully<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, options())
}

pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 2 * limits::VALUES,
            max_nodes: limits::VALUES,
            max_depth: limits::DEPTH,
            flow_nesting_limit: limits::DEPTH,
            max_documents: 2,
            max_total_scalar_bytes: limits::TEXT,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits::ALIASED_VALUES,
        },
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        no_schema: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn explain(text: &str, error: &Error) -> Failure {
    let (tree, syntax) = Tree::parse(text);
    if let Some(error) = syntax {
        return syntax_problem(text, &error).into();
    }
    if let Some(problem) = whole_file_problem(text, &tree, error) {
        return problem.into();
    }
    let walked = walk(&tree);
    if walked.problems.is_empty() {
        return from_deserialiser(error, "bad-value").into();
    }
    Failure {
        problems: walked.problems,
        recovered: walked.value.and_then(|value| Recovered::new(value, walked.dropped)).map(Box::new),
    }
}

fn syntax_problem(text: &str, error: &ScanError) -> Problem {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return limit_problem("this nests deeper", at..at + 1);
    }
    let line = &text[text[..at].rfind('\n').map_or(0, |newline| newline + 1)..];
    let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
    let problem = Problem::error("yaml-syntax", SpecPath::root(), format!("this is no YAML: {}", error.info()));
    match line[..indent].contains('\t') {
        true => problem.at(at..at + 1).help("YAML is indented with spaces, never with tabs"),
        false => problem.at(at..at + 1),
    }
}

/// Problems after which there is no point in looking at single values.
fn whole_file_problem(text: &str, tree: &Tree, error: &Error) -> Option<Problem> {
    let root = tree.root();
    if root.is_none_or(|root| tree.node(root).span.is_empty()) {
        let problem = Problem::error("empty", SpecPath::root(), "there is no spec in this file");
        return Some(problem.at(0..text.len().min(1)).help("`kubi init DIR` writes one to start from"));
    }
    match cause(error) {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            Some(limit_problem("this nests deeper", bytes(error)))
        }
        Error::Budget { .. } => Some(limit_problem("this file has more values", bytes(error))),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => {
            Some(limit_problem("aliases stand for more values", bytes(error)))
        }
        Error::MultipleDocuments { .. } => {
            let problem = Problem::error("yaml-documents", SpecPath::root(), "a second document starts in this file");
            Some(
                problem
                    .at(bytes(error))
                    .help("one file describes one cluster: move the other to a directory of its own"),
            )
        }
        _ => None,
    }
}

fn limit_problem(what: &str, at: Range<usize>) -> Problem {
    let message = format!("{what} than a spec may");
    let (depth, values, aliased) = (limits::DEPTH, limits::VALUES, limits::ALIASED_VALUES);
    let help = format!("at most: {depth} levels, {values} values, and {aliased} more through aliases");
    Problem::error("yaml-limit", SpecPath::root(), message).at(at).help(help)
}

/// An error inside an alias says so in a wrapper.
fn cause(error: &Error) -> &Error {
    match error {
        Error::AliasError { error, .. } => cause(error),
        other => other,
    }
}

fn bytes(error: &Error) -> Range<usize> {
    let span = error.location().map(|location| location.span());
    let start = span.and_then(|span| span.byte_offset()).unwrap_or(0) as usize;
    start..start + span.and_then(|span| span.byte_len()).unwrap_or(0).max(1) as usize
}

/// The deserialiser's own words, for what the schema cannot tell.
fn from_deserialiser(error: &Error, code: &'static str) -> Problem {
    let words = error.to_string();
    let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
    Problem::error(code, SpecPath::root(), words).at(bytes(error))
}
