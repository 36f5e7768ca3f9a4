//! The way to the block of a thread whose gs is the target's own.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};

use super::thread::{Binding, DIRECT};
use crate::arch::tsc::escape_of_ticks;
use crate::patch::SiteDesc;
use crate::thread::Block;

/// Gives a slot back, with the caller's flags, which lie on it, and the caller's stack pointer.
macro_rules! leave_slot {
    () => {
        r#"
    popfq
    movq    %rsp, %rcx
    movq    (%rcx), %rsp
    movl    $0, 8(%rcx)                 # the slot is free
        "#
    };
}
pub(super) use leave_slot;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    # gs does not lead to a block: it is the target's. Who calls is asked of the kernel, on one of a
    # few stacks of the process, since the caller's is not ours to use. Taking one writes no flags
    # and needs rcx alone: an exchange, and jrcxz. Whoever has one is never delayed by a signal (it
    # is held) and keeps it for one gettid(2).
    .hidden vload_lost
    .globl vload_lost
vload_lost:                             # r11 = desc
    .set    slot, 0
    .rept   {slots}
    movl    $1, %ecx
    xchgl   %ecx, vload_slots+{slot_size}*(slot+1)-8(%rip)
    jrcxz   8f
    jmp     9f
8:  movq    %rsp, vload_slots+{slot_size}*(slot+1)-16(%rip)
    leaq    vload_slots+{slot_size}*(slot+1)-16(%rip), %rsp
    jmp     vload_search
9:  .set    slot, slot+1
    .endr
    pause
    jmp     vload_lost

vload_search:                           # rsp = the slot's word with the caller's rsp
    pushfq
    pushq   %rax
    pushq   %rdx
    pushq   %rdi
    pushq   %rsi
    pushq   %r11
    movl    $186, %eax                  # gettid
    syscall
    movq    {pool}(%rip), %rdx
1:  testq   %rdx, %rdx
    jz      vload_unknown
    cmpl    $0, {state}(%rdx)
    je      2f
    cmpl    %eax, {tid}(%rdx)
    je      3f
2:  movq    {next}(%rdx), %rdx
    jmp     1b
3:  cmpb    $0, {direct}(%rip)
    je      4f
    rdgsbase %rax
    wrgsbase %rdx
    jmp     5f
4:  pushq   %rax                        # arch_prctl(ARCH_GET_GS, rsp), (ARCH_SET_GS, block)
    movl    $158, %eax
    movl    $0x1004, %edi
    movq    %rsp, %rsi
    syscall
    movl    $158, %eax
    movl    $0x1001, %edi
    movq    %rdx, %rsi
    syscall
    popq    %rax
5:  movq    %rax, %gs:{base}
    movl    $1, %gs:{foreign}
    popq    %r11                        # which way did it come?
    leaq    vload_found_anywhere(%rip), %rax
    testq   %r11, %r11
    js      6f
    leaq    vload_found(%rip), %rax
    movq    %r11, %rdx
    andq    $-2, %rdx                   # the low bit: its call has been made (watch.rs)
    cmpb    $0, {entry}(%rdx)
    je      6f
    leaq    vload_found_compat(%rip), %rax
6:  movq    %rax, %gs:{jump}
    popq    %rsi
    popq    %rdi
    popq    %rdx
    popq    %rax
    "#,
    leave_slot!(),
    r#"
    jmp     *%gs:{jump}

    # A thread that the resident has not started: its call is made as it came, from the stub.
vload_unknown:
    cmpb    $0, {adopted}(%rip)
    jne     vload_adopt_caller
    popq    %r11
    testq   %r11, %r11
    js      7f
    popq    %rsi
    popq    %rdi
    testb   $1, %r11b                   # its call has been made
    jz      1f
    movzbl  {resume}-1(%r11), %edx
    jmp     2f
1:  movzbl  {gate}(%r11), %edx
2:  andq    $-2, %r11
    notq    %rdx
    leaq    1(%r11,%rdx), %r11          # the system-call instruction of the stub, or behind it
    popq    %rdx
    popq    %rax
    "#,
    leave_slot!(),
    r#"
    jmp     *%r11
7:  ud2

    .pushsection .bss.slots, "aw", @nobits
    .balign 64
    .hidden vload_slots
    .globl vload_slots
vload_slots:
    .skip   {slots}*{slot_size}
    .popsection
    .previous
    "#,
    jump = const offset_of!(Block, jump),
    foreign = const offset_of!(Block, binding) + offset_of!(Binding, foreign),
    base = const offset_of!(Block, binding) + offset_of!(Binding, base),
    direct = sym DIRECT,
    slots = const SLOTS,
    slot_size = const SLOT_SIZE,
    adopted = sym crate::adopt::ADOPTED,
    pool = sym crate::thread::POOL,
    next = const crate::thread::NEXT_BLOCK,
    state = const offset_of!(Block, state),
    tid = const offset_of!(Block, tid),
    entry = const offset_of!(SiteDesc, entry),
    gate = const offset_of!(SiteDesc, gate),
    resume = const offset_of!(SiteDesc, resume),
    options(att_syntax)
);

/// Stacks on which a thread finds its block when gs is the target's.
const SLOTS: usize = 16;
/// Bytes of one: at its end the lock, and below it the caller's stack pointer.
const SLOT_SIZE: usize = 128;

unsafe extern "C" {
    static vload_slots: [u64; SLOTS * SLOT_SIZE / 8];
    fn vload_check();
    fn vload_check_compat();
    fn vload_check_anywhere();
    fn vload_lost();
}

/// Where a fault at `pc` goes on that is expected. In the entry: gs leads nowhere, so it is the target's.
pub fn escape_of_fault(pc: usize) -> Option<usize> {
    let checks = [
        vload_check as *const () as usize,
        vload_check_compat as *const () as usize,
        vload_check_anywhere as *const () as usize,
        super::watch::watched_check(),
    ];
    let lost = checks.contains(&pc).then_some(vload_lost as *const () as usize);
    lost.or_else(|| escape_of_ticks(pc))
}

/// Makes the stacks of `vload_lost` free, in a child that has one thread.
pub(super) fn free_slots() {
    for slot in 0..SLOTS {
        // SAFETY: the last eight bytes of a slot are its lock, and only the assembly above uses it.
        let lock = unsafe {
            let end = (&raw const vload_slots).byte_add(SLOT_SIZE * (slot + 1));
            AtomicU32::from_ptr(end.byte_sub(8).cast::<u32>().cast_mut())
        };
        lock.store(0, Ordering::Relaxed);
    }
}
