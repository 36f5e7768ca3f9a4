//! Code of a module's, called so that a fault in it ends no more than the call: the instructions of
//! `arch/guard.rs`.

use core::arch::global_asm;

global_asm!(
    r#"
    .text
    .hidden vload_guarded, vload_guard_failed, vload_trap
    .globl vload_guarded, vload_guard_failed, vload_trap
vload_guarded:                          # (function, argument, where esp is kept)
    movl    4(%esp), %eax
    movl    8(%esp), %ecx
    movl    12(%esp), %edx
    pushl   %ebx                        # what a callee preserves (System V ABI for i386, 3-11)
    pushl   %ebp
    pushl   %esi
    pushl   %edi
    subl    $8, %esp                    # so that esp is a multiple of 16 at the call
    pushl   %ecx
    movl    %esp, (%edx)
    call    *%eax
2:  addl    $12, %esp
    popl    %edi
    popl    %esi
    popl    %ebp
    popl    %ebx
    ret
vload_guard_failed:                     # eax = what was kept
    movl    %eax, %esp
    cld                                 # the C ABI wants DF clear
    movl    $-5, %eax                   # -EIO
    jmp     2b
vload_trap:
    ud2
    .previous
    "#,
    options(att_syntax)
);
