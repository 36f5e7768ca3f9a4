//! Where the kernel starts the resident's signal handler, and the ways back through a signal frame.

use core::arch::global_asm;
use core::mem::offset_of;

use super::leave::end_of_handler;
use crate::arch::thread_block;
use crate::signal::vload_signal;
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .option push
    .option norelax
    .balign 16
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
    .option pop
    .previous
    "#,
    stack_top = const offset_of!(Block, stack_top),
    signal = sym vload_signal,
    own_block = sym own_block,
    end_of_handler = sym end_of_handler,
);

/// [`thread_block`] for the code above.
extern "C" fn own_block() -> *mut Block {
    thread_block()
}

unsafe extern "C" {
    fn vload_handler();
    fn vload_target_restorer();
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
