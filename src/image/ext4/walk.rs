//! Following paths inside a volume: symbolic links never lead out of its root.

use super::super::ImageError;
use super::inode::FileKind;
use super::view::View;
use super::{Inode, ROOT};

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug)]
pub(in super::super) enum Place {
    Found(Inode),
    /// The last directory that exists, and the names below it that do not.
    Missing {
        parent: Inode,
        names: Vec<String>,
    },
}

/// Whether a link in the last component is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Last {
    Follow,
    Keep,
}

impl View<'_> {
    /// Follows an absolute path. A link that leads nowhere is an error; other missing names are not.
    pub(in super::super) fn walk(&self, path: &str, last: Last) -> Result<Place, ImageError> {
        let mut directories = vec![self.inode(ROOT)?];
        // Names still to follow, the next one at the end.
        let mut names: Vec<String> = split(path).rev().map(str::to_owned).collect();
        let mut links = 0;
        // So many of those names come from the path itself; the others from a link.
        let mut own = names.len();
        while let Some(name) = names.pop() {
            let from_link = names.len() >= own;
            own = own.min(names.len());
            if name == ".." {
                if directories.len() > 1 {
                    directories.pop();
                }
                continue;
            }
            // The root stays on the stack for good.
            let Some(parent) = directories.last() else { break };
            let Some(number) = self.lookup(parent, name.as_bytes())? else {
                if from_link {
                    return Err(ImageError::path(
                        path,
                        format!("a link on the way leads to {name}, which does not exist"),
                    ));
                }
                let mut missing = vec![name];
                missing.extend(names.into_iter().rev());
                return Ok(Place::Missing { parent: parent.clone(), names: missing });
            };
            let inode = self.inode(number)?;
            match inode.kind() {
                FileKind::Directory => directories.push(inode),
                FileKind::Symlink if !(names.is_empty() && last == Last::Keep) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(ImageError::path(path, "too many symbolic links on the way"));
                    }
                    let target = String::from_utf8(self.link_target(&inode)?)
                        .map_err(|_| ImageError::path(path, "a link on the way is no UTF-8"))?;
                    if target.starts_with('/') {
                        directories.truncate(1);
                    }
                    names.extend(split(&target).rev().map(str::to_owned));
                }
                _ if names.is_empty() => return Ok(Place::Found(inode)),
                _ => return Err(ImageError::path(path, format!("{name} on the way is no directory"))),
            }
        }
        let found = directories.pop();
        found.map(Place::Found).ok_or_else(|| ImageError::path(path, "leads nowhere"))
    }
}

fn split(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !matches!(*name, "" | "."))
}
