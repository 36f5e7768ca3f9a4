//! Which blocks are free.
//!
//! The list of free blocks has whole maps in it: a file of any size is given back by one push of the top of
//! its map, and what that leads to is taken apart when blocks are needed.

use super::area::Word;
use super::inode::Field;
use super::{Fs, Head, Slot};
use vload_module::{Errno, Result};

/// Where the levels of a map are in a word beside its top.
pub(super) const LEVELS: u32 = 48;
/// The block in such a word.
pub(super) const TOP: u64 = (1 << LEVELS) - 1;

impl Fs<'_> {
    fn entry(&self, block: u64) -> &Word {
        self.area.word(self.block_words() + block)
    }

    /// Whether a tree may have that many blocks more.
    pub(super) fn can_take(&self, root: Slot, blocks: u64) -> Result<()> {
        let limit = self.get(root, Field::BlockLimit);
        let used = self.get(root, Field::BlocksUsed);
        let is_full = limit != 0 && used + blocks > limit;
        let is_short = self.head(Head::FreeBlocks) < blocks;
        if is_full || is_short { Err(Errno::NOSPC) } else { Ok(()) }
    }

    /// Counts blocks that an inode has taken, or given back if there are fewer than none.
    pub(super) fn charge(&self, slot: Slot, blocks: i64) {
        self.add(slot, Field::Blocks, blocks);
        self.settle(self.get(slot, Field::Root), blocks);
    }

    /// The same for a tree.
    pub(super) fn settle(&self, root: Slot, blocks: i64) {
        self.add(root, Field::BlocksUsed, blocks);
        self.set_head(Head::FreeBlocks, self.head(Head::FreeBlocks).wrapping_add_signed(-blocks));
    }

    /// Takes a block, all zero, for an inode that is charged for it later. There is one: see [`Self::can_take`].
    pub(super) fn take_block(&self) -> u64 {
        let block = match self.head(Head::FreeBlock) & TOP {
            0 => {
                let fresh = self.head(Head::FreshBlock);
                self.set_head(Head::FreshBlock, fresh + 1);
                fresh
            }
            first => self.take_free(first),
        };
        super::area::clear(self.area.bytes(block));
        block
    }

    fn take_free(&self, first: u64) -> u64 {
        let mut block = first;
        let mut next = self.entry(block).get();
        // What a map still leads to comes before its own block.
        while next >> LEVELS != 0 {
            match self.area.block(block).iter().find(|child| child.get() != 0) {
                Some(child) => {
                    let below = child.get();
                    self.change(child, 0);
                    self.change(self.entry(below), block | ((next >> LEVELS) - 1) << LEVELS);
                    block = below;
                    next = self.entry(block).get();
                }
                None => next &= TOP,
            }
        }
        self.set_head(Head::FreeBlock, next);
        block
    }

    /// Gives back a block and all that it leads to over that many levels; none if it is 0. Who had them is
    /// to be charged for them no longer.
    pub(super) fn free_tree(&self, top: u64, levels: u64) {
        if top != 0 {
            self.change(self.entry(top), self.head(Head::FreeBlock) | levels << LEVELS);
            self.set_head(Head::FreeBlock, top);
        }
    }

    /// How many blocks there are in a tree.
    pub(super) fn count_tree(&self, top: u64, levels: u64) -> u64 {
        if top == 0 {
            return 0;
        }
        let children = self.area.block(top).iter().map(Word::get);
        let below = match levels {
            0 => 0,
            1 => children.filter(|&child| child != 0).count() as u64,
            _ => children.map(|child| self.count_tree(child, levels - 1)).sum(),
        };
        1 + below
    }

    /// The free blocks, for those who check: each with its next one and its levels.
    #[cfg(test)]
    pub(super) fn free_list(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut block = self.head(Head::FreeBlock) & TOP;
        core::iter::from_fn(move || {
            let this = block;
            let link = (this != 0).then(|| self.entry(this).get())?;
            block = link & TOP;
            Some((this, link >> LEVELS))
        })
    }
}
