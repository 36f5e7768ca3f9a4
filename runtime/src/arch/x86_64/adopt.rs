//! The first entry of a thread that the resident has not started ([`crate::adopt`]).
//!
//! Its gs base is 0, as the kernel leaves it, or the program's own. Where it is 0 the load by which the
//! entry looks for a block would fault, and a fault kills a thread that blocks its signal: in an
//! adopted process the base is looked at first.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use super::call_regs::VECTOR_AREA;
use super::entry::COMPAT_R11;
use super::lost::leave_slot;
use super::thread::HWCAP2_FSGSBASE;
use super::vectors::{restore_vectors, save_vectors};
use crate::patch::SiteDesc;
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    .hidden vload_entry_adopted
    .globl vload_entry_adopted
vload_entry_adopted:                    # r11 = desc, as at vload_entry; no flags are written
    rdgsbase %rcx
    jrcxz   1f
    jmp     vload_check
    .hidden vload_entry_compat_adopted
    .globl vload_entry_compat_adopted
vload_entry_compat_adopted:             # rcx = desc, as at vload_entry_compat
    movq    %r11, {compat_r11}(%rsp)
    movq    %rcx, %r11
    rdgsbase %rcx
    jrcxz   1f
    jmp     vload_check_compat
1:  jmp     vload_lost

    # No block has the caller's id. It gets one here, on its own stack, below the red zone and what
    # the stub of an int $0x80 has put behind that: once in a thread's life, where it calls.
    .hidden vload_adopt_caller
    .globl vload_adopt_caller
vload_adopt_caller:                     # rsp = a slot, as vload_search has left it
    popq    %r11
    popq    %rsi
    popq    %rdi
    popq    %rdx
    popq    %rax
    "#,
    leave_slot!(),
    r#"
    leaq    -256(%rsp), %rsp
    pushfq
    pushq   %rax                        # what a C function may change, but for rcx
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    pushq   %rbp
    pushq   $2                          # no direction, no single step, no alignment check
    popfq
    movq    %rsp, %rbp
    andq    $-16, %rsp
    subq    ${vectors}, %rsp
    "#,
    save_vectors!(),
    r#"
    call    vload_adopt_thread
    "#,
    restore_vectors!(),
    r#"
    movq    %rbp, %rsp
    popq    %rbp
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdx
    popq    %rsi
    popq    %rdi
    popq    %rax
    leaq    vload_check_anywhere(%rip), %rcx
    testq   %r11, %r11                  # which way it came, as vload_search tells it
    js      2f
    movq    %r11, %rcx
    andq    $-2, %rcx                   # the low bit: its call has been made (watch.rs)
    cmpb    $0, {entry}(%rcx)
    leaq    vload_check(%rip), %rcx
    je      2f
    leaq    vload_check_compat(%rip), %rcx
2:  popfq
    leaq    256(%rsp), %rsp
    jmp     *%rcx
    .previous
    "#,
    compat_r11 = const -COMPAT_R11,
    vectors = const VECTOR_AREA,
    entry = const offset_of!(SiteDesc, entry),
    options(att_syntax)
);

unsafe extern "C" {
    fn vload_entry_adopted();
    fn vload_entry_compat_adopted();
}

/// The entries of an adopted process ([`super::syscall_entries`]).
pub(super) fn entries() -> (usize, usize) {
    (vload_entry_adopted as *const () as usize, vload_entry_compat_adopted as *const () as usize)
}

/// Whether a thread that the resident has not started can be made one of its own. Asked before anything else of a process
/// that shall be adopted, in which even `cpuid` may be the program's.
pub fn can_adopt() -> bool {
    super::keys::adopted();
    crate::process::hwcap2() & HWCAP2_FSGSBASE != 0
}

/// Whether another resident has this process: it has patched our own way into the kernel.
pub fn is_covered() -> bool {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let site = super::own_call_done() - SYSCALL.len();
    // SAFETY: the bytes before the address are an instruction of our own text.
    unsafe { (site as *const [u8; 2]).read_volatile() != SYSCALL }
}

/// What the calling thread's register holds is the program's: the block, to which it will lead,
/// remembers it.
pub fn keep_thread_register(block: &Block) {
    let base: u64;
    // SAFETY: the instruction exists, by `can_adopt`, and reads a register.
    unsafe { asm!("rdgsbase {}", out(reg) base, options(nostack, nomem, preserves_flags)) };
    block.binding.set(base);
}
