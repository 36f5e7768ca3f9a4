//! A file system in a region of memory that many processes share and any of which may be killed at any
//! instruction.
//!
//! ```text
//! block 0          the words of `Head`
//! then             a word for each open file: its inode
//! then             a word for each block: the next one in its list, while it is free
//! then             the inodes, `INODE_WORDS` each
//! the rest         data, directories, and the blocks that lead to both
//! ```
//!
//! Every word that means something is changed through [`Ground::change`], all those of one step under one
//! hold of the lock: after a kill they are all as before the step. What means nothing yet (a
//! block or an inode that is not taken, bytes behind the end of a file, the slack behind a name) is
//! written as it is: it must have meant nothing before the step, so a step takes none of the blocks that it gives back
//! (`blocks`). A step that may fail finds out before it changes anything.
//!
//! | file | knows |
//! |---|---|
//! | `area` | words and blocks |
//! | `inode` | the fields of an inode; which are free |
//! | `blocks` | which blocks are free |
//! | `map` | which block of a file is where |
//! | `data` | the bytes of a file |
//! | `mapped` | files whose blocks are the memory of programs |
//! | `directory` | names |
//! | `names` | paths, and what changes names |
//! | `attributes` | modes, owners, times, extended attributes |
//! | `mount` | roots, and what becomes of a tree that nobody sees any more |

pub mod area;
pub mod attributes;
mod blocks;
#[cfg(test)]
mod check;
mod data;
mod directory;
mod inode;
mod map;
mod mapped;
mod mount;
mod names;
mod rename;

pub use area::Ground;
pub use inode::Slot;
#[cfg(test)]
pub use mapped::Piece;
pub use mount::Options;
pub use names::Place;

pub use area::Word;

use area::{Area, BLOCK_WORDS};
use vload_module::Result;

/// A moment: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: u32,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The owner of what is made.
    pub uid: u32,
    /// The group of what is made.
    pub gid: u32,
    /// Whether set-user-ID bits survive what the caller does.
    pub is_root: bool,
    /// The time.
    pub now: Time,
}

/// The words of block 0.
#[derive(Clone, Copy)]
enum Head {
    /// Not 0 once the area is laid out.
    Formatted,
    /// The first block that was never taken.
    FreshBlock,
    /// The first of the list of blocks that are ready to be taken; 0 for none.
    ReadyBlock,
    /// How many are in that list.
    ReadyBlocks,
    /// The first of the list of loose blocks; 0 for none.
    LooseBlock,
    /// How many blocks are free: ready, loose with all that they lead to, and never taken.
    FreeBlocks,
    /// The first inode that was never taken.
    FreshInode,
    /// The first of the list of free inodes; 0 for none.
    FreeInode,
    /// How many inodes are free.
    FreeInodes,
    /// The number that the next inode shows.
    NextNumber,
    /// The first root of those that nobody sees any more.
    Doomed,
}

/// How many open files there can be: their numbers begin with 1.
const FILES: u64 = 4096;
/// Words of an inode.
const INODE_WORDS: u64 = 32;

/// A file system.
pub struct Fs<'a> {
    ground: &'a dyn Ground,
    area: Area<'a>,
}

impl<'a> Fs<'a> {
    /// The file system in `words`, which are all zero at first and then what it made of them.
    pub fn new(ground: &'a dyn Ground, words: &'a [Word]) -> Self {
        Self { ground, area: Area::new(words) }
    }

    /// One step: all of what `step` changes, or nothing of it if the process dies in it. What it gives back it does not
    /// take before.
    fn step<R>(&self, step: impl FnOnce() -> Result<R>) -> Result<R> {
        self.ground.lock()?;
        while self.make_ready() {
            self.ground.unlock();
            self.ground.lock()?;
        }
        let result = step();
        self.ground.unlock();
        result
    }

    /// Lays the area out, once.
    pub fn format(&self) -> Result<()> {
        self.step(|| {
            let first = self.first_data();
            self.set_head(Head::FreshBlock, first);
            self.set_head(Head::FreeBlocks, self.area.blocks().saturating_sub(first));
            // Inode 0 is nobody's: 0 means none.
            self.set_head(Head::FreshInode, 1);
            self.set_head(Head::FreeInodes, self.inodes() - 1);
            self.set_head(Head::NextNumber, 1);
            self.set_head(Head::Formatted, 1);
            Ok(())
        })
    }

    fn head(&self, word: Head) -> u64 {
        self.area.word(word as u64).get()
    }

    fn set_head(&self, word: Head, value: u64) {
        self.change(self.area.word(word as u64), value);
    }

    fn change(&self, at: &Word, value: u64) {
        if at.get() != value {
            self.ground.change(at, value);
        }
    }

    /// How many inodes there is room for: one for every two blocks.
    fn inodes(&self) -> u64 {
        self.area.blocks() / 2
    }

    /// The word index of the open files.
    fn file_words(&self) -> u64 {
        BLOCK_WORDS as u64
    }

    /// The word index of the table of block words.
    fn block_words(&self) -> u64 {
        self.file_words() + (FILES + 1).next_multiple_of(BLOCK_WORDS as u64)
    }

    /// The word index of the inodes.
    fn inode_words(&self) -> u64 {
        self.block_words() + self.area.blocks().next_multiple_of(BLOCK_WORDS as u64)
    }

    /// The first block that is no table's.
    fn first_data(&self) -> u64 {
        (self.inode_words() + self.inodes() * INODE_WORDS).div_ceil(BLOCK_WORDS as u64)
    }
}
