//! Which block of a file, or of a directory, is where: a tree of blocks of 512 words, as many levels high as
//! the file's last block needs. A word of 0 is a hole.

use super::area::BLOCK_WORDS;
use super::blocks::{LEVELS, TOP};
use super::inode::Field;
use super::{Fs, Slot};

const FAN: u64 = BLOCK_WORDS as u64;
/// Bits of a block's index that one level resolves.
const BITS: u64 = FAN.ilog2() as u64;

/// How many levels a map needs that reaches that block.
fn levels_for(index: u64) -> u64 {
    let mut levels = 0;
    while index >> (BITS * levels) != 0 {
        levels += 1;
    }
    levels
}

/// The word of a level's block that leads to a block of the file.
fn digit(index: u64, level: u64) -> usize {
    (index >> (BITS * (level - 1)) & (FAN - 1)) as usize
}

/// Blocks of a file, from the first to before the last.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub from: u64,
    pub to: u64,
}

impl Fs<'_> {
    fn top(&self, slot: Slot) -> (u64, u64) {
        let map = self.get(slot, Field::Map);
        (map & TOP, map >> LEVELS)
    }

    /// How many blocks the map can have.
    pub(super) fn reach(&self, slot: Slot) -> u64 {
        let (top, levels) = self.top(slot);
        if top == 0 { 0 } else { 1u64.checked_shl((BITS * levels) as u32).unwrap_or(u64::MAX) }
    }

    /// The block at an index; 0 for a hole.
    pub(super) fn find(&self, slot: Slot, index: u64) -> u64 {
        let (mut block, levels) = self.top(slot);
        if levels_for(index) > levels {
            return 0;
        }
        for level in (1..=levels).rev() {
            if block == 0 {
                break;
            }
            block = self.area.block(block)[digit(index, level)].get();
        }
        block
    }

    /// How many blocks must be taken for there to be one at an index.
    pub(super) fn cost(&self, slot: Slot, index: u64) -> u64 {
        let (mut block, levels) = self.top(slot);
        let needed = levels_for(index);
        if block == 0 {
            return needed + 1;
        }
        if needed > levels {
            // Each new level is a block, and none of the new path is there: the index has a digit
            // other than 0 in the highest.
            return needed - levels + needed;
        }
        for level in (1..=levels).rev() {
            block = self.area.block(block)[digit(index, level)].get();
            if block == 0 {
                return level;
            }
        }
        0
    }

    /// Makes a block at an index where there was none, all zero. What it costs can be taken, and is charged
    /// by the caller.
    pub(super) fn make(&self, slot: Slot, index: u64) -> u64 {
        let (mut top, mut levels) = self.top(slot);
        let needed = levels_for(index);
        if top == 0 {
            levels = needed;
            top = self.take_block();
        }
        while levels < needed {
            let above = self.take_block();
            self.area.block(above)[0].set(top);
            top = above;
            levels += 1;
        }
        self.put(slot, Field::Map, top | levels << LEVELS);
        let mut block = top;
        for level in (1..=levels).rev() {
            let child = &self.area.block(block)[digit(index, level)];
            if child.get() == 0 {
                self.change(child, self.take_block());
            }
            block = child.get();
        }
        block
    }

    /// Gives back the blocks of a range, up to `budget` trees of them, and charges for them: whether that was all.
    pub(super) fn release(&self, slot: Slot, range: Range, budget: u32) -> bool {
        let (top, levels) = self.top(slot);
        if top == 0 {
            return true;
        }
        let mut part = Release { fs: self, range, budget, blocks: 0 };
        if part.covers(0, levels) {
            part.free(top, levels);
            self.put(slot, Field::Map, 0);
        } else {
            part.below(top, levels, 0);
        }
        let (blocks, is_done) = (part.blocks, part.budget > 0);
        self.charge(slot, -(blocks as i64));
        is_done
    }

    /// The first block from an index on that is there, or that is not.
    pub(super) fn next(&self, slot: Slot, from: u64, end: u64, is_there: bool) -> u64 {
        let (top, levels) = self.top(slot);
        let mut index = from;
        while index < end {
            // A hole is stepped over as high in the tree as it reaches.
            let mut block = if levels_for(index) > levels { 0 } else { top };
            let mut level = if levels_for(index) > levels { levels_for(index) } else { levels };
            while block != 0 && level > 0 {
                block = self.area.block(block)[digit(index, level)].get();
                level -= 1;
            }
            if (block != 0) == is_there {
                return index;
            }
            let span = BITS * level;
            index = match ((index >> span) + 1).checked_shl(span as u32) {
                Some(next) if next > index => next,
                _ => end,
            };
        }
        end
    }
}

struct Release<'a, 'b> {
    fs: &'a Fs<'b>,
    range: Range,
    budget: u32,
    blocks: u64,
}

impl Release<'_, '_> {
    /// Whether all that a tree of that many levels can have from an index on is in the range.
    fn covers(&self, start: u64, levels: u64) -> bool {
        let length = 1u64.checked_shl((BITS * levels) as u32).unwrap_or(u64::MAX);
        start >= self.range.from && start.saturating_add(length - 1) < self.range.to
    }

    fn free(&mut self, top: u64, levels: u64) {
        self.blocks += self.fs.count_tree(top, levels);
        self.fs.free_tree(top, levels);
        self.budget -= 1;
    }

    fn below(&mut self, block: u64, levels: u64, start: u64) {
        if levels == 0 {
            return;
        }
        let span = BITS * (levels - 1);
        let length = 1u64 << span;
        for (number, child) in self.fs.area.block(block).iter().enumerate() {
            let first = start + ((number as u64) << span);
            let is_outside =
                first >= self.range.to || first.saturating_add(length - 1) < self.range.from;
            let below = child.get();
            if below == 0 || is_outside {
                continue;
            }
            if !self.covers(first, levels - 1) {
                self.below(below, levels - 1, first);
            } else if self.budget > 0 {
                self.free(below, levels - 1);
                self.fs.change(child, 0);
            }
            if self.budget == 0 {
                return;
            }
        }
    }
}
