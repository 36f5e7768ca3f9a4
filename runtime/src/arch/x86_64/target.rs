//! The first instruction of the target, and the last of a thread.

use core::arch::global_asm;
use core::mem::offset_of;

use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    # exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      # rdi = status, rsi = &block->state
    movl    $60, %eax
    movl    $0, (%rsi)
    syscall
    ud2

    # The first instruction of the target: all registers zero, as ELF_PLAT_INIT leaves them
    # (arch/x86/include/asm/elf.h).
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # rdi = stack pointer, rsi = entry point
    movq    %rsi, %gs:{jump}
    movq    %rdi, %rsp
    xorl    %eax, %eax
    xorl    %ebx, %ebx
    xorl    %ecx, %ecx
    xorl    %edx, %edx
    xorl    %esi, %esi
    xorl    %edi, %edi
    xorl    %ebp, %ebp
    xorl    %r8d, %r8d
    xorl    %r9d, %r9d
    xorl    %r10d, %r10d
    xorl    %r11d, %r11d
    xorl    %r12d, %r12d
    xorl    %r13d, %r13d
    xorl    %r14d, %r14d
    xorl    %r15d, %r15d
    jmp     *%gs:{jump}
    .previous
    "#,
    jump = const offset_of!(Block, jump),
    options(att_syntax)
);
