//! Files whose blocks are the memory of programs (`MAP_SHARED`).
//!
//! A block that a program has mapped must not become another file's. When the last mapping goes only the kernel knows, and
//! the framework closes a file no sooner: so from the first mapping to the last close, an inode keeps all its blocks. What is
//! cut off, or punched, is filled with zeros where it is.

use super::data::{BLOCK_BYTES, BUDGET, STEP};
use super::inode::{FLAG_MAPPED, Field};
use super::map::Range;
use super::{Fs, Slot};
use vload_module::linux::general::S_IFREG;
use vload_module::{Errno, Result};

/// Blocks of a file that lie behind each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Piece {
    /// The first one.
    pub block: u64,
    /// How many.
    pub blocks: u64,
}

/// Blocks that one step fills with zeros.
const CLEARED: u64 = 64;

/// What is zero behind the end of a file that grows: it is made so in as many steps as it takes.
#[derive(Default)]
pub(super) struct Cleared {
    /// The size that the file had.
    size: u64,
    /// Where the next step begins.
    to: u64,
}

impl Fs<'_> {
    /// The blocks of a file from an offset on, as many as lie behind each other, and as `length` bytes need. Where there is a
    /// hole there is none afterwards. None at the end of the file.
    pub fn map(&self, slot: Slot, offset: u64, length: u64) -> Result<Piece> {
        let first = offset / BLOCK_BYTES;
        let wanted = Range { from: first, to: first.saturating_add(length.div_ceil(BLOCK_BYTES)) };
        self.step(|| {
            if self.kind(slot) != S_IFREG {
                return Err(Errno::NODEV);
            }
            self.keep_blocks(slot);
            Ok(())
        })?;
        let mut piece = Piece::default();
        while self.step(|| self.lengthen(slot, wanted, &mut piece))? {}
        Ok(piece)
    }

    /// Whether programs may have blocks of an inode.
    pub(super) fn is_mapped(&self, slot: Slot) -> bool {
        self.get(slot, Field::Flags) & FLAG_MAPPED != 0
    }

    /// From now on, until its last open file is closed.
    fn keep_blocks(&self, slot: Slot) {
        if self.is_mapped(slot) {
            return;
        }
        // What lies behind the end on the last page is zero (mmap(2)).
        let size = self.get(slot, Field::Size);
        self.clear_tail(slot, size, size.next_multiple_of(BLOCK_BYTES));
        self.put(slot, Field::Flags, self.get(slot, Field::Flags) | FLAG_MAPPED);
    }

    /// Its last open file has been closed: what is behind its end is given back.
    pub(super) fn unmap(&self, slot: Slot) {
        if !self.is_mapped(slot) || self.get(slot, Field::Opens) != 0 {
            return;
        }
        self.put(slot, Field::Flags, self.get(slot, Field::Flags) & !FLAG_MAPPED);
        let (first, stale) =
            (self.get(slot, Field::Size).div_ceil(BLOCK_BYTES) + 1, self.get(slot, Field::Stale));
        self.put(slot, Field::Stale, if stale == 0 { first } else { stale.min(first) });
    }

    /// One step of making a piece longer: whether it may become longer yet.
    fn lengthen(&self, slot: Slot, wanted: Range, piece: &mut Piece) -> Result<bool> {
        if !self.clean(slot, BUDGET) {
            return Ok(true);
        }
        let end = self.get(slot, Field::Size).div_ceil(BLOCK_BYTES).min(wanted.to);
        let root = self.get(slot, Field::Root);
        let mut taken = 0;
        let more = loop {
            let index = wanted.from + piece.blocks;
            if index >= end {
                break Ok(false);
            }
            let cost = self.cost(slot, index);
            if taken + cost > STEP.max(cost) {
                break Ok(true);
            }
            if cost != 0
                && let Err(error) = self.can_take(root, taken + cost)
            {
                break if piece.blocks == 0 { Err(error) } else { Ok(false) };
            }
            let block = if cost == 0 { self.find(slot, index) } else { self.make(slot, index) };
            taken += cost;
            if piece.blocks == 0 {
                piece.block = block;
            } else if block != piece.block + piece.blocks {
                break Ok(false);
            }
            piece.blocks += 1;
        };
        if taken != 0 {
            self.charge(slot, taken as i64);
        }
        more
    }

    /// One step of filling what a shorter size has cut off with zeros, from a block on: whether all is. The rest of the last page
    /// is what programs see too.
    pub(super) fn clear_cut(&self, slot: Slot, first: u64) -> bool {
        let size = self.get(slot, Field::Size);
        self.clear_range(slot, size, size.next_multiple_of(BLOCK_BYTES));
        let next = self.clear_range(slot, first * BLOCK_BYTES, u64::MAX);
        self.put(slot, Field::Stale, if next == u64::MAX { 0 } else { next / BLOCK_BYTES + 1 });
        next == u64::MAX
    }

    /// One step of filling what programs may have stored behind the end of a file with zeros, up to an offset that is to be in
    /// it: whether all is.
    pub(super) fn clear_behind(&self, slot: Slot, to: u64, cleared: &mut Cleared) -> bool {
        let size = self.get(slot, Field::Size);
        if !self.is_mapped(slot) || to <= size {
            return true;
        }
        if cleared.size != size || cleared.to < size {
            *cleared = Cleared { size, to: size };
        }
        cleared.to = self.clear_range(slot, cleared.to, to);
        cleared.to == to
    }

    /// Fills what there is of a file between two offsets with zeros, as much of it as one step does: where the next begins.
    pub(super) fn clear_range(&self, slot: Slot, from: u64, to: u64) -> u64 {
        let end = to.div_ceil(BLOCK_BYTES).min(self.reach(slot));
        let mut index = self.next(slot, from / BLOCK_BYTES, end, true);
        let mut left = CLEARED;
        while index < end {
            let start = index * BLOCK_BYTES;
            if left == 0 {
                return start;
            }
            left -= 1;
            let (first, last) = (from.max(start), to.min(start + BLOCK_BYTES));
            let bytes = self.area.bytes(self.find(slot, index));
            super::area::clear(
                &bytes[(first - start) as usize..(last.max(first) - start) as usize],
            );
            index = self.next(slot, index + 1, end, true);
        }
        to
    }
}
