//! What people are shown of a diff: nothing that differs may look alike, nothing in a cluster may act on the reader's page.

mod common;

use common::sides::TreeSide;
use kubi::diff::terminal::{Long, Style};
use kubi::diff::{Change, Diff, Options, diff, markdown, terminal};
use kubi::tree::{Contents, Entry, Kind, Mode, NodePath, Origin, Owner, Tree};
use std::collections::BTreeMap;

/// Nodes with one file each.
fn side(nodes: &[(&str, &str, &str)]) -> TreeSide {
    let mut trees: BTreeMap<String, Tree> = BTreeMap::new();
    for (node, path, text) in nodes {
        let entry = Entry {
            kind: Kind::File(Contents::public(text.as_bytes())),
            mode: Mode::FILE,
            owner: Owner::ROOT,
            origin: Origin { recipe: "a/b".into(), source: "files".into(), ..Origin::default() },
        };
        trees.entry((*node).to_owned()).or_default().insert(NodePath::new(*path).unwrap(), entry).unwrap();
    }
    TreeSide::new(trees)
}

fn compared(before: &[(&str, &str, &str)], after: &[(&str, &str, &str)]) -> Diff {
    diff(&side(before), &side(after), &Options::default()).unwrap()
}

/// One file on one node.
fn one(path: &str, before: &str, after: &str) -> Diff {
    compared(&[("n", path, before)], &[("n", path, after)])
}

fn changes(diff: &Diff) -> Vec<&Change> {
    diff.groups.iter().flat_map(|group| &group.changes).collect()
}

fn shown(diff: &Diff, long: Long, lines: bool) -> String {
    terminal::text(diff, Style { colour: false, width: 80, long, lines })
}

#[test]
fn values_that_differ_never_look_alike() {
    let (old, new) = (format!("{}a", "x".repeat(599)), format!("{}b", "x".repeat(599)));
    let files = [
        ("/etc/a.yaml", "v: ", "\n"),
        ("/etc/a.service", "[Service]\nExecStart=/bin/x --flag=", "\n"),
        ("/etc/a.service", "[Service]\nUser=", "\n"),
        ("/etc/a.yaml", "v:\n- ", "\n- other\n"),
        ("/etc/a.yaml", "v: |\n  ", "\n  other\n"),
        ("/etc/plain", "", "\nother\n"),
    ];
    for (path, head, tail) in files {
        let diff = one(path, &format!("{head}{old}{tail}"), &format!("{head}{new}{tail}"));
        let texts = [
            shown(&diff, Long::Cut, false),
            shown(&diff, Long::Cut, true),
            shown(&diff, Long::Wrap, true),
            shown(&diff, Long::Whole, false),
            markdown::text(&diff, markdown::COMMENT_LIMIT),
        ];
        for (number, text) in texts.iter().enumerate() {
            assert!(text.contains("xxa") && text.contains("xxb"), "{path} {number}: {text}");
        }
        assert!(texts[0].lines().chain(texts[2].lines()).all(|line| line.chars().count() <= 80), "{}", texts[0]);
        let whole = texts[3].contains(&old) && texts[3].contains(&new);
        assert!(whole, "what is written to a file is not cut: {path}");
        let wrapped: String =
            texts[2].lines().map(|line| line.trim_start().trim_start_matches(['-', '+', ' '])).collect();
        assert!(wrapped.contains(&old) && wrapped.contains(&new), "{path}: {wrapped}");
    }
}

#[test]
fn the_same_change_is_no_pattern_whatever_names_are_in_it() {
    let unit = |servers: &str| format!("[Service]\nExecStart=/x --name=y --servers={servers}\n");
    let (old, new) = (unit("c-1,c-2,c-3"), unit("c-1,c-2,c-3,e-1"));
    let nodes = |text: &'static str| ["c-1", "c-2", "c-3"].map(|node| (node, text));
    let files = |text: &str| -> Vec<(&'static str, &'static str, String)> {
        // Another line of the file is each node's own.
        nodes("").map(|(node, _)| (node, "/etc/x.service", format!("{text}User={node}\n"))).into()
    };
    let borrow = |files: &[(&'static str, &'static str, String)]| -> Vec<(String, String, String)> {
        files.iter().map(|(node, path, text)| ((*node).to_owned(), (*path).to_owned(), text.clone())).collect()
    };
    let (before, after) = (borrow(&files(&old)), borrow(&files(&new)));
    let refs = |files: &[(String, String, String)]| -> TreeSide {
        side(&files.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect::<Vec<_>>())
    };
    let diff = diff(&refs(&before), &refs(&after), &Options::default()).unwrap();
    assert_eq!(diff.groups.len(), 1, "{:#?}", diff.groups);
    let [change] = changes(&diff)[..] else { panic!("{:#?}", diff.groups) };
    assert_eq!((diff.groups[0].nodes.names.len(), change.pattern), (3, false));
    assert_eq!(change.fields[0].after.as_deref(), Some("e-1"));
}

#[test]
fn a_pattern_keeps_each_nodes_values() {
    let text = |node: &str, digest: &str| format!("name: {node}\nimage: x@sha256:{digest}\n");
    let (a, b, c) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
    let path = "/etc/x.yaml";
    let before: Vec<String> = ["w-1", "w-2", "w-3", "w-4", "w-5"].iter().map(|node| text(node, &a)).collect();
    let after = [text("w-1", &b), text("w-2", &c), text("w-3", &"d".repeat(64)), text("w-4", &"e".repeat(64))];
    let names = ["w-1", "w-2", "w-3", "w-4"];
    let of = |texts: &[String]| side(&names.iter().zip(texts).map(|(n, t)| (*n, path, t.as_str())).collect::<Vec<_>>());
    let diff = diff(&of(&before), &of(&after), &Options::default()).unwrap();
    let [change] = changes(&diff)[..] else { panic!("{:#?}", diff.groups) };
    assert!(change.pattern && change.fields[0].after.as_deref() == Some("x@sha256:<digest>"), "{change:#?}");
    assert_eq!(change.per_node.len(), 4);
    assert_eq!(
        (change.per_node[1].node.as_str(), change.per_node[1].fields[0].after.clone()),
        ("w-2", Some(format!("x@sha256:{c}")))
    );
    let text = shown(&diff, Long::Whole, false);
    assert!(
        text.contains(&format!("w-2: image: x@sha256:{a} → x@sha256:{c}")) && text.contains("1 more: --lines"),
        "{text}"
    );
    assert!(shown(&diff, Long::Whole, true).contains("w-4: "));
    let text = markdown::text(&diff, markdown::COMMENT_LIMIT);
    assert!(
        text.contains("<summary>values by node</summary>") && text.contains(&format!("x@sha256:{}", "e".repeat(64))),
        "{text}"
    );
}

#[test]
fn another_mode_hides_no_line() {
    let with_mode = |text: &str, mode: u16| {
        let mut trees: BTreeMap<String, Tree> = BTreeMap::new();
        for node in ["n-1", "n-2"] {
            let own = text.replace("OWN", if node == "n-1" { "first" } else { "second" });
            let entry = Entry {
                kind: Kind::File(Contents::public(own.as_bytes())),
                mode: Mode::new(mode).unwrap(),
                owner: Owner::ROOT,
                origin: Origin::default(),
            };
            trees.entry(node.to_owned()).or_default().insert(NodePath::new("/etc/x").unwrap(), entry).unwrap();
        }
        TreeSide::new(trees)
    };
    let text = shown(
        &diff(&with_mode("a\n", 0o644), &with_mode("b OWN\n", 0o600), &Options::default()).unwrap(),
        Long::Cut,
        false,
    );
    // Nodes with other lines are no group.
    assert!(text.contains("+b first") && text.contains("+b second") && text.contains("mode: 0644 → 0600"), "{text}");
    let empty = TreeSide::new([("n-1".to_owned(), Tree::default()), ("n-2".to_owned(), Tree::default())].into());
    let text = shown(&diff(&empty, &with_mode("b OWN\n", 0o600), &Options::default()).unwrap(), Long::Cut, false);
    assert!(text.contains("+b first") && text.contains("+b second") && text.contains("mode: 0600"), "{text}");
}

#[test]
fn nothing_in_a_cluster_is_markup() {
    let hostile = [
        "[x](http://evil) @team",
        "</details><script>",
        "`` ` ``` @a #1",
        "www.evil.com",
        "a\u{202e}b\u{200b}c\u{61c}",
        "<!-- -->",
    ];
    for text in hostile {
        let quoted = serde_json::to_string(text).unwrap();
        for (path, before, after) in [
            ("/etc/x.yaml", "a: 1\n".to_owned(), format!("a: {quoted}\n{quoted}: 2\n")),
            ("/etc/plain", "one\n".to_owned(), format!("```\n{text}\n")),
        ] {
            let mut diff = one(path, &before, &after);
            for change in diff.groups.iter_mut().flat_map(|group| &mut group.changes) {
                change.origin.recipe = text.to_owned();
                change.why.spec = vec![format!("spec.params[{quoted}]")];
            }
            diff.notes = vec![text.to_owned()];
            diff.before.label = text.to_owned();
            let shown = markdown::text(&diff, markdown::COMMENT_LIMIT);
            let rest = without_code(&shown);
            for bad in ["http", "@", "evil", "<script", "<!--", "#1", "[x]", "\u{202e}", "\u{200b}", "\u{61c}"] {
                assert!(!rest.contains(bad), "{bad:?} of {text:?} is outside of code:\n{rest}\nof\n{shown}");
            }
            assert_eq!(rest.matches("<details").count(), rest.matches("</details>").count(), "{shown}");
            let text = self::shown(&diff, Long::Whole, true);
            assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{61c}']), "{text}");
        }
    }
}

/// Markdown without its code spans and blocks (CommonMark 0.31, 4.5 and 6.1).
fn without_code(text: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<usize> = None;
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(length) if ticks >= length && line.len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
            None => out += &(without_spans(line) + "\n"),
        }
    }
    assert_eq!(fence, None, "a fence is open: {text}");
    out
}

fn without_spans(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let inner = &rest[start + ticks..];
        let mut at = 0;
        let end = loop {
            let Some(next) = inner[at..].find('`').map(|next| at + next) else { break None };
            let run = inner[next..].len() - inner[next..].trim_start_matches('`').len();
            if run == ticks {
                break Some(next + run);
            }
            at = next + run;
        };
        out += &rest[..start];
        match end {
            Some(end) => rest = &inner[end..],
            None => panic!("an open code span: {line}"),
        }
    }
    out + rest
}

#[test]
fn words_that_differ_are_pointed_at() {
    let diff =
        one("/etc/motd", "a line with an old\t日 word in its middle\n", "a line with a new\t日 word in its middle\n");
    let text = markdown::text(&diff, markdown::COMMENT_LIMIT);
    let expected = "-a line with an old    日 word in its middle\n?            ^^ ^^^\n+a line with a new    日 word in its middle\n?            ^ ^^^\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_long_markdown_keeps_the_order_and_says_what_is_missing() {
    let long: String = (0..3000).map(|number| format!("line {number}\n")).collect();
    let nodes: Vec<String> = (0..40).map(|number| format!("w-{number:02}")).collect();
    let path = |number: usize| format!("/etc/file-{number:02}.yaml");
    let files = |value: &str, text: &str| -> TreeSide {
        let mut all: Vec<(String, String, String)> = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            all.push((node.clone(), "/etc/0-plain".to_owned(), text.to_owned()));
            all.push((node.clone(), path(number), format!("a: {value}\n")));
        }
        side(&all.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect::<Vec<_>>())
    };
    let mut diff = diff(&files("1", "x\n"), &files("2", &long), &Options::default()).unwrap();
    diff.replacement.clear();
    let whole = markdown::text(&diff, markdown::COMMENT_LIMIT);
    assert!(
        whole.contains("more lines") && whole.contains("file-39.yaml"),
        "the first file does not push out the others"
    );
    for limit in [1500, 3000, 6000, 20_000] {
        let text = markdown::text(&diff, limit);
        assert!(text.len() <= limit, "{limit}: {}", text.len());
        assert!(text.contains("What a deployment does"), "{limit}: {text}");
        let all = nodes.len() == text.matches("file-").count();
        assert_eq!(!all, text.contains("do not fit into a comment"), "{limit}: {text}");
        assert_eq!(text.matches("<details").count(), text.matches("</details>").count(), "{text}");
    }
}
