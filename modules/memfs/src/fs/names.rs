//! Paths, and what makes and removes names.

use super::inode::{FLAG_LINKABLE, Field};
use super::mapped::Cleared;
use super::{Caller, FILES, Fs, Slot, Word};
use vload_module::linux::general::{
    O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, S_IFBLK,
    S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK,
};
use vload_module::{Errno, Result};

/// The longest name.
pub(super) const NAME_MOST: usize = 255;
/// The most names that an inode may have.
const LINKS_MOST: u64 = u32::MAX as u64;

/// A place in a tree: a path from its root, `""` or `"/…"`, whose parts are names; or an inode that is known.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// By its name.
    Path {
        /// The root of the tree.
        root: Slot,
        /// The path.
        path: &'a [u8],
    },
    /// By itself.
    Inode(Slot),
}

/// What an opening has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// The file.
    pub slot: Slot,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// A name's directory, and the name.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) directory: Slot,
    pub(super) name: &'a [u8],
}

/// The names of a path.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
}

/// The last name of a path, and what comes before it; none for the root.
fn last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = path.iter().rposition(|&byte| byte == b'/')?;
    Some((&path[..start], &path[start + 1..])).filter(|(_, name)| !name.is_empty())
}

impl Fs<'_> {
    fn walk(&self, root: Slot, path: &[u8]) -> Result<Slot> {
        let mut slot = root;
        for name in parts(path) {
            if !self.is_directory(slot) {
                return Err(Errno::NOTDIR);
            }
            if name.len() > NAME_MOST {
                return Err(Errno::NAMETOOLONG);
            }
            slot = self.look_up(slot, name).ok_or(Errno::NOENT)?.slot;
        }
        Ok(slot)
    }

    /// The inode at a place.
    pub(super) fn inode(&self, place: Place<'_>) -> Result<Slot> {
        match place {
            Place::Path { root, path } => self.walk(root, path),
            Place::Inode(slot) => Ok(slot),
        }
    }

    /// The directory of a place's name. The root has none.
    pub(super) fn named<'b>(&self, place: Place<'b>, at_root: Errno) -> Result<Named<'b>> {
        let Place::Path { root, path } = place else { return Err(Errno::NOENT) };
        let (above, name) = last(path).ok_or(at_root)?;
        let directory = self.walk(root, above)?;
        if !self.is_directory(directory) {
            return Err(Errno::NOTDIR);
        }
        if name.len() > NAME_MOST {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(Named { directory, name })
    }

    /// Opens a file, which is made if the flags say so. It stays until it is closed, whatever becomes of its names.
    ///
    /// `number` is a number that no other open file has. If it has a file, then that is one whose process has died while it
    /// was opened.
    pub fn open(
        &self,
        place: Place<'_>,
        flags: u32,
        mode: u32,
        number: u64,
        caller: &Caller,
    ) -> Result<Open> {
        let open = || {
            let file = self.file(number)?;
            if file.get() != 0 {
                return Ok(None);
            }
            let slot = if flags & O_TMPFILE == O_TMPFILE {
                self.make_nameless(place, flags, mode, caller)?
            } else {
                match self.inode(place) {
                    Ok(slot) => self.open_existing(slot, flags, caller)?,
                    Err(Errno::NOENT) if flags & O_CREAT != 0 => {
                        let named = self.named(place, Errno::ISDIR)?;
                        self.create(named, S_IFREG | mode & !S_IFMT, 0, caller)?
                    }
                    Err(error) => return Err(error),
                }
            };
            self.add(slot, Field::Opens, 1);
            self.add(self.get(slot, Field::Root), Field::OpensBelow, 1);
            self.change(file, slot);
            Ok(Some(Open { slot, is_directory: self.is_directory(slot) }))
        };
        let open = loop {
            match self.step(open)? {
                Some(open) => break open,
                // A step takes nothing that it has given back.
                None => self.close(number)?,
            }
        };
        if flags & O_TRUNC != 0 {
            self.clean_up(open.slot)?;
        }
        Ok(open)
    }

    fn open_existing(&self, slot: Slot, flags: u32, caller: &Caller) -> Result<Slot> {
        let writes = flags & O_ACCMODE != O_RDONLY;
        if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
            return Err(Errno::EXIST);
        }
        let kind = self.kind(slot);
        if flags & O_DIRECTORY != 0 && kind != S_IFDIR {
            return Err(Errno::NOTDIR);
        }
        if flags & O_PATH != 0 {
            return Ok(slot);
        }
        match kind {
            S_IFDIR if writes || flags & (O_CREAT | O_TRUNC) != 0 => return Err(Errno::ISDIR),
            S_IFREG | S_IFDIR => {}
            S_IFLNK => return Err(Errno::LOOP),
            // As on a file system that is mounted with `nodev`.
            S_IFCHR | S_IFBLK => return Err(Errno::ACCES),
            // Nobody waits at the other end: it forwards nothing.
            _ => return Err(Errno::NXIO),
        }
        if writes || flags & O_TRUNC != 0 {
            self.check_writable(slot)?;
        }
        if flags & O_TRUNC != 0 {
            self.cut(slot, 0, &mut Cleared::default(), caller);
        }
        Ok(slot)
    }

    fn make_nameless(
        &self,
        place: Place<'_>,
        flags: u32,
        mode: u32,
        caller: &Caller,
    ) -> Result<Slot> {
        let directory = self.inode(place)?;
        if !self.is_directory(directory) {
            return Err(Errno::NOTDIR);
        }
        if flags & O_ACCMODE == O_RDONLY {
            return Err(Errno::INVAL);
        }
        self.check_writable(directory)?;
        self.can_take_inode(self.get(directory, Field::Root))?;
        let slot = self.take_inode(directory, S_IFREG | mode & !S_IFMT, caller);
        let linkable = if flags & O_EXCL == 0 { FLAG_LINKABLE } else { 0 };
        self.plain(slot, Field::Flags, linkable);
        Ok(slot)
    }

    /// The word of an open file.
    fn file(&self, number: u64) -> Result<&Word> {
        if number == 0 || number > FILES {
            return Err(Errno::NFILE);
        }
        Ok(self.area.word(self.file_words() + number))
    }

    /// The open file of a number is closed; nothing happens if there is none.
    pub fn close(&self, number: u64) -> Result<()> {
        let (slot, root) = self.step(|| {
            let file = self.file(number)?;
            Ok(if file.get() == 0 { (0, 0) } else { (file.get(), self.let_go(file)) })
        })?;
        if root == 0 {
            return Ok(());
        }
        self.clean_up(slot)?;
        self.sweep(root)
    }

    /// Closes what is open: the root of its tree.
    fn let_go(&self, file: &Word) -> Slot {
        let slot = file.get();
        let root = self.get(slot, Field::Root);
        self.change(file, 0);
        self.add(slot, Field::Opens, -1);
        self.add(root, Field::OpensBelow, -1);
        self.unmap(slot);
        self.drop_unused(slot);
        root
    }

    /// Makes something new with a name that is not there, and blocks for its content.
    fn create(&self, named: Named<'_>, mode: u32, blocks: u64, caller: &Caller) -> Result<Slot> {
        let Named { directory, name } = named;
        let root = self.get(directory, Field::Root);
        // A directory that is removed takes no names.
        if self.get(directory, Field::Links) == 0 {
            return Err(Errno::NOENT);
        }
        self.check_writable(directory)?;
        self.can_take_inode(root)?;
        let gap = self.gap(directory, name);
        self.can_take(root, gap.cost + blocks)?;
        let slot = self.take_inode(directory, mode, caller);
        let is_directory = mode & S_IFMT == S_IFDIR;
        self.plain(slot, Field::Links, if is_directory { 2 } else { 1 });
        self.insert(directory, &gap, name, slot);
        if is_directory {
            self.add(directory, Field::Links, 1);
        }
        self.touch(directory, caller.now);
        Ok(slot)
    }

    /// The name of a place at which there is nothing.
    fn vacant<'b>(&self, place: Place<'b>) -> Result<Named<'b>> {
        let named = self.named(place, Errno::EXIST)?;
        match self.look_up(named.directory, named.name) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(named),
        }
    }

    /// Makes a directory.
    pub fn make_directory(&self, place: Place<'_>, mode: u32, caller: &Caller) -> Result<()> {
        self.step(|| {
            let named = self.vacant(place)?;
            self.create(named, S_IFDIR | mode & !S_IFMT, 0, caller).map(drop)
        })
    }

    /// Makes a file, pipe, socket or device.
    pub fn make_node(
        &self,
        place: Place<'_>,
        mode: u32,
        special: u64,
        caller: &Caller,
    ) -> Result<()> {
        let (mode, special) = match mode & S_IFMT {
            0 => (mode | S_IFREG, 0),
            S_IFREG | S_IFIFO | S_IFSOCK => (mode, 0),
            S_IFCHR | S_IFBLK => (mode, special),
            S_IFDIR => return Err(Errno::PERM),
            _ => return Err(Errno::INVAL),
        };
        self.step(|| {
            let named = self.vacant(place)?;
            let slot = self.create(named, mode, 0, caller)?;
            self.plain(slot, Field::Special, special);
            Ok(())
        })
    }

    /// Makes a symbolic link.
    pub fn make_link(&self, place: Place<'_>, target: &[u8], caller: &Caller) -> Result<()> {
        if target.len() >= super::area::BLOCK {
            return Err(Errno::NAMETOOLONG);
        }
        self.step(|| {
            let named = self.vacant(place)?;
            let slot = self.create(named, S_IFLNK | 0o777, 1, caller)?;
            let block = self.make(slot, 0);
            super::area::copy_in(target, self.area.bytes(block));
            self.put(slot, Field::Size, target.len() as u64);
            self.charge(slot, 1);
            Ok(())
        })
    }

    /// Where a symbolic link leads.
    pub fn read_link(&self, place: Place<'_>, to: &mut [u8]) -> Result<usize> {
        self.step(|| {
            let slot = self.inode(place)?;
            if self.kind(slot) != S_IFLNK {
                return Err(Errno::INVAL);
            }
            let length = to.len().min(self.get(slot, Field::Size) as usize);
            self.copy_range(slot, &mut to[..length], 0);
            Ok(length)
        })
    }

    /// Gives a file another name.
    pub fn link(&self, from: Place<'_>, to: Place<'_>, caller: &Caller) -> Result<()> {
        self.step(|| {
            let slot = self.inode(from)?;
            let Named { directory, name } = self.vacant(to)?;
            let root = self.get(directory, Field::Root);
            self.check_writable(directory)?;
            if root != self.get(slot, Field::Root) {
                return Err(Errno::XDEV);
            }
            if self.is_directory(slot) {
                return Err(Errno::PERM);
            }
            let links = self.get(slot, Field::Links);
            let flags = self.get(slot, Field::Flags);
            let is_gone = links == 0 && flags & FLAG_LINKABLE == 0;
            if is_gone || self.get(directory, Field::Links) == 0 {
                return Err(Errno::NOENT);
            }
            if links >= LINKS_MOST {
                return Err(Errno::MLINK);
            }
            let gap = self.gap(directory, name);
            self.can_take(root, gap.cost)?;
            self.insert(directory, &gap, name, slot);
            self.put(slot, Field::Links, links + 1);
            self.put(slot, Field::Flags, flags & !FLAG_LINKABLE);
            self.set_time(slot, Field::Changed, caller.now);
            self.touch(directory, caller.now);
            Ok(())
        })
    }

    /// Removes a name that is no directory's.
    pub fn unlink(&self, place: Place<'_>, caller: &Caller) -> Result<()> {
        self.step(|| {
            let Named { directory, name } = self.named(place, Errno::ISDIR)?;
            let found = self.look_up(directory, name).ok_or(Errno::NOENT)?;
            self.check_writable(directory)?;
            if self.is_directory(found.slot) {
                return Err(Errno::ISDIR);
            }
            self.remove(directory, found.position);
            self.touch(directory, caller.now);
            self.lose_name(found.slot, caller);
            Ok(())
        })
    }

    /// A name of a file is gone.
    pub(super) fn lose_name(&self, slot: Slot, caller: &Caller) {
        self.add(slot, Field::Links, -1);
        self.set_time(slot, Field::Changed, caller.now);
        self.drop_unused(slot);
    }

    /// Removes an empty directory.
    pub fn remove_directory(&self, place: Place<'_>, caller: &Caller) -> Result<()> {
        self.step(|| {
            let Named { directory, name } = self.named(place, Errno::BUSY)?;
            let found = self.look_up(directory, name).ok_or(Errno::NOENT)?;
            self.check_writable(directory)?;
            if !self.is_directory(found.slot) {
                return Err(Errno::NOTDIR);
            }
            if self.get(found.slot, Field::Names) != 0 {
                return Err(Errno::NOTEMPTY);
            }
            self.remove(directory, found.position);
            self.lose_directory(directory, found.slot, caller);
            Ok(())
        })
    }

    /// The name of an empty directory is gone.
    pub(super) fn lose_directory(&self, parent: Slot, slot: Slot, caller: &Caller) {
        self.add(parent, Field::Links, -1);
        self.touch(parent, caller.now);
        self.put(slot, Field::Links, 1);
        self.lose_name(slot, caller);
    }
}
