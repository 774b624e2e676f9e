//! Which line of a template made a line of a file: found by the words that both have. Templates are not run for it, so the
//! answer holds for files of older builds too, as long as the template is still the same.

use super::origin;
use crate::recipe::Recipe;

/// A line of a template, and the conditions and loops around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateLine {
    /// From 1.
    pub number: usize,
    pub text: String,
    /// `{% if ... %}` and `{% for ... %}` that it stands in, the outermost first.
    pub within: Vec<(usize, String)>,
}

/// The template's line behind line `wanted` (from 1) of the text that it made; `None` where no line fits.
pub fn made_by(template: &str, text: &str, wanted: usize) -> Option<TemplateLine> {
    let sources: Vec<&str> = template.lines().collect();
    let patterns: Vec<Pattern<'_>> = sources.iter().map(|line| Pattern::new(line)).collect();
    let mut last = 0;
    let mut found = None;
    for line in text.lines().take(wanted) {
        let fitting = patterns.iter().enumerate().filter(|(_, pattern)| pattern.fits(line));
        // Of lines that fit equally well, the next one after the last match is the most likely.
        let distance = |at: usize| (at + sources.len() - last) % sources.len().max(1);
        found =
            fitting.max_by_key(|(at, pattern)| (pattern.weight(), std::cmp::Reverse(distance(*at)))).map(|(at, _)| at);
        last = found.map_or(last, |at| at + 1);
    }
    let at = found.filter(|_| text.lines().count() >= wanted)?;
    Some(TemplateLine { number: at + 1, text: sources[at].trim().to_owned(), within: within(&sources[..at]) })
}

/// Spec keys that a line of a recipe's template reads, and the conditions around it.
pub fn keys(recipe: &Recipe, line: &TemplateLine) -> Vec<String> {
    let around = line.within.iter().map(|(_, text)| text.as_str());
    let mut keys: Vec<String> =
        around.chain([line.text.as_str()]).flat_map(|text| origin::of_text(recipe, text)).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What a template line says in every case, in order.
struct Pattern<'t> {
    literals: Vec<&'t str>,
    /// Something may come before the first literal, and after the last.
    open_start: bool,
    open_end: bool,
}

impl<'t> Pattern<'t> {
    fn new(line: &'t str) -> Self {
        let line = line.trim();
        let (mut literals, mut rest) = (Vec::new(), line);
        while let Some(start) = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min() {
            literals.push(rest[..start].trim());
            let close = match rest.as_bytes().get(start + 1) {
                Some(b'{') => "}}",
                Some(b'%') => "%}",
                _ => "#}",
            };
            rest = rest[start..].find(close).map_or("", |end| &rest[start + end + 2..]);
        }
        literals.push(rest.trim());
        let empty = |literal: Option<&&str>| literal.is_some_and(|literal| literal.is_empty());
        let (open_start, open_end) = (empty(literals.first()), empty(literals.last()));
        literals.retain(|literal| !literal.is_empty());
        Self { literals, open_start: open_start && !line.is_empty(), open_end: open_end && !line.is_empty() }
    }

    fn weight(&self) -> usize {
        self.literals.iter().map(|literal| literal.len()).sum()
    }

    fn fits(&self, line: &str) -> bool {
        let mut rest = line.trim();
        if self.literals.is_empty() {
            return self.open_start != rest.is_empty();
        }
        for (number, literal) in self.literals.iter().enumerate() {
            let Some(at) = rest.find(literal) else { return false };
            if number == 0 && at > 0 && !self.open_start {
                return false;
            }
            rest = &rest[at + literal.len()..];
        }
        rest.is_empty() || self.open_end || self.literals.last().is_some_and(|last| line.trim().ends_with(last))
    }
}

/// Blocks that are open after some lines.
fn within(lines: &[&str]) -> Vec<(usize, String)> {
    let mut open: Vec<(usize, String)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for tag in line.split("{%").skip(1) {
            let inside = tag.split("%}").next().unwrap_or(tag).trim_matches(['-', ' ']);
            match inside.split(' ').next().unwrap_or_default() {
                "if" | "for" => open.push((at + 1, format!("{{% {inside} %}}"))),
                "elif" | "else" => {
                    open.pop();
                    open.push((at + 1, format!("{{% {inside} %}}")));
                }
                "endif" | "endfor" => drop(open.pop()),
                _ => {}
            }
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "# fixed\n{% for peer in nodes -%}\nhost {{ peer.name }} {{ peer.addresses.cluster }}\n{% endfor -%}\n\
        {% if params.x -%}\nx = {{ params.x }}\n{% else -%}\nx = none\n{% endif -%}\nend\n{{ params.y }}\n";

    #[test]
    fn lines_lead_to_their_template_line() {
        let text = "# fixed\nhost a 10.0.0.1\nhost b 10.0.0.2\nx = 7\nend\nwhatever\n";
        let number = |line| made_by(TEMPLATE, text, line).map(|found| found.number);
        let expected = [Some(1), Some(3), Some(3), Some(6), Some(10), Some(11), None];
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(number), expected);
        let within = |line| made_by(TEMPLATE, text, line).unwrap().within;
        assert_eq!(within(2), [(2, "{% for peer in nodes %}".to_owned())]);
        assert_eq!(within(4), [(5, "{% if params.x %}".to_owned())]);
        assert_eq!(within(5), []);
    }
}
