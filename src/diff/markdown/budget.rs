//! A text of limited length: sections in order, each part as long as there is room for, and what is left out is counted.
//! The end (the order of deployment) always has its room.

/// A part in several lengths, made when they are tried.
pub struct Part<'a>(Vec<Box<dyn Fn() -> String + 'a>>);

impl<'a> Part<'a> {
    pub fn whole(text: String) -> Self {
        Self(vec![Box::new(move || text.clone())])
    }

    /// The longest first.
    pub fn of<const N: usize>(lengths: [Box<dyn Fn() -> String + 'a>; N]) -> Self {
        Self(lengths.into())
    }
}

/// Parts that are folded together.
pub struct Section<'a> {
    pub open: String,
    pub parts: Vec<Part<'a>>,
    pub close: &'static str,
    /// What a part is, in the singular.
    pub what: &'static str,
}

pub struct Budget {
    out: String,
    end: String,
    limit: usize,
}

/// Room for what says how much is missing.
const REMARK: usize = 120;

impl Budget {
    pub fn new(head: String, end: String, limit: usize) -> Self {
        Self { out: head, end, limit }
    }

    /// The whole text. One part takes an eighth of it at most, so that one long change does not push out the others.
    pub fn fill(mut self, sections: &[Section<'_>]) -> String {
        if self.out.len() + self.end.len() + 2 * REMARK > self.limit {
            self.end.clear();
        }
        let mut left = 0;
        for section in sections.iter().filter(|section| !section.parts.is_empty()) {
            // What comes later may be shorter, but an order with holes would mislead.
            if left > 0 || !self.section(section) {
                left += section.parts.len();
            }
        }
        if left > 0 {
            let missing =
                format!("\n**{left} more changes do not fit into a comment**; `kubi diff` shows all of them.\n");
            if self.out.len() + missing.len() + self.end.len() <= self.limit {
                self.out += &missing;
            }
        }
        self.out + &self.end
    }

    /// `false` where not even one part has room.
    fn section(&mut self, section: &Section<'_>) -> bool {
        let reserved = section.close.len() + self.end.len() + 2 * REMARK;
        let room = |used: usize| self.limit.saturating_sub(self.out.len() + section.open.len() + reserved + used);
        let mut body = String::new();
        let mut shown = 0;
        for part in &section.parts {
            let room = room(body.len());
            let fits = |text: &String| text.len() <= room && (text.len() <= self.limit / 8 || part.0.len() == 1);
            let Some(text) = part.0.iter().map(|make| make()).find(fits) else { break };
            body += &text;
            shown += 1;
        }
        if shown == 0 {
            return false;
        }
        self.out += &section.open;
        self.out += &body;
        let left = section.parts.len() - shown;
        if left > 0 {
            let plural = if left == 1 { "" } else { "s" };
            self.out += &format!("\n- **{left} more {}{plural}**: `kubi diff` shows all\n", section.what);
        }
        self.out += section.close;
        true
    }
}
