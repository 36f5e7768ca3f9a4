//! The calls that the gate makes: vload's own, and those on the target's behalf.
//!
//! What a signal finds from `vload_forward_check` up to and including the `int $0x80`: the call has
//! not been made, or the kernel wants it made again. It is aborted.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::thread::Block;

/// Keeps the registers that the C convention preserves, and loads a call's number and its first five
/// arguments: those of a function that takes (number, six arguments).
macro_rules! load_arguments {
    () => {
        r#"
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    pushl   %ebp
    movl    20(%esp), %eax
    movl    24(%esp), %ebp
    movl    0(%ebp), %ebx
    movl    4(%ebp), %ecx
    movl    8(%ebp), %edx
    movl    12(%ebp), %esi
    movl    16(%ebp), %edi
        "#
    };
}
pub(super) use load_arguments;

/// Returns with the registers that [`load_arguments`] has kept.
macro_rules! give_back {
    () => {
        r#"
    popl    %ebp
    popl    %edi
    popl    %esi
    popl    %ebx
    ret
        "#
    };
}
pub(super) use give_back;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64
    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          # (number, six arguments)
    "#,
    load_arguments!(),
    r#"
    movl    20(%ebp), %ebp
    int     $0x80
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    "#,
    give_back!(),
    r#"

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          # (number, six arguments)
    "#,
    load_arguments!(),
    r#"
    movl    20(%ebp), %ebp
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    cmpl    $0, %fs:{held}              # a signal came before the call: make it after the handler
    jne     vload_forward_abort
    int     $0x80
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    "#,
    give_back!(),
    r#"
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    movl    $-512, %eax                 # -ERESTARTSYS, which the kernel never shows
    jmp     vload_forward_done
    .previous
    "#,
    held = const offset_of!(Block, held_flag),
    options(att_syntax)
);
