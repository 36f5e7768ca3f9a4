//! x86-64: copying and filling.

use core::arch::asm;

/// Copies forward, one byte after the other.
///
/// # Safety
/// As for `memcpy`, or `memmove` with `to` below `from`.
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; DF is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
             options(nostack, preserves_flags));
    }
}

/// Copies backward, for ranges that overlap.
///
/// # Safety
/// As for `memmove`.
pub unsafe fn copy_backward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; DF is set for the one instruction.
    unsafe {
        asm!("std", "rep movsb", "cld",
             inout("rdi") to.wrapping_add(len).wrapping_sub(1) => _,
             inout("rsi") from.wrapping_add(len).wrapping_sub(1) => _,
             inout("rcx") len => _, options(nostack));
    }
}

/// Fills memory.
///
/// # Safety
/// `to` must be valid for `len` bytes.
pub unsafe fn fill(to: *mut u8, byte: u8, len: usize) {
    // SAFETY: the caller's promise; DF is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rdi") to => _, inout("rcx") len => _, in("al") byte,
             options(nostack, preserves_flags));
    }
}
