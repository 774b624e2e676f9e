//! `read(text) -> Cluster`: the spec as typed values, and every problem with it in one run.
//!
//! `parse.rs` knows types, [`check()`] what values mean to each other, [`Report`] how to show what they found. Pure.

pub mod addressing;
mod check;
pub mod defaults;
mod facts;
mod limits;
mod locate;
pub mod model;
pub mod names;
mod nearest;
mod parse;
mod path;
mod problem;
mod recover;
mod report;
mod scalar;
mod schema;
mod shape;
mod simple;
#[cfg(test)]
pub(crate) mod tests;
pub mod units;
mod yaml;

pub use check::check;
pub use facts::Facts;
pub use locate::{Locator, locate};
pub use model::*;
pub use nearest::nearest;
pub use parse::{from_yaml, parse};
pub use path::{SpecPath, Step};
pub use problem::{Place, Problem, Severity};
pub use report::Report;
pub use schema::{Network, schema};

/// Parses and checks a spec: the cluster with warnings, or all problems, of which at least one is an error.
pub fn read(text: &str, facts: &Facts) -> Result<(Cluster, Vec<Problem>), Vec<Problem>> {
    read_with(text, facts, &|_| vec![])
}

/// As [`read`]. A spec with errors is also shown to `more`, so that what others find wrong with it is told in the same
/// run; a good one is left to the caller.
pub fn read_with(
    text: &str,
    facts: &Facts,
    more: &dyn Fn(&Cluster) -> Vec<Problem>,
) -> Result<(Cluster, Vec<Problem>), Vec<Problem>> {
    match parse::diagnose(text) {
        Ok(cluster) => {
            let mut problems = check(&cluster, facts);
            if !problems.iter().any(Problem::is_error) {
                return Ok((cluster, problems));
            }
            problems.extend(more(&cluster));
            Err(problems)
        }
        Err(failure) => {
            let mut problems = failure.problems;
            if let Some(recovered) = failure.recovered {
                let mut found = check(&recovered.cluster, facts);
                found.extend(more(&recovered.cluster));
                problems.extend(recovered.independent(found));
            }
            Err(problems)
        }
    }
}
