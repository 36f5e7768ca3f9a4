//! A copy that may fault: the instructions of `arch/copy.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_copy, vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy
vload_copy:                             # a0 = to, a1 = from, a2 = bytes
    add     a2, a2, a0
    j       2f
vload_copy_start:                       # what faults here goes on at vload_copy_fault
1:  lbu     a3, 0(a1)
    sb      a3, 0(a0)
    addi    a1, a1, 1
    addi    a0, a0, 1
2:  bne     a0, a2, 1b
vload_copy_end:
    li      a0, 0
    ret
vload_copy_fault:
    li      a0, 1
    ret
    .previous
    "#,
);
