//! Many node names in few words: `worker-0001..0050, worker-0060`; and patterns that stand for names.

/// Joins names with consecutive numbers at their end. Names keep the order of their numbers, not that of the spec.
pub fn ranges(names: &[String]) -> String {
    let mut sorted: Vec<(&str, &str)> = names.iter().map(|name| split(name)).collect();
    sorted.sort_by_key(|(stem, number)| (*stem, number.len(), number.parse::<u64>().unwrap_or(0), *number));
    let mut parts: Vec<(&str, &str, &str)> = Vec::new();
    for (stem, number) in sorted {
        match parts.last_mut() {
            Some((last_stem, _, last)) if *last_stem == stem && follows(last, number) => *last = number,
            _ => parts.push((stem, number, number)),
        }
    }
    let text = |(stem, first, last): &(&str, &str, &str)| match first == last {
        true => format!("{stem}{first}"),
        false => format!("{stem}{first}..{last}"),
    };
    parts.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The name without the digits at its end, and those digits.
fn split(name: &str) -> (&str, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, &name[stem.len()..])
}

fn follows(last: &str, next: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    // `9` and `10` follow each other, `09` and `10` too, `9` and `010` do not.
    let alike = last.len() == next.len() || (!last.starts_with('0') && !next.starts_with('0'));
    alike && number(last).and_then(|last| last.checked_add(1)).is_some_and(|wanted| number(next) == Some(wanted))
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, ranges};

    #[test]
    fn consecutive_numbers_are_joined() {
        let check = |names: &[&str], expected: &str| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(ranges(&names), expected);
        };
        check(&["w-0001", "w-0002", "w-0003"], "w-0001..0003");
        check(&["w-0003", "w-0001", "a", "w-0002", "w-0007"], "a, w-0001..0003, w-0007");
        check(&["w9", "w10", "w11", "w011"], "w9..11, w011");
        check(&["c-01"], "c-01");
        check(&[], "");
        check(
            &["w-99999999999999999999999", "w-99999999999999999999998"],
            "w-99999999999999999999998, w-99999999999999999999999",
        );
    }

    #[test]
    fn patterns_stand_for_names() {
        assert!(matches("worker-*", "worker-0001") && matches("*", "x") && matches("w*-*1", "worker-0001"));
        assert!(!matches("worker", "worker-0001") && !matches("*-2", "worker-0001"));
    }
}
