//! From the resident to the target.
//!
//! What a signal finds from `vload_exit_start` to `vload_exit_end`: the caller's registers are all in
//! its [`CallRegs`], its vector state is back in place. The signal is delivered as if the caller
//! already ran.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use super::thread::{Binding, DIRECT};
use super::vectors::restore_vectors;
use crate::thread::Block;

/// The registers of a [`CallRegs`] in their order, up to the number.
macro_rules! pop_registers {
    () => {
        r#"
    .irp    register, r15,r14,r13,r12,rbp,rbx,r11,r10,r9,r8,rax,rcx,rdx,rsi,rdi
    popq    %\register
    .endr
        "#
    };
}

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    .hidden vload_leave
    .globl vload_leave
vload_leave:                            # rsp = vector area
    "#,
    restore_vectors!(),
    r#"
    addq    ${vectors}, %rsp
    movl    $0, %gs:{at_work}           # before the next look at must_arm: who gathers threads sets that
                                        # first (watch/gather.rs)
    .hidden vload_exit_start
    .globl vload_exit_start
vload_exit_start:
    cmpq    $0, %gs:{held}              # a signal that came after this line is not held; behind the
    jne     vload_exit_held             # flag is that of a thread to be armed
    cmpl    $0, %gs:{exit_mask_set}
    je      3f
    movl    $14, %eax                   # rt_sigprocmask(SIG_SETMASK, &block->exit_mask, 0, 8)
    movl    $2, %edi
    movq    %gs:{this}, %rsi
    leaq    {exit_mask}(%rsi), %rsi
    xorl    %edx, %edx
    movl    $8, %r10d
    syscall
    movl    $0, %gs:{exit_mask_set}     # it is set: what mask the target has from here on is its own affair
3:  cmpl    $0, %gs:{foreign}           # gs is the caller's own?
    jne     vload_exit_foreign
    movq    {rip}(%rsp), %rcx
    movq    %rcx, %gs:{jump}
    "#,
    pop_registers!(),
    r#"
    leaq    16(%rsp), %rsp              # number, rip
    popfq
    popq    %rsp
    jmp     *%gs:{jump}

    # The caller has a gs base of its own, so nothing leads back to the block once it is in place:
    # an interrupt return, which the processor makes at any level (Intel SDM, IRETQ), takes the
    # rest from below the registers, where the vector state was.
vload_exit_foreign:                     # rsp = CallRegs
    pushfq                              # where NT is set, which the caller may have, an interrupt return
    andl    $~0x4000, (%rsp)            # is one to another task, which faults in 64-bit code
    popfq
    movq    {rip}(%rsp), %rax
    movq    %rax, -40(%rsp)
    movl    %cs, %eax
    movq    %rax, -32(%rsp)
    movq    {flags}(%rsp), %rax
    movq    %rax, -24(%rsp)
    movq    {rsp}(%rsp), %rax
    movq    %rax, -16(%rsp)
    movl    %ss, %eax
    movq    %rax, -8(%rsp)
    movq    %gs:{base}, %rsi
    cmpb    $0, {direct}(%rip)
    je      6f
    wrgsbase %rsi
    jmp     7f
6:  movl    $158, %eax                  # arch_prctl(ARCH_SET_GS, base)
    movl    $0x1001, %edi
    syscall
7:
    "#,
    pop_registers!(),
    r#"
    leaq    -(15*8+40)(%rsp), %rsp
    iretq
    .hidden vload_exit_end
    .globl vload_exit_end
vload_exit_end:
    ud2

vload_exit_held:
    movq    %rsp, %rdi
    subq    ${vectors}, %rsp
    movq    %gs:{this}, %rsi
    cmpl    $0, {must_arm}(%rsi)
    jne     8f
    call    vload_resident_deliver      # (regs, block)
    jmp     vload_leave
8:  movq    %rsi, %rdi
    call    vload_resident_arm          # (block)
    jmp     vload_leave
    .previous
    "#,
    this = const offset_of!(Block, this),
    jump = const offset_of!(Block, jump),
    held = const offset_of!(Block, held_flag),
    must_arm = const offset_of!(Block, must_arm),
    at_work = const offset_of!(Block, at_work),
    exit_mask_set = const offset_of!(Block, exit_mask_set),
    exit_mask = const offset_of!(Block, exit_mask),
    rip = const offset_of!(CallRegs, rip),
    flags = const offset_of!(CallRegs, flags),
    rsp = const offset_of!(CallRegs, rsp),
    vectors = const VECTOR_AREA,
    foreign = const offset_of!(Block, binding) + offset_of!(Binding, foreign),
    base = const offset_of!(Block, binding) + offset_of!(Binding, base),
    direct = sym DIRECT,
    options(att_syntax)
);

// The exit code tests both in one word.
const _: () = assert!(offset_of!(Block, held_flag) % 8 == 0);
const _: () = assert!(offset_of!(Block, must_arm) == offset_of!(Block, held_flag) + 4);
