//! Virtual files that are the memory of programs (`MAP_SHARED`).
//!
//! The files of a module that says so lie in its layer's area, and that is a part of the session's file: the program gets the
//! very pages, from the kernel. So what it stores is in the file at once, for all who read it or have it mapped, and
//! what others write is in its memory.
//!
//! | file | knows |
//! |---|---|
//! | `backing` | what keeps a file from being closed that is mapped |
//! | `changing` | who takes away or replaces what is mapped, and who turns it |
//! | `list` | which mapping of the process is of which file |
//! | `shown` | what the kernel says is mapped |
//! | `fit` | what becomes of a mapping when its file gets another size |
//! | `remap` | `mremap(2)` |
//! | `rights` | `mprotect(2)`, `madvise(2)` |

pub mod backing;
mod changing;
mod fit;
mod list;
mod remap;
mod rights;
mod shown;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::abi::offered::vload_area_size;
use vload_module::abi::service::core_side::vload_area_offset;
use vload_module::abi::service::{FILE_IN_AREA, Piece};
use vload_module::{Errno, Result};

use core::ffi::c_long;
use core::ops::Range;
use core::sync::atomic::Ordering;

use crate::descriptor::{self, Held};
use crate::{kernel, vload};
use list::Entry;
use shown::Shown;

pub use backing::is_mapped;
pub use changing::forked;
pub use fit::{fit, fit_all};
pub use remap::{remap, turn};
pub use rights::{advise, advise_many, protect};

const PAGE: usize = 4096;

/// Whether memory can be a part of the file.
pub fn can_be(held: &Held) -> bool {
    held.record().is.load(Ordering::Relaxed) & FILE_IN_AREA != 0 && !vload::is_borrowed()
}

/// What is mapped of a file: the length is of whole pages.
#[derive(Clone, Copy)]
struct Part {
    offset: u64,
    length: usize,
}

/// `mmap(2)` of a file for which [`can_be`] holds, to share it: `offset` is in bytes.
pub fn map(held: &Held, call: &mut Call, offset: i64) -> Result<usize> {
    let length = call.arguments[1].checked_next_multiple_of(PAGE).ok_or(Errno::NOMEM)?;
    // As long as no file is (`file_mmap_ok`, mm/mmap.c).
    if (offset as u64).checked_add(length as u64).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::OVERFLOW);
    }
    let part = Part { offset: offset as u64, length };
    let start = changing::during(|| {
        let entry = place(held, call, part)?;
        list::enter(entry).inspect_err(|_| take_back(&entry))?;
        Ok(entry.start)
    })?;
    // The file may have got another size while this was not in the list.
    fit(held);
    Ok(start)
}

/// `munmap(2)`: who hears that it was the last of a file closes that.
pub fn unmap(call: &mut Call) -> Option<c_long> {
    let [start, length, ..] = call.arguments;
    list::is_any().then(|| replace(call, start, length))
}

/// `mmap(2)` of anything else in a place of the program's choice.
pub fn map_other(call: &mut Call, [start, length, _, flags, ..]: [usize; 6]) -> Option<c_long> {
    let replaces = flags as u32 & (nr::MAP_FIXED | nr::MAP_FIXED_NOREPLACE) == nr::MAP_FIXED;
    (replaces && list::is_any()).then(|| replace(call, start, length))
}

fn unmap_range(call: &mut Call, start: usize, length: usize) -> c_long {
    call.number = nr::__NR_munmap as usize;
    call.arguments[..2].copy_from_slice(&[start, length]);
    replace(call, start, length)
}

/// Unmaps what is mapped of a file. No signal ends this, as it may end a call that is passed on: it is for calls that have had
/// an effect, and must not be made again.
fn unmap_mapped(start: usize, length: usize) -> Result<()> {
    // SAFETY: as said.
    unsafe { kernel::unmap(start, length) }?;
    if list::leave(start, start + length, u64::MAX) {
        descriptor::reclaim();
    }
    Ok(())
}

/// Makes a call that takes away what is mapped in a range.
fn replace(call: &mut Call, start: usize, length: usize) -> c_long {
    // What is entered from here on may come to where this has been.
    let before = list::now();
    let result = changing::during(|| vload::next(call));
    let end = start.saturating_add(length).checked_next_multiple_of(PAGE).unwrap_or(usize::MAX);
    if Errno::check(result).is_ok() && list::leave(start, end, before) {
        descriptor::reclaim();
    }
    result
}

/// Unmaps what was mapped just now, for a call that has not ended.
fn take_back(entry: &Entry) {
    // SAFETY: as said: the program does not know of it.
    let _ = unsafe { kernel::unmap(entry.start, entry.length) };
    backing::weigh(entry.anchor);
}

/// Maps a part of a file where the call says, which is an `mmap` but for the file. What can fail but for the kernel's own is
/// tried before anything is replaced.
fn place(held: &Held, call: &mut Call, part: Part) -> Result<Entry> {
    list::expect();
    let session = kernel::session().map_err(|_| Errno::NODEV)?;
    list::has_room()?;
    if !shown::is_known() {
        learn(session).map_err(want)?;
    }
    pieces(held, part, |_, _, _| Ok(()))?;
    let [address, _, _, flags, ..] = call.arguments;
    let is_chosen = flags as u32 & (nr::MAP_FIXED | nr::MAP_FIXED_NOREPLACE) != 0;
    let chosen = address..address.checked_add(part.length).ok_or(Errno::NOMEM)?;
    let range = if is_chosen { (chosen.start, chosen.end) } else { (0, 0) };
    let anchor = backing::anchor(held.number, range).map_err(want)?;
    let (start, how) = match reserve(call) {
        Ok(reserved) => reserved,
        Err(error) => {
            backing::weigh(anchor);
            return Err(error);
        }
    };
    let mut entry = Entry {
        start,
        length: part.length,
        offset: part.offset,
        there: 0,
        number: held.number,
        generation: held.generation(),
        to_write: held.writable().is_ok(),
        anchor,
        since: 0,
    };
    let over = |at: usize, length, offset| {
        // SAFETY: reserved just now for a call that has not ended.
        unsafe { kernel::map_over(start + at, length, how, (session, offset)) }
    };
    let filled = pieces(held, part, over).and_then(|there| {
        if there != part.length {
            over(there, part.length - there, nothing_at(part.offset + there as u64))?;
        }
        Ok(there)
    });
    entry.there = filled.inspect_err(|_| take_back(&entry))?;
    Ok(entry)
}

/// Looks at a mapping of the session's file, made for that.
fn learn(session: i32) -> Result<()> {
    let (number, unit) = kernel::MMAP;
    let at = (backing::NOTHING / unit) as usize;
    let arguments = [0, PAGE, 0, nr::MAP_SHARED as usize, session as usize, at];
    // SAFETY: the kernel chooses unused addresses.
    let start = unsafe { kernel::call(number, arguments) }?;
    let learnt = shown::learn(start);
    // SAFETY: mapped just now, and nobody's.
    unsafe { kernel::unmap(start, PAGE) }?;
    learnt
}

/// What `mmap(2)` says of something that it needs, and does not need natively: memory, where a descriptor is wanting.
fn want(error: Errno) -> Errno {
    match error {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Errno::NOMEM,
        _ => Errno::NODEV,
    }
}

/// Has the kernel find, and judge, a place for an `mmap`: where it is, and the rights and flags that the file's pages get there.
/// It is of no file, because a program has none of vload's descriptors.
fn reserve(call: &mut Call) -> Result<(usize, (usize, usize))> {
    let [.., protection, flags, _, _] = call.arguments;
    let asked = flags as u32;
    if asked & nr::MAP_HUGETLB != 0 {
        return Err(Errno::INVAL);
    }
    if asked & nr::MAP_TYPE == nr::MAP_SHARED_VALIDATE && asked & nr::MAP_SYNC != 0 {
        return Err(Errno::OPNOTSUPP);
    }
    let of_pages = nr::MAP_LOCKED | nr::MAP_POPULATE;
    let placed = asked & !(nr::MAP_TYPE | of_pages);
    let placed = placed | nr::MAP_SHARED | nr::MAP_ANONYMOUS | nr::MAP_NORESERVE;
    call.number = kernel::MMAP.0 as usize;
    call.arguments[3..].copy_from_slice(&[placed as usize, usize::MAX, 0]);
    let start = Errno::check(vload::next(call))? as usize;
    let kept = asked & (of_pages | nr::MAP_NORESERVE) | nr::MAP_SHARED;
    Ok((start, (protection, kept as usize)))
}

/// Where in the session's file there is nothing, for what lies behind the end of a virtual one.
fn nothing_at(offset: u64) -> u64 {
    backing::NOTHING + offset % (backing::NOTHING / 2)
}

/// Where in the session's file the area of a file's layer is.
fn area(held: &Held) -> Range<u64> {
    let layer = held.service().layer;
    // SAFETY: a service layer.
    let (start, length) = unsafe { (vload_area_offset(layer), vload_area_size(layer)) };
    start..start + length
}

/// Calls `act` for what is mapped of a file, or was to be, in a range of addresses: vload's own mappings are of other parts of
/// the session's file.
fn each_mapped(
    held: &Held,
    (start, end): (usize, usize),
    mut act: impl FnMut(&Shown),
) -> Result<()> {
    let area = area(held);
    shown::each(|shown| {
        if let Some(part) = part_of(&area, shown, (start, end)) {
            act(&part);
        }
    })
}

/// What of a mapping of the session's file is in a range of addresses, if it is of a part of the area.
fn part_of(area: &Range<u64>, shown: &Shown, (start, end): (usize, usize)) -> Option<Shown> {
    let is_its = shown.offset >= backing::NOTHING || area.contains(&shown.offset);
    let (start, end) = (shown.start.max(start), shown.end.min(end));
    (is_its && start < end).then(|| {
        let mut part = *shown;
        (part.start, part.end) = (start, end);
        part
    })
}

/// Calls `act` for each piece of a part: where in the part it begins, how long it is, and where in the session's file it lies.
/// How much of the part there is.
fn pieces(
    held: &Held,
    part: Part,
    mut act: impl FnMut(usize, usize, u64) -> Result<()>,
) -> Result<usize> {
    let area = area(held);
    let mut done = 0;
    while done < part.length {
        let left = (part.length - done) as u64;
        let offset = part.offset + done as u64;
        let mut piece = Piece::default();
        let to = &raw mut piece;
        let asked = held.ask(Errno::NODEV, |operations, file| {
            // SAFETY: the file is the one that is asked about, and there is room for a piece.
            Some(unsafe { (operations.map?)(file, offset as i64, left, to) }.into())
        });
        match asked {
            // There is no room for what a hole would be.
            Err(Errno::NOSPC) => return Err(Errno::NOMEM),
            other => other?,
        };
        let Piece { start, length } = piece;
        let is_in_area = start.checked_add(length).is_some_and(|end| end <= area.end - area.start);
        let is_whole = (start | length).is_multiple_of(PAGE as u64);
        if length > left || !is_in_area || !is_whole {
            return Err(Errno::IO);
        }
        if length == 0 {
            break;
        }
        act(done, length as usize, area.start + start)?;
        done += length as usize;
    }
    Ok(done)
}
