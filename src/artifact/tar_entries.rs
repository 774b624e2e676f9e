//! Reads a tar archive's entries with bounded memory: long names and PAX records are read here, with a limit, because the
//! `tar` crate reads them whole, however large an archive says they are.

use std::io::{self, Read};
use tar::EntryType;

/// One entry with its full name. Names are bytes in archives; only UTF-8 ones are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// Target of a symbolic or hard link; empty otherwise.
    pub link: String,
    pub kind: EntryType,
    pub executable: bool,
    pub size: u64,
}

/// A long name or a set of PAX records is a few hundred bytes; this is beyond any honest one.
const EXTENSION_LIMIT: u64 = 1 << 16;

/// Calls `visit` with every member and its contents, in the archive's order.
pub fn for_each<R: Read, E: From<io::Error>>(
    input: R,
    mut visit: impl FnMut(Member, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = tar::Archive::new(input);
    let (mut long_name, mut long_link) = (None, None);
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => long_name = Some(text(&mut entry)?.trim_end_matches('\0').to_owned()),
            EntryType::GNULongLink => long_link = Some(text(&mut entry)?.trim_end_matches('\0').to_owned()),
            EntryType::XHeader => {
                for (key, value) in pax_records(&text(&mut entry)?)? {
                    match key.as_str() {
                        "path" => long_name = Some(value),
                        "linkpath" => long_link = Some(value),
                        // Only files beyond 8 GiB, or sparse ones, need these.
                        "size" => return Err(bad("a member's size does not fit its header").into()),
                        key if key.starts_with("GNU.sparse.") => return Err(bad("a sparse member").into()),
                        _ => {}
                    }
                }
            }
            EntryType::XGlobalHeader => {
                text(&mut entry)?;
            }
            _ => {
                let header = entry.header();
                let utf8 =
                    |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| bad("a name that is not UTF-8"));
                let member = Member {
                    name: long_name.take().map_or_else(|| utf8(&header.path_bytes()), Ok)?,
                    link: match long_link.take() {
                        Some(link) => link,
                        None => utf8(&header.link_name_bytes().unwrap_or_default())?,
                    },
                    kind,
                    executable: header.mode()? & 0o111 != 0,
                    size: header.entry_size()?,
                };
                visit(member, &mut entry)?;
            }
        }
    }
    Ok(())
}

fn bad(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_owned())
}

fn text(entry: &mut impl Read) -> io::Result<String> {
    let mut bytes = vec![];
    entry.take(EXTENSION_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > EXTENSION_LIMIT {
        return Err(bad("a name or an extended header of absurd size"));
    }
    // Extended attributes may be binary; the records that matter here are text.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// PAX records: `<length> <key>=<value>\n`, the length in bytes counting all of it (POSIX, pax Extended Header).
fn pax_records(text: &str) -> io::Result<Vec<(String, String)>> {
    let mut records = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let record = || {
            let (length, _) = rest.split_once(' ')?;
            let record = rest.get(..length.parse().ok()?)?;
            let (key, value) = record.get(length.len() + 1..)?.strip_suffix('\n')?.split_once('=')?;
            Some((record.len(), key.to_owned(), value.to_owned()))
        };
        match record() {
            Some((length, key, value)) => {
                records.push((key, value));
                rest = &rest[length..];
            }
            // A binary value changed its length when it was read as text; nothing after it can be trusted.
            None => return Err(bad("a damaged extended header")),
        }
    }
    Ok(records)
}
