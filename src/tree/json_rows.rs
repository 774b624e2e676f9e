//! JSON with one line an item, so that two versions compare line by line. The lines are made on all processors.

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Error;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The items of a list or the entries of an object, each for a line of its own; without brackets and braces.
#[derive(Clone, Debug)]
pub struct Rows<'a>(Vec<Cow<'a, [u8]>>);

impl<'a> Rows<'a> {
    /// The items of a list.
    pub fn of_list<T: Serialize + Sync>(items: &[T]) -> Result<Self, Error> {
        Self::new(items, |item| serde_json::to_vec(item).map(Cow::Owned))
    }

    /// The entries of an object.
    pub fn of_object<T: Serialize + Sync>(entries: &BTreeMap<String, T>) -> Result<Self, Error> {
        let entries: Vec<(&String, &T)> = entries.iter().collect();
        Self::new(&entries, |(name, value)| {
            let mut row = serde_json::to_vec(name)?;
            row.push(b':');
            serde_json::to_writer(&mut row, value)?;
            Ok(Cow::Owned(row))
        })
    }

    /// What `row` makes of each item; rows that are known already need no copy.
    pub fn new<T: Sync, E: Send>(
        items: &[T],
        row: impl Fn(&T) -> Result<Cow<'a, [u8]>, E> + Sync + Send,
    ) -> Result<Self, E> {
        let rows: Vec<Result<_, E>> = items.par_iter().map(row).collect();
        rows.into_iter().collect::<Result<_, E>>().map(Self)
    }
}

impl<'a> FromIterator<Cow<'a, [u8]>> for Rows<'a> {
    fn from_iter<I: IntoIterator<Item = Cow<'a, [u8]>>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

/// A text of `head` and some rows, each followed by what stands after them. Made in one piece: such texts are large.
pub fn with_rows(head: &[u8], rows: &[(&Rows<'_>, &str)]) -> Vec<u8> {
    let length =
        |(rows, after): &(&Rows<'_>, &str)| after.len() + rows.0.iter().map(|row| row.len() + 2).sum::<usize>();
    let mut text = Vec::with_capacity(head.len() + rows.iter().map(length).sum::<usize>());
    text.extend_from_slice(head);
    for (rows, after) in rows {
        for (position, row) in rows.0.iter().enumerate() {
            text.extend_from_slice(row);
            // No comma after the last one.
            text.extend_from_slice(if position + 1 == rows.0.len() { b"\n" } else { b",\n" });
        }
        text.extend_from_slice(after.as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<T: Serialize + Sync>(items: &[T]) -> String {
        String::from_utf8(with_rows(b"[", &[(&Rows::of_list(items).unwrap(), "]")])).unwrap()
    }

    #[test]
    fn every_item_has_its_line() {
        assert_eq!(list(&[1, 2]), "[1,\n2\n]");
        assert_eq!(list::<u8>(&[]), "[]");
        let entries = [("b".to_owned(), [1, 2]), ("a\"".to_owned(), [3, 4])].into();
        let entries = Rows::of_object(&entries).unwrap();
        assert_eq!(with_rows(b"", &[(&entries, "}")]), b"\"a\\\"\":[3,4],\n\"b\":[1,2]\n}");
        let many: Vec<usize> = (0..1000).collect();
        let text = list(&many);
        assert_eq!(serde_json::from_str::<Vec<usize>>(&text).unwrap(), many);
        assert_eq!(text.lines().count(), 1001);
    }
}
