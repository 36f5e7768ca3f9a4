//! i686: copying and filling.

use core::arch::{asm, global_asm};

global_asm!(
    r#"
    .text
    .hidden vload_copy_forward
    .globl vload_copy_forward
vload_copy_forward:                     # (to, from, len); DF is clear by the ABI
    pushl   %edi
    pushl   %esi
    movl    12(%esp), %edi
    movl    16(%esp), %esi
    movl    20(%esp), %ecx
    rep movsb
    popl    %esi
    popl    %edi
    ret

    .hidden vload_copy_backward
    .globl vload_copy_backward
vload_copy_backward:                    # (to, from, len); DF is set for the one instruction
    pushl   %edi
    pushl   %esi
    movl    12(%esp), %edi
    movl    16(%esp), %esi
    movl    20(%esp), %ecx
    leal    -1(%edi,%ecx), %edi
    leal    -1(%esi,%ecx), %esi
    std
    rep movsb
    cld
    popl    %esi
    popl    %edi
    ret
    .previous
    "#,
    options(att_syntax)
);

unsafe extern "C" {
    fn vload_copy_forward(to: *mut u8, from: *const u8, len: usize);
    fn vload_copy_backward(to: *mut u8, from: *const u8, len: usize);
}

/// Copies forward, one byte after the other.
///
/// # Safety
/// As for `memcpy`, or `memmove` with `to` below `from`.
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { vload_copy_forward(to, from, len) }
}

/// Copies backward, for ranges that overlap.
///
/// # Safety
/// As for `memmove`.
pub unsafe fn copy_backward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { vload_copy_backward(to, from, len) }
}

/// Fills memory.
///
/// # Safety
/// `to` must be valid for `len` bytes.
pub unsafe fn fill(to: *mut u8, byte: u8, len: usize) {
    // SAFETY: the caller's promise; DF is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("edi") to => _, inout("ecx") len => _, in("al") byte,
             options(nostack, preserves_flags));
    }
}
