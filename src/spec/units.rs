//! Scalar types of the spec: sizes, dates, lifetimes, port ranges, versions. Each parses from and prints as one text.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A size in bytes: `512MiB`, `20GiB`, `1.5GiB` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

/// A calendar date, UTC midnight: `2026-11-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    pub year: i32,
    pub month: u8,
    pub day: u8,
}

/// How long a certificate is valid: `10y` (365 days each), `90d`, `8760h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lifetime {
    pub seconds: u64,
}

/// Inclusive TCP or UDP ports: `30000-32767`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

/// A release such as `1.36.4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Date {
    /// Seconds since 1970-01-01T00:00:00Z (proleptic Gregorian calendar, no leap seconds).
    pub fn unix_seconds(self) -> i64 {
        // Days from civil, Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * 86_400
    }
}

impl Date {
    /// The day, in UTC, that a moment falls on; the inverse of [`Date::unix_seconds`].
    pub fn from_unix_seconds(seconds: i64) -> Self {
        // Civil from days, Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year: year as i32, month: month as u8, day: day as u8 }
    }
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("{text:?} is no date: write it as 2026-11-01");
        let bytes = text.as_bytes();
        let shape = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
        if !shape || !bytes.iter().enumerate().all(|(i, b)| i == 4 || i == 7 || b.is_ascii_digit()) {
            return Err(fail());
        }
        let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().map_err(|_| fail());
        let (year, month, day) = (i32::from(number(0..4)?), number(5..7)? as u8, number(8..10)? as u8);
        if !(1970..=9000).contains(&year) || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month)
        {
            return Err(fail());
        }
        Ok(Date { year, month, day })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

const BYTE_UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (unit, factor) = BYTE_UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*factor).filter(|bytes| *bytes > 0)
        };
        parse()
            .map(Bytes)
            .ok_or_else(|| format!("{text:?} is no size: write a whole number with KiB, MiB, GiB or TiB, such as 4GiB"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BYTE_UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

const LIFETIME_UNITS: [(char, u64); 3] = [('y', 365 * 86_400), ('d', 86_400), ('h', 3_600)];

impl FromStr for Lifetime {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (unit, factor) = LIFETIME_UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
            let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
            number.checked_mul(*factor).filter(|seconds| (1..=100 * 365 * 86_400).contains(seconds))
        };
        parse().map(|seconds| Lifetime { seconds }).ok_or_else(|| {
            format!("{text:?} is no lifetime: write years, days or hours up to 100y, such as 1y, 90d or 8760h")
        })
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match LIFETIME_UNITS.iter().find(|(_, factor)| self.seconds.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.seconds / factor),
            None => write!(f, "{}s", self.seconds),
        }
    }
}

impl FromStr for PortRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (first, last) = text.split_once('-')?;
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (1 <= first && first <= last).then_some(PortRange { first, last })
        };
        parse().ok_or_else(|| format!("{text:?} is no port range: write first and last port, such as 30000-32767"))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for Version {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let mut parts = text.split('.').map(|part| part.parse::<u32>().ok().filter(|n| n.to_string() == part));
            let version = Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
            parts.next().is_none().then_some(version)
        };
        parse().ok_or_else(|| format!("{text:?} is no version: write major.minor.patch without a v, such as 1.36.4"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    )*};
}
text_conversions!(Bytes, Date, Lifetime, PortRange, Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_the_unix_epoch() {
        let seconds = |text: &str| text.parse::<Date>().unwrap().unix_seconds();
        assert_eq!(seconds("1970-01-01"), 0);
        assert_eq!(seconds("2000-03-01"), 951_868_800);
        assert_eq!(seconds("2026-11-01"), 1_793_491_200);
        for day in (-1_000..60_000).map(|day| day * 86_400) {
            assert_eq!(Date::from_unix_seconds(day + 86_399).unix_seconds(), day);
        }
        for bad in ["2026-02-29", "2026-13-01", "26-01-01", "2026-1-01", "2026-11-01T00:00:00Z", "+026-11-01"] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }

    #[test]
    fn units_print_as_they_parse() {
        assert_eq!("4GiB".parse::<Bytes>().unwrap().to_string(), "4GiB");
        assert_eq!("10y".parse::<Lifetime>().unwrap().to_string(), "10y");
        assert_eq!("30000-32767".parse::<PortRange>().unwrap().to_string(), "30000-32767");
        assert!(
            "4GB".parse::<Bytes>().is_err()
                && "1.36".parse::<Version>().is_err()
                && "v1.36.4".parse::<Version>().is_err()
        );
        assert!("32767-30000".parse::<PortRange>().is_err() && "01.36.4".parse::<Version>().is_err());
    }
}
