//! The names in a directory: read once, sorted, asked many times. A list and not a tree, because a thousand nodes have
//! thousands of them and nothing is added later.

use std::ops::Deref;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    names: Vec<String>,
    /// Of each name: most comparisons are of these, and touch no text.
    keys: Vec<u128>,
    /// What all names begin with, which no key says again.
    common: usize,
}

impl Names {
    pub fn contains(&self, name: &str) -> bool {
        let common = self.names.first().map_or("", |first| &first[..self.common]);
        let Some(rest) = name.strip_prefix(common) else { return false };
        let key = key(rest);
        let from = self.keys.partition_point(|known| *known < key);
        let same = self.keys[from..].iter().take_while(|known| **known == key).count();
        self.names[from..from + same].binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}

/// The first bytes of a text, in the order of texts: where keys differ, so do the texts.
fn key(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = text.len().min(bytes.len());
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}

/// How many bytes all names have in common at their beginning.
fn common(names: &[String]) -> usize {
    let Some((first, rest)) = names.split_first() else { return 0 };
    let shared =
        |length: usize, name: &String| first.bytes().zip(name.bytes()).take(length).take_while(|(a, b)| a == b).count();
    first.floor_char_boundary(rest.iter().fold(first.len(), shared))
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let common = common(&names);
        let mut keyed: Vec<(u128, String)> = names.into_iter().map(|name| (key(&name[common..]), name)).collect();
        keyed.sort_unstable();
        let (keys, names) = keyed.into_iter().unzip();
        Self { names, keys, common }
    }
}

impl Deref for Names {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.names
    }
}

impl IntoIterator for Names {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.names.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        let long = "x".repeat(40);
        for list in [
            vec![],
            vec!["b"],
            vec!["worker-2", "worker-10", "worker-1", "worker-"],
            vec!["é", "è", "e", ""],
            vec!["éa", "éb"],
            vec![long.as_str(), &long[..39], &long[..16], &long[..17]],
            vec!["same", "same-0123456789abcdef-1", "same-0123456789abcdef-0", "same-0123456789abcdef\0"],
        ] {
            let names: Names = list.iter().map(|name| (*name).to_owned()).collect();
            let mut sorted = list.clone();
            sorted.sort_unstable();
            assert_eq!(names.iter().collect::<Vec<_>>(), sorted);
            assert!(list.iter().all(|name| names.contains(name)), "{list:?}");
            for other in ["", "a", "worker-3", "worke", "same-0123456789abcdef-", "é", "xy", "same\0"] {
                assert_eq!(names.contains(other), list.contains(&other), "{other:?} in {list:?}");
            }
        }
    }
}
