//! Markdown in which no text of a cluster is markup, a link, or somebody's name.
//!
//! GitHub looks for `@names`, `#numbers` and addresses after markdown has been read, so neither backslashes nor entities hide
//! them (github/markup issue 1168); it leaves code alone.

use super::super::phrases::plain;

/// A code span that holds the text whatever is in it.
pub fn code(text: &str) -> String {
    let text = plain(text);
    let fence = "`".repeat(run_of_backticks(&text) + 1);
    // A blank at both ends is taken away again; without it there would be no span, or another one.
    let edge = |c: char| c == '`' || c == ' ';
    let pad = if text.is_empty() || text.starts_with(edge) || text.ends_with(edge) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A sentence: words that markdown or GitHub could act on are in code spans.
pub fn prose(text: &str) -> String {
    plain(text).split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    if !is_acted_on(word) {
        return word.to_owned();
    }
    // What only belongs to the sentence stays outside.
    let inner = word.trim_start_matches('(').trim_end_matches([')', '.', ',', ';', ':']);
    if inner.is_empty() {
        return code(word);
    }
    let (before, after) = word.split_once(inner).unwrap_or(("", ""));
    format!("{before}{}{after}", code(inner))
}

fn is_acted_on(word: &str) -> bool {
    let special =
        |c: char| matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '@' | '<' | '>' | '&' | '!' | '$');
    let lower = word.to_lowercase();
    // Autolinks (GitHub Flavored Markdown, extension) and numbers of other pages. Links to commits call nobody.
    let link = lower.contains("://") || lower.contains("www.") || lower.contains("gh-") || lower.contains("mailto:");
    let emoji = word.matches(':').count() > 1;
    // What could open a list or a heading at the start of a line.
    let block = matches!(word, "-" | "+" | "=") || word.starts_with("---") || word.starts_with("===");
    word.contains(special) || link || emoji || block
}

/// What stands before and after a part that is folded away.
pub fn folded(title: &str, open: bool) -> (String, &'static str) {
    let open = if open { " open" } else { "" };
    (format!("\n<details{open}><summary>{title}</summary>\n\n"), "\n</details>\n")
}

/// Lines of a diff behind a fence that none of them can close.
pub fn fenced(rows: &[String]) -> String {
    let longest = rows.iter().map(|row| run_of_backticks(row)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n{fence}diff\n{}\n{fence}\n", rows.join("\n"))
}

fn run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_acted_on() {
        let check = |text: &str, expected: &str| assert_eq!(prose(text), expected);
        check("kubi-worker-0001 gets a new disk (twice).", "kubi-worker-0001 gets a new disk (twice).");
        check("ask @team, see #12.", "ask `@team`, see `#12`.");
        check("[x](http://evil) (a_b)", "`[x](http://evil`) (`a_b`)");
        check("<img src=x> & www.evil.com", "`<img` `src=x>` `&` `www.evil.com`");
        check("tick ` and ``", "tick `` ` `` and ``` `` ```");
        check("commit 1a2b3c4d5e6f :tada:", "commit 1a2b3c4d5e6f `:tada`:");
        check("a\u{202e}b\nc", "`a\\u{202e}b\\u{a}c`");
        assert_eq!([code(""), code("`a"), code(" ")], ["`  `", "`` `a ``", "`   `"]);
    }
}
