//! DER (X.690) for what certificates are made of. Every function returns one whole element.

/// Object identifiers, as their contents' bytes.
pub mod oid {
    pub const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    pub const COUNTRY: &[u8] = &[0x55, 4, 6];
    pub const LOCALITY: &[u8] = &[0x55, 4, 7];
    pub const STATE: &[u8] = &[0x55, 4, 8];
    pub const ORGANIZATION: &[u8] = &[0x55, 4, 10];
    pub const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 4, 11];
    pub const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];
    pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
    pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
    pub const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    pub const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
    pub const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
    pub const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    pub const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    pub const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    pub const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
}

pub const NULL: &[u8] = &[5, 0];
pub const TRUE: &[u8] = &[1, 1, 0xff];

/// One element: tag, length, and the parts as contents.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    let bytes = (length as u64).to_be_bytes();
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    element(0x31, parts)
}

/// `[number]` constructed, as EXPLICIT tags are.
pub fn explicit(number: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(0xa0 | number, parts)
}

/// `[number]` primitive, as IMPLICIT tags of strings are.
pub fn implicit(number: u8, contents: &[u8]) -> Vec<u8> {
    element(0x80 | number, &[contents])
}

pub fn object_identifier(contents: &[u8]) -> Vec<u8> {
    element(6, &[contents])
}

/// A non-negative number from its big-endian bytes.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[skip..];
    let sign: &[u8] = if digits.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    element(2, &[sign, digits])
}

pub fn octet_string(contents: &[u8]) -> Vec<u8> {
    element(4, &[contents])
}

/// A bit string of whole bytes.
pub fn bit_string(contents: &[u8]) -> Vec<u8> {
    element(3, &[&[0], contents])
}

/// A named bit list: bit 0 is the highest of the first byte; trailing zero bits are left out, as DER asks.
pub fn named_bits(bits: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0u8; bits.iter().map(|bit| usize::from(bit / 8) + 1).max().unwrap_or(0)];
    for bit in bits {
        bytes[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    let unused = bytes.last().map_or(0, |last| last.trailing_zeros() as u8);
    element(3, &[&[unused], &bytes])
}

pub fn utf8_string(text: &str) -> Vec<u8> {
    element(12, &[text.as_bytes()])
}

pub fn printable_string(text: &str) -> Vec<u8> {
    element(19, &[text.as_bytes()])
}

/// A certificate's time from seconds since 1970: UTCTime through 2049, GeneralizedTime from then on (RFC 5280, 4.1.2.5).
pub fn time(unix_seconds: i64) -> Vec<u8> {
    let (days, second) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let rest = format!("{month:02}{day:02}{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60);
    if (1950..2050).contains(&year) {
        element(23, &[format!("{:02}{rest}", year % 100).as_bytes()])
    } else {
        element(24, &[format!("{year:04}{rest}").as_bytes()])
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // The inverse of `Date::unix_seconds`: years start in March, so that the leap day is a year's last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::units::Date;

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        assert_eq!(octet_string(&[0; 127])[..2], [4, 127]);
        assert_eq!(octet_string(&[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(octet_string(&[0; 256])[..4], [4, 0x82, 1, 0]);
    }

    #[test]
    fn numbers_are_positive_and_shortest() {
        assert_eq!(unsigned(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0]), [2, 1, 0]);
    }

    #[test]
    fn key_usage_bits_match_rfc_5280() {
        assert_eq!(named_bits(&[0]), [3, 2, 7, 0x80]);
        assert_eq!(named_bits(&[5, 6]), [3, 2, 1, 0x06]);
        assert_eq!(named_bits(&[8]), [3, 3, 7, 0, 0x80]);
    }

    #[test]
    fn times_change_their_form_in_2050() {
        let date = |text: &str| text.parse::<Date>().unwrap().unix_seconds();
        assert_eq!(&time(date("2049-12-31") + 86_399)[..], b"\x17\x0d491231235959Z");
        assert_eq!(&time(date("2050-01-01"))[..], b"\x18\x0f20500101000000Z");
        assert_eq!(&time(date("2028-02-29"))[2..], b"280229000000Z");
    }

    #[test]
    fn days_become_the_date_they_came_from() {
        for text in ["1970-01-01", "2000-02-29", "2026-11-01", "2100-03-01", "2399-12-31", "2400-02-29", "9000-12-31"] {
            let date: Date = text.parse().unwrap();
            let (year, month, day) = civil(date.unix_seconds() / 86_400);
            assert_eq!(format!("{year:04}-{month:02}-{day:02}"), text);
        }
    }
}
