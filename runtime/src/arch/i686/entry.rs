//! The way from a stub to the resident.
//!
//! A stub arrives here by `call *%fs:…`: the address behind that call is its site description. That
//! one word on the target's stack is below its stack pointer, where i386 code keeps nothing: there is
//! no red zone (System V ABI for i386, 3.2.2).
//!
//! What a signal finds between `vload_entry` and the call of Rust, and in Rust: the resident; the
//! signal is held (`signal/arrive.rs`). `forward.rs` and `exit.rs` have the windows in which it is not
//! so.

use core::arch::global_asm;
use core::mem::{offset_of, size_of};

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64
    .hidden vload_entry
    .globl vload_entry
vload_entry:
    popl    %fs:{spill}                 # no instruction before the pushfl changes the flags
    movl    %esp, %fs:{spill}+4
    movl    %fs:{stack_top}, %esp
    pushl   %fs:{spill}                 # desc
    pushl   %fs:{spill}+4               # esp
    pushfl                              # flags
    pushl   $0                          # eip, set by Rust
    pushl   %eax                        # number
    pushl   %eax
    pushl   %ebp
    pushl   %edi
    pushl   %esi
    pushl   %edx
    pushl   %ecx
    pushl   %ebx
    cld                                 # the C ABI wants DF clear
    testl   $0x40100, {flags}(%esp)     # single steps, alignment checks: the caller's, not ours
    jne     5f
4:  movl    %esp, %eax
    movl    %esp, %fs:{regs}
    subl    ${vectors}, %esp            # stack_top and CallRegs are multiples of 16
    stmxcsr 128(%esp)
    movaps  %xmm0, 0(%esp)
    movaps  %xmm1, 16(%esp)
    movaps  %xmm2, 32(%esp)
    movaps  %xmm3, 48(%esp)
    movaps  %xmm4, 64(%esp)
    movaps  %xmm5, 80(%esp)
    movaps  %xmm6, 96(%esp)
    movaps  %xmm7, 112(%esp)
    subl    $16, %esp
    movl    %fs:{this}, %ecx
    movl    %eax, 0(%esp)
    movl    %ecx, 4(%esp)
    call    vload_resident_call         # (regs, block)
    addl    $16, %esp
    jmp     vload_leave
5:  pushfl                              # what is left is the caller's: `rt_sigreturn` does not set every flag
    andl    $~0x40100, (%esp)
    popfl
    jmp     4b
    .previous
    "#,
    this = const offset_of!(Block, this),
    stack_top = const offset_of!(Block, stack_top),
    spill = const offset_of!(Block, spill),
    regs = const offset_of!(Block, regs),
    flags = const offset_of!(CallRegs, flags),
    vectors = const VECTOR_AREA,
    options(att_syntax)
);

// The pushes above are the layout of `CallRegs`.
const _: () = assert!(size_of::<CallRegs>() == 0x30 && VECTOR_AREA.is_multiple_of(16));

unsafe extern "C" {
    fn vload_entry();
}

/// Where stubs and the vDSO's copy call.
pub(super) fn entry_address() -> usize {
    vload_entry as *const () as usize
}

/// The addresses that go into a link page; stubs find the entry through the thread block instead.
pub fn syscall_entries() -> (usize, usize) {
    (entry_address(), entry_address())
}
