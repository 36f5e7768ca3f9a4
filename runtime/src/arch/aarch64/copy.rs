//! A copy that may fault: the instructions of `arch/copy.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_copy, vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy
vload_copy:                             // x0 = to, x1 = from, x2 = bytes
vload_copy_start:                       // what faults from here on goes on at vload_copy_fault
3:  subs    x3, x2, #8                  // by words, as long as there is one
    b.lo    4f
    ldr     x4, [x1], #8
    str     x4, [x0], #8
    mov     x2, x3
    b       3b
4:  cbz     x2, vload_copy_end
1:  ldrb    w3, [x1], #1
    strb    w3, [x0], #1
    subs    x2, x2, #1
    b.ne    1b
vload_copy_end:
    mov     w0, #0
    ret
vload_copy_fault:
    mov     w0, #1
    ret
    .previous
    "#,
);
