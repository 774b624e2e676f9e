//! `diff(Side, Side) -> Diff`: finds what changed, reads each pair of contents once, groups, explains, judges.

use super::attributes::attributes;
use super::effect::{Placed, effects, replacement_order};
use super::entries::{Pair, changed_entries};
use super::facts::Facts;
use super::group::{self, Found};
use super::inputs::{self, Moved};
use super::model::{
    Change, ChangeKind, Diff, Effect, EntryChange, FORMAT, FieldChange, NodeDiff, Severity, SideInfo, State, Summary,
};
use super::semantic::{Compared, compare};
use super::side::{Side, SideEntry, SideError};
use super::{risk, why::why};
use crate::tree::Origin;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What to compare, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names of nodes, `*` stands for any text; empty: all.
    pub nodes: Vec<String>,
    /// One side's keys are stand-ins: keys, and what follows from them, cannot be compared.
    pub stand_in_keys: bool,
    /// Seconds since 1970 to judge expiry by; not judged when unset.
    pub now: Option<i64>,
    /// Said at the top of the result.
    pub notes: Vec<String>,
}

/// Compares two sides of one cluster.
///
/// # Errors
/// A side that cannot be read; the errors say what to do.
pub fn diff(before: &dyn Side, after: &dyn Side, options: &Options) -> Result<Diff, SideError> {
    let sides = Sides { before, after, options };
    let names = sides.names()?;
    let mut trees = sides.trees(&names)?;
    let (moved, other_inputs) = sides.inputs();
    let order = sides.order(&names);
    let found = sides.changes(&mut trees)?;
    let mut groups = group::group(found, before.facts(), after.facts(), &order);
    for group in &mut groups {
        for change in &mut group.changes {
            change.why = why(&change.origin, &group.nodes.names, &moved, &other_inputs);
        }
    }
    let nodes = sides.nodes(&names, &order, trees)?;
    let mut diff = Diff {
        format: FORMAT,
        cluster: before.facts().or(after.facts()).map(|facts| facts.cluster.clone()).unwrap_or_default(),
        before: sides.info(before),
        after: sides.info(after),
        summary: Summary::default(),
        notes: options.notes.clone(),
        risks: Vec::new(),
        spec: moved.into_iter().map(|moved| moved.change).collect(),
        inputs: other_inputs,
        groups,
        replacement: replaced(&nodes, &order),
        nodes,
    };
    diff.risks = risk::judge(&diff, before.facts(), after.facts(), options.now);
    diff.summary = summary(&diff, names.len());
    Ok(diff)
}

struct Sides<'a> {
    before: &'a dyn Side,
    after: &'a dyn Side,
    options: &'a Options,
}

/// The differing entries of a node that both sides have.
type Trees = BTreeMap<String, Vec<Pair>>;

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

    fn info(&self, side: &dyn Side) -> SideInfo {
        let kubernetes = side.facts().map(|facts| facts.kubernetes.clone());
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
        match (self.before.facts(), self.after.facts()) {
            (Some(old), Some(new)) => (inputs::spec(old, new), inputs::others(old, new)),
            _ => (Vec::new(), Vec::new()),
        }
    }

    fn order(&self, names: &BTreeSet<String>) -> Vec<String> {
        let mut order = self.after.facts().map(replacement_order).unwrap_or_default();
        let known: BTreeSet<&String> = order.iter().collect();
        let rest: Vec<String> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        order.extend(rest);
        order
    }

    /// Reads what is in the entries: equal pairs on many nodes once. Takes pairs out of `trees` that do not differ after
    /// all, because only stand-in keys do.
    fn changes(&self, trees: &mut Trees) -> Result<Vec<Found>, SideError> {
        let mut alike: BTreeMap<&Pair, Vec<&String>> = BTreeMap::new();
        for (name, pair) in trees.iter().flat_map(|(name, pairs)| pairs.iter().map(move |pair| (name, pair))) {
            alike.entry(pair).or_default().push(name);
        }
        let alike: Vec<(&Pair, Vec<&String>)> = alike.into_iter().collect();
        let read = |(pair, nodes): &(&Pair, Vec<&String>)| -> Result<Option<Found>, SideError> {
            let Some(change) = self.change(pair, nodes)? else { return Ok(None) };
            Ok(Some(Found { nodes: nodes.iter().map(|name| (*name).clone()).collect(), change }))
        };
        let found: Vec<Result<Option<Found>, SideError>> = alike.par_iter().map(read).collect();
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        let nothing: BTreeSet<Pair> = alike
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|((pair, _), _)| (*pair).clone())
            .collect();
        if !nothing.is_empty() {
            trees.values_mut().for_each(|pairs| pairs.retain(|pair| !nothing.contains(pair)));
            trees.retain(|_, pairs| !pairs.is_empty());
        }
        let mut found: Vec<Found> = found.into_iter().flatten().collect();
        self.add_origins(&mut found)?;
        Ok(found)
    }

    fn change(&self, pair: &Pair, nodes: &[&String]) -> Result<Option<Change>, SideError> {
        let node = nodes.first().map_or("", |name| name.as_str());
        let mut fields = attributes(pair, self.options.stand_in_keys);
        let differ =
            pair.before.as_ref().and_then(|e| e.digest.as_ref()) != pair.after.as_ref().and_then(|e| e.digest.as_ref());
        let compared = if differ { self.contents(pair, node)? } else { Compared::default() };
        fields.extend(compared.fields);
        let hunks = compared.hunks;
        if self.options.stand_in_keys && pair.state() == State::Changed {
            fields.retain(|field| {
                !matches!(field.kind, ChangeKind::Rotated | ChangeKind::Derived) || says_generation(field)
            });
            if fields.is_empty() && hunks.is_empty() && compared.format != super::semantic::Format::Binary {
                return Ok(None);
            }
            if fields.is_empty() && only_keys(compared.format, &hunks) {
                return Ok(None);
            }
        }
        Ok(Some(Change {
            path: pair.path.clone(),
            state: pair.state(),
            renamed_from: pair.renamed_from.clone(),
            format: compared.format.name().to_owned(),
            tags: compared.tags,
            fields,
            hunks,
            pattern: false,
            origin: Origin::default(),
            why: Default::default(),
        }))
    }

    fn contents(&self, pair: &Pair, node: &str) -> Result<Compared, SideError> {
        let read = |side: &dyn Side, entry: &Option<SideEntry>| -> Result<Option<Vec<u8>>, SideError> {
            let Some(entry) = entry.as_ref().filter(|entry| entry.kind == "file") else { return Ok(None) };
            let bytes = side.contents(node, entry)?;
            Ok(Some(entry.without_commitments(&bytes)))
        };
        let (old, new) = (read(self.before, &pair.before)?, read(self.after, &pair.after)?);
        let mut compared = compare(&pair.path, old.as_deref(), new.as_deref());
        if compared.format == super::semantic::Format::Binary {
            let size = |entry: &Option<SideEntry>| entry.as_ref()?.size.map(|size| format!("{size} bytes"));
            let digest = |entry: &Option<SideEntry>| Some(inputs::short(entry.as_ref()?.digest.as_ref()?.as_str()));
            compared.fields.extend(FieldChange::between("size", size(&pair.before), size(&pair.after)));
            compared.fields.extend(FieldChange::between("digest", digest(&pair.before), digest(&pair.after)));
        }
        Ok(compared)
    }

    /// Adds origins; each node's are read once. Where one side does not keep them, the other side's are as good.
    fn add_origins(&self, found: &mut [Found]) -> Result<(), SideError> {
        let mut known: BTreeMap<(bool, String), BTreeMap<String, Origin>> = BTreeMap::new();
        for one in found {
            let node = one.nodes.first().cloned().unwrap_or_default();
            let newer_first = one.change.state != State::Removed;
            for newer in [newer_first, !newer_first] {
                let side = if newer { self.after } else { self.before };
                let place = (newer, node.clone());
                if !known.contains_key(&place) {
                    known.insert(place.clone(), side.origins(&node)?);
                }
                let path = if newer { Some(&one.change.path) } else { one.change.renamed_from.as_ref() };
                let origin = known.get(&place).and_then(|origins| origins.get(path.unwrap_or(&one.change.path)));
                if let Some(origin) = origin {
                    one.change.origin = origin.clone();
                    break;
                }
            }
        }
        Ok(())
    }

    fn nodes(&self, names: &BTreeSet<String>, order: &[String], mut trees: Trees) -> Result<Vec<NodeDiff>, SideError> {
        let (old_facts, new_facts) = (self.before.facts().map(index), self.after.facts().map(index));
        let wanted: Vec<&String> = order.iter().filter(|name| names.contains(*name)).collect();
        let taken: Vec<(&String, Vec<Pair>)> =
            wanted.into_iter().map(|name| (name, trees.remove(name).unwrap_or_default())).collect();
        let describe = |(name, pairs): &(&String, Vec<Pair>)| -> Result<Option<NodeDiff>, SideError> {
            let (old, new) = (placed(&old_facts, name), placed(&new_facts, name));
            let is_old = self.before.nodes().contains_key(*name);
            let is_new = self.after.nodes().contains_key(*name);
            let (state, effects) = match (is_old, is_new) {
                (false, _) => (State::Added, vec![Effect::Create]),
                (_, false) => (State::Removed, vec![Effect::Remove]),
                _ => (State::Changed, effects(old, new, !pairs.is_empty())),
            };
            if effects.is_empty() {
                return Ok(None);
            }
            let entries = match state {
                State::Added => whole(self.after.entries(name)?, State::Added),
                State::Removed => whole(self.before.entries(name)?, State::Removed),
                _ => pairs.iter().map(Pair::change).collect(),
            };
            let roles = new.or(old).map(|placed| placed.node.roles.clone()).unwrap_or_default();
            let before = if is_old { self.before.bundle(name)? } else { None };
            let after = if is_new { self.after.bundle(name)? } else { None };
            Ok(Some(NodeDiff { name: (*name).clone(), state, roles, before, after, effects, entries }))
        };
        let all: Vec<Result<Option<NodeDiff>, SideError>> = taken.par_iter().map(describe).collect();
        let mut nodes: Vec<NodeDiff> = all.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        nodes.sort_by_key(|node| node.state == State::Removed); // stable
        Ok(nodes)
    }
}

type Index<'a> = (&'a Facts, BTreeMap<&'a str, &'a super::facts::NodeFacts>);

fn index(facts: &Facts) -> Index<'_> {
    (facts, facts.nodes.iter().map(|node| (node.name(), node)).collect())
}

fn placed<'a>(index: &Option<Index<'a>>, name: &str) -> Option<Placed<'a>> {
    let (facts, nodes) = index.as_ref()?;
    let node = nodes.get(name)?;
    Some(Placed { facts, node, class: facts.class(node)? })
}

fn whole(entries: Vec<SideEntry>, state: State) -> Vec<EntryChange> {
    let one = |entry: SideEntry| {
        let facts = Some(entry.facts());
        let (before, after) = if state == State::Added { (None, facts) } else { (facts, None) };
        EntryChange { path: entry.path, state, renamed_from: None, before, after }
    };
    entries.into_iter().map(one).collect()
}

/// A rotation that the spec asked for, which shows whatever the keys are.
fn says_generation(field: &FieldChange) -> bool {
    field.kind == ChangeKind::Rotated && field.path.starts_with("secret ") && field.before != field.after
}

/// Formats whose fields say all: lines that differ without them differ by keys alone.
fn only_keys(format: super::semantic::Format, hunks: &[super::model::Hunk]) -> bool {
    use super::semantic::Format;
    let fielded = matches!(format, Format::Kubeconfig | Format::Manifest | Format::Yaml | Format::Json | Format::X509);
    let long = |line: &super::model::Line| line.kind == super::model::LineKind::Same || line.text.len() > 200;
    fielded && hunks.iter().flat_map(|hunk| &hunk.lines).all(long)
}

/// Nodes that a deployment starts or replaces.
fn replaced(nodes: &[NodeDiff], order: &[String]) -> Vec<String> {
    let touched: BTreeSet<&String> =
        nodes.iter().filter(|node| node.state != State::Removed).map(|node| &node.name).collect();
    order.iter().filter(|name| touched.contains(name)).cloned().collect()
}

fn summary(diff: &Diff, nodes: usize) -> Summary {
    let in_state = |state: State| diff.nodes.iter().filter(|node| node.state == state).count();
    let changed = diff.nodes.iter().filter(|node| node.state == State::Changed);
    let entries: Vec<State> = changed.flat_map(|node| &node.entries).map(|entry| entry.state).collect();
    let count = |state: State| entries.iter().filter(|other| **other == state).count();
    let risks = |severity: Severity| diff.risks.iter().filter(|risk| risk.severity == severity).count();
    Summary {
        nodes_added: in_state(State::Added),
        nodes_removed: in_state(State::Removed),
        nodes_changed: in_state(State::Changed),
        nodes_same: nodes - diff.nodes.len(),
        entries_added: count(State::Added),
        entries_removed: count(State::Removed),
        entries_changed: count(State::Changed),
        entries_renamed: count(State::Renamed),
        risks_high: risks(Severity::High),
        risks_medium: risks(Severity::Medium),
        risks_low: risks(Severity::Low),
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_stand_for_names() {
        assert!(matches("worker-*", "worker-0001") && matches("*", "x") && matches("w*-*1", "worker-0001"));
        assert!(!matches("worker", "worker-0001") && !matches("*-2", "worker-0001"));
    }
}
