//! A copy that may fault: the instructions of `arch/copy.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_copy, vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy_start, vload_copy_end, vload_copy_fault
    .globl vload_copy
vload_copy:                             # rdi = to, rsi = from, rdx = bytes
    movq    %rdx, %rcx
vload_copy_start:                       # what faults from here on goes on at vload_copy_fault
    cmpq    $8, %rcx                    # a word, as most are: `rep` takes longer to begin
    jne     1f
    movq    (%rsi), %rax
    movq    %rax, (%rdi)
    jmp     vload_copy_end
1:  rep movsb
vload_copy_end:
    xorl    %eax, %eax
    ret
vload_copy_fault:
    movl    $1, %eax
    ret
    .previous
    "#,
    options(att_syntax)
);
