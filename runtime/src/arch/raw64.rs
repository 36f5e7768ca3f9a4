//! vload's own calls whose arguments depend on the width of words, where that is 64 bits.

use super::gate::syscall;

/// `pread64(2)`: its own name because 32-bit machines pass the offset in two registers.
///
/// # Safety
/// `buf` must be valid for `len` bytes of writing.
pub unsafe fn pread64(fd: i32, buf: *mut u8, len: usize, offset: u64) -> isize {
    // SAFETY: `buf` and `len` are the caller's promise.
    unsafe {
        syscall(
            linux_raw_sys::general::__NR_pread64 as usize,
            [fd as usize, buf as usize, len, offset as usize, 0, 0],
        )
    }
}

/// Bits of a `long` of the kernel that runs this program.
pub const fn kernel_bits() -> u32 {
    usize::BITS
}

/// An offset that is passed in two arguments on machines whose words are too short for it.
pub fn offset_of_pair(low: usize, _high: usize) -> u64 {
    low as u64
}

/// `ftruncate(2)` with a 64-bit length.
///
/// # Safety
/// No mapping of ours may be cut.
pub unsafe fn ftruncate64(fd: i32, length: u64) -> isize {
    // SAFETY: no memory is passed.
    unsafe {
        syscall(
            linux_raw_sys::general::__NR_ftruncate as usize,
            [fd as usize, length as usize, 0, 0, 0, 0],
        )
    }
}

/// `fallocate(2)`.
///
/// # Safety
/// Nobody may need what the file has there.
pub unsafe fn fallocate64(fd: i32, mode: usize, offset: u64, length: u64) -> isize {
    let args = [fd as usize, mode, offset as usize, length as usize, 0, 0];
    // SAFETY: no memory is passed.
    unsafe { syscall(linux_raw_sys::general::__NR_fallocate as usize, args) }
}

/// `mmap(2)` with an offset in bytes.
///
/// # Safety
/// With `MAP_FIXED` the range is replaced.
pub unsafe fn mmap64(
    addr: usize,
    len: usize,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: u64,
) -> isize {
    // SAFETY: the caller's promise.
    unsafe {
        syscall(
            linux_raw_sys::general::__NR_mmap as usize,
            [addr, len, prot as usize, flags as usize, fd as isize as usize, offset as usize],
        )
    }
}

/// The offset argument of `mmap`, in bytes.
pub fn mmap_offset(argument: usize) -> u64 {
    argument as u64
}

/// The mount flags of `fstatfs(2)`.
pub fn statfs_flags(fd: i32) -> crate::sys::Result<u64> {
    // SAFETY: all zero is a valid statfs.
    let mut s: linux_raw_sys::general::statfs = unsafe { core::mem::zeroed() };
    let args = [fd as usize, &raw mut s as usize, 0, 0, 0, 0];
    // SAFETY: the kernel fills `s`.
    let result = unsafe { syscall(linux_raw_sys::general::__NR_fstatfs as usize, args) };
    crate::sys::check(result).map(|_| s.f_flags as u64)
}
