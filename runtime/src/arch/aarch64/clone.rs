//! `clone(2)` and `clone3(2)` whose child shares our memory.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use super::forward::load_arguments;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    // clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    // own, so between the svc and the mov below it touches no memory.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         // x0 = number, x1 = six arguments, x2 = child's stack,
    mov     x8, x0                      // x3 = child's block
    mov     x9, x1
    mov     x10, x2
    mov     x11, x3
    "#,
    load_arguments!(),
    r#"
    svc     #0
    cbz     x0, 1f
    ret
1:  mov     sp, x10                     // the child: sp = vector area, CallRegs above it
    add     x0, sp, #{vectors}
    mov     x1, x11
    str     x1, [x0, #{block}]
    mov     x29, xzr
    mov     x30, xzr
    bl      vload_child_start
    b       vload_leave
    .previous
    "#,
    block = const offset_of!(CallRegs, block),
    vectors = const VECTOR_AREA,
);

/// Index of the child's thread pointer among the arguments of `clone(2)` (kernel/fork.c,
/// `CONFIG_CLONE_BACKWARDS`).
pub const CLONE_TLS: usize = 3;
