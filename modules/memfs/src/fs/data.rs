//! The bytes of a file.

use super::area::{BLOCK, copy_in, copy_out};
use super::inode::Field;
use super::map::Range;
use super::mapped::Cleared;
use super::{Caller, Fs, Place, Slot, Time};
use vload_module::linux::general::{
    FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, S_IFDIR, S_IFREG, S_ISGID, S_ISUID, S_IXGRP,
    SEEK_DATA, SEEK_HOLE,
};
use vload_module::{Errno, Result};

pub(super) const BLOCK_BYTES: u64 = BLOCK as u64;
/// Blocks that one step takes: what a step changes has an end. 64 KiB that are written to the end of a file come there in one.
pub(super) const STEP: u64 = 20;
/// Trees of blocks that one step gives back.
pub(super) const BUDGET: u32 = 12;
/// The most that a file may have.
const MOST: u64 = i64::MAX as u64;

impl Fs<'_> {
    /// Reads from an offset: how much, 0 at the end.
    pub fn read(
        &self,
        slot: Slot,
        to: &mut [u8],
        offset: u64,
        mark: Option<Time>,
    ) -> Result<usize> {
        self.step(|| {
            if self.is_directory(slot) {
                return Err(Errno::ISDIR);
            }
            if let Some(now) = mark {
                self.mark_read(slot, now);
            }
            let left = self.get(slot, Field::Size).saturating_sub(offset);
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(to.len());
            self.copy_range(slot, &mut to[..length], offset);
            Ok(length)
        })
    }

    /// Copies bytes that are in the file.
    pub(super) fn copy_range(&self, slot: Slot, to: &mut [u8], offset: u64) {
        let mut done = 0;
        while done < to.len() {
            let at = offset + done as u64;
            let within = (at % BLOCK_BYTES) as usize;
            let length = (BLOCK - within).min(to.len() - done);
            let part = &mut to[done..done + length];
            match self.find(slot, at / BLOCK_BYTES) {
                0 => part.fill(0),
                block => copy_out(&self.area.bytes(block)[within..], part),
            }
            done += length;
        }
    }

    /// As a kernel does with `relatime`.
    pub(super) fn mark_read(&self, slot: Slot, now: Time) {
        const DAY: i64 = 24 * 60 * 60;
        let is_read_only = self.check_writable(slot).is_err();
        let accessed = self.time(slot, Field::Accessed);
        let is_due = accessed <= self.time(slot, Field::Modified)
            || accessed <= self.time(slot, Field::Changed)
            || now.seconds - accessed.seconds >= DAY;
        if is_due && !is_read_only {
            self.set_time(slot, Field::Accessed, now);
        }
    }

    /// Writes at an offset, or at the end: how much, and where that ends. Less than all where there is no room for more.
    pub fn write(
        &self,
        slot: Slot,
        from: &[u8],
        offset: Option<u64>,
        caller: &Caller,
    ) -> Result<(usize, u64)> {
        let (mut done, mut start, mut cleared) = (0, offset, Cleared::default());
        let mut behind = offset.unwrap_or(0);
        loop {
            match self.step(|| self.write_step(slot, &from[done..], start, &mut cleared, caller)) {
                Ok((length, end)) => {
                    done += length;
                    behind = end;
                    // What goes to the end goes there in each step: others may have made the file longer meanwhile.
                    start = offset.map(|_| end);
                    if done == from.len() || end == MOST {
                        return Ok((done, end));
                    }
                }
                // What is written is written.
                Err(_) if done != 0 => return Ok((done, behind)),
                Err(error) => return Err(error),
            }
        }
    }

    /// One step of writing: how much, which may be nothing yet, and where that ends.
    fn write_step(
        &self,
        slot: Slot,
        from: &[u8],
        offset: Option<u64>,
        cleared: &mut Cleared,
        caller: &Caller,
    ) -> Result<(usize, u64)> {
        self.check_writable(slot)?;
        let size = self.get(slot, Field::Size);
        let start = offset.unwrap_or(size);
        if from.is_empty() {
            return Ok((0, start));
        }
        if start >= MOST {
            return Err(Errno::FBIG);
        }
        let from = &from[..from.len().min(usize::try_from(MOST - start).unwrap_or(usize::MAX))];
        if start + from.len() as u64 > size && !self.clean(slot, BUDGET) {
            // What was cut off is given back first.
            return Ok((0, start));
        }
        if !self.clear_behind(slot, start, cleared) {
            return Ok((0, start));
        }
        let (mut done, mut taken) = (0, 0);
        let root = self.get(slot, Field::Root);
        while done < from.len() {
            let at = start + done as u64;
            let index = at / BLOCK_BYTES;
            let cost = self.cost(slot, index);
            if taken + cost > STEP.max(cost) {
                break;
            }
            if let Err(error) = self.can_take(root, taken + cost) {
                if done == 0 {
                    return Err(error);
                }
                break;
            }
            let block = if cost == 0 { self.find(slot, index) } else { self.make(slot, index) };
            taken += cost;
            let within = (at % BLOCK_BYTES) as usize;
            let length = (BLOCK - within).min(from.len() - done);
            copy_in(&from[done..done + length], &self.area.bytes(block)[within..]);
            done += length;
        }
        let end = start + done as u64;
        if taken != 0 {
            self.charge(slot, taken as i64);
        }
        if end > size {
            self.clear_tail(slot, size, start);
            self.put(slot, Field::Size, end);
        }
        self.drop_privilege(slot, caller);
        self.touch(slot, caller.now);
        Ok((done, end))
    }

    /// Bytes behind the end of a file mean nothing until it grows over them, and are zero then.
    pub(super) fn clear_tail(&self, slot: Slot, size: u64, to: u64) {
        let within = (size % BLOCK_BYTES) as usize;
        let length = to.saturating_sub(size).min(BLOCK_BYTES - within as u64) as usize;
        let block = if within == 0 { 0 } else { self.find(slot, size / BLOCK_BYTES) };
        if block != 0 {
            super::area::clear(&self.area.bytes(block)[within..within + length]);
        }
    }

    fn drop_privilege(&self, slot: Slot, caller: &Caller) {
        let mode = self.mode(slot);
        if caller.is_root || mode & (S_ISUID | S_ISGID) == 0 {
            return;
        }
        let runs_as_group = mode & S_IXGRP != 0;
        let lost = S_ISUID | if runs_as_group { S_ISGID } else { 0 };
        self.put(slot, Field::Mode, u64::from(mode & !lost));
    }

    /// Sets the size.
    pub fn truncate(&self, place: Place<'_>, size: u64, caller: &Caller) -> Result<()> {
        if size > MOST {
            return Err(Errno::INVAL);
        }
        let mut cleared = Cleared::default();
        loop {
            let cut = self.step(|| {
                let slot = self.inode(place)?;
                match self.kind(slot) {
                    S_IFREG => {}
                    S_IFDIR => return Err(Errno::ISDIR),
                    _ => return Err(Errno::INVAL),
                }
                self.check_writable(slot)?;
                Ok(self.cut(slot, size, &mut cleared, caller).then_some(slot))
            })?;
            if let Some(slot) = cut {
                return self.clean_up(slot);
            }
        }
    }

    /// Sets the size, unless what was cut off before must be given back first: whether it is set. For the size 0, it
    /// is, and all is given back.
    pub(super) fn cut(
        &self,
        slot: Slot,
        size: u64,
        cleared: &mut Cleared,
        caller: &Caller,
    ) -> bool {
        let old = self.get(slot, Field::Size);
        if size > old && !(self.clean(slot, BUDGET) && self.clear_behind(slot, size, cleared)) {
            return false;
        }
        if size > old {
            self.clear_tail(slot, old, size);
        }
        if size < old {
            let first = size.div_ceil(BLOCK_BYTES) + 1;
            let stale = self.get(slot, Field::Stale);
            self.put(slot, Field::Stale, if stale == 0 { first } else { stale.min(first) });
        }
        self.put(slot, Field::Size, size);
        self.drop_privilege(slot, caller);
        self.touch(slot, caller.now);
        // What programs have is not undone with the size: it is filled with zeros when that is final.
        if !self.is_mapped(slot) {
            self.clean(slot, BUDGET);
        }
        true
    }

    /// Gives back all that was cut off. Another process may do a part of it, and the inode may be nobody's, or another
    /// file's, by then.
    pub(super) fn clean_up(&self, slot: Slot) -> Result<()> {
        while !self.step(|| Ok(self.clean(slot, BUDGET)))? {}
        Ok(())
    }

    /// Gives back blocks that a shorter size has cut off: whether there are none. After the last there are none in the
    /// next step only, which may take them.
    pub(super) fn clean(&self, slot: Slot, budget: u32) -> bool {
        let stale = self.get(slot, Field::Stale);
        if stale == 0 {
            return true;
        }
        if self.is_mapped(slot) {
            return self.clear_cut(slot, stale - 1);
        }
        if self.release(slot, Range { from: stale - 1, to: u64::MAX }, budget) {
            self.put(slot, Field::Stale, 0);
        }
        false
    }

    /// Where the next data is from an offset on, or the next hole.
    pub fn seek(&self, slot: Slot, offset: u64, whence: u32) -> Result<u64> {
        self.step(|| {
            let size = self.get(slot, Field::Size);
            if self.is_directory(slot) || whence != SEEK_DATA && whence != SEEK_HOLE {
                return Err(Errno::INVAL);
            }
            if offset >= size {
                return Err(Errno::NXIO);
            }
            let end = size.div_ceil(BLOCK_BYTES);
            let index = self.next(slot, offset / BLOCK_BYTES, end, whence == SEEK_DATA);
            match (index == end, whence) {
                (true, SEEK_DATA) => Err(Errno::NXIO),
                (true, _) => Ok(size),
                (false, _) => Ok(offset.max(index * BLOCK_BYTES)),
            }
        })
    }

    /// Makes room, or a hole: `fallocate(2)`, with what a tmpfs knows of it.
    pub fn allocate(
        &self,
        slot: Slot,
        mode: u32,
        offset: u64,
        length: u64,
        caller: &Caller,
    ) -> Result<()> {
        let is_odd_punch = mode == FALLOC_FL_PUNCH_HOLE;
        if mode & !(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) != 0 || is_odd_punch {
            return Err(Errno::OPNOTSUPP);
        }
        let end = offset.checked_add(length).filter(|&end| end <= MOST).ok_or(Errno::FBIG)?;
        if mode & FALLOC_FL_PUNCH_HOLE != 0 {
            return self.punch(slot, offset, end, caller);
        }
        let mut at = offset / BLOCK_BYTES;
        while at < end.div_ceil(BLOCK_BYTES) {
            at = self.step(|| self.make_room(slot, at, end.div_ceil(BLOCK_BYTES)))?;
        }
        if mode & FALLOC_FL_KEEP_SIZE != 0 {
            return Ok(());
        }
        let mut cleared = Cleared::default();
        let mut is_set = || {
            self.step(|| {
                let size = self.get(slot, Field::Size).max(end);
                Ok(self.cut(slot, size, &mut cleared, caller))
            })
        };
        while !is_set()? {}
        Ok(())
    }

    /// One step of making room: where the next begins.
    fn make_room(&self, slot: Slot, from: u64, end: u64) -> Result<u64> {
        self.check_writable(slot)?;
        if !self.clean(slot, BUDGET) {
            return Ok(from);
        }
        let (mut taken, mut at) = (0, from);
        while at < end && taken < STEP {
            let cost = self.cost(slot, at);
            let room = self.can_take(self.get(slot, Field::Root), taken + cost);
            if cost != 0 && room.is_ok() {
                self.make(slot, at);
                taken += cost;
            } else if cost != 0 {
                self.charge(slot, taken as i64);
                return room.map(|()| at);
            }
            at += 1;
        }
        self.charge(slot, taken as i64);
        Ok(at)
    }

    fn punch(&self, slot: Slot, offset: u64, end: u64, caller: &Caller) -> Result<()> {
        let blocks = Range { from: offset.div_ceil(BLOCK_BYTES), to: end / BLOCK_BYTES };
        let mut next = offset;
        loop {
            let is_done = self.step(|| {
                self.check_writable(slot)?;
                self.clear_part(slot, offset, end.min(blocks.from * BLOCK_BYTES));
                self.clear_part(slot, offset.max(blocks.to * BLOCK_BYTES), end);
                self.touch(slot, caller.now);
                if self.is_mapped(slot) {
                    next = self.clear_range(slot, next, end);
                    return Ok(next == end);
                }
                Ok(blocks.from >= blocks.to || self.release(slot, blocks, BUDGET))
            })?;
            if is_done {
                return Ok(());
            }
        }
    }

    /// Fills a part of one block with zeros.
    fn clear_part(&self, slot: Slot, from: u64, to: u64) {
        let block = if from < to { self.find(slot, from / BLOCK_BYTES) } else { 0 };
        if block != 0 {
            let within = (from % BLOCK_BYTES) as usize;
            let length = (to - from) as usize;
            super::area::clear(&self.area.bytes(block)[within..within + length]);
        }
    }

    /// Fails where nothing may be changed.
    pub(super) fn check_writable(&self, slot: Slot) -> Result<()> {
        let root = self.get(slot, Field::Root);
        let is_read_only = self.get(root, Field::Flags) & super::inode::FLAG_READ_ONLY != 0;
        if is_read_only { Err(Errno::ROFS) } else { Ok(()) }
    }
}
