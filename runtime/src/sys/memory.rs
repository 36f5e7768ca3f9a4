//! Mappings.

use core::ops::Range;

use super::{Result, call, check};
use crate::arch;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE};

/// `mmap(2)`. `offset` is in bytes and a multiple of the page size.
///
/// # Safety
/// With `MAP_FIXED` the range is replaced: nothing may need what was there.
pub unsafe fn mmap(
    addr: usize,
    len: usize,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: u64,
) -> Result<usize> {
    // SAFETY: the caller's promise.
    check(unsafe { arch::mmap64(addr, len, prot, flags, fd, offset) })
}

/// Fresh private memory that can be read and written.
pub fn map_anonymous(len: usize) -> Result<usize> {
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    unsafe { mmap(0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) }
}

/// Makes a part of a mapping one that cannot be accessed, by the call that has made the mapping.
///
/// # Safety
/// Nothing may need what is there.
pub unsafe fn map_nothing(addr: usize, len: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { mmap(addr, len, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) }.map(drop)
}

/// Marks pages of a private mapping as guards (`MADV_GUARD_INSTALL` of madvise(2), Linux 6.13): an access is a fault. An
/// emulator may take the call without doing it.
///
/// # Safety
/// Nothing may need what is there.
pub unsafe fn mark_as_guard(addr: usize, len: usize) -> Result<()> {
    const MADV_GUARD_INSTALL: usize = 102;
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_madvise, [addr, len, MADV_GUARD_INSTALL]) }.map(drop)
}

/// `munmap(2)`.
///
/// # Safety
/// Nothing may use the range any more.
pub unsafe fn munmap(addr: usize, len: usize) {
    if len == 0 {
        return;
    }
    // SAFETY: the caller's promise. The range is page-aligned memory of ours, for which munmap
    // fails only when it would have to split a mapping and there are too many: it then stays.
    let _ = unsafe { call(nr::__NR_munmap, [addr, len]) };
}

/// `mprotect(2)`.
///
/// # Safety
/// Nothing may need what the new protection forbids.
pub unsafe fn mprotect(addr: usize, len: usize, prot: u32) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_mprotect, [addr, len, prot as usize]) }.map(drop)
}

/// `mremap(2)` with `MREMAP_MAYMOVE`.
///
/// # Safety
/// The mapping must be ours; its old address must not be used afterwards.
pub unsafe fn mremap(addr: usize, old: usize, new: usize) -> Result<usize> {
    const MREMAP_MAYMOVE: usize = 1;
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_mremap, [addr, old, new, MREMAP_MAYMOVE]) }
}

/// Maps a file shared, for reading or for reading and writing.
pub fn map_shared(fd: i32, offset: u64, len: usize, writable: bool) -> Result<usize> {
    let prot = if writable { PROT_READ | PROT_WRITE } else { PROT_READ };
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    unsafe { mmap(0, len, prot, linux_raw_sys::general::MAP_SHARED, fd, offset) }
}

/// Maps a file private, for reading.
pub fn map_private(fd: i32, offset: u64, len: usize) -> Result<usize> {
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    unsafe { mmap(0, len, PROT_READ, MAP_PRIVATE, fd, offset) }
}

/// Moves a mapping of ours to `to`, in place of what is there.
///
/// # Safety
/// Nothing may need what is at `to`, nor use the old address afterwards.
pub unsafe fn move_to(from: usize, len: usize, to: usize) -> Result<()> {
    const MREMAP_MAYMOVE: usize = 1;
    const MREMAP_FIXED: usize = 2;
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_mremap, [from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to]) }.map(drop)
}

/// `mlock(2)`, `mlock2(2)`, as far as that goes.
pub fn mlock(range: Range<usize>, on_fault: bool) {
    let number = if on_fault { nr::__NR_mlock2 } else { nr::__NR_mlock };
    // SAFETY: whether memory is locked changes nothing of what it holds. The third argument is the second call's.
    let _ = unsafe { call(number, [range.start, range.len(), usize::from(on_fault)]) };
}

/// `munlock(2)` of a mapping of ours. It fails only where the mapping would have to be split and there are
/// too many: it then stays locked.
pub fn munlock(addr: usize, len: usize) {
    // SAFETY: whether memory is locked changes nothing of what it holds.
    let _ = unsafe { call(nr::__NR_munlock, [addr, len]) };
}

/// Bytes of a System V segment (`IPC_STAT` of shmctl(2)).
pub fn segment_size(segment: usize) -> Result<usize> {
    const IPC_STAT: usize = 2;
    const IPC_64: usize = 0x100;
    /// `struct ipc64_perm` comes first (asm-generic/ipcbuf.h): key, four ids, mode, sequence, two words.
    const SIZE_AT: usize = if size_of::<usize>() == 8 { 6 } else { 9 };
    let mut status = [0usize; 32];
    let command = if size_of::<usize>() == 8 { IPC_STAT } else { IPC_STAT | IPC_64 };
    // SAFETY: `struct shmid64_ds` is shorter than `status` on every machine.
    unsafe { call(nr::__NR_shmctl, [segment, command, status.as_mut_ptr() as usize]) }?;
    Ok(status[SIZE_AT])
}
