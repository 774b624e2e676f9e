//! The YAML that specs are written in nearly always, read some ten times faster than all of YAML can be: a thousand nodes
//! in two milliseconds, so that a build that has little to do is not mostly parsing.
//!
//! Block mappings and sequences; flow mappings and sequences, plain and quoted scalars that end on their line; comments.
//! [`parse`] gives `None` for everything else and for everything wrong, and then the full parser decides. Where it gives a
//! cluster, the full parser gives the same one; a test holds the two against each other.

mod deserialize;
mod scan;

use serde::de::DeserializeOwned;

/// Reads a value, if its YAML is simple and nothing is wrong with it.
pub fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    let value = scan::document(text)?;
    T::deserialize(&value).ok()
}

/// A YAML value of a simple text.
#[derive(Debug)]
enum Value<'t> {
    Plain(&'t str),
    Quoted(&'t str),
    Sequence(Vec<Value<'t>>),
    Mapping(Vec<(&'t str, Value<'t>)>),
}

#[cfg(test)]
mod tests {
    use super::super::model::Cluster;
    use super::super::parse::{options, parse_fully};
    use super::super::tests::MINIMAL;
    use super::*;

    #[track_caller]
    fn same(text: &str) -> bool {
        let Some(simple) = parse::<Cluster>(text) else { return false };
        match parse_fully(text) {
            Ok(full) => assert_eq!(simple, full, "{text}"),
            Err(_) => panic!("only the simple parser takes this:\n{text}"),
        }
        true
    }

    const BLOCKS: &str = r#"# A comment.
apiVersion: kubi/v1alpha1
kind: "Cluster" # another
metadata:
    name: 'dev'

spec:
  kubernetes: { version: 1.36.4 }
  base: debian-13
  params:
    a/b: {list: [1, two, "3", 4.5.6, true, -x], map: {}, text: a b c, url: http://x/y:1}
    c/d:
      script: echo a, b#c # d
      deep: [[], [[a]], {b: [c]}]
  pki:
    epoch: 2026-11-01
  roles:
    worker: {machine: {cpus: 4, memory: 8GiB}}
  nodes:
  - name: a
    roles:
    - controller
    addresses:
      cluster: 192.168.24.11
      management: 192.168.122.11
  # between
  -   name: b
      roles: [ worker,etcd ]
      addresses: {cluster: 192.168.24.12, management: 192.168.122.12}
      taints: ["gpu=yes:NoSchedule"]
"#;

    #[test]
    fn what_it_takes_is_what_the_full_parser_makes_of_it() {
        assert!(same(MINIMAL));
        assert!(same(&BLOCKS.replace(", -x", "")), "simple YAML is taken");
        assert!(!same(BLOCKS), "a plain scalar that starts with an indicator is not");
    }

    /// Small damage at every place: whatever is still taken must mean the same to the full parser.
    #[test]
    fn damaged_texts_are_never_read_differently() {
        let base = "a: 1\nb:\n  c: [x, 2, {d: e}, null, --f=g]\n  f-g:\n  - h: i\n    j: 'k l'\n  - m\n  - {n: 1.2.3, o: \"p\"} # q\nr: s t:u's [v], {w} | x > y\n# v\nw:\n    \
                    x: 10.0.0.0/8\n    y: null\n    /x/y: ../z\n    z: 2026-11-01\n    \"1.2\": 'u'\n    'true': {\"3\": b}\n";
        let pieces = "|| |  |\n|\n  |\n    |:|: |,|, |-|- |\n- |\n  - |#| #|'|\"|[|]|{|}|>|&a |*a|!t |?|~|null|0|7|1e3|0x1|.5|5.|_|+1|-1|true|\
                      True|no|nan|Inf|\t|\r|\u{e9}|---\n|...|%|<<: |@|`|\\|1_0|0o7|00|12e|1-2|1e-|e";
        let pieces: Vec<&str> = pieces.split('|').collect();
        let (mut state, mut taken) = (1_u64, 0);
        let mut random = |below: usize| {
            // Knuth's MMIX generator: the same texts every time.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..5_000 {
            let mut text = base.to_owned();
            for _ in 0..=random(3) {
                let at = random(text.len());
                let end = (at + random(4)).min(text.len());
                if text.is_char_boundary(at) && text.is_char_boundary(end) {
                    text.replace_range(at..end, pieces[random(pieces.len())]);
                }
            }
            let Some(value) = scan::document(&text) else { continue };
            let Ok(simple) = <serde_json::Value as serde::Deserialize>::deserialize(&value) else { continue };
            let full: Result<serde_json::Value, _> = serde_saphyr::from_str_with_options(&text, options());
            assert_eq!(full.ok(), Some(simple), "{text}");
            taken += 1;
        }
        assert!(taken > 200, "only {taken} of the texts are still simple");
    }

    /// Else every build would wait for the full parser.
    #[test]
    fn what_kubi_carries_is_simple() {
        let built_in = crate::recipe::built_in();
        for (name, bytes) in built_in.iter().filter(|(name, _)| name.ends_with("/recipe.yaml")) {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(parse::<crate::recipe::Manifest>(text).is_some(), "{name}");
        }
        for name in ["versions.yaml", "defaults.yaml"] {
            assert!(parse::<serde_json::Value>(std::str::from_utf8(&built_in[name]).unwrap()).is_some(), "{name}");
        }
        assert!(parse::<serde_json::Value>(include_str!("../../../vendor/catalog.yaml")).is_some());
    }
}
