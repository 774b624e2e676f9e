//! JSON with one line an item, so that two versions compare line by line. The lines are made on all processors.

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Error;
use std::collections::BTreeMap;

/// The items of a list, each on a line of its own; without the brackets.
pub fn rows<T: Serialize + Sync>(items: &[T]) -> Result<Vec<u8>, Error> {
    lines(items, |item, out| serde_json::to_writer(out, item))
}

/// The entries of an object, each on a line of its own; without the braces.
pub fn entry_rows<T: Serialize + Sync>(entries: &BTreeMap<String, T>) -> Result<Vec<u8>, Error> {
    let entries: Vec<(&String, &T)> = entries.iter().collect();
    lines(&entries, |(name, value), out| {
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        serde_json::to_writer(out, value)
    })
}

/// What `write` makes of each item, each on a line of its own.
pub fn lines<T: Sync, E: Send>(
    items: &[T],
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), E> + Sync,
) -> Result<Vec<u8>, E> {
    const AT_ONCE: usize = 64;
    let chunk = |items: &[T]| {
        let mut out = Vec::new();
        for item in items {
            write(item, &mut out)?;
            out.extend_from_slice(b",\n");
        }
        Ok(out)
    };
    let chunks: Vec<Result<Vec<u8>, E>> = items.par_chunks(AT_ONCE).map(chunk).collect();
    let mut all = chunks.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    // No comma after the last one.
    if all.len() > 1 {
        all.truncate(all.len() - 2);
        all.push(b'\n');
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_its_line() {
        assert_eq!(rows(&[1, 2]).unwrap(), b"1,\n2\n");
        assert_eq!(rows::<u8>(&[]).unwrap(), b"");
        let entries = [("b".to_owned(), [1, 2]), ("a\"".to_owned(), [3, 4])].into();
        assert_eq!(entry_rows(&entries).unwrap(), b"\"a\\\"\":[3,4],\n\"b\":[1,2]\n");
        let many: Vec<usize> = (0..1000).collect();
        let text = String::from_utf8(rows(&many).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<usize>>(&format!("[{text}]")).unwrap(), many);
        assert_eq!(text.lines().count(), 1000);
    }
}
