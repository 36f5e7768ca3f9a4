//! The head of the gate, and the way from a stub to the resident. The gate is every way into the kernel
//! and out of it: section `.gate`, on pages of its own, in the files of this folder that have assembly.
//!
//! A `syscall` stub arrives here with the address of its site description in r11, and rcx is free
//! (the kernel clobbers both). At an `int $0x80` nothing is free: the stub has put rcx below the
//! target's red zone, and the address in it. No more of the target's stack is touched: the handler
//! may have 2 KiB of it (Go).
//!
//! gs leads to the thread's block, unless the target has set a base of its own (`thread.rs`).
//!
//! A call that no stub has brought, because its instruction was found out by a signal or by a
//! tracer, is entered by the gate's own start, which is the start of vload's first executable
//! mapping and keeps its layout:
//!
//! ```text
//! +0   entry of a syscall instruction anywhere: rcx = the address behind it (as the processor
//!      leaves it), every other register the caller's
//! +8   entry of an int $0x80 anywhere: rcx = the address behind it, the caller's rcx at gs:56
//! +16  "vload-g1"
//! +24  where a call on the target's behalf by syscall has been made, by int $0x80: the distance of
//!      each from its word. What else the gate makes is vload's own, or ends or starts a thread
//! ```
//!
//! What a signal finds between here and the call of Rust, and in Rust: the resident; the signal is
//! held (`signal/arrive.rs`). `forward.rs` and `exit.rs` have the windows in which it is not so.

use core::arch::global_asm;
use core::mem::{offset_of, size_of};

use super::call_regs::{CallRegs, VECTOR_AREA};
use super::thread::{KEY, MAGIC};
use super::vectors::save_vectors;
use crate::thread::Block;

/// The first words of a [`CallRegs`] behind its description, where rcx has the address at which the caller
/// goes on, or what Rust overwrites.
macro_rules! push_first {
    () => {
        r#"
    pushq   %gs:{spill}                 # rsp
    pushfq                              # flags
    pushq   %rcx                        # rip
    pushq   %rax                        # number
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
        "#
    };
}

global_asm!(
    r#"
    .section .gate.start, "ax", @progbits
    .balign 64
    jmp     vload_entry_anywhere
    .balign 8
    jmp     vload_entry_anywhere_compat
    .balign 8
    .ascii  "vload-g1"
    .long   vload_forward_done - .
    .long   vload_forward_compat_done - .

    .section .gate, "ax", @progbits
    .balign 64

    # int $0x80: every register is the caller's; the stub has put rcx below the red zone, and the
    # address of the description in it. r11 goes there too.
    .hidden vload_entry_compat
    .globl vload_entry_compat
vload_entry_compat:
    movq    %r11, {compat_r11}(%rsp)
    movq    %rcx, %r11
    .hidden vload_check_compat
    .globl vload_check_compat
vload_check_compat:                     # as below
    movq    %gs:{key}, %rcx
    leaq    {magic}(%rcx), %rcx
    jrcxz   vload_found_compat
    jmp     vload_lost
    .hidden vload_found_compat
    .globl vload_found_compat
vload_found_compat:
    movq    %rsp, %gs:{spill}
    movq    %gs:{stack_top}, %rsp
    pushq   %r11                        # desc
    movq    %gs:{spill}, %rcx
    pushq   %rcx                        # rsp
    pushfq                              # flags
    pushq   %rcx                        # rip, set by Rust
    pushq   %rax                        # number
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
    pushq   {compat_rcx}(%rcx)          # rcx
    movq    {compat_r11}(%rcx), %r11
    jmp     2f

    # No site description: 0 stands for a syscall instruction anywhere, 1 for an int $0x80. Whoever
    # brings the second has seen to it that gs leads to the block.
    .hidden vload_entry_anywhere_compat
    .globl vload_entry_anywhere_compat
vload_entry_anywhere_compat:
    movq    %rsp, %gs:{spill}
    movq    %gs:{stack_top}, %rsp
    pushq   $1                          # desc
    "#,
    push_first!(),
    r#"
    pushq   %gs:{spill}+40              # rcx
    jmp     2f

    .hidden vload_entry_anywhere
    .globl vload_entry_anywhere
vload_entry_anywhere:                   # rcx = the address behind the instruction
    movq    %rcx, %r11
    movabsq $1<<63, %rcx
    leaq    (%r11,%rcx), %r11           # the bit that no address of a description has
    .hidden vload_check_anywhere
    .globl vload_check_anywhere
vload_check_anywhere:                   # as below
    movq    %gs:{key}, %rcx
    leaq    {magic}(%rcx), %rcx
    jrcxz   vload_found_anywhere
    jmp     vload_lost
    .hidden vload_found_anywhere
    .globl vload_found_anywhere
vload_found_anywhere:
    movabsq $1<<63, %rcx
    leaq    (%r11,%rcx), %rcx
    movq    %rsp, %gs:{spill}
    movq    %gs:{stack_top}, %rsp
    pushq   $0                          # desc
    "#,
    push_first!(),
    r#"
    pushq   %rcx
    jmp     2f

    # syscall: rcx and r11 are free. Does gs lead to a block? A word of every block has the value
    # that makes the sum 0; the load faults where gs leads nowhere (`escape_of_fault`). No
    # instruction before the pushfq changes the flags.
    .hidden vload_entry
    .globl vload_entry
vload_entry:                            # r11 = desc
    .hidden vload_check
    .globl vload_check
vload_check:
    movq    %gs:{key}, %rcx
    leaq    {magic}(%rcx), %rcx
    jrcxz   vload_found
    jmp     vload_lost
    .hidden vload_found
    .globl vload_found
vload_found:
    movl    $0, %ecx                    # whichever way it came (function.rs relies on it)
    movq    %rsp, %gs:{spill}
    movq    %gs:{stack_top}, %rsp
    pushq   %r11                        # desc
    "#,
    push_first!(),
    r#"
    pushq   %rcx
2:  pushq   %rax
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    cld                                 # the C ABI wants DF clear
    testl   $0x40100, {flags}(%rsp)     # single steps, alignment checks: the caller's, not ours
    jne     5f
4:  movq    %rsp, %rdi
    movq    %rsp, %gs:{regs}
    movl    $1, %gs:{at_work}           # 0 again at the exit
    subq    ${vectors}, %rsp            # stack_top and CallRegs are multiples of 16
    "#,
    save_vectors!(),
    r#"
    movq    %gs:{this}, %rsi
    call    vload_resident_call         # (regs, block)
    jmp     vload_leave
5:  pushfq                              # what is left is the caller's: `rt_sigreturn` does not set every flag
    andl    $~0x40100, (%rsp)
    popfq
    jmp     4b
    .previous
    "#,
    this = const offset_of!(Block, this),
    stack_top = const offset_of!(Block, stack_top),
    spill = const offset_of!(Block, spill),
    regs = const offset_of!(Block, regs),
    at_work = const offset_of!(Block, at_work),
    flags = const offset_of!(CallRegs, flags),
    vectors = const VECTOR_AREA,
    key = const KEY,
    magic = const MAGIC,
    compat_rcx = const -COMPAT_RCX,
    compat_r11 = const -COMPAT_R11,
    options(att_syntax)
);

// The pushes above are the layout of `CallRegs`.
const _: () = assert!(size_of::<CallRegs>() == 0xa0);

/// How far below the stack pointer the stub of an `int $0x80` has put the caller's rcx: behind the
/// red zone (System V ABI, 3.2.2).
pub(super) const COMPAT_RCX: i32 = 136;
/// The same for r11, by the entry.
pub(super) const COMPAT_R11: i32 = 144;

unsafe extern "C" {
    fn vload_entry();
    fn vload_entry_compat();
    fn vload_entry_anywhere();
    fn vload_entry_anywhere_compat();
}

/// The addresses that go into a link page: entry of `syscall` sites, entry of `int $0x80` sites.
pub fn syscall_entries() -> (usize, usize) {
    if crate::adopt::is_adopted() {
        return super::adopt::entries();
    }
    (vload_entry as *const () as usize, vload_entry_compat as *const () as usize)
}

/// Where a call is entered that no stub has brought: a `syscall` instruction, an `int $0x80`.
pub fn anywhere_entries() -> (usize, usize) {
    (vload_entry_anywhere as *const () as usize, vload_entry_anywhere_compat as *const () as usize)
}
