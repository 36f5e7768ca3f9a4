//! A cheap clock: the instructions of `arch/tsc.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_ticks, vload_ticks_read, vload_ticks_fault
    .globl vload_ticks, vload_ticks_read, vload_ticks_fault
vload_ticks:
vload_ticks_read:
    rdtsc
    shlq    $32, %rdx
    orq     %rdx, %rax
    ret
vload_ticks_fault:
    xorl    %eax, %eax
    ret
    .previous
    "#,
    options(att_syntax)
);
