//! Reads what is in entries that differ: each pair of contents once, on however many nodes it is.

use super::attributes::attributes;
use super::compare::{KeySource, Sides, Trees};
use super::entries::Pair;
use super::group::Found;
use super::hardening::weakened;
use super::inputs::short;
use super::model::{Change, FieldChange, Group, Hunk, Line, LineKind, State, Why};
use super::semantic::{Compared, Format, compare};
use super::side::{Side, SideEntry, SideError};
use super::stand_ins::{Known, without_stand_ins};
use crate::tree::Origin;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

impl Sides<'_> {
    /// Reads what is in the entries: equal pairs on many nodes once. Takes pairs out of `trees` that do not differ after
    /// all, because only stand-in keys do.
    pub fn changes(&self, trees: &mut Trees) -> Result<Vec<Found>, SideError> {
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
        Ok(found.into_iter().flatten().collect())
    }

    fn change(&self, pair: &Pair, nodes: &[&String]) -> Result<Option<Change>, SideError> {
        let node = nodes.first().map_or("", |name| name.as_str());
        let stand_in = self.options.keys == KeySource::OneStandIn;
        let mut fields = attributes(pair, stand_in);
        let differ =
            pair.before.as_ref().and_then(|e| e.digest.as_ref()) != pair.after.as_ref().and_then(|e| e.digest.as_ref());
        let places = (Place { side: self.before, node }, Place { side: self.after, node });
        let (mut compared, weakened) = match differ {
            true => contents(pair, places.0.read(pair.before.as_ref())?, places.1.read(pair.after.as_ref())?),
            false => Default::default(),
        };
        if !stand_in || pair.state() != State::Changed {
            fields.append(&mut compared.fields);
        } else {
            let known = self.known_keys(pair, node, nodes)?;
            fields.extend(without_stand_ins(std::mem::take(&mut compared.fields), &compared.tags, known));
            if fields.is_empty() && compared.hunks.is_empty() && compared.format != Format::Binary {
                return Ok(None);
            }
            if fields.is_empty() && only_keys(compared.format, &compared.hunks) {
                return Ok(None);
            }
        }
        let change = Change::new(pair.path.clone(), pair.state(), Compared { fields, ..compared });
        Ok(Some(Change { renamed_from: pair.renamed_from.clone(), weakened, ..change }))
    }

    /// What the spec says about the file's keys.
    fn known_keys(&self, pair: &Pair, node: &str, nodes: &[&String]) -> Result<Known, SideError> {
        if self.keys.is_empty() && self.keys.imported.is_empty() {
            return Ok(Known::default());
        }
        let Some(origin) = self.origin(true, node, &pair.path)? else { return Ok(Known::default()) };
        let nodes: Vec<String> = nodes.iter().map(|name| (*name).clone()).collect();
        Ok(Known { moved: self.keys.concern(&origin, &nodes), imported: self.keys.is_imported(&origin) })
    }

    /// Where an entry comes from, on the new side or the old one; each node's are read once.
    pub fn origin(&self, newer: bool, node: &str, path: &str) -> Result<Option<Origin>, SideError> {
        let place = (newer, node.to_owned());
        let known = self.origins.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        let origins = match known {
            Some(origins) => origins,
            None => {
                let origins = Arc::new(if newer { self.after } else { self.before }.origins(node)?);
                self.origins.lock().unwrap_or_else(PoisonError::into_inner).insert(place, Arc::clone(&origins));
                origins
            }
        };
        Ok(origins.get(path).cloned())
    }

    /// Adds origins, those of a group's first node; each node's are read once. Where one side does not keep them, the
    /// other side's are as good.
    pub fn add_origins(&self, groups: &mut [Group]) -> Result<(), SideError> {
        for group in groups {
            let node = group.nodes.names.first().cloned().unwrap_or_default();
            for change in &mut group.changes {
                let newer_first = change.state != State::Removed;
                for newer in [newer_first, !newer_first] {
                    let path = change.renamed_from.as_ref().filter(|_| !newer).unwrap_or(&change.path);
                    if let Some(origin) = self.origin(newer, &node, path)? {
                        change.origin = origin;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A node on one side.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub side: &'a dyn Side,
    pub node: &'a str,
}

impl Place<'_> {
    /// What is in the entry, without commitments; `None` where it is no file.
    pub fn read(self, entry: Option<&SideEntry>) -> Result<Option<Vec<u8>>, SideError> {
        let Some(entry) = entry.filter(|entry| entry.kind == "file") else { return Ok(None) };
        let bytes = self.side.contents(self.node, entry)?;
        Ok(Some(entry.without_commitments(&bytes)))
    }
}

/// How contents differ, and which protections they give up.
pub(super) fn contents(pair: &Pair, old: Option<Vec<u8>>, new: Option<Vec<u8>>) -> (Compared, Vec<String>) {
    let mut compared = compare(&pair.path, old.as_deref(), new.as_deref());
    if matches!(compared.format, Format::Binary | Format::Large) {
        let size = |entry: &Option<SideEntry>| entry.as_ref()?.size.map(|size| format!("{size} bytes"));
        let digest = |entry: &Option<SideEntry>| Some(short(entry.as_ref()?.digest.as_ref()?.as_str()));
        compared.fields.extend(FieldChange::between("size", size(&pair.before), size(&pair.after)));
        compared.fields.extend(FieldChange::between("digest", digest(&pair.before), digest(&pair.after)));
    }
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok().map(str::to_owned));
    let weakened = weakened(&pair.path, compared.format, text(&old).as_deref(), text(&new).as_deref());
    (compared, weakened)
}

impl Change {
    /// A change as it was read; where it comes from and why is added later.
    pub(super) fn new(path: String, state: State, compared: Compared) -> Self {
        let untold = if compared.fields.is_empty() { Vec::new() } else { compared.untold };
        Self {
            path,
            state,
            renamed_from: None,
            format: compared.format.name().to_owned(),
            tags: compared.tags,
            fields: compared.fields,
            hunks: compared.hunks,
            untold,
            pattern: false,
            per_node: Vec::new(),
            origin: Origin::default(),
            why: Why::default(),
            weakened: Vec::new(),
            still_named: Vec::new(),
        }
    }
}

/// Formats whose fields say all: lines that differ without them differ by keys alone.
fn only_keys(format: Format, hunks: &[Hunk]) -> bool {
    let fielded = matches!(format, Format::Kubeconfig | Format::Manifest | Format::Yaml | Format::Json | Format::X509);
    let long = |line: &Line| line.kind == LineKind::Same || line.text.len() > 200;
    fielded && hunks.iter().flat_map(|hunk| &hunk.lines).all(long)
}
