//! The raw entry into the kernel, for vload's own calls.

unsafe extern "C" {
    /// In `entry.rs`, on the gate.
    fn vload_syscall(number: usize, args: *const [usize; 6]) -> isize;
}

/// Makes system call `number` with `args` (unused ones are ignored) and gives what the kernel
/// left in the result register; `ENOSYS` when a filter of the target's would not let it pass.
///
/// # Safety
/// Whatever the call does to memory and descriptors must be sound.
pub unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    if crate::seccomp::refuses(number, &args) {
        return crate::sys::raw(Err(crate::sys::Errno::NOSYS));
    }
    // SAFETY: the caller's promise.
    unsafe { syscall_unasked(number, args) }
}

/// The same whatever filters say: for ends, where it does not matter who ends the process.
///
/// # Safety
/// As for [`syscall`].
pub unsafe fn syscall_unasked(number: usize, args: [usize; 6]) -> isize {
    // SAFETY: `vload_syscall` reads the six arguments and keeps the C calling convention; what
    // the call itself does is the caller's promise.
    unsafe { vload_syscall(number, &args) }
}

/// The two registers of a 64-bit argument (`arch/x86/kernel/sys_ia32.c`): low half first.
fn halves(value: u64) -> [usize; 2] {
    [value as usize, (value >> 32) as usize]
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
