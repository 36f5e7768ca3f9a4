//! Code of a module's, called so that a fault in it ends no more than the call: the instructions of
//! `arch/guard.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_guarded, vload_guard_failed, vload_trap
    .globl vload_guarded, vload_guard_failed, vload_trap
vload_guarded:                          # rdi = function, rsi = its argument, rdx = where rsp is kept
    pushq   %rbx                        # what a callee preserves (System V ABI, 3.2.1)
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    pushq   %rdx                        # now rsp is a multiple of 16
    movq    %rsp, (%rdx)
    movq    %rdi, %rax
    movq    %rsi, %rdi
    call    *%rax
2:  popq    %rdx
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    ret
vload_guard_failed:                     # rax = what was kept
    movq    %rax, %rsp
    cld                                 # the C ABI wants DF clear
    movq    $-5, %rax                   # -EIO
    jmp     2b
vload_trap:
    ud2
    .previous
    "#,
    options(att_syntax)
);
