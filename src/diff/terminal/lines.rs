//! Changed lines of a file, with the words that differ.

use super::super::model::{Hunk, Line, LineKind};
use super::super::phrases::plain;
use super::super::{partners, shorten};
use super::{CYAN, DIM, GREEN, Long, Out, RED};

/// Lines shown of one file at most, unless all are asked for.
const MAX_LINES: usize = 60;
const INDENT: usize = 6;

impl Out {
    pub(super) fn hunks(&mut self, hunks: &[&Hunk]) {
        let total: usize = hunks.iter().map(|hunk| hunk.lines.len()).sum();
        let most = if self.style.lines { usize::MAX } else { MAX_LINES };
        let mut left = most;
        for hunk in hunks {
            if left == 0 {
                break;
            }
            self.line(INDENT, CYAN, &format!("@@ -{} +{} @@", hunk.before_line, hunk.after_line));
            let shown = hunk.lines.len().min(left);
            let partners = partners::of_lines(&hunk.lines);
            hunk.lines.iter().zip(partners).take(shown).for_each(|(line, partner)| self.hunk_line(line, partner));
            left -= shown;
        }
        if total > most {
            self.line(INDENT, DIM, &format!("... {} more lines: --lines shows all", total - most));
        }
    }

    fn hunk_line(&mut self, line: &Line, partner: Option<&str>) {
        let (mark, sgr) = match line.kind {
            LineKind::Same => (' ', ""),
            LineKind::Removed => ('-', RED),
            LineKind::Added => ('+', GREEN),
        };
        let text = plain(&line.text);
        let room = self.style.width.saturating_sub(INDENT + 1);
        let fits = self.style.long == Long::Whole || shorten::columns(&text) <= room;
        if self.style.colour && !line.emphasis.is_empty() && fits {
            let painted = self.paint(&mark.to_string(), sgr) + &self.emphasised(line, sgr);
            self.text += &format!("{:INDENT$}{painted}\n", "");
            return;
        }
        let at = partner.map_or(0, |partner| shorten::first_difference(&text, &plain(partner)));
        for row in self.fit(&text, at, room) {
            let painted = self.paint(&format!("{mark}{row}"), sgr);
            self.text += &format!("{:INDENT$}{painted}\n", "");
        }
    }

    fn emphasised(&self, line: &Line, sgr: &str) -> String {
        let part = |from: usize, to: usize| plain(line.text.get(from..to).unwrap_or_default());
        let mut painted = String::new();
        let mut at = 0;
        for (start, end) in &line.emphasis {
            painted += &self.paint(&part(at, *start), sgr);
            painted += &self.paint(&part(*start, *end), &format!("{sgr};7"));
            at = *end;
        }
        painted + &self.paint(&part(at, line.text.len()), sgr)
    }
}
