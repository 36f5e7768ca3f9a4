//! Where the kernel starts the resident's signal handler, and the ways back through a signal frame.

use core::arch::global_asm;

use crate::arch::gate;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    # rt_sigreturn(2) on a frame of the target's, all signals blocked: the frame unblocks them.
    .hidden vload_sigreturn
    .globl vload_sigreturn
vload_sigreturn:                        # rdi = stack pointer
    movq    %rdi, %rsp
    movl    $15, %eax
    syscall
    ud2

    # Where the kernel starts the resident's handler: with the flags of the code that the signal
    # found, but for three (handle_signal, arch/x86/kernel/signal.c). Alignment checks are not ours.
    .balign 16
    .hidden vload_handler
    .globl vload_handler
vload_handler:
    pushfq
    andl    $~0x40000, (%rsp)
    popfq
    jmp     {signal}

    # Where the resident's own signal handler returns. The bytes are those that unwinders know.
    .balign 16
    .hidden vload_restorer
    .globl vload_restorer
vload_restorer:
    movq    $15, %rax
    syscall
    ud2
    .previous
    "#,
    signal = sym crate::signal::vload_signal,
    options(att_syntax)
);

unsafe extern "C" {
    fn vload_handler();
}

/// The handler that the kernel is given.
pub fn handler() -> usize {
    vload_handler as *const () as usize
}

/// Leaves the resident through `rt_sigreturn(2)` on the frame at `sp`.
///
/// # Safety
/// `sp` must be where the target's own `rt_sigreturn` would have found its frame, and all signals
/// must be blocked.
pub unsafe fn sigreturn(sp: usize) -> ! {
    // SAFETY: the resident runs, so gs leads to this thread's block, and it uses it no more.
    super::thread::restore_thread_register(unsafe { &*super::thread::thread_block() });
    // SAFETY: the caller's promise.
    unsafe { gate::sigreturn(sp) }
}
