//! From the resident to the target.
//!
//! What a signal finds from `vload_exit_start` to `vload_exit_end`: the caller's registers are all in
//! its [`CallRegs`], its vector state is back in place. The signal is delivered as if the caller
//! already ran.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    .hidden vload_leave
    .globl vload_leave
vload_leave:                            # esp = vector area
    ldmxcsr 128(%esp)
    movaps  0(%esp), %xmm0
    movaps  16(%esp), %xmm1
    movaps  32(%esp), %xmm2
    movaps  48(%esp), %xmm3
    movaps  64(%esp), %xmm4
    movaps  80(%esp), %xmm5
    movaps  96(%esp), %xmm6
    movaps  112(%esp), %xmm7
    addl    ${vectors}, %esp

    .hidden vload_exit_start
    .globl vload_exit_start
vload_exit_start:
    cmpl    $0, %fs:{held}              # a signal that came after this line is not held
    jne     vload_exit_held
    cmpl    $0, %fs:{exit_mask_set}
    je      3f
    movl    $175, %eax                  # rt_sigprocmask(SIG_SETMASK, &block->exit_mask, 0, 8)
    movl    $2, %ebx
    movl    %fs:{this}, %ecx
    leal    {exit_mask}(%ecx), %ecx
    xorl    %edx, %edx
    movl    $8, %esi
    int     $0x80
    movl    $0, %fs:{exit_mask_set}     # it is set: what mask the target has from here on is its own affair
3:  movl    {eip}(%esp), %ecx
    movl    %ecx, %fs:{jump}
    popl    %ebx
    popl    %ecx
    popl    %edx
    popl    %esi
    popl    %edi
    popl    %ebp
    popl    %eax
    leal    8(%esp), %esp               # number, eip
    popfl
    popl    %esp
    jmp     *%fs:{jump}
    .hidden vload_exit_end
    .globl vload_exit_end
vload_exit_end:
    ud2

vload_exit_held:
    movl    %esp, %eax
    subl    ${vectors}+16, %esp
    movl    %fs:{this}, %ecx
    movl    %eax, 0(%esp)
    movl    %ecx, 4(%esp)
    call    vload_resident_deliver      # (regs, block)
    addl    $16, %esp
    jmp     vload_leave
    .previous
    "#,
    this = const offset_of!(Block, this),
    jump = const offset_of!(Block, jump),
    held = const offset_of!(Block, held_flag),
    exit_mask_set = const offset_of!(Block, exit_mask_set),
    exit_mask = const offset_of!(Block, exit_mask),
    eip = const offset_of!(CallRegs, eip),
    vectors = const VECTOR_AREA,
    options(att_syntax)
);
