//! The gate: every way into the kernel and out of it. All of it lies in section `.gate`, on pages of
//! its own.
//!
//! The signal handler starts [`vload_entry`](entry_address) for a site that has trapped
//! ([`Context::enter_stub`](super::Context)), with the caller's registers on the resident's stack.
//!
//! What a signal finds, by the interrupted address (`signal/arrive.rs` acts on it):
//! - from `vload_forward_check` up to and including the `ecall`: the call has not been made (or the
//!   kernel wants it made again); it is aborted;
//! - all else here and in Rust: the resident; the signal is held. On the way out all are blocked.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::VECTOR_AREA;
use super::leave::{end_of_handler, leave};
use crate::arch::thread_block;
use crate::signal::vload_signal;
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .option push
    .option norelax
    .option arch, +d
    .balign 64

    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          # a0 = number, a1 = six arguments
    mv      a7, a0
    mv      t0, a1
    ld      a0, 0(t0)
    ld      a1, 8(t0)
    ld      a2, 16(t0)
    ld      a3, 24(t0)
    ld      a4, 32(t0)
    ld      a5, 40(t0)
    ecall
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          # a0 = number, a1 = six arguments, a2 = block
    mv      a7, a0
    mv      t0, a1
    mv      t1, a2
    ld      a0, 0(t0)
    ld      a1, 8(t0)
    ld      a2, 16(t0)
    ld      a3, 24(t0)
    ld      a4, 32(t0)
    ld      a5, 40(t0)
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    lw      t2, {held}(t1)              # a signal came before the call: make it after the handler
    bnez    t2, vload_forward_abort
    ecall
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    li      a0, -512                    # -ERESTARTSYS, which the kernel never shows
    ret

    # clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    # own, so between the ecall and the mv below it touches no memory.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         # a0 = number, a1 = six arguments, a2 = child's stack,
    mv      a7, a0                      # a3 = child's block
    mv      t0, a1
    mv      t1, a2
    mv      t2, a3
    ld      a0, 0(t0)
    ld      a1, 8(t0)
    ld      a2, 16(t0)
    ld      a3, 24(t0)
    ld      a4, 32(t0)
    ld      a5, 40(t0)
    ecall
    beqz    a0, 1f
    ret
1:  mv      sp, t1                      # the child: sp = saved state, CallRegs above it
    addi    s0, sp, {vectors}
    mv      s1, t2
    mv      a0, s0
    mv      a1, s1
    li      ra, 0
    call    vload_child_start
    mv      a0, s0
    mv      a1, s1
    call    {leave}

    .hidden vload_entry
    .globl vload_entry
vload_entry:                            # a0 = sp = regs, a1 = block
    addi    sp, sp, -{vectors}
    fsd     f0, 0(sp)
    fsd     f1, 8(sp)
    fsd     f2, 16(sp)
    fsd     f3, 24(sp)
    fsd     f4, 32(sp)
    fsd     f5, 40(sp)
    fsd     f6, 48(sp)
    fsd     f7, 56(sp)
    fsd     f8, 64(sp)
    fsd     f9, 72(sp)
    fsd     f10, 80(sp)
    fsd     f11, 88(sp)
    fsd     f12, 96(sp)
    fsd     f13, 104(sp)
    fsd     f14, 112(sp)
    fsd     f15, 120(sp)
    fsd     f16, 128(sp)
    fsd     f17, 136(sp)
    fsd     f18, 144(sp)
    fsd     f19, 152(sp)
    fsd     f20, 160(sp)
    fsd     f21, 168(sp)
    fsd     f22, 176(sp)
    fsd     f23, 184(sp)
    fsd     f24, 192(sp)
    fsd     f25, 200(sp)
    fsd     f26, 208(sp)
    fsd     f27, 216(sp)
    fsd     f28, 224(sp)
    fsd     f29, 232(sp)
    fsd     f30, 240(sp)
    fsd     f31, 248(sp)
    frcsr   t0
    sd      t0, 256(sp)
    mv      s0, a0
    mv      s1, a1
    call    vload_resident_call         # (regs, block)
    mv      a0, s0
    mv      a1, s1
    call    {leave}

    # rt_sigreturn(2) on a frame of the target's or ours, all signals blocked: the frame unblocks
    # them.
    .hidden vload_sigreturn
    .globl vload_sigreturn
vload_sigreturn:                        # a0 = stack pointer
    mv      sp, a0
    li      a7, 139
    ecall
    ebreak

    # The resident's signal handler as the kernel calls it, with sp = frame.
    .hidden vload_handler
    .globl vload_handler
vload_handler:
    mv      s0, sp
    call    {signal}
    mv      sp, s0
    li      a7, 139
    ecall
    ebreak

    # Where a handler of the target's returns, with sp = frame.
    .hidden vload_target_restorer
    .globl vload_target_restorer
    nop
vload_target_restorer:
    mv      s0, sp
    call    {own_block}
    ld      sp, {stack_top}(a0)
    mv      a1, s0
    call    {end_of_handler}            # (block, sp)

    # exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      # a0 = status, a1 = &block->state
    li      a7, 93
    fence   rw, w
    sw      zero, 0(a1)
    ecall
    ebreak

    # The first instruction of the target: registers as start_thread leaves them
    # (arch/riscv/kernel/process.c), but for t0.
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # a0 = stack pointer, a1 = entry point
    mv      sp, a0
    mv      t0, a1
    li      ra, 0
    li      gp, 0
    li      tp, 0
    li      t1, 0
    li      t2, 0
    li      s0, 0
    li      s1, 0
    li      a0, 0
    li      a1, 0
    li      a2, 0
    li      a3, 0
    li      a4, 0
    li      a5, 0
    li      a6, 0
    li      a7, 0
    li      s2, 0
    li      s3, 0
    li      s4, 0
    li      s5, 0
    li      s6, 0
    li      s7, 0
    li      s8, 0
    li      s9, 0
    li      s10, 0
    li      s11, 0
    li      t3, 0
    li      t4, 0
    li      t5, 0
    li      t6, 0
    jr      t0

    .option pop
    .previous
    "#,
    stack_top = const offset_of!(Block, stack_top),
    held = const offset_of!(Block, held_flag),
    vectors = const VECTOR_AREA,
    leave = sym leave,
    signal = sym vload_signal,
    own_block = sym own_block,
    end_of_handler = sym end_of_handler,
);

/// [`thread_block`] for the code above.
extern "C" fn own_block() -> *mut Block {
    thread_block()
}

#[allow(improper_ctypes, reason = "blocks cross by address between Rust and the assembly above")]
unsafe extern "C" {
    static __gate_start: u8;
    static __gate_end: u8;
    fn vload_entry();
    fn vload_syscall_done();
    fn vload_forward(number: usize, args: *const [usize; 6], block: *const Block) -> isize;
    fn vload_forward_check();
    fn vload_forward_done();
    fn vload_forward_abort();
    fn vload_sigreturn(sp: usize) -> !;
    fn vload_handler();
    fn vload_target_restorer();
    fn vload_exit_thread(status: usize, state: *const u32) -> !;
    fn vload_enter_target(sp: usize, entry: usize) -> !;
}

/// A half-open range of addresses, and where to go on when a signal finds the thread in it.
#[derive(Clone, Copy)]
pub struct WindowAddresses {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Where a thread found inside goes on.
    pub escape: usize,
}

/// The instructions of [`forward`] at which the call has not been made, or is to be made again.
pub fn forward_windows() -> [WindowAddresses; 1] {
    [WindowAddresses {
        start: vload_forward_check as *const () as usize,
        end: vload_forward_done as *const () as usize,
        escape: vload_forward_abort as *const () as usize,
    }]
}

/// The way out to the target on which signals are delivered as if it already ran: none, they are
/// all blocked there.
pub fn exit_window() -> WindowAddresses {
    WindowAddresses { start: 0, end: 0, escape: 0 }
}

/// The pages of the resident from which the kernel is entered.
pub fn gate_range() -> (usize, usize) {
    (&raw const __gate_start as usize, &raw const __gate_end as usize)
}

/// The addresses that go into a link page: no stub uses them.
pub fn syscall_entries() -> (usize, usize) {
    (0, 0)
}

/// Where a call of a site starts.
pub(super) fn entry_address() -> usize {
    vload_entry as *const () as usize
}

/// Where the resident is when a call on the target's behalf has been made.
pub fn forwarded() -> usize {
    vload_forward_done as *const () as usize
}

/// Where the resident is when a call of its own has been made.
pub fn own_call_done() -> usize {
    vload_syscall_done as *const () as usize
}

/// The handler that the kernel is given. It does not return: `rt_sigreturn` in the vDSO, where the
/// kernel makes handlers return, is a site like any other.
pub fn handler() -> usize {
    vload_handler as *const () as usize
}

/// `sa_restorer` of the resident's own handlers: there is no such thing.
pub fn restorer() -> usize {
    0
}

/// Where a handler of the target's returns: natively the vDSO's `__vdso_rt_sigreturn`.
pub(super) fn target_restorer() -> usize {
    vload_target_restorer as *const () as usize
}

/// The result of a call that [`forward`] did not make because a signal was there first
/// (`ERESTARTSYS` of include/linux/errno.h, which never reaches a program).
pub const ABORTED: isize = -512;

/// Makes a call on the target's behalf that a signal may interrupt.
///
/// # Safety
/// The arguments must be the target's own, or sound for the kernel to act on.
pub unsafe fn forward(number: usize, args: &[usize; 6], block: &Block) -> isize {
    // SAFETY: `vload_forward` keeps the C calling convention; the call is the caller's promise.
    unsafe { vload_forward(number, args, block) }
}

/// Makes a call that entered the other way: no site does.
///
/// # Safety
/// As for [`forward`].
pub unsafe fn forward_compat(number: usize, args: &[usize; 6], block: &Block) -> isize {
    // SAFETY: the caller's promise.
    unsafe { forward(number, args, block) }
}

/// Leaves the resident through `rt_sigreturn(2)` on the frame at `sp`.
///
/// # Safety
/// `sp` must be where the target's own `rt_sigreturn` would have found its frame, or a frame of
/// ours, and all signals must be blocked.
pub unsafe fn sigreturn(sp: usize) -> ! {
    // SAFETY: the kernel checks the frame and kills the process when it is bad.
    unsafe { vload_sigreturn(sp) }
}

/// Ends the calling thread and gives its block back by storing 0 in `state`.
///
/// # Safety
/// All signals must be blocked, and nothing may use the block's memory after the store.
pub unsafe fn exit_thread(status: usize, state: *const u32) -> ! {
    // SAFETY: the code between the store and the kernel uses registers only.
    unsafe { vload_exit_thread(status, state) }
}

/// Jumps to the target's first instruction.
///
/// # Safety
/// `sp` must point to a complete initial stack and `entry` into mapped text; the thread block
/// must be bound.
pub unsafe fn enter_target(sp: usize, entry: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { vload_enter_target(sp, entry) }
}
