//! What is known of a file: modes, owners, times, extended attributes.

use super::area::{BLOCK, copy_in, copy_out};
use super::inode::Field;
use super::{Caller, Fs, Head, Place, Slot, Time};
use vload_module::linux::general::{
    S_IFDIR, S_IFLNK, S_IFMT, S_ISGID, S_ISUID, S_IXGRP, XATTR_CREATE, XATTR_REPLACE,
};
use vload_module::{Errno, Result};

/// Bytes that a name adds to the size of a directory, as on a tmpfs.
const NAME_BYTES: u64 = 20;

/// What is known of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// The number that it shows.
    pub number: u64,
    /// Type and permissions.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The device that it stands for.
    pub special: u64,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// When it was last read.
    pub accessed: Time,
    /// When its content was last changed.
    pub modified: Time,
    /// When anything of it was last changed.
    pub changed: Time,
    /// When it was made.
    pub born: Time,
}

/// How much room there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// All blocks.
    pub blocks: u64,
    /// Those that can be taken.
    pub free: u64,
    /// All files that there can be.
    pub files: u64,
    /// How many more there can be.
    pub files_free: u64,
    /// Whether nothing can be changed.
    pub is_read_only: bool,
}

impl Fs<'_> {
    /// What is known of a file.
    pub fn stat(&self, place: Place<'_>) -> Result<Attributes> {
        self.step(|| {
            let slot = self.inode(place)?;
            let owner = self.get(slot, Field::Owner);
            let is_directory = self.is_directory(slot);
            let names = self.get(slot, Field::Names);
            Ok(Attributes {
                number: self.get(slot, Field::Number),
                mode: self.mode(slot),
                links: self.get(slot, Field::Links) as u32,
                uid: owner as u32,
                gid: (owner >> 32) as u32,
                special: self.get(slot, Field::Special),
                size: match is_directory {
                    true => (names + 2) * NAME_BYTES,
                    false => self.get(slot, Field::Size),
                },
                blocks: match is_directory {
                    true => 0,
                    false => self.get(slot, Field::Blocks) * (BLOCK as u64 / 512),
                },
                accessed: self.time(slot, Field::Accessed),
                modified: self.time(slot, Field::Modified),
                changed: self.time(slot, Field::Changed),
                born: self.time(slot, Field::Born),
            })
        })
    }

    /// How much room there is in the tree of a file.
    pub fn room(&self, place: Place<'_>) -> Result<Room> {
        self.step(|| {
            let slot = self.inode(place)?;
            let root = self.get(slot, Field::Root);
            let of = |limit: Field, used: Field, all: u64, free: u64| match self.get(root, limit) {
                0 => (all, free),
                limit => (limit, limit.saturating_sub(self.get(root, used)).min(free)),
            };
            let all = self.area.blocks() - self.first_data();
            let free = self.head(Head::FreeBlocks);
            let (blocks, free) = of(Field::BlockLimit, Field::BlocksUsed, all, free);
            let inodes = self.head(Head::FreeInodes);
            let (files, files_free) =
                of(Field::InodeLimit, Field::InodesUsed, self.inodes() - 1, inodes);
            let is_read_only = self.check_writable(slot).is_err();
            Ok(Room { blocks, free, files, files_free, is_read_only })
        })
    }

    /// Sets the permissions.
    pub fn chmod(&self, place: Place<'_>, mode: u32, caller: &Caller) -> Result<()> {
        self.step(|| {
            let slot = self.inode(place)?;
            self.check_writable(slot)?;
            if self.kind(slot) == S_IFLNK {
                return Err(Errno::OPNOTSUPP);
            }
            let mode = self.kind(slot) | mode & !S_IFMT;
            self.put(slot, Field::Mode, u64::from(mode));
            self.set_time(slot, Field::Changed, caller.now);
            Ok(())
        })
    }

    /// Sets owner and group; `u32::MAX` leaves one as it is. As the kernel does, takes from a file the right to run
    /// as somebody else.
    pub fn chown(&self, place: Place<'_>, uid: u32, gid: u32, caller: &Caller) -> Result<()> {
        self.step(|| {
            let slot = self.inode(place)?;
            self.check_writable(slot)?;
            let old = self.get(slot, Field::Owner);
            let uid = if uid == u32::MAX { old as u32 } else { uid };
            let gid = if gid == u32::MAX { (old >> 32) as u32 } else { gid };
            self.put(slot, Field::Owner, u64::from(uid) | u64::from(gid) << 32);
            let mode = self.mode(slot);
            if mode & S_IFMT != S_IFDIR {
                let runs_as_group = mode & S_IXGRP != 0;
                let lost = S_ISUID | if runs_as_group { S_ISGID } else { 0 };
                self.put(slot, Field::Mode, u64::from(mode & !lost));
            }
            self.set_time(slot, Field::Changed, caller.now);
            Ok(())
        })
    }

    /// Sets the times of the last reading and of the last change, or leaves one as it is.
    pub fn set_times(
        &self,
        place: Place<'_>,
        times: [Option<Time>; 2],
        caller: &Caller,
    ) -> Result<()> {
        self.step(|| {
            let slot = self.inode(place)?;
            self.check_writable(slot)?;
            for (field, time) in [Field::Accessed, Field::Modified].into_iter().zip(times) {
                if let Some(time) = time {
                    self.set_time(slot, field, time);
                }
            }
            self.set_time(slot, Field::Changed, caller.now);
            Ok(())
        })
    }

    /// The value of an extended attribute: its length, alone when there is no room at all.
    pub fn get_attribute(&self, place: Place<'_>, name: &[u8], to: &mut [u8]) -> Result<usize> {
        self.step(|| {
            let slot = self.inode(place)?;
            let mut held = [0; BLOCK];
            let found = entries(self.load(slot, &mut held)).find(|entry| entry.name == name);
            let value = found.ok_or(Errno::NODATA)?.value;
            give(value, to)
        })
    }

    /// The names of the extended attributes, each with a zero behind it.
    pub fn list_attributes(&self, place: Place<'_>, to: &mut [u8]) -> Result<usize> {
        self.step(|| {
            let slot = self.inode(place)?;
            let (mut held, mut names) = ([0; BLOCK], [0; BLOCK]);
            let mut length = 0;
            for entry in entries(self.load(slot, &mut held)) {
                names[length..length + entry.name.len()].copy_from_slice(entry.name);
                length += entry.name.len() + 1;
            }
            give(&names[..length], to)
        })
    }

    /// Sets an extended attribute. All of a file's fit in one block.
    pub fn set_attribute(
        &self,
        place: Place<'_>,
        name: &[u8],
        value: &[u8],
        flags: u32,
        caller: &Caller,
    ) -> Result<()> {
        self.replace_attribute(place, name, Some(value), flags, caller)
    }

    /// Removes an extended attribute.
    pub fn remove_attribute(&self, place: Place<'_>, name: &[u8], caller: &Caller) -> Result<()> {
        self.replace_attribute(place, name, None, XATTR_REPLACE, caller)
    }

    /// The new set is written to a block that means nothing yet, which then takes the place of the old.
    fn replace_attribute(
        &self,
        place: Place<'_>,
        name: &[u8],
        value: Option<&[u8]>,
        flags: u32,
        caller: &Caller,
    ) -> Result<()> {
        self.step(|| {
            let slot = self.inode(place)?;
            self.check_writable(slot)?;
            let mut held = [0; BLOCK];
            let old = self.load(slot, &mut held);
            let is_there = entries(old).any(|entry| entry.name == name);
            if is_there && flags & XATTR_CREATE != 0 {
                return Err(Errno::EXIST);
            }
            if !is_there && flags & XATTR_REPLACE != 0 {
                return Err(Errno::NODATA);
            }
            self.can_take(self.get(slot, Field::Root), 1)?;
            let mut new = Writer { bytes: [0; BLOCK], length: 0 };
            for entry in entries(old).filter(|entry| entry.name != name) {
                new.add(entry.name, entry.value)?;
            }
            if let Some(value) = value {
                new.add(name, value)?;
            }
            let before = self.get(slot, Field::Xattrs);
            let after = if new.length == 0 { 0 } else { self.take_block() };
            if after != 0 {
                copy_in(&new.bytes, self.area.bytes(after));
            }
            self.put(slot, Field::Xattrs, after);
            self.free_tree(before, 0);
            self.charge(slot, i64::from(after != 0) - i64::from(before != 0));
            self.set_time(slot, Field::Changed, caller.now);
            Ok(())
        })
    }

    fn load<'b>(&self, slot: Slot, to: &'b mut [u8; BLOCK]) -> &'b [u8] {
        match self.get(slot, Field::Xattrs) {
            0 => &[],
            block => {
                copy_out(self.area.bytes(block), to);
                to
            }
        }
    }
}

/// Gives a value as `getxattr(2)` does.
fn give(value: &[u8], to: &mut [u8]) -> Result<usize> {
    if !to.is_empty() {
        to.get_mut(..value.len()).ok_or(Errno::RANGE)?.copy_from_slice(value);
    }
    Ok(value.len())
}

/// An extended attribute.
struct Entry<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

/// The lengths of a name and of its value, in two bytes each; both; and so on up to a name without length.
fn entries(mut bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    core::iter::from_fn(move || {
        let &[a, b, c, d, ..] = bytes else { return None };
        let (name, value) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let rest = &bytes[4..];
        if name == 0 {
            return None;
        }
        let (name, rest) = rest.split_at_checked(usize::from(name))?;
        let (value, rest) = rest.split_at_checked(usize::from(value))?;
        bytes = rest;
        Some(Entry { name, value })
    })
}

struct Writer {
    bytes: [u8; BLOCK],
    length: usize,
}

impl Writer {
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        let lengths = [name.len() as u16, value.len() as u16];
        let end = self.length + 4 + name.len() + value.len();
        let to = self.bytes.get_mut(self.length..end).ok_or(Errno::NOSPC)?;
        to[..2].copy_from_slice(&lengths[0].to_le_bytes());
        to[2..4].copy_from_slice(&lengths[1].to_le_bytes());
        to[4..4 + name.len()].copy_from_slice(name);
        to[4 + name.len()..].copy_from_slice(value);
        self.length = end;
        Ok(())
    }
}
