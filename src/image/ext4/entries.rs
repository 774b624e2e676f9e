//! Writing a tree's entries: directories, files and symbolic links, over whatever the volume has there.

use super::super::ImageError;
use super::ROOT;
use super::directory;
use super::editor::Editor;
use super::index::NewName;
use super::inode::{FAST_LINK, FileKind, Inode};
use super::walk::{Last, Place};
use crate::tree::{Mode, NodePath, Owner};

/// Directories refuse more links than this, or stop counting.
const MAX_LINKS: u16 = 65000;

/// A file or link to write; directories have no body.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Body<'a> {
    Directory,
    File(&'a [u8]),
    Symlink(&'a str),
}

impl Editor<'_> {
    /// Writes one entry; missing parents become directories of root with mode 0755.
    ///
    /// A file or link replaces a file, link, device, pipe or socket and never writes through it. An existing directory
    /// gets the mode and owner; a link to a directory counts as that directory. Everything else is an error.
    pub(in super::super) fn write(
        &mut self,
        path: &NodePath,
        mode: Mode,
        owner: Owner,
        body: Body<'_>,
    ) -> Result<(), ImageError> {
        let parent = self.parent_of(path)?;
        let name = path.file_name().as_bytes();
        if let Some(before) = self.written.insert((parent, name.to_vec()), path.to_string()) {
            return Err(ImageError::path(path.as_str(), format!("is the same file as {before} in the base image")));
        }
        let directory = self.view().inode(parent)?;
        let existing = match self.view().lookup(&directory, name)? {
            Some(number) => Some(self.view().inode(number)?),
            None => None,
        };
        let is_directory = existing.as_ref().is_some_and(|inode| inode.kind() == FileKind::Directory);
        match body {
            Body::Directory => match existing {
                None => self.make_directory(directory, name, mode, owner).map(|_| ()),
                Some(inode) => self.keep_directory(path, inode, mode, owner),
            },
            _ if is_directory => {
                Err(ImageError::path(path.as_str(), "is a directory in the base image and a file or link in the tree"))
            }
            Body::File(bytes) => {
                let inode = self.make_file(mode, owner, bytes)?;
                self.put_name(directory, name, inode, existing)
            }
            Body::Symlink(target) => {
                let inode = self.make_link(path, mode, owner, target)?;
                self.put_name(directory, name, inode, existing)
            }
        }
    }

    /// The directory that holds `path`, made when it is missing.
    fn parent_of(&mut self, path: &NodePath) -> Result<u32, ImageError> {
        let Some(parent) = path.parent() else { return Ok(ROOT) };
        if let Some(number) = self.directories.get(parent.as_str()) {
            return Ok(*number);
        }
        let number = match self.view().walk(parent.as_str(), Last::Follow)? {
            Place::Found(inode) if inode.kind() == FileKind::Directory => inode.number,
            Place::Found(_) => {
                return Err(ImageError::path(path.as_str(), format!("{parent} is no directory in the base image")));
            }
            Place::Missing { parent, names } => {
                let mut directory = parent;
                for name in names {
                    let number = self.make_directory(directory, name.as_bytes(), Mode::DIRECTORY, Owner::ROOT)?;
                    directory = self.view().inode(number)?;
                }
                directory.number
            }
        };
        self.directories.insert(parent.to_string(), number);
        Ok(number)
    }

    fn keep_directory(&mut self, path: &NodePath, inode: Inode, mode: Mode, owner: Owner) -> Result<(), ImageError> {
        let mut inode = match inode.kind() {
            FileKind::Symlink => match self.view().walk(path.as_str(), Last::Follow)? {
                Place::Found(inode) => inode,
                Place::Missing { .. } => return Err(ImageError::path(path.as_str(), "is a link that leads nowhere")),
            },
            _ => inode,
        };
        if inode.kind() != FileKind::Directory {
            return Err(ImageError::path(
                path.as_str(),
                "is no directory in the base image and a directory in the tree",
            ));
        }
        if inode.permissions() == mode.bits() && inode.owner() == owner {
            return Ok(());
        }
        inode.set_permissions(mode, owner);
        inode.set_change_time(self.epoch);
        self.put_inode(&mut inode)
    }

    fn make_directory(&mut self, mut parent: Inode, name: &[u8], mode: Mode, owner: Owner) -> Result<u32, ImageError> {
        let (block_size, inode_size) = (self.volume.superblock.block_size, self.volume.superblock.inode_size);
        let number = self.allocate_inode(true)?;
        let mut inode = Inode::new(number, inode_size, FileKind::Directory, mode, owner, self.epoch);
        let extents = self.allocate_extents(1)?;
        inode.set_links(2);
        inode.set_size(block_size as u64);
        inode.add_blocks(1, block_size);
        self.set_extents(&mut inode, &extents, &[])?;
        let checksums = self.volume.superblock.metadata_checksums();
        let block = directory::new_block(block_size, checksums, Some((number, parent.number)));
        for extent in &extents {
            self.put_leaf(&inode, extent.physical, block.clone())?;
        }
        self.put_inode(&mut inode)?;
        self.add_name(&mut parent, NewName { name, inode: number, kind: FileKind::Directory.entry_type() })?;
        // One link means that nobody counts any more.
        if parent.links() > 1 {
            let full = parent.links() >= MAX_LINKS;
            if full && !self.volume.superblock.many_links() {
                return Err(ImageError::unsupported("a directory of its ext4 cannot hold more directories"));
            }
            parent.set_links(if full { 1 } else { parent.links() + 1 });
            self.put_inode(&mut parent)?;
        }
        Ok(number)
    }

    fn make_file(&mut self, mode: Mode, owner: Owner, bytes: &[u8]) -> Result<Inode, ImageError> {
        let number = self.allocate_inode(false)?;
        let inode_size = self.volume.superblock.inode_size;
        let mut inode = Inode::new(number, inode_size, FileKind::File, mode, owner, self.epoch);
        self.fill(&mut inode, bytes)?;
        Ok(inode)
    }

    fn make_link(&mut self, path: &NodePath, mode: Mode, owner: Owner, target: &str) -> Result<Inode, ImageError> {
        if target.is_empty() || target.len() >= self.volume.superblock.block_size.min(4096) {
            return Err(ImageError::path(path.as_str(), format!("a link's target has {} bytes", target.len())));
        }
        let number = self.allocate_inode(false)?;
        let inode_size = self.volume.superblock.inode_size;
        let mut inode = Inode::new(number, inode_size, FileKind::Symlink, mode, owner, self.epoch);
        if target.len() < FAST_LINK {
            inode.set_size(target.len() as u64);
            inode.set_body(0, target.as_bytes());
            self.put_inode(&mut inode)?;
        } else {
            self.fill(&mut inode, target.as_bytes())?;
        }
        Ok(inode)
    }

    /// Stores an inode's contents and the inode.
    fn fill(&mut self, inode: &mut Inode, bytes: &[u8]) -> Result<(), ImageError> {
        let block_size = self.volume.superblock.block_size;
        let blocks = u32::try_from(bytes.len().div_ceil(block_size))
            .map_err(|_| ImageError::unsupported("a file of more than 2^32 blocks"))?;
        let extents = self.allocate_extents(blocks)?;
        let physical = extents.iter().flat_map(|e| (0..u64::from(e.length)).map(|offset| e.physical + offset));
        for (number, chunk) in physical.zip(bytes.chunks(block_size)) {
            let mut block = Vec::with_capacity(block_size);
            block.extend_from_slice(chunk);
            block.resize(block_size, 0);
            self.put_block(number, block)?;
        }
        inode.set_size(bytes.len() as u64);
        inode.add_blocks(i64::from(blocks), block_size);
        self.set_extents(inode, &extents, &[])?;
        self.put_inode(inode)
    }

    /// Makes `name` lead to `inode`, and gives up what it led to before.
    fn put_name(
        &mut self,
        mut directory: Inode,
        name: &[u8],
        inode: Inode,
        existing: Option<Inode>,
    ) -> Result<(), ImageError> {
        let kind = inode.kind().entry_type();
        let Some(existing) = existing else {
            return self.add_name(&mut directory, NewName { name, inode: inode.number, kind });
        };
        for number in self.view().directory_blocks(&directory)? {
            let mut block = self.view().block(number)?.to_vec();
            let replaced = directory::replace(&mut block, name, inode.number, kind);
            if replaced.map_err(|()| directory::damaged(directory.number))? {
                self.put_leaf(&directory, number, block)?;
                return self.unlink(existing);
            }
        }
        Err(directory::damaged(directory.number))
    }
}
