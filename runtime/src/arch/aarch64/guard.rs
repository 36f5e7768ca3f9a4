//! Code of a module's, called so that a fault in it ends no more than the call: the instructions of
//! `arch/guard.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_guarded, vload_guard_failed, vload_trap
    .globl vload_guarded, vload_guard_failed, vload_trap
vload_guarded:                          // x0 = function, x1 = its argument, x2 = where sp is kept
    stp     x29, x30, [sp, #-160]!      // what a callee preserves (AAPCS64, 6.1)
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mov     x9, sp
    str     x9, [x2]
    mov     x9, x0
    mov     x0, x1
    blr     x9
2:  ldp     d14, d15, [sp, #144]
    ldp     d12, d13, [sp, #128]
    ldp     d10, d11, [sp, #112]
    ldp     d8, d9, [sp, #96]
    ldp     x27, x28, [sp, #80]
    ldp     x25, x26, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x21, x22, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #160
    ret
vload_guard_failed:                     // x0 = what was kept
    mov     sp, x0
    mov     x0, #-5                     // -EIO
    b       2b
vload_trap:
    udf     #0
    .previous
    "#,
);
