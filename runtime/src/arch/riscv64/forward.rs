//! The calls that the gate makes: vload's own, and those on the target's behalf.
//!
//! What a signal finds from `vload_forward_check` up to and including the `ecall`: the call has not been
//! made, or the kernel wants it made again. It is aborted.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::thread::Block;

/// Six arguments, from where t0 points to, into the registers of a call.
macro_rules! load_arguments {
    () => {
        r#"
    ld      a0, 0(t0)
    ld      a1, 8(t0)
    ld      a2, 16(t0)
    ld      a3, 24(t0)
    ld      a4, 32(t0)
    ld      a5, 40(t0)
        "#
    };
}
pub(super) use load_arguments;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .option push
    .option norelax
    .balign 64
    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          # a0 = number, a1 = six arguments
    mv      a7, a0
    mv      t0, a1
    "#,
    load_arguments!(),
    r#"
    ecall
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          # a0 = number, a1 = six arguments, a2 = block
    mv      a7, a0
    mv      t0, a1
    mv      t1, a2
    "#,
    load_arguments!(),
    r#"
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    lw      t2, {held}(t1)              # a signal came before the call: make it after the handler
    bnez    t2, vload_forward_abort
    ecall
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    li      a0, -512                    # -ERESTARTSYS, which the kernel never shows
    ret
    .option pop
    .previous
    "#,
    held = const offset_of!(Block, held_flag),
);
