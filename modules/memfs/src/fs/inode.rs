//! Inodes: their fields, taking one and giving it back.

use super::blocks::{LEVELS, TOP};
use super::{Caller, Fs, Head, INODE_WORDS, Time};
use vload_module::linux::general::{S_IFDIR, S_IFMT, S_ISGID};
use vload_module::{Errno, Result};

/// An inode, by its place in the table.
pub type Slot = u64;

/// The words of an inode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Type and permissions.
    Mode,
    /// How many names it has; for a directory two, and one for each directory in it.
    Links,
    /// The owner, and above 32 bits the group.
    Owner,
    /// Bytes.
    Size,
    /// Blocks, those that lead to others among them.
    Blocks,
    /// The device that it stands for.
    Special,
    /// Seconds of the last reading; its nanoseconds are the next word, as for all times.
    Accessed = 6,
    Modified = 8,
    Changed = 10,
    Born = 12,
    /// How many open files there are of it.
    Opens = 14,
    /// The root of its tree.
    Root,
    /// The top of its map, and above 48 bits how many levels that has.
    Map,
    /// The block of its extended attributes.
    Xattrs,
    /// A directory's parent.
    Parent,
    /// The number that it shows.
    Number,
    /// A directory's count of names.
    Names,
    /// How many blocks a directory's positions reach over.
    Extent,
    /// The block of a directory's hash table.
    Buckets,
    /// A block of a directory in which there is room.
    Hint,
    /// The block from which on what the map has is no part of the file, plus one.
    Stale,
    /// A set of `FLAG_*`.
    Flags,
    /// A root's limit of blocks, or 0.
    BlockLimit,
    /// The blocks of a root's tree.
    BlocksUsed,
    /// A root's limit of inodes, or 0.
    InodeLimit,
    /// The inodes of a root's tree.
    InodesUsed,
    /// The open files of a root's tree.
    OpensBelow,
    /// The next in the list of free inodes, or of roots that nobody sees.
    Next,
}

/// It was opened without a name and may be given one.
pub(super) const FLAG_LINKABLE: u64 = 1;
/// A root whose tree must not be changed.
pub(super) const FLAG_READ_ONLY: u64 = 2;
/// Programs may have its blocks as their memory: none is given back before its last open file is closed.
pub(super) const FLAG_MAPPED: u64 = 4;

impl Fs<'_> {
    pub(super) fn field(&self, slot: Slot, field: Field) -> &super::area::Word {
        self.area.word(self.inode_words() + slot * INODE_WORDS + field as u64)
    }

    pub(super) fn get(&self, slot: Slot, field: Field) -> u64 {
        self.field(slot, field).get()
    }

    pub(super) fn put(&self, slot: Slot, field: Field, value: u64) {
        self.change(self.field(slot, field), value);
    }

    pub(super) fn add(&self, slot: Slot, field: Field, more: i64) {
        self.put(slot, field, self.get(slot, field).wrapping_add_signed(more));
    }

    pub(super) fn mode(&self, slot: Slot) -> u32 {
        self.get(slot, Field::Mode) as u32
    }

    pub(super) fn kind(&self, slot: Slot) -> u32 {
        self.mode(slot) & S_IFMT
    }

    pub(super) fn is_directory(&self, slot: Slot) -> bool {
        self.kind(slot) == S_IFDIR
    }

    pub(super) fn time(&self, slot: Slot, field: Field) -> Time {
        let index = self.inode_words() + slot * INODE_WORDS + field as u64;
        Time {
            seconds: self.area.word(index).get() as i64,
            nanoseconds: self.area.word(index + 1).get() as u32,
        }
    }

    pub(super) fn set_time(&self, slot: Slot, field: Field, time: Time) {
        let index = self.inode_words() + slot * INODE_WORDS + field as u64;
        self.change(self.area.word(index), time.seconds as u64);
        self.change(self.area.word(index + 1), u64::from(time.nanoseconds));
    }

    /// The content has changed.
    pub(super) fn touch(&self, slot: Slot, now: Time) {
        self.set_time(slot, Field::Modified, now);
        self.set_time(slot, Field::Changed, now);
    }

    /// Whether a tree may have one inode more.
    pub(super) fn can_take_inode(&self, root: Slot) -> Result<()> {
        let limit = self.get(root, Field::InodeLimit);
        let is_full = limit != 0 && self.get(root, Field::InodesUsed) >= limit;
        if is_full || self.head(Head::FreeInodes) == 0 { Err(Errno::NOSPC) } else { Ok(()) }
    }

    /// Takes an inode for something new in `parent`. There is one: see [`Self::can_take_inode`]. It has no name yet.
    pub(super) fn take_inode(&self, parent: Slot, mode: u32, caller: &Caller) -> Slot {
        let root = self.get(parent, Field::Root);
        let parent_mode = self.mode(parent);
        let (mut mode, mut gid) = (mode, caller.gid);
        if parent_mode & S_ISGID != 0 {
            gid = (self.get(parent, Field::Owner) >> 32) as u32;
            if mode & S_IFMT == S_IFDIR {
                mode |= S_ISGID;
            }
        }
        let slot = self.take_slot();
        self.fill(slot, mode, u64::from(caller.uid) | u64::from(gid) << 32, caller.now);
        self.plain(slot, Field::Root, root);
        self.plain(slot, Field::Parent, parent);
        self.add(root, Field::InodesUsed, 1);
        slot
    }

    /// Takes an inode that is the root of a tree of its own.
    pub(super) fn take_root(&self, mode: u32, owner: u64, now: Time) -> Slot {
        let slot = self.take_slot();
        self.fill(slot, mode, owner, now);
        self.plain(slot, Field::Root, slot);
        self.plain(slot, Field::Parent, slot);
        self.plain(slot, Field::InodesUsed, 1);
        slot
    }

    fn take_slot(&self) -> Slot {
        let free = self.head(Head::FreeInode);
        let slot = if free != 0 {
            self.set_head(Head::FreeInode, self.get(free, Field::Next));
            free
        } else {
            let fresh = self.head(Head::FreshInode);
            self.set_head(Head::FreshInode, fresh + 1);
            fresh
        };
        self.set_head(Head::FreeInodes, self.head(Head::FreeInodes) - 1);
        slot
    }

    /// What an inode that is not taken yet holds means nothing, but for the list that it is in.
    pub(super) fn plain(&self, slot: Slot, field: Field, value: u64) {
        self.field(slot, field).set(value);
    }

    fn fill(&self, slot: Slot, mode: u32, owner: u64, now: Time) {
        let start = self.inode_words() + slot * INODE_WORDS;
        for index in 0..Field::Next as u64 {
            self.area.word(start + index).set(0);
        }
        self.plain(slot, Field::Mode, u64::from(mode));
        self.plain(slot, Field::Owner, owner);
        let number = self.head(Head::NextNumber);
        self.set_head(Head::NextNumber, number + 1);
        self.plain(slot, Field::Number, number);
        for field in [Field::Accessed, Field::Modified, Field::Changed, Field::Born] {
            let index = start + field as u64;
            self.area.word(index).set(now.seconds as u64);
            self.area.word(index + 1).set(u64::from(now.nanoseconds));
        }
    }

    /// Gives an inode back with all its blocks, if it has neither a name nor an open file.
    pub(super) fn drop_unused(&self, slot: Slot) {
        let root = self.get(slot, Field::Root);
        let is_unused = self.get(slot, Field::Links) == 0 && self.get(slot, Field::Opens) == 0;
        // A root is given back with its tree.
        if is_unused && slot != root {
            self.give_back(slot, root);
        }
    }

    pub(super) fn give_back(&self, slot: Slot, root: Slot) {
        let taken = self.get(slot, Field::Blocks);
        let map = self.get(slot, Field::Map);
        self.free_tree(map & TOP, map >> LEVELS);
        // Who has still to give back what was cut off finds nothing any more.
        self.put(slot, Field::Map, 0);
        for field in [Field::Xattrs, Field::Buckets] {
            self.free_tree(self.get(slot, field), 0);
        }
        self.settle(root, -(taken as i64));
        self.add(root, Field::InodesUsed, -1);
        self.put(slot, Field::Next, self.head(Head::FreeInode));
        self.set_head(Head::FreeInode, slot);
        self.set_head(Head::FreeInodes, self.head(Head::FreeInodes) + 1);
    }
}
