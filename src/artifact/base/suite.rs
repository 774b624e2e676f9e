//! The Debian releases that kubi builds base images from.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    Bookworm,
    Trixie,
}

impl Suite {
    pub const ALL: [Suite; 2] = [Suite::Bookworm, Suite::Trixie];

    /// As the archive names it: `trixie`.
    pub const fn codename(self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
        }
    }

    /// As a spec's `base` names it: `debian-13`.
    pub const fn base_name(self) -> &'static str {
        match self {
            Suite::Bookworm => "debian-12",
            Suite::Trixie => "debian-13",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.codename())
    }
}

impl FromStr for Suite {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Suite::ALL.into_iter().find(|suite| text == suite.codename() || text == suite.base_name());
        found.ok_or_else(|| {
            format!("{text:?} is no Debian release that kubi builds: write bookworm (debian-12) or trixie (debian-13)")
        })
    }
}
