//! One `PT_LOAD`: where its parts go, by `elf_map` and `elf_load` of `fs/binfmt_elf.c`.

use super::{ProgramHeader, Refusal, Source, What, native};
use crate::sys::Errno;
use core::ops::Range;
use goblin::elf::program_header::{PF_R, PF_W, PF_X};
use linux_raw_sys::general::{PROT_EXEC, PROT_READ, PROT_WRITE};

/// What of the machine and its kernel decides whether a segment fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The page size (`AT_PAGESZ`), a power of two.
    pub page_size: u64,
    /// The end of the address space (`TASK_SIZE`).
    pub task_size: u64,
}

impl Limits {
    /// The architecture's usual address space with this page size.
    pub const fn new(page_size: u64) -> Self {
        Self { page_size, task_size: native::TASK_SIZE }
    }

    /// `ELF_PAGESTART`.
    pub const fn page_start(&self, address: u64) -> u64 {
        address & !(self.page_size - 1)
    }

    /// `ELF_PAGEOFFSET`.
    pub const fn page_offset(&self, address: u64) -> u64 {
        address & (self.page_size - 1)
    }

    /// `ELF_PAGEALIGN`, which wraps to 0 at the very end.
    pub const fn page_align(&self, address: u64) -> u64 {
        self.page_start(address.wrapping_add(self.page_size - 1))
    }
}

/// A `PT_LOAD` program header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its place among the program headers, from 0.
    pub index: u16,
    /// The header.
    pub header: ProgramHeader,
}

/// Where the parts of a segment go: first the file's pages are mapped, then the tail of the
/// last one is zeroed, then anonymous pages are mapped. Each part may be empty. All of it
/// replaces what earlier segments put there (`MAP_FIXED`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Addresses of the file's pages. Empty if the segment has no bytes in the file.
    pub file: Range<u64>,
    /// The file offset mapped at `file.start`, a multiple of the page size.
    pub offset: u64,
    /// The rest of the last file page. The kernel zeroes it unless it cannot write it: errors
    /// count only in a writable segment, so read-only ones keep the file's bytes (`padzero`).
    pub tail: Range<u64>,
    /// Anonymous pages behind the file's. They are readable and writable whatever `p_flags`
    /// say, and executable if `PF_X` is set (`vm_brk_flags`).
    pub bss: Range<u64>,
}

impl Segment {
    /// The protection of the file's pages (`make_prot`).
    pub fn prot(&self) -> u32 {
        let flag = |flag, prot| {
            if self.header.flags & flag != 0 { prot } else { 0 }
        };
        flag(PF_R, PROT_READ) | flag(PF_W, PROT_WRITE) | flag(PF_X, PROT_EXEC)
    }

    /// The protection of [`Placement::bss`].
    pub fn bss_prot(&self) -> u32 {
        PROT_READ | PROT_WRITE | (self.prot() & PROT_EXEC)
    }

    /// Where the parts go when the image is loaded at `bias`. `None` if sizes or offset are
    /// such that the kernel's `mmap` would refuse them: [`Elf::check_load`] says which.
    ///
    /// [`Elf::check_load`]: super::Elf::check_load
    pub fn place(&self, bias: u64, limits: &Limits) -> Option<Placement> {
        let ProgramHeader { offset, vaddr, filesz, memsz, .. } = self.header;
        let into_page = limits.page_offset(vaddr);
        let start = bias.wrapping_add(vaddr);
        let page = limits.page_start(start);
        let end = |size: u64| {
            let end = page.checked_add(into_page)?.checked_add(size)?;
            end.checked_add(limits.page_size - 1)?;
            Some(end)
        };
        let (file_end, memory_end) = (end(filesz)?, end(memsz)?);
        let memory_page_end = limits.page_align(memory_end);
        if filesz == 0 {
            let bss = if memsz == 0 { page..page } else { page..memory_page_end };
            return Some(Placement { file: page..page, offset: 0, tail: page..page, bss });
        }
        let offset = offset.checked_sub(into_page)?;
        if limits.page_offset(offset) != 0 {
            return None;
        }
        let file_page_end = limits.page_align(file_end);
        let (tail, bss) = if memsz > filesz {
            (file_end..file_page_end, file_page_end..memory_page_end.max(file_page_end))
        } else {
            (file_page_end..file_page_end, file_page_end..file_page_end)
        };
        Some(Placement { file: page..file_page_end, offset, tail, bss })
    }

    /// What the kernel finds wrong with the segment itself while it maps it; all of it is past
    /// the point of no return. `interp` because only a program's own addresses are judged
    /// without the load bias.
    pub(super) fn check<S: Source + ?Sized>(
        &self,
        source: &S,
        limits: &Limits,
        interp: bool,
    ) -> Result<(), Refusal> {
        let ProgramHeader { offset, vaddr, filesz, memsz, flags, .. } = self.header;
        let errno = if interp { Errno::NOMEM } else { Errno::INVAL };
        if filesz > memsz {
            return Err(Refusal::fatal(errno, What::FileLargerThanMemory(self.index)));
        }
        let end = vaddr.checked_add(memsz);
        let fits = if interp {
            memsz <= limits.task_size
        } else {
            vaddr < limits.task_size && end.is_some_and(|end| end <= limits.task_size)
        };
        if !fits {
            return Err(Refusal::fatal(errno, What::AddressSpace(self.index)));
        }
        if filesz != 0 && limits.page_offset(offset) != limits.page_offset(vaddr) {
            return Err(Refusal::fatal(Errno::INVAL, What::Unaligned(self.index)));
        }
        // vm_mmap: the file range may not wrap.
        let file_end = limits.page_start(offset).checked_add(filesz);
        if filesz != 0 && file_end.is_none_or(|end| end > i64::MAX as u64) {
            return Err(Refusal::fatal(Errno::INVAL, What::AddressSpace(self.index)));
        }
        // padzero: clear_user faults on a page behind the last one of the file.
        let tail = offset.saturating_add(filesz);
        if memsz > filesz && filesz != 0 && flags & PF_W != 0 && limits.page_offset(tail) != 0 {
            let mut byte = [0];
            if source.read_at(limits.page_start(tail), &mut byte) == Ok(0) {
                return Err(Refusal::fatal(Errno::FAULT, What::TailBeyondEnd(self.index)));
            }
        }
        Ok(())
    }
}
