//! Mapping an ELF image as `load_elf_binary` and `load_elf_interp` do (fs/binfmt_elf.c).

use alloc::vec::Vec;
use core::ops::Range;

use runtime::image::{Elf, Fd, Kind, Limits, Segment};
use runtime::sort;
use runtime::sys::{self, Errno, Result};
use runtime::text::{self, Mapping};

use crate::arch;
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, PROT_EXEC,
    PROT_NONE, PROT_READ, PROT_WRITE,
};

/// Bytes left unmapped behind an image.
const GAP: usize = 64 * 1024;

/// Where an image is loaded.
#[derive(Clone, Copy)]
pub enum Place {
    /// In the program area, at a random distance from its start unless the personality forbids
    /// that.
    Program {
        /// `ADDR_NO_RANDOMIZE` is not set.
        random: bool,
    },
    /// Where the kernel puts mappings.
    Anywhere {
        /// How many bytes to reserve right below, for the caller to map or unmap.
        below: usize,
        /// As the file asks; an interp is aligned to pages (`load_elf_interp`).
        aligned: bool,
    },
}

/// A mapped image.
pub struct Mapped {
    /// What is added to the file's addresses.
    pub bias: usize,
    /// What is reserved right below, as [`Place::Anywhere`] asked; empty elsewhere.
    pub below: Range<usize>,
    /// One past the last address taken, stubs included, page-aligned: a program's heap may begin there.
    pub end: usize,
}

/// Maps all segments of `elf` and patches its text.
pub fn image(fd: i32, elf: &Elf, place: Place, limits: &Limits) -> Result<Mapped> {
    let stat = sys::fstat(fd)?;
    let first = limits.page_start(elf.span.start) as usize;
    let size = limits.page_align(elf.map_size(limits)) as usize;
    // Room for the stubs behind, so that they are where every process has them; and a gap in any case,
    // so that what runs over the end of its data faults and does not find what is vload's.
    let file = text::Prepared::of(fd, &stat);
    let stubs = file.as_ref().and_then(text::Prepared::span).unwrap_or(0);
    let room = stubs.max(size.saturating_add(GAP));
    // What has no bytes in the file the kernel does not look for a place for, but takes the one that it would have
    // named if it had (elf_load): 0, where root may map.
    let at_zero = matches!(place, Place::Anywhere { .. })
        && elf.kind != Kind::Exec
        && starts_without_file(fd, elf)?;
    let named = elf.kind == Kind::Exec || elf.loads == 0 || at_zero;
    let align = elf.load_align(limits);
    let (start, below) = match place {
        // Segment by segment, with whatever lies between them left alone.
        _ if at_zero => (0, 0),
        _ if named => (first, 0),
        Place::Program { random } => (program_area(room, align, random)?, 0),
        Place::Anywhere { below, aligned } => {
            anywhere(room, below, if aligned { align as usize } else { 1 })?
        }
    };
    let end = start.wrapping_add(room);
    let bias = start.wrapping_sub(first);
    let mut segments = Segments::default();
    for segment in elf.segments(&Fd(fd)) {
        let segment = segment?;
        if named {
            segments.claim(&segment, bias, limits)?;
        }
        segments.map(fd, &segment, bias, limits)?;
    }
    if named {
        segments.texts.iter().for_each(|text| text::cover(fd, &stat, *text, None));
    } else {
        let taken = text::cover_reserved(fd, &stat, file, &segments.texts, start..end);
        segments.used.extend(taken.into_iter().flatten());
        segments.give_back(start..end);
    }
    let end = segments.used.iter().map(|used| used.end).max().unwrap_or(end);
    // The stubs of an image whose addresses are its own lie behind it too, where nothing was reserved for them.
    let end = if named { end.max(start.saturating_add(stubs)) } else { end };
    Ok(Mapped { bias, below: start - below..start, end })
}

/// Whether the first segment has no bytes in the file.
fn starts_without_file(fd: i32, elf: &Elf) -> Result<bool> {
    let first = elf.segments(&Fd(fd)).next().transpose()?;
    Ok(first.is_some_and(|segment| segment.header.filesz == 0))
}

/// What has been mapped of an image.
#[derive(Default)]
struct Segments {
    /// The addresses taken.
    used: Vec<Range<usize>>,
    /// What can be executed.
    texts: Vec<Mapping>,
}

impl Segments {
    /// Makes sure that a segment of an image with a place of its own replaces nothing of vload's. It may replace
    /// part of an earlier one (`MAP_FIXED`, elf_load).
    fn claim(&self, segment: &Segment, bias: usize, limits: &Limits) -> Result<()> {
        let placed = segment.place(bias as u64, limits).ok_or(Errno::INVAL)?;
        let start = placed.file.start.min(placed.bss.start) as usize;
        let end = placed.file.end.max(placed.bss.end) as usize;
        if start >= end {
            return Ok(());
        }
        let overlaps = |used: &Range<usize>| start < used.end && end > used.start;
        match claim(start, end - start) {
            Err(Errno::EXIST) if self.used.iter().any(overlaps) => Ok(()),
            Ok(at) => {
                // SAFETY: reserved just now; the segment follows.
                unsafe { sys::munmap(at, end - start) };
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn map(&mut self, fd: i32, segment: &Segment, bias: usize, limits: &Limits) -> Result<()> {
        let placed = segment.place(bias as u64, limits).ok_or(Errno::INVAL)?;
        let prot = segment.prot();
        let file = placed.file.start as usize..placed.file.end as usize;
        if !file.is_empty() {
            let flags = MAP_PRIVATE | MAP_FIXED;
            // SAFETY: `image` made sure that the range is free or reserved, or the program's own
            // earlier segment is there, which the kernel would replace too.
            unsafe { sys::mmap(file.start, file.len(), prot, flags, fd, placed.offset) }?;
            let executable = prot & PROT_EXEC != 0
                || (prot & PROT_READ != 0 && runtime::process::read_implies_exec());
            if executable {
                let (start, length, offset) = (file.start, file.len(), placed.offset);
                self.texts.push(Mapping { start, length, offset, prot });
            }
            self.used.push(file);
        }
        let tail = placed.tail.start as usize..placed.tail.end as usize;
        if !tail.is_empty() && prot & PROT_WRITE != 0 {
            // SAFETY: the last page of a writable mapping that was made above.
            unsafe { core::ptr::write_bytes(tail.start as *mut u8, 0, tail.len()) };
        }
        let bss = placed.bss.start as usize..placed.bss.end as usize;
        if !bss.is_empty() {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
            // SAFETY: as for the file's pages.
            unsafe { sys::mmap(bss.start, bss.len(), segment.bss_prot(), flags, -1, 0) }?;
            self.used.push(bss);
        }
        Ok(())
    }

    /// Unmaps what was reserved and is not used.
    fn give_back(&mut self, reserved: Range<usize>) {
        sort::by_key(&mut self.used, |range| range.start);
        let mut from = reserved.start;
        for used in self.used.iter().cloned().chain(core::iter::once(reserved.end..reserved.end)) {
            if from < used.start {
                // SAFETY: reserved by `image`, and in no segment and no stub.
                unsafe { sys::munmap(from, used.start - from) };
            }
            from = from.max(used.end);
        }
    }
}

/// Whether something is mapped in the range.
pub fn is_taken(start: usize, size: usize) -> bool {
    match claim(start, size) {
        Ok(at) => {
            // SAFETY: reserved just now.
            unsafe { sys::munmap(at, size) };
            false
        }
        Err(error) => error == Errno::EXIST,
    }
}

/// Reserves the range if it is free.
fn claim(start: usize, size: usize) -> Result<usize> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing.
    let at = unsafe { sys::mmap(start, size, PROT_NONE, flags, -1, 0) }?;
    if at == start {
        return Ok(start);
    }
    // An emulator that does not know the flag takes the address for a hint.
    // SAFETY: mapped just now.
    unsafe { sys::munmap(at, size) };
    Err(Errno::EXIST)
}

fn program_area(size: usize, align: u64, random: bool) -> Result<usize> {
    const ATTEMPTS: usize = 64;
    let (base, bits) = arch::DYN_BASE;
    let align = align.max(1);
    for _ in 0..ATTEMPTS {
        let pages = if random { sys::random().unwrap_or(0) & ((1 << bits) - 1) } else { 0 };
        let wanted = (base + pages * 4096) & !(align - 1);
        match claim(wanted as usize, size) {
            Ok(start) => return Ok(start),
            Err(Errno::EXIST) => {}
            // A machine with a smaller address space (39 bits of arm64 and riscv64).
            Err(_) => break,
        }
        if !random {
            break;
        }
    }
    anywhere(size, 0, align as usize).map(|(start, _)| start)
}

/// Reserves `below` bytes up to an aligned address, and `size` from there on. Gives that address, and how many
/// bytes lie below it: none where the alignment leaves no choice.
fn anywhere(size: usize, below: usize, align: usize) -> Result<(usize, usize)> {
    let slack = if align > 4096 { align } else { 0 };
    let total = size.saturating_add(slack).saturating_add(below);
    let at = match reserve(total) {
        Ok(at) => at,
        // No place is big enough to choose from, but the kernel does not look for one: it takes what is free and
        // rounds that down, to 0 if need be, where root may map (load_elf_binary).
        Err(_) if slack != 0 => {
            let at = reserve(size)?;
            // SAFETY: reserved just now.
            unsafe { sys::munmap(at, size) };
            return Ok((claim(at & !(align - 1), size)?, 0));
        }
        Err(error) => return Err(error),
    };
    let start = (at + below).next_multiple_of(align.max(1));
    // SAFETY: reserved just now, and not used: what lies before and behind the aligned part.
    unsafe {
        sys::munmap(at, start - below - at);
        sys::munmap(start + size, at + total - size - start);
    }
    Ok((start, below))
}

/// Reserves unused addresses.
fn reserve(size: usize) -> Result<usize> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    unsafe { sys::mmap(0, size, PROT_NONE, flags, -1, 0) }
}
