//! One node's text as it would read on another node.

use crate::diff::masks::{Values, replace};
use std::collections::BTreeSet;

/// `text` of the node with the values `model`, with those of the node `own` in their place. Words that the other node's
/// `target` has as well are no node's own: in a list of all members each node finds itself.
pub fn translated(text: &str, model: &Values, own: &Values, target: &str) -> String {
    let known: BTreeSet<&str> = target.split_whitespace().collect();
    let word = |word: &str| match known.contains(word.trim_end()) {
        true => word.to_owned(),
        false => own.iter().fold(replace(word, model), |word, (value, name)| word.replace(name, value)),
    };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_other_node_says_otherwise_is_translated() {
        let values = |name: &str, address: &str| -> Values {
            vec![(address.to_owned(), "<cluster address>"), (name.to_owned(), "<node>")]
        };
        let (one, two) = (values("c-1", "10.0.0.1"), values("c-2", "10.0.0.2"));
        let check = |text: &str, target: &str, expected: &str| {
            assert_eq!(translated(text, &one, &two, target), expected);
        };
        check("User: node:c-1\n", "User: node:c-2\n", "User: node:c-2\n");
        check("a --name=c-1 --all=c-1,c-2\n", "a --name=c-2 --all=c-1,c-2\n", "a --name=c-2 --all=c-1,c-2\n");
        check("10.0.0.1/24\t10.0.0.11\n", "", "10.0.0.2/24\t10.0.0.11\n");
    }
}
