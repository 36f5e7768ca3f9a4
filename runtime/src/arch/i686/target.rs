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
vload_exit_thread:                      # (status, &block->state)
    movl    4(%esp), %ebx
    movl    8(%esp), %ecx
    movl    $1, %eax
    movl    $0, (%ecx)
    int     $0x80
    ud2

    # The first instruction of the target: all registers zero, as ELF_PLAT_INIT leaves them
    # (arch/x86/include/asm/elf.h), and no flag but that interrupts are let in (start_thread).
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # (stack pointer, entry point)
    movl    8(%esp), %eax
    movl    %eax, %fs:{jump}
    pushl   $0x202                      # on vload's stack; mov changes no flag
    popfl
    movl    4(%esp), %esp
    movl    $0, %eax
    movl    %eax, %ebx
    movl    %eax, %ecx
    movl    %eax, %edx
    movl    %eax, %esi
    movl    %eax, %edi
    movl    %eax, %ebp
    jmp     *%fs:{jump}
    .previous
    "#,
    jump = const offset_of!(Block, jump),
    options(att_syntax)
);
