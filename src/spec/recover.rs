//! What can still be read of a spec with wrong keys or values, so that the cross-field checks run in the same breath.
//!
//! The walk drops what is wrong. A check may then complain about something that is only missing because it was dropped;
//! such follow-up problems are left out.

use super::model::Cluster;
use super::path::{SpecPath, Step};
use super::problem::Problem;
use std::collections::BTreeMap;

/// A spec without its wrong parts.
pub struct Recovered {
    pub cluster: Cluster,
    dropped: Dropped,
}

/// What the walk left out.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Places where something was left out: the mapping or list that held it.
    pub places: Vec<SpecPath>,
    /// Lists that lost items: for each item kept its index in the text.
    pub lists: BTreeMap<SpecPath, Vec<usize>>,
}

impl Recovered {
    pub fn new(value: serde_json::Value, dropped: Dropped) -> Option<Self> {
        Some(Self { cluster: serde_json::from_value(value).ok()?, dropped })
    }

    /// The problems of the recovered spec that what was dropped cannot have caused, at their places in the text.
    pub fn independent(&self, problems: Vec<Problem>) -> Vec<Problem> {
        problems
            .into_iter()
            .map(|problem| self.renumber(problem))
            .filter(|problem| !self.follows(&problem.path))
            .collect()
    }

    fn follows(&self, path: &SpecPath) -> bool {
        self.dropped.places.iter().any(|place| path.contains(place) || place.contains(path))
    }

    fn renumber(&self, mut problem: Problem) -> Problem {
        for (list, kept) in &self.dropped.lists {
            if list.contains(&problem.path)
                && let Some(Step::Index(index)) = problem.path.steps_mut().get_mut(list.steps().len())
            {
                *index = kept.get(*index).copied().unwrap_or(*index);
            }
        }
        problem
    }
}
