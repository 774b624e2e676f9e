//! What is on nodes that only one side has: how they differ from a node of that side that does the same, or all of it.
//!
//! In: both sides. Out: [`WholeNodes`], those that are alike once. Reads what differs from the other node and no more.

mod like;
mod own;
mod translate;

use super::attributes::attributes;
use super::changes::{Place, contents};
use super::compare::Sides;
use super::entries::{Pair, changed_entries};
use super::facts::{Facts, NodeFacts};
use super::group::{Found, Shared, join, key, nodes, pattern};
use super::inputs::between_nodes;
use super::masks::{Masks, Values};
use super::model::{Change, FieldChange, NodeValues, OwnEntry, State, WholeNodes};
use super::risk::Weak;
use super::semantic::{Compared, Format};
use super::side::{Side, SideEntry, SideError};
use super::why::why;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The side that has the nodes.
struct Home<'a> {
    side: &'a dyn Side,
    facts: Option<&'a Facts>,
    masks: Masks<'a>,
    added: bool,
    /// Entries of nodes that others are shown against.
    models: BTreeMap<&'a str, Vec<SideEntry>>,
}

/// One node, compared.
struct Whole {
    name: String,
    like: Option<String>,
    entries: usize,
    own: Vec<OwnEntry>,
    found: Vec<Found>,
}

impl Sides<'_> {
    /// Nodes that only the new side has, or (`added` is false) only the old one; in the order given.
    pub fn whole_nodes(
        &self,
        names: &BTreeSet<String>,
        order: &[String],
        added: bool,
    ) -> Result<Vec<WholeNodes>, SideError> {
        let (side, other, facts) =
            if added { (self.after, self.before, self.new) } else { (self.before, self.after, self.old) };
        let is_there = |name: &str| side.nodes().contains_key(name) && other.nodes().contains_key(name);
        let only = |name: &&String| side.nodes().contains_key(*name) && !other.nodes().contains_key(*name);
        let wanted: Vec<&str> =
            order.iter().filter(|name| names.contains(*name)).filter(only).map(String::as_str).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let likes = like::likes(facts, &wanted, is_there);
        let models: BTreeSet<&str> = likes.values().copied().collect();
        let models =
            models.into_iter().map(|name| Ok((name, side.entries(name)?))).collect::<Result<_, SideError>>()?;
        let home = Home { side, facts, masks: Masks::of(facts), added, models };
        let read = |name: &&str| home.read(name, likes.get(*name).copied());
        let all: Vec<Result<Whole, SideError>> = wanted.par_iter().map(read).collect();
        let mut groups = home.grouped(all.into_iter().collect::<Result<Vec<_>, _>>()?);
        groups.iter_mut().try_for_each(|group| self.explain(&home, group))?;
        Ok(groups)
    }

    /// Adds where the files come from, and which keys of the nodes' specs differ from those of the other node.
    fn explain(&self, home: &Home<'_>, group: &mut WholeNodes) -> Result<(), SideError> {
        let first = group.nodes.names.first().map_or("", String::as_str);
        let like = group.like.as_deref().unwrap_or(first);
        let spec = |name: &str| home.facts.and_then(|facts| facts.node(name)).map(|node| &node.spec);
        let moved = match (spec(like), spec(first)) {
            (Some(old), Some(new)) if group.like.is_some() => between_nodes(old, new, &group.nodes.names),
            _ => Vec::new(),
        };
        for change in &mut group.changes {
            let holder = if change.state == State::Removed && home.added { like } else { first };
            let Some(origin) = self.origin(home.added, holder, &change.path)? else { continue };
            change.why = why(&origin, &group.nodes.names, &moved, &[], &self.keys);
            change.origin = origin;
        }
        Ok(())
    }
}

/// Settings that lack a protection on new nodes that no other node is like, and on those that are like them. What others
/// have weaker than the node that they are like is in their changes.
pub fn weak(added: &[WholeNodes]) -> Vec<Weak> {
    let firsts = added.iter().filter(|whole| whole.like.is_none());
    let of_first = |first: &WholeNodes| {
        let is_like = |whole: &&WholeNodes| whole.like.as_ref().is_some_and(|like| first.nodes.names.contains(like));
        let others: Vec<&WholeNodes> = added.iter().filter(is_like).collect();
        let weak = |change: &Change| -> Vec<Weak> {
            let same = others.iter().filter(|whole| !whole.differs(&change.path));
            let names: Vec<String> =
                same.flat_map(|whole| &whole.nodes.names).chain(&first.nodes.names).cloned().collect();
            let one = |text: &String| Weak { nodes: names.clone(), path: change.path.clone(), text: text.clone() };
            change.weakened.iter().map(one).collect()
        };
        first.changes.iter().flat_map(weak).collect::<Vec<_>>()
    };
    firsts.flat_map(of_first).collect()
}

impl Home<'_> {
    fn read(&self, name: &str, like: Option<&str>) -> Result<Whole, SideError> {
        let entries = self.side.entries(name)?;
        let count = entries.len();
        let model = like.and_then(|like| self.models.get(like));
        let pairs = match model {
            Some(model) => changed_entries(model.clone(), entries),
            None => entries.into_iter().map(|entry| self.alone(entry)).collect(),
        };
        let model_values = self.masks.values(like.unwrap_or(name));
        let own_values = self.masks.values(name);
        let (mut own, mut found) = (Vec::new(), Vec::new());
        for pair in pairs {
            let (change, text) = self.change(&pair, (like.unwrap_or(name), &model_values), (name, &own_values))?;
            let shown = pattern(&change, &Shared::default(), &model_values, &own_values);
            match own::own(&shown, text.as_deref(), &own_values).filter(|_| model.is_some()) {
                Some(entry) => own.push(entry),
                None => found.push(Found { nodes: vec![name.to_owned()], change }),
            }
        }
        Ok(Whole { name: name.to_owned(), like: like.map(str::to_owned), entries: count, own, found })
    }

    /// An entry that nothing is compared with.
    fn alone(&self, entry: SideEntry) -> Pair {
        let (path, some) = (entry.path.clone(), Some(entry));
        let (before, after) = if self.added { (None, some) } else { (some, None) };
        Pair { path, renamed_from: None, before, after }
    }

    /// The change from one node to another, and the other one's text where people read it.
    fn change(
        &self,
        pair: &Pair,
        (from, model): (&str, &Values),
        (to, own): (&str, &Values),
    ) -> Result<(Change, Option<String>), SideError> {
        let digest = |entry: &Option<SideEntry>| entry.as_ref().and_then(|entry| entry.digest);
        let read = |node: &str, entry: &Option<SideEntry>| Place { side: self.side, node }.read(entry.as_ref());
        let mut fields = attributes(pair, false);
        let (mut compared, mut weakened, mut text) = (Compared::default(), Vec::new(), None);
        if digest(&pair.before) != digest(&pair.after) {
            let (mut old, new) = (read(from, &pair.before)?, read(to, &pair.after)?);
            text = new.clone().and_then(|bytes| String::from_utf8(bytes).ok());
            if let (Some(bytes), Some(target)) = (&old, &text)
                && let Ok(model_text) = std::str::from_utf8(bytes)
            {
                old = Some(translate::translated(model_text, model, own, target).into_bytes());
            }
            (compared, weakened) = contents(pair, old, new);
        }
        fields.append(&mut compared.fields);
        // What goes away protects nobody.
        weakened.retain(|_| self.added);
        let text = text.filter(|_| compared.format != Format::X509);
        let change = Change::new(pair.path.clone(), pair.state(), Compared { fields, ..compared });
        Ok((Change { renamed_from: pair.renamed_from.clone(), weakened, ..change }, text))
    }

    fn patterns(&self, wholes: &[Whole]) -> Vec<Vec<Change>> {
        let shared = Shared::of(wholes.iter().flat_map(|whole| &whole.found));
        let of_node = |whole: &Whole| -> Vec<Change> {
            let old = self.masks.values(whole.like.as_deref().unwrap_or(&whole.name));
            let new = self.masks.values(&whole.name);
            whole.found.iter().map(|one| pattern(&one.change, &shared, &old, &new)).collect()
        };
        wholes.par_iter().map(of_node).collect()
    }

    /// Joins nodes that differ alike from the same node, in the order of the first of them.
    fn grouped(&self, wholes: Vec<Whole>) -> Vec<WholeNodes> {
        let patterns = self.patterns(&wholes);
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut alike: Vec<Vec<(Whole, Vec<Change>)>> = Vec::new();
        for (whole, patterns) in wholes.into_iter().zip(patterns) {
            let keys: Vec<String> = patterns.iter().map(key).collect();
            let key = format!("{:?}", (&whole.like, whole.entries, &whole.own, keys));
            let place = *places.entry(key).or_insert(alike.len());
            if place == alike.len() {
                alike.push(Vec::new());
            }
            alike[place].push((whole, patterns));
        }
        alike.into_iter().filter_map(|alike| self.joined(alike)).collect()
    }

    fn joined(&self, alike: Vec<(Whole, Vec<Change>)>) -> Option<WholeNodes> {
        let names: Vec<String> = alike.iter().map(|(whole, _)| whole.name.clone()).collect();
        let per_node = names.iter().filter_map(|name| Some(self.place(self.facts?.node(name)?))).collect();
        let mut columns: Vec<Vec<(Found, Change)>> = Vec::new();
        let mut first = None;
        for (mut whole, patterns) in alike {
            let found = std::mem::take(&mut whole.found);
            columns.resize_with(found.len(), Vec::new);
            columns.iter_mut().zip(found.into_iter().zip(patterns)).for_each(|(column, one)| column.push(one));
            first.get_or_insert(whole);
        }
        let Whole { like, entries, own, .. } = first?;
        let changes = columns.into_iter().filter_map(join).collect();
        Some(WholeNodes { nodes: nodes(names), like, entries, own, per_node, changes })
    }

    /// Where a node is.
    fn place(&self, node: &NodeFacts) -> NodeValues {
        let addresses = &node.spec.addresses;
        let mut all = vec![
            ("cluster address", addresses.cluster.to_string()),
            ("management address", addresses.management.to_string()),
            ("pod network", node.pod_cidr.clone()),
        ];
        all.extend(node.spec.hypervisor.clone().map(|name| ("hypervisor", name)));
        let field = |(name, value): (&str, String)| match self.added {
            true => FieldChange::added(name, value),
            false => FieldChange::removed(name, value),
        };
        let fields = all.into_iter().map(field).collect();
        NodeValues { node: node.name().to_owned(), fields, lines: Vec::new() }
    }
}
