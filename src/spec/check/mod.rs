//! `check(Cluster, Facts) -> problems`: values that are well-formed by themselves, but not together.
//!
//! Each file checks one part of the spec and takes time in proportion to it, up to a logarithm.

mod choices;
mod encryption;
mod hypervisors;
mod kubernetes;
mod machines;
mod networks;
mod nodes;
mod pki;
mod placement;
mod topology;

use super::facts::Facts;
use super::model::Cluster;
use super::path::SpecPath;
use super::problem::Problem;
use std::collections::BTreeMap;

/// Every problem of a spec whose values have the right types, in no particular order.
pub fn check(cluster: &Cluster, facts: &Facts) -> Vec<Problem> {
    let mut problems = Problems::default();
    kubernetes::check(cluster, facts, &mut problems);
    networks::check(cluster, facts, &mut problems);
    topology::check(cluster, &mut problems);
    nodes::check(cluster, &mut problems);
    placement::check(cluster, &mut problems);
    machines::check(cluster, &mut problems);
    hypervisors::check(cluster, &mut problems);
    pki::check(cluster, &mut problems);
    encryption::check(cluster, &mut problems);
    choices::check(cluster, &mut problems);
    problems.0
}

/// Collects problems.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, code: &'static str, path: SpecPath, message: impl Into<String>, help: impl Into<String>) {
        self.0.push(Problem::error(code, path, message).help(help));
    }

    fn warning(&mut self, code: &'static str, path: SpecPath, message: impl Into<String>, help: impl Into<String>) {
        self.0.push(Problem::warning(code, path, message).help(help));
    }

    /// One error for every value that came before. Paths are made for those alone: a large spec has thousands of values.
    fn duplicates<T: Ord + std::fmt::Display, P: Fn() -> SpecPath>(
        &mut self,
        code: &'static str,
        values: impl IntoIterator<Item = (T, P)>,
        message: impl Fn(&T, &SpecPath) -> String,
        help: &str,
    ) {
        let mut seen: BTreeMap<T, P> = BTreeMap::new();
        for (value, path) in values {
            match seen.get(&value) {
                Some(first) => {
                    let message = message(&value, &first());
                    self.error(code, path(), message, help);
                }
                None => drop(seen.insert(value, path)),
            }
        }
    }
}
