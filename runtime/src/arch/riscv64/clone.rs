//! `clone(2)` and `clone3(2)` whose child shares our memory.

use core::arch::global_asm;

use super::call_regs::VECTOR_AREA;
use super::forward::load_arguments;
use super::leave::leave;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .option push
    .option norelax
    .balign 16
    # clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    # own, so between the ecall and the mv below it touches no memory.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         # a0 = number, a1 = six arguments, a2 = child's stack,
    mv      a7, a0                      # a3 = child's block
    mv      t0, a1
    mv      t1, a2
    mv      t2, a3
    "#,
    load_arguments!(),
    r#"
    ecall
    beqz    a0, 1f
    ret
1:  mv      sp, t1                      # the child: sp = saved state, CallRegs above it
    addi    s0, sp, {vectors}
    mv      s1, t2
    mv      a0, s0
    mv      a1, s1
    li      ra, 0
    call    vload_child_start
    mv      a0, s0
    mv      a1, s1
    call    {leave}
    .option pop
    .previous
    "#,
    vectors = const VECTOR_AREA,
    leave = sym leave,
);

/// Index of the child's thread pointer among the arguments of `clone(2)` (kernel/fork.c,
/// `CONFIG_CLONE_BACKWARDS`).
pub const CLONE_TLS: usize = 3;
