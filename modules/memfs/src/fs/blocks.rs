//! Which blocks are free.
//!
//! What is given back is loose first: the list of loose blocks has whole maps in it, so that a file of any size is given
//! back by one push of the top of its map. What is loose is made ready, maps taken apart, under a hold of the lock of its
//! own, and only what is ready is taken. For what is put into a block that has been taken is not undone when its taker
//! dies: it must have been free before, and led to nothing.

use super::area::Word;
use super::inode::Field;
use super::{Fs, Head, Slot};
use vload_module::{Errno, Result};

/// Where the levels of a map are in a word beside its top.
pub(super) const LEVELS: u32 = 48;
/// The block in such a word.
pub(super) const TOP: u64 = (1 << LEVELS) - 1;

/// More blocks than one step takes.
const ENOUGH: u64 = 40;
/// Blocks that are looked at under one hold of the lock: what it changes has an end.
const AT_ONCE: usize = 24;

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
        let block = match self.head(Head::ReadyBlock) {
            0 => {
                let fresh = self.head(Head::FreshBlock);
                self.set_head(Head::FreshBlock, fresh + 1);
                fresh
            }
            first => {
                self.set_head(Head::ReadyBlock, self.entry(first).get());
                self.set_head(Head::ReadyBlocks, self.head(Head::ReadyBlocks) - 1);
                first
            }
        };
        super::area::clear(self.area.bytes(block));
        block
    }

    /// Makes some loose blocks ready where there may not be enough for a step: whether there were any. It is done
    /// when the lock has been released.
    pub(super) fn make_ready(&self) -> bool {
        let mut loose = self.head(Head::LooseBlock);
        if loose == 0 || self.head(Head::ReadyBlocks) >= ENOUGH {
            return false;
        }
        let mut ready = self.head(Head::ReadyBlock);
        let mut count = 0;
        for _ in 0..AT_ONCE {
            if loose == 0 {
                break;
            }
            let link = self.entry(loose).get();
            let levels = link >> LEVELS;
            let child = match levels {
                0 => None,
                _ => self.area.block(loose).iter().find(|child| child.get() != 0),
            };
            let free = match child {
                None => core::mem::replace(&mut loose, link & TOP),
                Some(child) => {
                    let below = child.get();
                    self.change(child, 0);
                    if levels > 1 {
                        // It leads on, and comes before the block that led to it.
                        self.change(self.entry(below), loose | (levels - 1) << LEVELS);
                        loose = below;
                        continue;
                    }
                    below
                }
            };
            self.change(self.entry(free), ready);
            ready = free;
            count += 1;
        }
        self.set_head(Head::LooseBlock, loose);
        self.set_head(Head::ReadyBlock, ready);
        self.set_head(Head::ReadyBlocks, self.head(Head::ReadyBlocks) + count);
        true
    }

    /// Gives back a block and all that it leads to over that many levels; none if it is 0. Who had them is
    /// to be charged for them no longer.
    pub(super) fn free_tree(&self, top: u64, levels: u64) {
        if top != 0 {
            self.change(self.entry(top), self.head(Head::LooseBlock) | levels << LEVELS);
            self.set_head(Head::LooseBlock, top);
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

    /// The free blocks, for those who check: those that are ready, each with its next one, or those that are loose, and
    /// over how many levels they lead to others.
    #[cfg(test)]
    pub(super) fn free_list(&self, is_ready: bool) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut block = self.head(if is_ready { Head::ReadyBlock } else { Head::LooseBlock });
        core::iter::from_fn(move || {
            let this = block;
            let link = (this != 0).then(|| self.entry(this).get())?;
            block = link & TOP;
            Some((this, link >> LEVELS))
        })
    }
}
