//! The pieces of an image, mapped where they belong: its tables, its stubs with the link page, its islands,
//! and its text over the file's.

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use super::place::Mapping;
use super::region::LINK_PAGE;
use super::store::{Image, Source};
use crate::layer;
use crate::memory::guard;
use crate::patch::{Blob, BlobView, Island};
use crate::signal;
use crate::sys::{self, Errno};
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE,
};

/// `--test-private-pages`: images are copied into private pages, as where no file can be had.
pub static PRIVATE_PAGES: AtomicBool = AtomicBool::new(false);

/// An image whose tables are mapped.
pub(super) struct Opened {
    /// Where it comes from.
    pub image: Image,
    /// What it says.
    pub view: BlobView<'static>,
    /// Where it is mapped.
    pub tables: Tables,
}

/// A mapping that is given back with its owner.
pub(super) struct Tables {
    /// First address.
    pub start: usize,
    /// Bytes.
    pub length: usize,
}

impl Drop for Tables {
    fn drop(&mut self) {
        // SAFETY: mapped by `open`; the view that reads it has the same owner.
        unsafe { guard::unmap(self.start, self.length) };
    }
}

/// Maps the tables of an image.
pub(super) fn open(image: Image) -> sys::Result<Opened> {
    let (start, length) = match &image.source {
        Source::Session { fd, offset } => {
            (sys::map_private(*fd, *offset, image.length)?, image.length)
        }
        Source::Cached(file) => (sys::map_private(file.0, 0, image.length)?, image.length),
        Source::Memory(bytes) => {
            let start = sys::map_anonymous(bytes.len())?;
            // SAFETY: mapped just now and long enough.
            unsafe {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len());
            }
            (start, bytes.len())
        }
    };
    guard::own(start, length);
    let tables = Tables { start, length };
    // SAFETY: mapped for as long as `tables`, or as the region that takes it over.
    let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, length) };
    match Blob::parse(bytes) {
        Some(view) => Ok(Opened { image, view, tables }),
        None => Err(Errno::NOEXEC),
    }
}

/// Where a process has the stubs with their link page, and the islands: by address.
pub(super) fn code_ranges(view: &BlobView<'_>, bias: usize) -> Vec<Range<usize>> {
    let stubs = (view.stub_vaddr() as usize).wrapping_add(bias);
    let end = stubs.wrapping_add(view.stub_len() as usize + LINK_PAGE);
    let islands = view.islands().map(|island| at_bias(&island, bias));
    core::iter::once(stubs..end).chain(islands).collect()
}

/// Where a process has an island.
fn at_bias(island: &Island, bias: usize) -> Range<usize> {
    let start = (island.vaddr as usize).wrapping_add(bias);
    start..start.wrapping_add(island.len as usize)
}

/// Maps the stubs, the link page behind them and the islands.
pub(super) fn map_code(opened: &Opened, bias: usize, placing: u32) -> sys::Result<()> {
    map_stubs(opened, (opened.view.stub_vaddr() as usize).wrapping_add(bias), placing)?;
    for (index, island) in opened.view.islands().enumerate() {
        if let Err(error) = map_island(opened, &island, bias, placing) {
            for range in code_ranges(&opened.view, bias).into_iter().take(1 + index) {
                // SAFETY: mapped just now, and nothing jumps there yet.
                unsafe { guard::unmap(range.start, range.len()) };
            }
            return Err(error);
        }
    }
    Ok(())
}

fn map_island(opened: &Opened, island: &Island, bias: usize, placing: u32) -> sys::Result<()> {
    let range = at_bias(island, bias);
    take(range.start, range.len(), PROT_NONE, placing)?;
    let (source, image) = (&opened.image.source, opened.tables.start);
    let prot = PROT_READ | PROT_EXEC;
    copy_in(source, image, island.offset, range.start, range.len(), prot).inspect_err(|_| {
        // SAFETY: mapped just now, and nothing jumps there yet.
        unsafe { guard::unmap(range.start, range.len()) };
    })
}

/// Maps unused or reserved space, as `placing` says.
fn take(start: usize, length: usize, prot: u32, placing: u32) -> sys::Result<()> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | placing;
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing, and MAP_FIXED comes with reserved space.
    let at = unsafe { sys::mmap(start, length, prot, flags, -1, 0) }?;
    if at == start {
        guard::own(start, length);
        return Ok(());
    }
    // A kernel (or an emulator) that does not know the flag took it for a hint.
    // SAFETY: mapped just now.
    unsafe { sys::munmap(at, length) };
    Err(Errno::EXIST)
}

/// Maps the stubs at `start` and the link page behind them.
fn map_stubs(opened: &Opened, start: usize, placing: u32) -> sys::Result<()> {
    if opened.view.has_traps() {
        // Before the link page is filled, which says which calls are wanted.
        signal::watch_traps();
    }
    let length = opened.view.stub_len() as usize;
    let total = length + LINK_PAGE;
    take(start, total, PROT_READ | PROT_WRITE, placing)?;
    let offset = opened.view.stub_offset();
    let (source, image) = (&opened.image.source, opened.tables.start);
    if let Err(error) = copy_in(source, image, offset, start, length, PROT_READ | PROT_EXEC) {
        // SAFETY: nothing jumps there yet.
        unsafe { guard::unmap(start, total) };
        return Err(error);
    }
    layer::fill_link_page(start + length);
    Ok(())
}

/// Puts `length` bytes from `offset` of the image, whose bytes are also at `image`, at `at`, which
/// is mapped, with protection `prot`.
pub(super) fn copy_in(
    source: &Source,
    image: usize,
    offset: u64,
    at: usize,
    length: usize,
    prot: u32,
) -> sys::Result<()> {
    if let Some((fd, base)) = source.file()
        && !PRIVATE_PAGES.load(Ordering::Relaxed)
    {
        let (flags, from) = (MAP_PRIVATE | MAP_FIXED, base + offset);
        // SAFETY: the range belongs to the mapping that is being replaced, or to its stubs.
        let mapped = unsafe { sys::mmap(at, length, prot, flags, fd, from) };
        // A cache on a file system mounted noexec: the bytes are copied.
        if mapped != Err(Errno::PERM) {
            return mapped.map(drop);
        }
    }
    // Made beside and then moved into place whole: where the new protection is refused
    // (PR_SET_MDWE) the file's own text must still be there.
    let beside = sys::map_anonymous(length)?;
    let bytes = image + offset as usize;
    // SAFETY: both ranges are mapped and as long; nothing runs there yet; what is replaced belongs
    // to the mapping that is being patched.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes as *const u8, beside as *mut u8, length);
        let moved =
            sys::mprotect(beside, length, prot).and_then(|()| sys::move_to(beside, length, at));
        if moved.is_err() {
            sys::munmap(beside, length);
        }
        moved
    }
}

/// Replaces the part of each run that lies in the mapping.
pub(super) fn overlay(opened: &Opened, mapping: Mapping) -> sys::Result<()> {
    let (source, image) = (&opened.image.source, opened.tables.start);
    let [device, inode, ..] = opened.view.key();
    let end = mapping.offset + mapping.length as u64;
    for run in opened.view.runs() {
        let from = run.file_offset.max(mapping.offset);
        let to = (run.file_offset + run.len).min(end);
        if from < to {
            let at = mapping.start + (from - mapping.offset) as usize;
            let offset = run.offset + (from - run.file_offset);
            let length = (to - from) as usize;
            copy_in(source, image, offset, at, length, mapping.prot)?;
            guard::stands_for(at..at + length, device, inode, from);
        }
    }
    Ok(())
}
