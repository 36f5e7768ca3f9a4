//! Where the kernel starts the resident's signal handler, and the ways back through a signal frame.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    // rt_sigreturn(2) on a frame of the target's, all signals blocked: the frame unblocks them.
    .hidden vload_sigreturn
    .globl vload_sigreturn
vload_sigreturn:                        // x0 = stack pointer
    mov     sp, x0
    mov     x8, #139
    svc     #0
    brk     #0x102

    // Where the resident's own signal handler returns. The words are those that unwinders know.
    .balign 16
    nop
    .hidden vload_restorer
    .globl vload_restorer
vload_restorer:
    mov     x8, #139
    svc     #0
    brk     #0x103

    // Where a handler of the target's returns that has no restorer of its own: a site of ours.
    .hidden vload_target_restorer
    .globl vload_target_restorer
    nop
vload_target_restorer:
    mov     x8, #139
10: stp     x16, x17, [sp, #-16]!
11: adr     x16, 13f
    b       vload_entry
12: ldp     x16, x17, [sp], #16
    brk     #0x104
    .balign 4
13: .word   10b - 13b                   // a SiteDesc: site, resume, gate, entry, keeps,
    .byte   13b - 12b, 13b - 10b, 0, 3  // start, shape, test
    .hword  13b - 10b
    .byte   6, 13b - 11b
    .previous
    "#,
);

unsafe extern "C" {
    fn vload_target_restorer();
}

/// The handler that the kernel is given.
pub fn handler() -> usize {
    crate::signal::vload_signal as *const () as usize
}

/// Where a handler of the target's returns that has no `sa_restorer`, as most have not: natively
/// the vDSO's `__kernel_rt_sigreturn`.
pub(super) fn target_restorer() -> usize {
    vload_target_restorer as *const () as usize
}
