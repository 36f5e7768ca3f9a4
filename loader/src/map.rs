//! Mapping an ELF image as `load_elf_binary` and `load_elf_interp` do (fs/binfmt_elf.c).

use runtime::image::{Elf, Fd, Kind, Limits, Segment};
use runtime::sys::{self, Errno, Result, Stat};
use runtime::text::{self, Mapping};

use crate::arch;
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, PROT_EXEC, PROT_NONE,
    PROT_READ, PROT_WRITE,
};

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
    Anywhere,
}

/// A mapped image.
pub struct Mapped {
    /// What is added to the file's addresses.
    pub bias: usize,
    /// One past the last address taken, stubs included, page-aligned.
    pub end: usize,
}

/// Maps all segments of `elf` and patches its text.
pub fn image(fd: i32, elf: &Elf, place: Place, limits: &Limits) -> Result<Mapped> {
    let stat = sys::fstat(fd)?;
    let first = limits.page_start(elf.span.start);
    let size = limits.page_align(elf.map_size(limits)) as usize;
    // Room for the stubs behind, so that they are where every process has them.
    let room = text::span(fd, &stat).unwrap_or(0).max(size);
    let start = match (elf.kind, place) {
        (_, _) if elf.loads == 0 => first as usize,
        // Segment by segment, with whatever lies between them left alone.
        (Kind::Exec, _) => first as usize,
        (Kind::Dyn, Place::Program { random }) => program_area(room, elf.load_align(limits), random)?,
        (Kind::Dyn, Place::Anywhere) => anywhere(room, elf.load_align(limits) as usize)?,
    };
    let bias = start.wrapping_sub(first as usize);
    let mut taken = Taken::default();
    for segment in elf.segments(&Fd(fd)) {
        let segment = segment?;
        if elf.kind == Kind::Exec {
            taken.claim(&segment, limits)?;
        }
        map_segment(fd, &segment, bias, limits, &stat)?;
    }
    Ok(Mapped { bias, end: start.wrapping_add(room) })
}

/// The addresses that the segments of an `ET_EXEC` image have taken so far, from the first to the
/// last. A later segment may replace part of an earlier one (`MAP_FIXED`, elf_load), but nothing of
/// vload's.
#[derive(Default)]
struct Taken {
    range: core::ops::Range<usize>,
}

impl Taken {
    fn claim(&mut self, segment: &Segment, limits: &Limits) -> Result<()> {
        let placed = segment.place(0, limits).ok_or(Errno::INVAL)?;
        let start = placed.file.start.min(placed.bss.start) as usize;
        let end = placed.file.end.max(placed.bss.end) as usize;
        if start >= end {
            return Ok(());
        }
        let overlaps = start < self.range.end && end > self.range.start;
        match claim(start, end - start) {
            Err(Errno::EXIST) if overlaps => {}
            other => drop(other?),
        }
        self.range = if self.range.is_empty() {
            start..end
        } else {
            self.range.start.min(start)..self.range.end.max(end)
        };
        Ok(())
    }
}

/// Makes sure that the range is free.
fn claim(start: usize, size: usize) -> Result<usize> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing.
    let at = unsafe { sys::mmap(start, size, PROT_NONE, flags, -1, 0) }?;
    // SAFETY: mapped just now; the segments follow.
    unsafe { sys::munmap(at, size) };
    // An emulator that does not know the flag takes the address for a hint.
    if at == start { Ok(start) } else { Err(Errno::EXIST) }
}

fn program_area(size: usize, align: u64, random: bool) -> Result<usize> {
    const ATTEMPTS: usize = 64;
    let (base, bits) = arch::DYN_BASE;
    let align = align.max(1);
    for _ in 0..ATTEMPTS {
        let pages = if random { sys::random().unwrap_or(0) & ((1 << bits) - 1) } else { 0 };
        let wanted = base + pages * 4096;
        let aligned = if random { wanted & !(align - 1) } else { wanted.next_multiple_of(align) };
        match claim(aligned as usize, size) {
            Ok(start) => return Ok(start),
            Err(Errno::EXIST) => {}
            // A machine with a smaller address space (39 bits of arm64 and riscv64).
            Err(_) => break,
        }
        if !random {
            break;
        }
    }
    anywhere(size, align as usize)
}

fn anywhere(size: usize, align: usize) -> Result<usize> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    let slack = if align > 4096 { align } else { 0 };
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    let at = unsafe { sys::mmap(0, size + slack, PROT_NONE, flags, -1, 0) }?;
    // SAFETY: mapped just now; the segments follow.
    unsafe { sys::munmap(at, size + slack) };
    Ok(at.next_multiple_of(align.max(1)))
}

fn map_segment(fd: i32, segment: &Segment, bias: usize, limits: &Limits, stat: &Stat) -> Result<()> {
    let placed = segment.place(bias as u64, limits).ok_or(Errno::INVAL)?;
    let prot = segment.prot();
    let file = placed.file.start as usize..placed.file.end as usize;
    if !file.is_empty() {
        let flags = MAP_PRIVATE | MAP_FIXED;
        // SAFETY: `image` made sure that the whole span is free, or the program's own earlier
        // segment is there, which the kernel would replace too.
        unsafe { sys::mmap(file.start, file.len(), prot, flags, fd, placed.offset) }?;
        let readable = prot & PROT_EXEC != 0
            || (prot & PROT_READ != 0 && runtime::process::read_implies_exec());
        if readable {
            let mapping =
                Mapping { start: file.start, length: file.len(), offset: placed.offset, prot };
            text::cover(fd, stat, mapping);
        }
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
    }
    Ok(())
}
