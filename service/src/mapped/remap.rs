//! `mremap(2)`, `remap_file_pages(2)`: the kernel would go on in the session's file with what is another file's.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::list::{self, Entry};
use super::shown::{self, Shown};
use super::{PAGE, Part, changing, each_mapped, place, take_back, unmap_mapped, unmap_range};
use crate::descriptor::{self, Held};
use crate::vload;

const MAYMOVE: usize = nr::MREMAP_MAYMOVE as usize;
const FIXED: usize = nr::MREMAP_FIXED as usize;
const DONTUNMAP: usize = nr::MREMAP_DONTUNMAP as usize;

/// `mremap(2)`, if it is of a file of the session's.
pub fn remap(call: &mut Call) -> Option<c_long> {
    let [old, old_length, new_length, flags, to, _] = call.arguments;
    if !list::is_any() {
        return None;
    }
    let asked = Asked {
        old,
        old_length: old_length.checked_next_multiple_of(PAGE)?,
        new_length: new_length.checked_next_multiple_of(PAGE)?,
        flags,
        to,
    };
    if asked.is_refused() {
        return None;
    }
    let answer = || match asked.look()? {
        Some(mapped) => asked.answer(call, &mapped),
        None => asked.pass(call),
    };
    Some(crate::call::fd::raw(changing::during(answer)))
}

/// `remap_file_pages(2)`: pages of the program's choice would be any file's.
pub fn turn(call: &mut Call) -> Option<c_long> {
    let [start, length, ..] = call.arguments;
    if !list::is_any() {
        return None;
    }
    let range = Asked { old: start, old_length: length, new_length: length, flags: 0, to: 0 };
    match range.look() {
        Ok(None) => None,
        _ => Some(-c_long::from(Errno::INVAL.0)),
    }
}

/// What is asked for, in whole pages.
struct Asked {
    old: usize,
    old_length: usize,
    new_length: usize,
    flags: usize,
    to: usize,
}

/// What is mapped there.
struct Mapped {
    protection: usize,
    entry: Entry,
    held: Held,
}

impl Asked {
    /// Whether the kernel refuses it whatever is mapped (`check_mremap_params`, mm/mremap.c), or has nothing to do but to
    /// unmap.
    fn is_refused(&self) -> bool {
        let is_fixed = self.flags & FIXED != 0;
        let stays = self.flags & DONTUNMAP != 0;
        let is_odd = !self.old.is_multiple_of(PAGE)
            || self.new_length == 0
            || self.flags & !(MAYMOVE | FIXED | DONTUNMAP) != 0
            || self.old.checked_add(self.old_length).is_none();
        let needs_more = (is_fixed || stays || self.old_length == 0) && self.flags & MAYMOVE == 0;
        let end = self.to.checked_add(self.new_length);
        let meets = self.to < self.old + self.old_length && end.is_none_or(|end| self.old < end);
        is_odd
            || needs_more
            || (stays && self.old_length != self.new_length)
            || (is_fixed && (!self.to.is_multiple_of(PAGE) || end.is_none() || meets))
    }

    /// What of the session's file is mapped in the range that stays, or moves; none where none of it is. `EFAULT` where it is
    /// not all one mapping, as the kernel had it before Linux 6.17.
    fn look(&self) -> Result<Option<Mapped>> {
        let end = self.old.saturating_add(self.old_length.min(self.new_length).max(1));
        if vload::is_borrowed() {
            // The list is another process's.
            return self.look_alone(self.old.saturating_add(self.old_length.max(1)));
        }
        let is_meant = move |entry: &Entry| entry.start < end && self.old < entry.end();
        let mut mapped = None;
        for entry in list::those(is_meant) {
            let Some(held) = Held::mapped(entry.number, entry.generation) else { continue };
            let range = (entry.start.max(self.old), entry.end().min(end));
            let (mut first, mut covered) = (None::<Shown>, range.0);
            each_mapped(&held, range, |shown| {
                first.get_or_insert(*shown);
                if shown.start <= covered {
                    covered = shown.end;
                }
            })
            .map_err(|_| Errno::NOMEM)?;
            match first {
                None => {}
                Some(first) if first.start == self.old && covered >= end => {
                    mapped = Some(Mapped { protection: first.protection, entry, held });
                }
                // Another one, or other memory, comes before or behind it.
                Some(_) => return Err(Errno::FAULT),
            }
        }
        Ok(mapped)
    }

    /// Lets the kernel do what is of none, but for what may be cut off.
    fn pass(&self, call: &mut Call) -> Result<usize> {
        let before = list::now();
        let start = Errno::check(vload::next(call))? as usize;
        let stays = self.flags & DONTUNMAP != 0 || self.old_length == 0;
        let left = |start: usize, length| list::leave(start, start + length, before);
        let is_cut = self.old_length > self.new_length
            && left(self.old + self.new_length, self.old_length - self.new_length);
        let is_moved = start != self.old
            && ((!stays && left(self.old, self.old_length)) | left(start, self.new_length));
        if is_cut || is_moved {
            descriptor::reclaim();
        }
        Ok(start)
    }

    #[inline(never)]
    fn look_alone(&self, end: usize) -> Result<Option<Mapped>> {
        let mut is_any = false;
        shown::each(|shown| is_any |= shown.start < end && self.old < shown.end)?;
        if is_any { Err(Errno::FAULT) } else { Ok(None) }
    }

    fn answer(&self, call: &mut Call, mapped: &Mapped) -> Result<usize> {
        let moves = self.flags & (FIXED | DONTUNMAP) != 0 || self.old_length == 0;
        if !moves && self.new_length <= self.old_length {
            let cut = self.old_length - self.new_length;
            return match cut {
                0 => Ok(self.old),
                _ => unmap(call, self.old + self.new_length, cut).map(|()| self.old),
            };
        }
        if !moves {
            match self.lengthen(call, mapped) {
                Err(_) if self.flags & MAYMOVE != 0 => {}
                other => return other,
            }
        }
        if self.old_length > self.new_length {
            // What else is there goes too. When a signal ends this, or what comes next, it is done again.
            let cut = self.old_length - self.new_length;
            unmap(call, self.old + self.new_length, cut)?;
        }
        let flags = if self.flags & FIXED != 0 { nr::MAP_FIXED } else { 0 };
        let address = if self.flags & FIXED != 0 { self.to } else { 0 };
        let start = self.map(call, mapped, (address, flags), (0, self.new_length))?;
        if self.flags & DONTUNMAP == 0 && self.old_length != 0 {
            // A signal must not end this: the call would be made again. No room for the halves of what is cut in two: nothing has been moved.
            unmap_mapped(self.old, self.old_length.min(self.new_length)).inspect_err(|_| {
                let _ = unmap_mapped(start, self.new_length);
            })?;
        }
        Ok(start)
    }

    /// Maps what comes behind, if nothing is there.
    fn lengthen(&self, call: &mut Call, mapped: &Mapped) -> Result<usize> {
        let more = self.new_length - self.old_length;
        let end = self.old + self.old_length;
        let placed =
            self.map(call, mapped, (end, nr::MAP_FIXED_NOREPLACE), (self.old_length, more));
        let start = match placed {
            Err(Errno::EXIST) => return Err(Errno::NOMEM),
            other => other?,
        };
        if start != end {
            // A kernel that does not know the flag (before Linux 4.17).
            let _ = unmap_mapped(start, more);
            return Err(Errno::NOMEM);
        }
        Ok(self.old)
    }

    /// Maps a part of the file, counted from the old address on, in the same way; what is mapped then counts from the old address
    /// on as one mapping where it follows that.
    fn map(
        &self,
        call: &mut Call,
        mapped: &Mapped,
        (address, flags): (usize, u32),
        (from, length): (usize, usize),
    ) -> Result<usize> {
        let entry = &mapped.entry;
        let offset = entry.offset + (self.old - entry.start + from) as u64;
        let flags = (flags | nr::MAP_SHARED) as usize;
        call.arguments = [address, length, mapped.protection, flags, 0, 0];
        let mut new = place(&mapped.held, call, Part { offset, length })?;
        let (start, placed) = (new.start, new);
        if from != 0 && start == self.old + from {
            let before = entry.there.saturating_sub(self.old - entry.start).min(from);
            new.start = self.old;
            new.length += from;
            new.offset -= from as u64;
            new.there = if before == from { from + placed.there } else { before };
        }
        list::enter(new).inspect_err(|_| take_back(&placed))?;
        Ok(start)
    }
}

fn unmap(call: &mut Call, start: usize, length: usize) -> Result<()> {
    Errno::check(unmap_range(call, start, length)).map(drop)
}
