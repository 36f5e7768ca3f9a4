//! Where the kernel starts the resident's signal handler, and the ways back through a signal frame.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    # rt_sigreturn(2) on a frame of the target's, all signals blocked: the frame unblocks them.
    .hidden vload_sigreturn
    .globl vload_sigreturn
vload_sigreturn:                        # (stack pointer)
    movl    4(%esp), %esp
    movl    $173, %eax
    int     $0x80
    ud2

    # Where the resident's own signal handler returns. The bytes are those that unwinders know.
    .balign 16
    .hidden vload_restorer
    .globl vload_restorer
vload_restorer:
    movl    $173, %eax
    int     $0x80
    ud2

    # Where the kernel starts the resident's handler: with the flags of the code that the signal
    # found, but for three (handle_signal, arch/x86/kernel/signal.c). Alignment checks are not ours.
    .balign 16
    .hidden vload_handler
    .globl vload_handler
vload_handler:
    pushfl
    andl    $~0x40000, (%esp)
    popfl
    jmp     {signal}
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
