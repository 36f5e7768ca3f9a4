//! The raw entry into the kernel, for vload's own calls.

use core::arch::asm;

/// Makes system call `number` with `args` (unused ones are ignored) and gives what the kernel
/// left in the result register.
///
/// # Safety
/// Whatever the call does to memory and descriptors must be sound.
#[inline]
pub unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    let result;
    // SAFETY: the kernel clobbers rcx and r11 and nothing else (syscall(2), "x86-64"); what the
    // call itself does is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    result
}

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
