//! Fields: on one line where they fit, else each side on its own, cut so that what differs is seen.

use super::super::model::{ChangeKind, FieldChange};
use super::super::partners;
use super::super::phrases::{field_sign, field_value, plain};
use super::super::shorten::{columns, first_difference};
use super::{CYAN, DIM, GREEN, Out, RED, YELLOW};

/// Fields shown of one file at most, unless all are asked for.
const MAX_FIELDS: usize = 200;

impl Out {
    pub(super) fn fields(&mut self, indent: usize, fields: &[&FieldChange]) {
        let most = if self.style.lines { usize::MAX } else { MAX_FIELDS };
        let partners = partners::of_fields(fields);
        fields.iter().zip(partners).take(most).for_each(|(field, partner)| self.field(indent, field, partner));
        if fields.len() > most {
            self.line(indent, DIM, &format!("... {} more: --lines shows all", fields.len() - most));
        }
    }

    fn field(&mut self, indent: usize, field: &FieldChange, partner: Option<&str>) {
        let sgr = match field.kind {
            ChangeKind::Added => GREEN,
            ChangeKind::Removed => RED,
            ChangeKind::Changed | ChangeKind::Rotated => YELLOW,
            ChangeKind::Reordered | ChangeKind::Derived => CYAN,
        };
        let value = plain(&field_value(field));
        let head = format!("{} {}", field_sign(field.kind), plain(&field.path));
        let room = self.style.width.saturating_sub(indent + 2);
        if columns(&head) + 2 + columns(&value) <= room {
            let painted = self.paint(&head, sgr);
            self.text += &format!("{:indent$}{painted}{}{value}\n", "", if value.is_empty() { "" } else { ": " });
            return;
        }
        // Names are never cut: those of two fields may differ in their last character.
        self.whole(indent, sgr, &format!("{head}:"));
        let inner = indent + 4;
        match (&field.before, &field.after) {
            (Some(before), Some(after)) if field.kind != ChangeKind::Rotated => {
                let (before, after) = (plain(before), plain(after));
                let at = first_difference(&before, &after);
                self.marked(inner, RED, "- ", &before, at);
                self.marked(inner, GREEN, "+ ", &after, at);
            }
            _ => {
                let at = partner.map_or(0, |partner| first_difference(&value, &plain(partner)));
                self.marked(inner, "", "", &value, at);
            }
        }
    }

    /// A text behind a mark, of which the part around the byte `at` must be seen.
    fn marked(&mut self, indent: usize, sgr: &str, mark: &str, text: &str, at: usize) {
        let room = self.style.width.saturating_sub(indent + mark.len());
        for row in self.fit(text, at, room) {
            let painted = self.paint(&format!("{mark}{row}"), sgr);
            self.text += &format!("{:indent$}{painted}\n", "");
        }
    }
}
