//! vload's own calls whose arguments depend on the width of words.

use core::arch::asm;

use super::syscall;

/// The two registers of a 64-bit argument (`arch/x86/kernel/sys_ia32.c`): low half first.
fn halves(value: u64) -> [usize; 2] {
    [value as usize, (value >> 32) as usize]
}

/// Bits of a `long` of the kernel that runs this program: the code segment of a 32-bit program is `__USER32_CS` in
/// a 64-bit one, and another in one of 32 bits (arch/x86/include/asm/segment.h).
pub fn kernel_bits() -> u32 {
    const USER32_CS: u32 = 0x23;
    let selector: u32;
    // SAFETY: it reads a register.
    unsafe {
        asm!("mov {:e}, cs", out(reg) selector, options(nomem, nostack, preserves_flags));
    }
    if selector & 0xffff == USER32_CS { u64::BITS } else { u32::BITS }
}

/// `pread64(2)`: its own name because 32-bit machines pass the offset in two registers.
///
/// # Safety
/// `buf` must be valid for `len` bytes of writing.
pub unsafe fn pread64(fd: i32, buf: *mut u8, len: usize, offset: u64) -> isize {
    let [low, high] = halves(offset);
    // SAFETY: `buf` and `len` are the caller's promise.
    unsafe {
        syscall(
            linux_raw_sys::general::__NR_pread64 as usize,
            [fd as usize, buf as usize, len, low, high, 0],
        )
    }
}

/// An offset that is passed in two arguments.
pub fn offset_of_pair(low: usize, high: usize) -> u64 {
    low as u64 | (high as u64) << 32
}

/// `ftruncate64(2)`.
///
/// # Safety
/// No mapping of ours may be cut.
pub unsafe fn ftruncate64(fd: i32, length: u64) -> isize {
    let [low, high] = halves(length);
    // SAFETY: no memory is passed.
    unsafe {
        syscall(
            linux_raw_sys::general::__NR_ftruncate64 as usize,
            [fd as usize, low, high, 0, 0, 0],
        )
    }
}

/// `fallocate(2)`.
///
/// # Safety
/// Nobody may need what the file has there.
pub unsafe fn fallocate64(fd: i32, mode: usize, offset: u64, length: u64) -> isize {
    let ([from, above], [bytes, more]) = (halves(offset), halves(length));
    let args = [fd as usize, mode, from, above, bytes, more];
    // SAFETY: no memory is passed.
    unsafe { syscall(linux_raw_sys::general::__NR_fallocate as usize, args) }
}

/// `mmap2(2)` with an offset in bytes, which is a multiple of 4096.
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
    let Ok(page) = usize::try_from(offset / 4096) else {
        return -(linux_raw_sys::errno::EOVERFLOW as isize);
    };
    // SAFETY: the caller's promise.
    unsafe {
        syscall(
            linux_raw_sys::general::__NR_mmap2 as usize,
            [addr, len, prot as usize, flags as usize, fd as usize, page],
        )
    }
}

/// The offset argument of `mmap2`, in bytes.
pub fn mmap_offset(argument: usize) -> u64 {
    argument as u64 * 4096
}

/// The mount flags of `fstatfs64(2)`.
pub fn statfs_flags(fd: i32) -> crate::sys::Result<u64> {
    use linux_raw_sys::general::{__NR_fstatfs64, statfs64};
    // SAFETY: all zero is a valid statfs64.
    let mut s: statfs64 = unsafe { core::mem::zeroed() };
    let args = [fd as usize, size_of::<statfs64>(), &raw mut s as usize, 0, 0, 0];
    // SAFETY: the kernel fills `s`, as long as it is told.
    let result = unsafe { syscall(__NR_fstatfs64 as usize, args) };
    crate::sys::check(result).map(|_| u64::from(s.f_flags))
}
