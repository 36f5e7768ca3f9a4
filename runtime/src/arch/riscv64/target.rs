//! The first instruction of the target, and the last of a thread.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .option push
    .option norelax
    .balign 16
    # exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      # a0 = status, a1 = &block->state
    li      a7, 93
    fence   rw, w
    sw      zero, 0(a1)
    ecall
    ebreak

    # The first instruction of the target: registers as start_thread leaves them
    # (arch/riscv/kernel/process.c), but for t0.
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # a0 = stack pointer, a1 = entry point
    mv      sp, a0
    mv      t0, a1
    li      ra, 0
    li      gp, 0
    li      tp, 0
    li      t1, 0
    li      t2, 0
    li      s0, 0
    li      s1, 0
    li      a0, 0
    li      a1, 0
    li      a2, 0
    li      a3, 0
    li      a4, 0
    li      a5, 0
    li      a6, 0
    li      a7, 0
    li      s2, 0
    li      s3, 0
    li      s4, 0
    li      s5, 0
    li      s6, 0
    li      s7, 0
    li      s8, 0
    li      s9, 0
    li      s10, 0
    li      s11, 0
    li      t3, 0
    li      t4, 0
    li      t5, 0
    li      t6, 0
    jr      t0
    .option pop
    .previous
    "#,
);
