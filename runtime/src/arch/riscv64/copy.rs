//! A copy that may fault: the instructions of `arch/copy.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_copy, vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy
vload_copy:                             # a0 = to, a1 = from, a2 = bytes
    add     a2, a2, a0                  # the end of what is written
vload_copy_start:                       # what faults from here on goes on at vload_copy_fault
    or      a3, a0, a1                  # by words, where both are aligned and as long as there is one:
    andi    a3, a3, 7                   # others may be made by a trap each
    bnez    a3, 2f
    addi    a4, a2, -7                  # where no whole word is left
3:  bgeu    a0, a4, 2f
    ld      a3, 0(a1)
    sd      a3, 0(a0)
    addi    a1, a1, 8
    addi    a0, a0, 8
    j       3b
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
