//! A copy that may fault: the instructions of `arch/copy.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_copy, vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy
vload_copy:                             // x0 = to, x1 = from, x2 = bytes
    cbz     x2, 2f
vload_copy_start:                       // what faults here goes on at vload_copy_fault
1:  ldrb    w3, [x1], #1
    strb    w3, [x0], #1
    subs    x2, x2, #1
    b.ne    1b
vload_copy_end:
2:  mov     w0, #0
    ret
vload_copy_fault:
    mov     w0, #1
    ret
    .previous
    "#,
);
