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
pub use parse::parse;
pub use path::{SpecPath, Step};
pub use problem::{Place, Problem, Severity};
pub use report::Report;
pub use schema::{Network, schema};

/// Parses and checks a spec: the cluster with warnings, or all problems, of which at least one is an error.
pub fn read(text: &str, facts: &Facts) -> Result<(Cluster, Vec<Problem>), Vec<Problem>> {
    match parse::diagnose(text) {
        Ok(cluster) => {
            let problems = check(&cluster, facts);
            if problems.iter().any(Problem::is_error) { Err(problems) } else { Ok((cluster, problems)) }
        }
        Err(failure) => {
            let mut problems = failure.problems;
            if let Some(recovered) = failure.recovered {
                problems.extend(recovered.independent(check(&recovered.cluster, facts)));
            }
            Err(problems)
        }
    }
}
