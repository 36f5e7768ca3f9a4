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
    # (arch/x86/include/asm/elf.h), and no flag but that interrupts are let in (start_thread_common).
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # rdi = stack pointer, rsi = entry point
    movq    %rsi, %gs:{jump}
    pushq   $0x202                      # on vload's stack; mov changes no flag
    popfq
    movq    %rdi, %rsp
    movl    $0, %eax
    movl    %eax, %ebx
    movl    %eax, %ecx
    movl    %eax, %edx
    movl    %eax, %esi
    movl    %eax, %edi
    movl    %eax, %ebp
    movl    %eax, %r8d
    movl    %eax, %r9d
    movl    %eax, %r10d
    movl    %eax, %r11d
    movl    %eax, %r12d
    movl    %eax, %r13d
    movl    %eax, %r14d
    movl    %eax, %r15d
    jmp     *%gs:{jump}
    .previous
    "#,
    jump = const offset_of!(Block, jump),
    options(att_syntax)
);
