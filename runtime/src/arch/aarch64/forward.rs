//! The calls that the gate makes: vload's own, and those on the target's behalf.
//!
//! What a signal finds from `vload_forward_check` up to and including the `svc`: the call has not been
//! made, or the kernel wants it made again. It is aborted.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::thread::Block;

/// Six arguments, from where x9 points to, into the registers of a call.
macro_rules! load_arguments {
    () => {
        r#"
    ldp     x0, x1, [x9]
    ldp     x2, x3, [x9, #16]
    ldp     x4, x5, [x9, #32]
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
vload_syscall:                          // x0 = number, x1 = six arguments
    mov     x8, x0
    mov     x9, x1
    "#,
    load_arguments!(),
    r#"
    svc     #0
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          // x0 = number, x1 = six arguments, x2 = block
    mov     x8, x0
    mov     x9, x1
    mov     x10, x2
    "#,
    load_arguments!(),
    r#"
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    ldr     w11, [x10, #{held}]         // a signal came before the call: make it after the handler
    cbnz    w11, vload_forward_abort
    svc     #0
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    mov     x0, #-512                   // -ERESTARTSYS, which the kernel never shows
    ret
    .previous
    "#,
    held = const offset_of!(Block, held_flag),
);
