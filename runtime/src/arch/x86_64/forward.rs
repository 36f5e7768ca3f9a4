//! The calls that the gate makes: vload's own, and those on the target's behalf.
//!
//! What a signal finds from `vload_forward_check` up to and including the `syscall`, and in the same
//! place of `vload_forward_compat`: the call has not been made, or the kernel wants it made again. It
//! is aborted.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::arch::gate::{ABORTED, WindowAddresses, forward_window};
use crate::thread::Block;

/// Six arguments, from where r11 points to, into the registers of a call.
macro_rules! load_arguments {
    () => {
        r#"
    movq    0(%r11), %rdi
    movq    8(%r11), %rsi
    movq    16(%r11), %rdx
    movq    24(%r11), %r10
    movq    32(%r11), %r8
    movq    40(%r11), %r9
        "#
    };
}
pub(super) use load_arguments;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64

    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          # rdi = number, rsi = six arguments
    movq    %rdi, %rax
    movq    %rsi, %r11
    "#,
    load_arguments!(),
    r#"
    syscall
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    nop                                 # before a `ret` gdb takes the return address from the stack
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          # rdi = number, rsi = six arguments, rdx = block
    pushq   %rbx
    movq    %rdx, %rbx                  # where a debugger finds the block (unwind.rs)
    movq    %rdi, %rax
    movq    %rsi, %r11
    "#,
    load_arguments!(),
    r#"
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    cmpl    $0, {held}(%rbx)            # a signal came before the call: make it after the handler
    jne     vload_forward_abort
    syscall
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    popq    %rbx
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    movq    $-512, %rax                 # -ERESTARTSYS, which the kernel never shows
    popq    %rbx
    ret

    # The same for a call of an int $0x80 site: the i386 convention, rbx and rbp included. The
    # block stays in r11, which int $0x80 preserves.
    .hidden vload_forward_compat
    .globl vload_forward_compat
vload_forward_compat:                   # rdi = number, rsi = six arguments, rdx = block
    pushq   %rbx
    pushq   %rbp
    movq    %rdi, %rax
    movq    %rdx, %r11
    movq    %rsi, %rbp
    movq    0(%rbp), %rbx
    movq    8(%rbp), %rcx
    movq    16(%rbp), %rdx
    movq    24(%rbp), %rsi
    movq    32(%rbp), %rdi
    movq    40(%rbp), %rbp
    .hidden vload_forward_compat_check
    .globl vload_forward_compat_check
vload_forward_compat_check:
    cmpl    $0, {held}(%r11)
    jne     vload_forward_compat_abort
    int     $0x80
    .hidden vload_forward_compat_done
    .globl vload_forward_compat_done
vload_forward_compat_done:
    popq    %rbp
    popq    %rbx
    ret
    .hidden vload_forward_compat_abort
    .globl vload_forward_compat_abort
vload_forward_compat_abort:
    movq    $-512, %rax
    jmp     vload_forward_compat_done
    .previous
    "#,
    held = const offset_of!(Block, held_flag),
    options(att_syntax)
);

#[allow(improper_ctypes, reason = "a block crosses by address")]
unsafe extern "C" {
    fn vload_forward_compat(number: usize, args: *const [usize; 6], block: *const Block) -> isize;
    fn vload_forward_compat_check();
    fn vload_forward_compat_done();
    fn vload_forward_compat_abort();
}

/// The instructions of [`forward`](crate::arch::forward) and [`forward_compat`] at which the call has
/// not been made, or is to be made again.
pub fn forward_windows() -> [WindowAddresses; 2] {
    [
        forward_window(),
        WindowAddresses {
            start: vload_forward_compat_check as *const () as usize,
            end: vload_forward_compat_done as *const () as usize,
            escape: vload_forward_compat_abort as *const () as usize,
        },
    ]
}

/// Where a call is made on the caller's behalf, and `rbx` has the block.
pub(super) fn forward_range() -> (usize, usize) {
    let window = forward_window();
    (window.start, window.end + 1)
}

/// Makes a call of an `int $0x80` site on the target's behalf that a signal may interrupt.
///
/// # Safety
/// As for [`forward`](crate::arch::forward).
pub unsafe fn forward_compat(number: usize, args: &[usize; 6], block: &Block) -> isize {
    // SAFETY: `vload_forward_compat` keeps the C calling convention (int $0x80 preserves what it
    // does not save); the call is the caller's promise.
    let result = unsafe { vload_forward_compat(number, args, block) };
    // The i386 entry gives a 32-bit result.
    if result == ABORTED { result } else { result as i32 as isize }
}
