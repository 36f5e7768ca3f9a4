//! `mremap(2)`, `remap_file_pages(2)`: the kernel would go on in the session's file with what is another file's.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::list::{self, Entry};
use super::shown::{self, Shown};
use super::{PAGE, Part, each_mapped, place, replace, take_back, unmap_range};
use crate::descriptor::Held;
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
    let mapped = match asked.look() {
        Ok(Some(mapped)) => mapped,
        Ok(None) if flags & FIXED != 0 => return Some(replace(call, to, new_length)),
        Ok(None) => return None,
        Err(error) => return Some(-c_long::from(error.0)),
    };
    Some(crate::call::fd::raw(asked.answer(call, &mapped)))
}

/// `remap_file_pages(2)`: pages of the program's choice would be any file's.
pub fn turn(call: &mut Call) -> Option<c_long> {
    let [start, length, ..] = call.arguments;
    if !list::is_any() {
        return None;
    }
    let range = Asked { old: start, old_length: length.max(1), new_length: 0, flags: 0, to: 0 };
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

    /// What of the session's file is mapped in the range; none where none of it is. `EFAULT` where it is not all one
    /// mapping, as the kernel has it.
    fn look(&self) -> Result<Option<Mapped>> {
        let end = self.old.saturating_add(self.old_length.max(1));
        if vload::is_borrowed() {
            // The list is another process's.
            return self.look_alone(end);
        }
        let Some(entry) = list::find(self.old) else { return Ok(None) };
        let Some(held) = Held::mapped(entry.number, entry.generation) else { return Ok(None) };
        let (mut first, mut covered) = (None::<Shown>, self.old);
        each_mapped(&held, (self.old, end), |shown| {
            first.get_or_insert(*shown);
            if shown.start <= covered {
                covered = shown.end;
            }
        })
        .map_err(|_| Errno::NOMEM)?;
        match first.filter(|first| first.start == self.old) {
            None => Ok(None),
            Some(_) if covered < end || !entry.covers(self.old, end) => Err(Errno::FAULT),
            Some(Shown { protection, .. }) => Ok(Some(Mapped { protection, entry, held })),
        }
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
        let flags = if self.flags & FIXED != 0 { nr::MAP_FIXED } else { 0 };
        let address = if self.flags & FIXED != 0 { self.to } else { 0 };
        let start = self.map(call, mapped, (address, flags), (0, self.new_length))?;
        if self.flags & DONTUNMAP == 0 && self.old_length != 0 {
            unmap(call, self.old, self.old_length)?;
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
            let _ = unmap(call, start, more);
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
