//! A copy that may fault: the instructions of `arch/copy.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_copy, vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy
vload_copy:                             # (to, from, bytes)
    pushl   %esi
    pushl   %edi
    movl    12(%esp), %edi
    movl    16(%esp), %esi
    movl    20(%esp), %ecx
vload_copy_start:
    rep movsb                           # what faults here goes on at vload_copy_fault
vload_copy_end:
    xorl    %eax, %eax
1:  popl    %edi
    popl    %esi
    ret
vload_copy_fault:
    movl    $1, %eax
    jmp     1b
    .previous
    "#,
    options(att_syntax)
);
