//! Trees: their roots, and what becomes of one that nobody sees any more.

use super::inode::{FLAG_READ_ONLY, Field};
use super::{Caller, Fs, Head, Slot};
use vload_module::linux::general::S_IFDIR;
use vload_module::{Errno, Result};

/// What a tree is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// The permissions of its root.
    pub mode: u32,
    /// The root's owner.
    pub uid: u32,
    /// The root's group.
    pub gid: u32,
    /// The most blocks that it may have, or 0.
    pub blocks: u64,
    /// The most inodes that it may have, or 0.
    pub inodes: u64,
    /// Nothing of it may be changed.
    pub is_read_only: bool,
}

impl Fs<'_> {
    /// Makes an empty tree: its root.
    pub fn plant(&self, options: &Options, caller: &Caller) -> Result<Slot> {
        self.sweep_all()?;
        self.step(|| {
            if self.head(Head::FreeInodes) == 0 {
                return Err(Errno::NOSPC);
            }
            let owner = u64::from(options.uid) | u64::from(options.gid) << 32;
            let root = self.take_root(S_IFDIR | options.mode & 0o7777, owner, caller.now);
            self.plain(root, Field::Links, 2);
            self.plain(root, Field::BlockLimit, options.blocks);
            self.plain(root, Field::InodeLimit, options.inodes);
            self.plain(root, Field::Flags, if options.is_read_only { FLAG_READ_ONLY } else { 0 });
            Ok(root)
        })
    }

    /// Whether anything of a tree is open.
    pub fn is_open(&self, root: Slot) -> Result<bool> {
        self.step(|| Ok(self.get(root, Field::OpensBelow) != 0))
    }

    /// Nobody sees a tree any more, but for those who have something of it open: it is given back after
    /// their last close.
    pub fn fell(&self, root: Slot) -> Result<()> {
        self.step(|| {
            self.put(root, Field::Links, 0);
            self.put(root, Field::Next, self.head(Head::Doomed));
            self.set_head(Head::Doomed, root);
            Ok(())
        })?;
        self.sweep(root)
    }

    /// Gives back the trees that processes have left behind which died while they gave them back.
    fn sweep_all(&self) -> Result<()> {
        let mut root = self.step(|| Ok(self.head(Head::Doomed)))?;
        while root != 0 {
            let next = self.step(|| Ok(self.get(root, Field::Next)))?;
            self.sweep(root)?;
            root = next;
        }
        Ok(())
    }

    /// Gives a tree back, one name after the other, if nobody sees it.
    pub(super) fn sweep(&self, root: Slot) -> Result<()> {
        while self.step(|| Ok(self.sweep_one(root)))? {}
        Ok(())
    }

    /// Whether there is more.
    fn sweep_one(&self, root: Slot) -> bool {
        let Some(link) = self.doomed_link(root) else { return false };
        if self.get(root, Field::OpensBelow) != 0 {
            return false;
        }
        let mut directory = root;
        let mut name = [0; 256];
        while let Some((found, _)) = self.name_from(directory, 0, &mut name) {
            if self.is_directory(found.slot) && self.get(found.slot, Field::Names) != 0 {
                directory = found.slot;
                continue;
            }
            self.remove(directory, found.position);
            let links = self.get(found.slot, Field::Links) - 1;
            let links = if self.is_directory(found.slot) { 0 } else { links };
            self.put(found.slot, Field::Links, links);
            self.drop_unused(found.slot);
            return true;
        }
        self.change(link, self.get(root, Field::Next));
        self.give_back(root, root);
        false
    }

    /// The word that leads to a root in the list of those that nobody sees.
    fn doomed_link(&self, root: Slot) -> Option<&super::Word> {
        let mut link = self.area.word(Head::Doomed as u64);
        while link.get() != root {
            link = match link.get() {
                0 => return None,
                other => self.field(other, Field::Next),
            };
        }
        Some(link)
    }
}
