//! `diff(Side, Side) -> Diff`: finds what changed, reads each pair of contents once, groups, explains, judges.

use super::entries::{Pair, changed_entries};
use super::facts::Facts;
use super::group;
use super::inputs::{self, Moved};
use super::keys::MovedKeys;
use super::model::{Diff, FORMAT, FieldChange, SideInfo, Summary};
use super::names::matches;
use super::node_list::{in_order, replaced, summary};
use super::order::{deployment, start_order};
use super::side::{Side, SideError};
use super::{risk, whole, why::why};
use crate::tree::Origin;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What to compare, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of nodes, `*` stands for any text; empty: all.
    pub nodes: Vec<String>,
    pub keys: KeySource,
    /// Seconds since 1970 to judge expiry by; not judged when unset.
    pub now: Option<i64>,
    /// Computes the digests of bundles that were not built, which takes a while for many nodes.
    pub bundles: bool,
    /// Said at the top of the result.
    pub notes: Vec<String>,
}

/// What keys the two sides have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// Their own.
    #[default]
    Own,
    /// The same stand-ins: rotations by generation show, other rotations do not.
    StandIns,
    /// One side's own, the other's stand-ins: keys, and what follows from them, cannot be compared.
    OneStandIn,
}

/// Compares two sides of one cluster.
///
/// # Errors
/// A side that cannot be read; the errors say what to do.
pub fn diff(before: &dyn Side, after: &dyn Side, options: &Options) -> Result<Diff, SideError> {
    // Those of many nodes take a while to read.
    let (old, new) = rayon::join(|| before.facts(), || after.facts());
    let (old, new) = (old?, new?);
    let keys = old.zip(new).map(|(old, new)| MovedKeys::between(old, new)).unwrap_or_default();
    let sides = Sides { before, after, old, new, options, keys, origins: Mutex::default() };
    let names = sides.names()?;
    let mut trees = sides.trees(&names)?;
    let (moved, other_inputs) = sides.inputs();
    let order = sides.order(&names);
    let found = sides.changes(&mut trees)?;
    let mut groups = group::group(found, old, new, &order);
    sides.add_origins(&mut groups)?;
    sides.add_still_named(&mut groups)?;
    for group in &mut groups {
        for change in &mut group.changes {
            change.why = why(&change.origin, &group.nodes.names, &moved, &other_inputs, &sides.keys);
        }
    }
    let libvirt = group::group(sides.libvirt(&names)?, old, new, &order);
    let (added, removed) = (sides.whole_nodes(&names, &order, true)?, sides.whole_nodes(&names, &order, false)?);
    let nodes = sides.nodes(&names, &order, trees)?;
    let touched = nodes.iter().map(|node| (node.name.clone(), node.state)).collect();
    let deployment = deployment(old, new, &touched);
    let mut diff = Diff {
        format: FORMAT,
        cluster: old.or(new).map(|facts| facts.cluster.clone()).unwrap_or_default(),
        before: sides.info(before, old),
        after: sides.info(after, new),
        summary: Summary::default(),
        notes: options.notes.clone(),
        risks: Vec::new(),
        spec: moved.into_iter().map(|moved| moved.change).collect(),
        inputs: other_inputs,
        groups,
        libvirt,
        added,
        removed,
        replacement: replaced(&deployment),
        nodes: in_order(nodes, &deployment),
        deployment,
    };
    let known = risk::Known { authorities: sides.imported_authorities()?, weak: whole::weak(&diff.added) };
    diff.risks = risk::judge(&diff, old, new, &known, options);
    diff.summary = summary(&diff, names.len());
    Ok(diff)
}

/// Both sides, while they are compared.
pub(super) struct Sides<'a> {
    pub before: &'a dyn Side,
    pub after: &'a dyn Side,
    /// What they were made from, where that is known.
    pub old: Option<&'a Facts>,
    pub new: Option<&'a Facts>,
    pub options: &'a Options,
    pub keys: MovedKeys,
    /// Where entries come from, by node, on the new side (`true`) or the old one; read when they are first asked for.
    pub origins: Mutex<BTreeMap<(bool, String), Origins>>,
}

type Origins = Arc<BTreeMap<String, Origin>>;

/// The differing entries of a node that both sides have.
pub(super) type Trees = BTreeMap<String, Vec<Pair>>;

impl Sides<'_> {
    /// Every node that is asked for, in name order.
    fn names(&self) -> Result<BTreeSet<String>, SideError> {
        let all: BTreeSet<&String> = self.before.nodes().keys().chain(self.after.nodes().keys()).collect();
        for wanted in &self.options.nodes {
            if !all.iter().any(|name| matches(wanted, name)) {
                let known: Vec<&str> = all.iter().take(12).map(|name| name.as_str()).collect();
                let message = format!("neither side has a node {wanted:?}");
                return Err(SideError::new(
                    message,
                    format!("there is {}{}", known.join(", "), if all.len() > 12 { ", ..." } else { "" }),
                ));
            }
        }
        let wanted = |name: &&&String| {
            self.options.nodes.is_empty() || self.options.nodes.iter().any(|pattern| matches(pattern, name))
        };
        Ok(all.iter().filter(wanted).map(|name| (*name).clone()).collect())
    }

    fn info(&self, side: &dyn Side, facts: Option<&Facts>) -> SideInfo {
        let kubernetes = facts.map(|facts| facts.kubernetes.clone());
        SideInfo { nodes: side.nodes().len(), kubernetes, ..side.info() }
    }

    /// Reads the entries of nodes whose names differ, on all processors.
    fn trees(&self, names: &BTreeSet<String>) -> Result<Trees, SideError> {
        let differ = |name: &&String| match (self.before.nodes().get(*name), self.after.nodes().get(*name)) {
            (Some(old), Some(new)) => !old.same_as(new),
            _ => false,
        };
        let changed: Vec<&String> = names.iter().filter(differ).collect();
        let read = |name: &&String| -> Result<(String, Vec<Pair>), SideError> {
            let pairs = changed_entries(self.before.entries(name)?, self.after.entries(name)?);
            Ok(((*name).clone(), pairs))
        };
        let trees: Vec<Result<_, SideError>> = changed.par_iter().map(read).collect();
        Ok(trees
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .filter(|(_, pairs)| !pairs.is_empty())
            .collect())
    }

    fn inputs(&self) -> (Vec<Moved>, Vec<FieldChange>) {
        match (self.old, self.new) {
            (Some(old), Some(new)) => (inputs::spec(old, new), inputs::others(old, new)),
            _ => (Vec::new(), Vec::new()),
        }
    }

    fn order(&self, names: &BTreeSet<String>) -> Vec<String> {
        let mut order = self.new.map(start_order).unwrap_or_default();
        let known: BTreeSet<&String> = order.iter().collect();
        let rest: Vec<String> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        order.extend(rest);
        order
    }
}
