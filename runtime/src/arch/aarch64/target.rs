//! The first instruction of the target, and the last of a thread.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    // exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      // x0 = status, x1 = &block->state
    mov     x8, #93
    stlr    wzr, [x1]
    svc     #0
    brk     #0x105

    // The first instruction of the target: registers as start_thread leaves them
    // (arch/arm64/include/asm/processor.h), but for x17.
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     // x0 = stack pointer, x1 = entry point
    mov     x17, x1
    mov     sp, x0
    mov     x0, xzr
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    mov     x8, xzr
    mov     x9, xzr
    mov     x10, xzr
    mov     x11, xzr
    mov     x12, xzr
    mov     x13, xzr
    mov     x14, xzr
    mov     x15, xzr
    mov     x16, xzr
    mov     x18, xzr
    mov     x19, xzr
    mov     x20, xzr
    mov     x21, xzr
    mov     x22, xzr
    mov     x23, xzr
    mov     x24, xzr
    mov     x25, xzr
    mov     x26, xzr
    mov     x27, xzr
    mov     x28, xzr
    mov     x29, xzr
    mov     x30, xzr
    msr     nzcv, xzr
    br      x17
    .previous
    "#,
);
