//! How a setting protects, and when another value protects less.

use std::collections::BTreeSet;

/// What makes a value the safer one. Where nothing is set, `absent` says what holds.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// A boolean that protects when it is `good`.
    Switch { good: bool, absent: bool },
    /// Protects while it has a value.
    Set,
    /// Values from the weakest on; `absent` is the place of the one that holds without any.
    Order { weakest_first: &'static [&'static str], absent: usize },
    /// A number; the higher or the lower one is safer.
    Number { higher_is_safer: bool, absent: i64 },
    /// Any value protects but these.
    Other(&'static [&'static str]),
    /// Protects unless it says one of these.
    Never(&'static [&'static str]),
    /// Only what is listed is allowed, or what is not listed after `~`; without a list everything is.
    Allows,
    /// Each item gives more away.
    Grants,
    /// Each item takes something away.
    Denies,
    /// Of these items each protects, and of those each opens.
    Items { keep: &'static [&'static str], never: &'static [&'static str] },
}

/// Which sides have the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Both,
    /// Only the new side, and it says all there is.
    Added,
    /// Only one side, and it adds to what other files say.
    PartAdded,
    PartRemoved,
}

type Values<'a> = Option<&'a [String]>;

impl Rule {
    /// What is given up, in words.
    pub fn weaker(&self, before: Values<'_>, after: Values<'_>, presence: Presence) -> Option<String> {
        match self {
            Self::Allows => self.allows(before, after, presence),
            Self::Grants => match presence {
                Presence::Added => None,
                _ => more(before, after).map(|items| format!("{items} is granted")),
            },
            Self::Denies => more(after, before).map(|items| format!("{items} is denied no more")),
            Self::Items { keep, never } => items(before, after, keep, never),
            _ => self.scalar(before, after, presence),
        }
    }

    fn scalar(&self, before: Values<'_>, after: Values<'_>, presence: Presence) -> Option<String> {
        let (old, new) = (last(before), last(after));
        let weaker = match presence {
            Presence::Both => self.level(new) < self.level(old),
            // What is not said stays as others have it.
            Presence::Added | Presence::PartAdded => new.is_some() && self.level(new) <= self.weakest(),
            Presence::PartRemoved => old.is_some() && self.level(old) > self.level(None),
        };
        weaker.then(|| from_to(old, new))
    }

    /// Higher protects more.
    fn level(&self, value: Option<&str>) -> i64 {
        match (self, value) {
            (Self::Switch { good, absent }, value) => {
                i64::from(value.map_or(Some(*absent), boolean).is_some_and(|is| is == *good))
            }
            (Self::Set, value) => i64::from(value.is_some_and(|value| !value.is_empty())),
            (Self::Order { absent, .. }, None) => *absent as i64,
            (Self::Order { weakest_first, .. }, Some(value)) => {
                let place = |known: &&str| known.split('|').any(|word| word.eq_ignore_ascii_case(value));
                weakest_first.iter().position(place).unwrap_or(0) as i64
            }
            (Self::Number { higher_is_safer, absent }, value) => {
                let number = value.map_or(Some(*absent), number).unwrap_or(*absent);
                if *higher_is_safer { number } else { -number }
            }
            (Self::Other(weak), value) => {
                i64::from(value.is_some_and(|value| !value.is_empty() && !weak.contains(&value)))
            }
            (Self::Never(weak), value) => i64::from(!value.is_some_and(|value| weak.contains(&value))),
            _ => 0,
        }
    }

    /// The level of a value that protects nothing.
    fn weakest(&self) -> i64 {
        match self {
            Self::Number { .. } => self.level(None),
            _ => 0,
        }
    }

    fn allows(&self, before: Values<'_>, after: Values<'_>, presence: Presence) -> Option<String> {
        let (old, new) = (Filter::of(before), Filter::of(after));
        let opened = |new: &BTreeSet<String>, old: &BTreeSet<String>| {
            let gained: Vec<&str> = new.difference(old).map(String::as_str).collect();
            (!gained.is_empty()).then(|| format!("{} is allowed", gained.join(", ")))
        };
        match presence {
            Presence::Added => after.filter(|_| new.is_open()).map(|_| "everything is allowed".to_owned()),
            Presence::PartAdded => opened(new.allowed.as_ref()?, &BTreeSet::new()),
            _ if !old.is_open() && new.is_open() => Some("everything is allowed".to_owned()),
            _ => match (&old.allowed, &new.allowed) {
                (Some(old), Some(new)) => opened(new, old),
                (Some(_), None) => Some("everything else is allowed".to_owned()),
                (None, _) => None,
            }
            .or_else(|| if new.allowed.is_none() { opened(&old.denied, &new.denied) } else { None }),
        }
    }
}

/// Of a list: what is allowed, if not everything, and what of it is not.
#[derive(Debug, Default)]
struct Filter {
    allowed: Option<BTreeSet<String>>,
    denied: BTreeSet<String>,
}

impl Filter {
    /// Each value is a list of words; one that begins with `~` denies (systemd.exec(5)).
    fn of(values: Values<'_>) -> Self {
        let mut filter = Self::default();
        for value in values.unwrap_or_default() {
            let denies = value.starts_with('~');
            let words =
                value.trim_start_matches('~').split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned);
            match boolean(value) {
                Some(false) if value.len() > 1 => filter = Self::default(),
                Some(true) if value.len() > 1 => filter.allowed = Some(BTreeSet::new()),
                _ if denies => filter.denied.extend(words),
                _ => filter.allowed.get_or_insert_default().extend(words.filter(|word| word != "none")),
            }
        }
        filter
    }

    fn is_open(&self) -> bool {
        self.allowed.is_none() && self.denied.is_empty()
    }
}

fn last(values: Values<'_>) -> Option<&str> {
    values.and_then(|values| values.last().map(String::as_str))
}

fn words(values: Values<'_>) -> BTreeSet<&str> {
    values
        .unwrap_or_default()
        .iter()
        .flat_map(|value| value.split([',', ' ']))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Items that `after` has beyond those of `before`.
fn more(before: Values<'_>, after: Values<'_>) -> Option<String> {
    let more: Vec<&str> = words(after).difference(&words(before)).copied().collect();
    (!more.is_empty()).then(|| more.join(", "))
}

fn items(before: Values<'_>, after: Values<'_>, keep: &[&str], never: &[&str]) -> Option<String> {
    let (old, new) = (words(before), words(after));
    let lost = old.difference(&new).filter(|item| keep.contains(item)).map(|item| format!("{item} is removed"));
    let opened = new.difference(&old).filter(|item| never.contains(item)).map(|item| format!("{item} is added"));
    let said: Vec<String> = lost.chain(opened).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// Booleans as systemd (systemd.syntax(7)) and flags write them; a flag without a value is true.
pub fn boolean(value: &str) -> Option<bool> {
    match value.trim_matches('"').to_ascii_lowercase().as_str() {
        "" | "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// Octal where it is written so, as masks are.
fn number(value: &str) -> Option<i64> {
    match value.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        Some(octal) => i64::from_str_radix(octal, 8).ok(),
        None => value.parse().ok(),
    }
}

fn from_to(before: Option<&str>, after: Option<&str>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("from {before:?} to {after:?}").replace('"', ""),
        (Some(before), None) => format!("{before} is removed"),
        (None, after) => format!("{} is added", after.unwrap_or_default()),
    }
}
