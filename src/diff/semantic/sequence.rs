//! Lists whose items have no names: aligned by what is equal, so that an item put in front moves no other.

use super::super::model::{ChangeKind, FieldChange};
use super::document::{Changes, one_sided, values};
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeMap;

pub fn compare(path: &str, before: &[Value], after: &[Value], out: &mut Changes) {
    let keys = |items: &[Value]| -> Vec<String> { items.iter().map(canonical).collect() };
    let (old, new) = (keys(before), keys(after));
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    let mut edited = Vec::new();
    for op in capture_diff_slices(Algorithm::Patience, &old, &new) {
        match op {
            DiffOp::Equal { .. } => {}
            DiffOp::Delete { old_index, old_len, .. } => gone.extend(old_index..old_index + old_len),
            DiffOp::Insert { new_index, new_len, .. } => came.extend(new_index..new_index + new_len),
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                edited.push((old_index..old_index + old_len, new_index..new_index + new_len));
            }
        }
    }
    let replaced = |side: fn(&(std::ops::Range<usize>, std::ops::Range<usize>)) -> std::ops::Range<usize>| {
        edited.iter().flat_map(side).collect::<Vec<_>>()
    };
    let all_gone = [gone.as_slice(), &replaced(|pair| pair.0.clone())].concat();
    let all_came = [came.as_slice(), &replaced(|pair| pair.1.clone())].concat();
    let moved = moves(&old, &all_gone, &new, &all_came);
    let stays = |at: &usize, side: fn(&(usize, usize)) -> usize| !moved.iter().any(|pair| side(pair) == *at);
    for (olds, news) in edited {
        let olds: Vec<usize> = olds.filter(|at| stays(at, |pair| pair.0)).collect();
        let news: Vec<usize> = news.filter(|at| stays(at, |pair| pair.1)).collect();
        // Items in the place of as many others were most likely edited.
        let pairs = olds.len().min(news.len());
        for (old, new) in olds.iter().zip(&news) {
            values(&format!("{path}[{new}]"), &before[*old], &after[*new], out);
        }
        gone.extend(&olds[pairs..]);
        came.extend(&news[pairs..]);
    }
    gone.sort_unstable();
    came.sort_unstable();
    for at in gone.iter().filter(|at| stays(at, |pair| pair.0)) {
        one_sided(&format!("{path}[{at}]"), &before[*at], ChangeKind::Removed, out);
    }
    for at in came.iter().filter(|at| stays(at, |pair| pair.1)) {
        one_sided(&format!("{path}[{at}]"), &after[*at], ChangeKind::Added, out);
    }
    let place = |at: usize| format!("place {}", at + 1);
    let reordered = |(old, new): &(usize, usize)| {
        FieldChange::of(ChangeKind::Reordered, format!("{path}[{new}]"), place(*old), place(*new))
    };
    out.list.extend(moved.iter().map(reordered));
}

/// Items that went at one place and came at another: where they were and where they are.
fn moves(old: &[String], gone: &[usize], new: &[String], came: &[usize]) -> Vec<(usize, usize)> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    came.iter().rev().for_each(|at| places.entry(&new[*at]).or_default().push(*at));
    gone.iter().filter_map(|at| Some((*at, places.get_mut(old[*at].as_str())?.pop()?))).collect()
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
