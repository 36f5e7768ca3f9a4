//! Putting a patched image over a mapping of its file.

use alloc::vec::Vec;
use core::fmt::Display;
use core::ops::Range;
use core::sync::atomic::AtomicBool;

use super::emulator;
use super::executable;
use super::image::{How, Missing, image_of, shapes};
use super::pieces::{Opened, code_ranges, map_code, open, overlay};
use super::region::{self, Region};
use super::store::Image;
use super::traps;
use crate::image::{Elf, Fd};
use crate::log::{self, Level};
use crate::patch::{BlobView, Refused};
use crate::sys::{self, Errno, Stat};
use crate::thread::Block;
use crate::watch;

/// The unit of mappings on every machine that vload patches on.
pub const PAGE: usize = 4096;

use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, PROT_EXEC,
    PROT_NONE, PROT_WRITE,
};

/// A part of a file as it is mapped executable.
#[derive(Clone, Copy)]
pub struct Mapping {
    /// First address.
    pub start: usize,
    /// Bytes, a multiple of the page size.
    pub length: usize,
    /// Offset in the file.
    pub offset: u64,
    /// `PROT_*` of the mapping.
    pub prot: u32,
}

/// A file's image with its stubs where they belong, opened before the file is mapped.
pub struct Prepared {
    opened: Opened,
    /// The page of the file's lowest address.
    first: u64,
}

impl Prepared {
    /// The file's; `None` when there is nothing to patch.
    pub fn of(fd: i32, stat: &Stat) -> Option<Self> {
        let opened = open_allowed(&|how| image_of(fd, stat, how), None).ok()?.ok()?;
        Some(Self { opened, first: first_page(fd)? })
    }

    /// How much address space the file takes with its stubs, link page and islands, from its first
    /// segment on.
    pub fn span(&self) -> Option<usize> {
        usize::try_from(self.opened.view.end().checked_sub(self.first)?).ok()
    }
}

/// Whether the file calls any of these bytes of its own text.
pub fn has_text(fd: i32, offset: u64, length: usize) -> bool {
    let file = Fd(fd);
    let Ok(elf) = Elf::read(&file) else { return false };
    elf.segments(&file).any(|segment| {
        segment.is_ok_and(|segment| {
            let start = segment.header.offset & !(PAGE as u64 - 1);
            let end = segment.header.offset.saturating_add(segment.header.filesz);
            segment.prot() & PROT_EXEC != 0 && start < offset + length as u64 && end > offset
        })
    })
}

/// The page of the file's lowest address.
fn first_page(fd: i32) -> Option<u64> {
    let elf = Elf::read(&Fd(fd)).ok()?;
    Some(elf.span.start & !(PAGE as u64 - 1))
}

/// Puts the stubs and islands of a file whose first segment is at `start` into the reserved rest
/// from `used` to `end`, and gives back what is not needed of it.
pub fn fill_reserved(file: Prepared, start: usize, used: usize, end: usize) {
    let Prepared { opened, first } = file;
    let bias = start.wrapping_sub(first as usize);
    let fill = || {
        let stubs = (opened.view.stub_vaddr() as usize).wrapping_add(bias);
        if stubs < used || (opened.view.end() as usize).wrapping_add(bias) > end {
            return Err(Errno::EXIST);
        }
        map_code(&opened, bias, MAP_FIXED)?;
        let taken = code_ranges(&opened.view, bias);
        enter(opened, bias)?;
        Ok(taken)
    };
    let filled = fill();
    let mut free = used;
    let taken = filled.unwrap_or_default();
    for next in taken.into_iter().chain(core::iter::once(end..end)) {
        if free < next.start {
            // SAFETY: reserved by the caller, and not used.
            unsafe { sys::munmap(free, next.start - free) };
        }
        free = next.end;
    }
}

/// Replaces what must be replaced in a mapping of `fd` that nobody runs yet, and puts the stubs
/// where they belong. When that cannot be done the mapping stays as the file has it, the log says so,
/// and the process is watched, as it is for what could not be proven. `block` is the calling thread's,
/// once it has one.
pub fn cover(fd: i32, stat: &Stat, mapping: Mapping, block: Option<&Block>) {
    executable::note(mapping.start, mapping.start + mapping.length);
    let name = format_args!("file {:#x}:{}", stat.dev, stat.ino);
    if cover_with(&name, mapping, None, &|how| image_of(fd, stat, how)).is_err() {
        let place = mapping.start..mapping.start + mapping.length;
        watch::demand(block, Some(place), format_args!("{name} at {:#x}", mapping.start));
    }
}

/// The same for all texts of a file at once, whose stubs belong into address space that is reserved.
/// Gives the ranges that they have taken of it.
pub fn cover_reserved(
    fd: i32,
    stat: &Stat,
    file: Option<Prepared>,
    mappings: &[Mapping],
    reserved: Range<usize>,
) -> Option<Vec<Range<usize>>> {
    let first = mappings.first()?;
    mappings.iter().for_each(|mapping| {
        executable::note(mapping.start, mapping.start + mapping.length);
    });
    let placed = file.and_then(|Prepared { opened, .. }| {
        let bias = mappings.iter().find_map(|mapping| bias(&opened.view, *mapping))?;
        Some((opened, bias))
    });
    let Some((opened, bias)) = placed else {
        mappings.iter().for_each(|mapping| cover(fd, stat, *mapping, None));
        return None;
    };
    let taken = code_ranges(&opened.view, bias);
    let fits = |range: &Range<usize>| {
        range.start >= reserved.start && range.end <= reserved.end && range.start < range.end
    };
    if !taken.iter().all(fits) {
        mappings.iter().for_each(|mapping| cover(fd, stat, *mapping, None));
        return None;
    }
    let proven = mappings.iter().all(|mapping| is_proven(&opened.view, bias, *mapping));
    let covered = map_code(&opened, bias, MAP_FIXED)
        .and_then(|()| mappings.iter().try_for_each(|mapping| overlay(&opened, *mapping)))
        .and_then(|()| enter(opened, bias));
    if let Err(error) = covered {
        let (dev, ino, at) = (stat.dev, stat.ino, first.start);
        let text = error.text();
        crate::log!(Warn, "not patched: file {dev:#x}:{ino} at {at:#x}: {text}");
    }
    if !proven || covered.is_err() {
        let (dev, ino, at) = (stat.dev, stat.ino, first.start);
        let place = (mappings.len() == 1).then_some(at..at + first.length);
        watch::demand(None, place, format_args!("file {dev:#x}:{ino} at {at:#x}"));
    }
    Some(taken)
}

/// Something of a text cannot be proven, or could not be replaced.
pub struct Uncovered;

/// What makes an image of a text.
pub type Make<'a> = dyn Fn(&How) -> Result<Image, Missing> + 'a;

/// Makes an image and opens it. Where no site may begin to trap, what only a trap fits is left as it is.
fn open_allowed(image: &Make<'_>, stub_vaddr: Option<u64>) -> Result<sys::Result<Opened>, Missing> {
    let allowed = shapes();
    let opened = open(image(&How { stub_vaddr, allowed })?);
    match opened {
        Ok(opened) if opened.view.has_traps() && !traps::may_begin() => {
            image(&How { stub_vaddr, allowed: allowed.without_traps() }).map(open)
        }
        opened => Ok(opened),
    }
}

/// The same for any image: `image` makes it. `known`: what is
/// added to its addresses, if that is known before, and they belong right behind the mapping.
pub fn cover_with(
    name: &dyn Display,
    mapping: Mapping,
    known: Option<usize>,
    image: &Make<'_>,
) -> Result<(), Uncovered> {
    let covered = match known {
        Some(bias) if !is_unused(mapping.start + mapping.length, PAGE) => {
            elsewhere(mapping, bias, image)
        }
        _ => where_they_belong(mapping, image),
    };
    match covered {
        Ok(true) => Ok(()),
        Ok(false) => Err(Uncovered),
        Err(error) => {
            crate::log!(Warn, "not patched: {name}: its text cannot be replaced: {}", error.text());
            Err(Uncovered)
        }
    }
}

/// Whether nothing in the mapping is left that could not be proven to be no site.
fn is_proven(view: &BlobView<'_>, bias: usize, mapping: Mapping) -> bool {
    let is_writable = mapping.prot & PROT_WRITE != 0;
    !is_writable
        && !view.refused().any(|refused| {
            let at = (refused.vaddr as usize).wrapping_add(bias).wrapping_sub(mapping.start);
            refused.reason.is_watched() && at < mapping.length
        })
}

/// An address for stubs within reach of the mapping.
fn near(mapping: Mapping) -> sys::Result<usize> {
    const ROOM: usize = 1 << 18;
    /// Every processor's long jump reaches as far as this many times the room, and through a text.
    const PLACES: usize = 200;
    let end = mapping.start + mapping.length.next_multiple_of(ROOM);
    // In an order that depends on the mapping alone, so that processes come to share their images.
    let places = (0..PLACES).flat_map(|index| {
        let below = mapping.start.checked_sub((index + 1) * ROOM);
        [end.checked_add(index * ROOM), below]
    });
    places.flatten().find(|&start| is_unused(start, ROOM)).ok_or(Errno::NOMEM)
}

/// Whether the range is unused.
fn is_unused(start: usize, length: usize) -> bool {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing.
    let Ok(at) = (unsafe { sys::mmap(start, length, PROT_NONE, flags, -1, 0) }) else {
        return false;
    };
    // SAFETY: mapped just now, to learn whether that can be done. An emulator that does not know
    // the flag takes the address for a hint.
    unsafe { sys::munmap(at, length) };
    at == start
}

/// Makes the image with its stubs where they belong, or elsewhere when something is there. Gives whether all of
/// the mapping is proven.
fn where_they_belong(mapping: Mapping, image: &Make<'_>) -> sys::Result<bool> {
    let opened = match open_allowed(image, None) {
        Ok(opened) => opened?,
        Err(missing) => {
            return Ok(missing == Missing::Nothing && mapping.prot & PROT_WRITE == 0);
        }
    };
    let Some(bias) = bias(&opened.view, mapping) else {
        // No page of it changes.
        return Ok(!opened.view.refused().any(|refused| refused.reason.is_watched()));
    };
    match put(opened, bias, mapping) {
        Err(Errno::EXIST | Errno::NOMEM) => elsewhere(mapping, bias, image),
        other => other,
    }
}

/// The same with the stubs elsewhere, within reach.
fn elsewhere(mapping: Mapping, bias: usize, image: &Make<'_>) -> sys::Result<bool> {
    let stubs = (near(mapping)? as u64).wrapping_sub(bias as u64);
    let opened = match open_allowed(image, Some(stubs)) {
        Ok(opened) => opened?,
        // As `where_they_belong` has it.
        Err(Missing::Nothing) => return Ok(mapping.prot & PROT_WRITE == 0),
        Err(Missing::Unproven) => return Err(Errno::NOMEM),
    };
    put(opened, bias, mapping)
}

/// Puts the image in place. Gives whether all of the mapping is proven.
fn put(opened: Opened, bias: usize, mapping: Mapping) -> sys::Result<bool> {
    let proven = is_proven(&opened.view, bias, mapping);
    let start = (opened.view.stub_vaddr() as usize).wrapping_add(bias);
    if region::at(start).is_some() {
        // The stubs are there already; the region has its own view of the same image.
        return overlay(&opened, mapping).map(|()| proven);
    }
    if emulator::may_read() {
        return Ok(false);
    }
    map_code(&opened, bias, MAP_FIXED_NOREPLACE)
        .and_then(|()| overlay(&opened, mapping))
        .and_then(|()| enter(opened, bias))
        .map(|()| proven)
}

/// Says in the log that a candidate stays as it is, when a call could be made there, and whether that is
/// watched. `key` names the file.
pub(super) fn report(key: &[u64; 6], refused: &Refused) {
    if !refused.reason.is_hole() || !log::enabled(Level::Warn) {
        return;
    }
    let [dev, ino, ..] = key;
    let (site, reason) = (refused.vaddr, refused.reason);
    if reason.is_watched() && watch::offered().is_ok() {
        crate::log!(Info, "to be watched: file {dev:#x}:{ino} site {site:#x}: {reason:?}");
    } else {
        crate::log!(Warn, "not covered: file {dev:#x}:{ino} site {site:#x}: {reason:?}");
    }
}

/// Enters a text whose stubs are mapped in the table.
fn enter(opened: Opened, bias: usize) -> sys::Result<()> {
    let key = opened.view.key();
    opened.view.refused().for_each(|refused| report(&key, &refused));
    let region = Region {
        bias,
        stubs: (opened.view.stub_vaddr() as usize).wrapping_add(bias),
        stub_len: opened.view.stub_len() as usize,
        text: extent(&opened.view, bias),
        mapped: (opened.tables.start, opened.tables.length),
        view: opened.view,
        diverted: AtomicBool::new(false),
        native: AtomicBool::new(false),
    };
    if !region::add(region) {
        return Err(Errno::NFILE);
    }
    // The region has it now.
    core::mem::forget(opened.tables);
    Ok(())
}

/// What is added to the file's addresses in a mapping that holds some of the image's text.
fn bias(view: &BlobView<'_>, mapping: Mapping) -> Option<usize> {
    let end = mapping.offset + mapping.length as u64;
    let run = view
        .runs()
        .find(|run| run.file_offset < end && run.file_offset + run.len > mapping.offset)?;
    let vaddr = run.vaddr.wrapping_sub(run.file_offset).wrapping_add(mapping.offset);
    Some(mapping.start.wrapping_sub(vaddr as usize))
}

/// The addresses from the first to the last patched page.
fn extent(view: &BlobView<'_>, bias: usize) -> (usize, usize) {
    let start = view.runs().map(|run| run.vaddr).min().unwrap_or(0);
    let end = view.runs().map(|run| run.vaddr + run.len).max().unwrap_or(0);
    ((start as usize).wrapping_add(bias), (end as usize).wrapping_add(bias))
}
