//! Lists whose items have no names: aligned by what is equal, so that an item put in front moves no other.

use super::super::model::{ChangeKind, FieldChange};
use super::document::{Changes, one_sided, values};
use serde_json::Value;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};
use std::collections::{BTreeMap, BTreeSet};

/// Items in the place of others: where they were, where the others are.
struct Block {
    gone: Vec<usize>,
    came: Vec<usize>,
}

pub fn compare(path: &str, before: &[Value], after: &[Value], out: &mut Changes) {
    let keys = |items: &[Value]| -> Vec<String> { items.iter().map(canonical).collect() };
    let (old, new) = (keys(before), keys(after));
    let mut blocks = blocks(&old, &new);
    let moved = moves(&old, &new, &blocks);
    let (left, arrived): (BTreeSet<usize>, BTreeSet<usize>) = moved.iter().copied().unzip();
    for block in &mut blocks {
        block.gone.retain(|at| !left.contains(at));
        block.came.retain(|at| !arrived.contains(at));
        // Items in the place of as many others were most likely edited.
        for (old, new) in block.gone.iter().zip(&block.came) {
            values(&format!("{path}[{new}]"), &before[*old], &after[*new], out);
        }
        let pairs = block.gone.len().min(block.came.len());
        for at in &block.gone[pairs..] {
            one_sided(&format!("{path}[{at}]"), &before[*at], ChangeKind::Removed, out);
        }
        for at in &block.came[pairs..] {
            one_sided(&format!("{path}[{at}]"), &after[*at], ChangeKind::Added, out);
        }
    }
    let place = |at: usize| format!("place {}", at + 1);
    let reordered = |(old, new): &(usize, usize)| {
        FieldChange::of(ChangeKind::Reordered, format!("{path}[{new}]"), place(*old), place(*new))
    };
    out.list.extend(moved.iter().map(reordered));
}

fn blocks(old: &[String], new: &[String]) -> Vec<Block> {
    let block = |op: DiffOp| {
        let (tag, gone, came) = op.as_tag_tuple();
        (tag != DiffTag::Equal).then(|| Block { gone: gone.collect(), came: came.collect() })
    };
    capture_diff_slices(Algorithm::Patience, old, new).into_iter().filter_map(block).collect()
}

/// Items that went at one place and came at another: where they were and where they are.
fn moves(old: &[String], new: &[String], blocks: &[Block]) -> Vec<(usize, usize)> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let came = blocks.iter().flat_map(|block| &block.came);
    came.rev().for_each(|at| places.entry(&new[*at]).or_default().push(*at));
    let gone = blocks.iter().flat_map(|block| &block.gone);
    gone.filter_map(|at| Some((*at, places.get_mut(old[*at].as_str())?.pop()?))).collect()
}

/// Equal for equal values, whatever order their keys have.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<&String, String> = object.iter().map(|(key, value)| (key, canonical(value))).collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        plain => plain.to_string(),
    }
}
