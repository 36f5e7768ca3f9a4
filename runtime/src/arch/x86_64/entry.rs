//! The gate: every way into the kernel and out of it, and the way from a stub to the resident and
//! back. All of it lies in section `.gate`, on pages of its own.
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
//! What a signal finds, by the interrupted address (`signal/arrive.rs` acts on it):
//! - between `vload_entry` and the call of Rust, and in Rust: the resident; the signal is held;
//! - from `vload_forward_check` up to and including the `syscall`: the call has not been made (or
//!   the kernel wants it made again); it is aborted;
//! - from `vload_exit_start` to `vload_exit_end`: the caller's registers are all in its
//!   [`CallRegs`], its vector state is back in place; the signal is delivered as if the caller
//!   already ran.

use core::arch::global_asm;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU32, Ordering};

use super::call_regs::{CallRegs, VECTOR_AREA};
use super::thread::{Binding, DIRECT, KEY, MAGIC};
use super::ticks::escape_of_ticks;
use crate::patch::SiteDesc;
use crate::thread::Block;

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

    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          # rdi = number, rsi = six arguments
    movq    %rdi, %rax
    movq    %rsi, %r11
    movq    0(%r11), %rdi
    movq    8(%r11), %rsi
    movq    16(%r11), %rdx
    movq    24(%r11), %r10
    movq    32(%r11), %r8
    movq    40(%r11), %r9
    syscall
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          # rdi = number, rsi = six arguments, rdx = block
    movq    %rdi, %rax
    movq    %rsi, %r11
    movq    %rdx, %rcx
    movq    0(%r11), %rdi
    movq    8(%r11), %rsi
    movq    16(%r11), %rdx
    movq    24(%r11), %r10
    movq    32(%r11), %r8
    movq    40(%r11), %r9
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    cmpl    $0, {held}(%rcx)            # a signal came before the call: make it after the handler
    jne     vload_forward_abort
    syscall
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    movq    $-512, %rax                 # -ERESTARTSYS, which the kernel never shows
    ret

    # The same for a call of an int $0x80 site: the i386 convention, rbx and rbp included. The
    # block stays in r11, which int $0x80 preserves.
    .hidden vload_forward_compat
    .globl vload_forward_compat
vload_forward_compat:                   # rdi = number, rsi = six arguments, rdx = block
    pushq   %rbx
    pushq   %rbp
    movq    %rdi, %rax
    movq    %rdx, %r11
    movq    %rsi, %rbp
    movq    0(%rbp), %rbx
    movq    8(%rbp), %rcx
    movq    16(%rbp), %rdx
    movq    24(%rbp), %rsi
    movq    32(%rbp), %rdi
    movq    40(%rbp), %rbp
    .hidden vload_forward_compat_check
    .globl vload_forward_compat_check
vload_forward_compat_check:
    cmpl    $0, {held}(%r11)
    jne     vload_forward_compat_abort
    int     $0x80
    .hidden vload_forward_compat_done
    .globl vload_forward_compat_done
vload_forward_compat_done:
    popq    %rbp
    popq    %rbx
    ret
    .hidden vload_forward_compat_abort
    .globl vload_forward_compat_abort
vload_forward_compat_abort:
    movq    $-512, %rax
    jmp     vload_forward_compat_done

    # clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    # own, so between the syscall and the movq below it touches no memory.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         # rdi = number, rsi = six arguments, rdx = child's stack,
    pushq   %rbx                        # rcx = child's block
    pushq   %rbp
    movq    %rdx, %rbx
    movq    %rcx, %rbp
    movq    %rdi, %rax
    movq    %rsi, %r11
    movq    0(%r11), %rdi
    movq    8(%r11), %rsi
    movq    16(%r11), %rdx
    movq    24(%r11), %r10
    movq    32(%r11), %r8
    movq    40(%r11), %r9
    syscall
    testq   %rax, %rax
    jz      1f
    popq    %rbp
    popq    %rbx
    ret
1:  movq    %rbx, %rsp                  # the child: rsp = vector area, CallRegs above it
    leaq    {vectors}(%rsp), %rdi
    movq    %rbp, %rsi
    xorl    %ebp, %ebp
    call    vload_child_start
    jmp     vload_leave

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
    pushq   %gs:{spill}                 # rsp
    pushfq                              # flags
    pushq   %rcx                        # rip: behind the instruction
    pushq   %rax                        # number
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
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
vload_found_anywhere:
    movabsq $1<<63, %rcx
    leaq    (%r11,%rcx), %rcx
    movq    %rsp, %gs:{spill}
    movq    %gs:{stack_top}, %rsp
    pushq   $0                          # desc
    pushq   %gs:{spill}                 # rsp
    pushfq                              # flags
    pushq   %rcx                        # rip: behind the instruction
    pushq   %rax                        # number
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
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
    pushq   %gs:{spill}                 # rsp
    pushfq                              # flags
    pushq   %rcx                        # rip, set by Rust
    pushq   %rax                        # number
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
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
    subq    ${vectors}, %rsp            # stack_top and CallRegs are multiples of 16
    stmxcsr 256(%rsp)
    movaps  %xmm0, 0(%rsp)
    movaps  %xmm1, 16(%rsp)
    movaps  %xmm2, 32(%rsp)
    movaps  %xmm3, 48(%rsp)
    movaps  %xmm4, 64(%rsp)
    movaps  %xmm5, 80(%rsp)
    movaps  %xmm6, 96(%rsp)
    movaps  %xmm7, 112(%rsp)
    movaps  %xmm8, 128(%rsp)
    movaps  %xmm9, 144(%rsp)
    movaps  %xmm10, 160(%rsp)
    movaps  %xmm11, 176(%rsp)
    movaps  %xmm12, 192(%rsp)
    movaps  %xmm13, 208(%rsp)
    movaps  %xmm14, 224(%rsp)
    movaps  %xmm15, 240(%rsp)
    movq    %gs:{this}, %rsi
    call    vload_resident_call         # (regs, block)
    jmp     vload_leave
5:  pushq   $2                          # the bit that is always set
    popfq
    jmp     4b

vload_leave:                            # rsp = vector area
    ldmxcsr 256(%rsp)
    movaps  0(%rsp), %xmm0
    movaps  16(%rsp), %xmm1
    movaps  32(%rsp), %xmm2
    movaps  48(%rsp), %xmm3
    movaps  64(%rsp), %xmm4
    movaps  80(%rsp), %xmm5
    movaps  96(%rsp), %xmm6
    movaps  112(%rsp), %xmm7
    movaps  128(%rsp), %xmm8
    movaps  144(%rsp), %xmm9
    movaps  160(%rsp), %xmm10
    movaps  176(%rsp), %xmm11
    movaps  192(%rsp), %xmm12
    movaps  208(%rsp), %xmm13
    movaps  224(%rsp), %xmm14
    movaps  240(%rsp), %xmm15
    addq    ${vectors}, %rsp

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
3:  cmpl    $0, %gs:{foreign}           # gs is the caller's own?
    jne     vload_exit_foreign
    movq    {rip}(%rsp), %rcx
    movq    %rcx, %gs:{jump}
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rax
    popq    %rcx
    popq    %rdx
    popq    %rsi
    popq    %rdi
    leaq    16(%rsp), %rsp              # number, rip
    popfq
    popq    %rsp
    jmp     *%gs:{jump}

    # The caller has a gs base of its own, so nothing leads back to the block once it is in place:
    # an interrupt return, which the processor makes at any level (Intel SDM, IRETQ), takes the
    # rest from below the registers, where the vector state was.
vload_exit_foreign:                     # rsp = CallRegs
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
7:  popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rax
    popq    %rcx
    popq    %rdx
    popq    %rsi
    popq    %rdi
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
    popfq
    movq    %rsp, %rcx
    movq    (%rcx), %rsp
    movl    $0, 8(%rcx)                 # the slot is free
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
    popfq
    movq    %rsp, %rcx
    movq    (%rcx), %rsp
    movl    $0, 8(%rcx)
    jmp     *%r11
7:  ud2

    .pushsection .bss.slots, "aw", @nobits
    .balign 64
    .hidden vload_slots
    .globl vload_slots
vload_slots:
    .skip   {slots}*{slot_size}
    .popsection

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

    # exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      # rdi = status, rsi = &block->state
    movl    $60, %eax
    movl    $0, (%rsi)
    syscall
    ud2

    # The first instruction of the target: all registers zero, as ELF_PLAT_INIT leaves them
    # (arch/x86/include/asm/elf.h).
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # rdi = stack pointer, rsi = entry point
    movq    %rsi, %gs:{jump}
    movq    %rdi, %rsp
    xorl    %eax, %eax
    xorl    %ebx, %ebx
    xorl    %ecx, %ecx
    xorl    %edx, %edx
    xorl    %esi, %esi
    xorl    %edi, %edi
    xorl    %ebp, %ebp
    xorl    %r8d, %r8d
    xorl    %r9d, %r9d
    xorl    %r10d, %r10d
    xorl    %r11d, %r11d
    xorl    %r12d, %r12d
    xorl    %r13d, %r13d
    xorl    %r14d, %r14d
    xorl    %r15d, %r15d
    jmp     *%gs:{jump}

    .previous
    "#,
    this = const offset_of!(Block, this),
    stack_top = const offset_of!(Block, stack_top),
    spill = const offset_of!(Block, spill),
    regs = const offset_of!(Block, regs),
    jump = const offset_of!(Block, jump),
    held = const offset_of!(Block, held_flag),
    must_arm = const offset_of!(Block, must_arm),
    exit_mask_set = const offset_of!(Block, exit_mask_set),
    exit_mask = const offset_of!(Block, exit_mask),
    rip = const offset_of!(CallRegs, rip),
    flags = const offset_of!(CallRegs, flags),
    rsp = const offset_of!(CallRegs, rsp),
    vectors = const VECTOR_AREA,
    key = const KEY,
    foreign = const offset_of!(Block, binding) + offset_of!(Binding, foreign),
    base = const offset_of!(Block, binding) + offset_of!(Binding, base),
    magic = const MAGIC,
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
    compat_rcx = const -COMPAT_RCX,
    compat_r11 = const -COMPAT_R11,
    signal = sym crate::signal::vload_signal,
    options(att_syntax)
);

// The pushes above are the layout of `CallRegs`.
const _: () = assert!(size_of::<CallRegs>() == 0xa0);
// The exit code tests both in one word.
const _: () = assert!(offset_of!(Block, held_flag) % 8 == 0);
const _: () = assert!(offset_of!(Block, must_arm) == offset_of!(Block, held_flag) + 4);

/// How far below the stack pointer the stub of an `int $0x80` has put the caller's rcx: behind the
/// red zone (System V ABI, 3.2.2).
pub(super) const COMPAT_RCX: i32 = 136;
/// The same for r11, by the entry.
pub(super) const COMPAT_R11: i32 = 144;
/// Stacks on which a thread finds its block when gs is the target's.
const SLOTS: usize = 16;
/// Bytes of one: at its end the lock, and below it the caller's stack pointer.
const SLOT_SIZE: usize = 128;

#[allow(improper_ctypes, reason = "blocks cross by address between Rust and the assembly above")]
unsafe extern "C" {
    static __gate_start: u8;
    static __gate_end: u8;
    static vload_slots: [u64; SLOTS * SLOT_SIZE / 8];
    fn vload_syscall_done();
    fn vload_entry();
    fn vload_entry_compat();
    fn vload_entry_anywhere();
    fn vload_entry_anywhere_compat();
    fn vload_forward(number: usize, args: *const [usize; 6], block: *const Block) -> isize;
    fn vload_forward_check();
    fn vload_forward_done();
    fn vload_forward_abort();
    fn vload_forward_compat(number: usize, args: *const [usize; 6], block: *const Block) -> isize;
    fn vload_forward_compat_check();
    fn vload_forward_compat_done();
    fn vload_forward_compat_abort();
    fn vload_check();
    fn vload_check_compat();
    fn vload_check_anywhere();
    fn vload_lost();
    fn vload_exit_start();
    fn vload_exit_end();
    fn vload_sigreturn(sp: usize) -> !;
    fn vload_handler();
    fn vload_restorer();
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

/// The instructions of [`forward`] and [`forward_compat`] at which the call has not been made, or
/// is to be made again.
pub fn forward_windows() -> [WindowAddresses; 2] {
    [
        WindowAddresses {
            start: vload_forward_check as *const () as usize,
            end: vload_forward_done as *const () as usize,
            escape: vload_forward_abort as *const () as usize,
        },
        WindowAddresses {
            start: vload_forward_compat_check as *const () as usize,
            end: vload_forward_compat_done as *const () as usize,
            escape: vload_forward_compat_abort as *const () as usize,
        },
    ]
}

/// The way out to the target, on which its state is all in its [`CallRegs`].
pub fn exit_window() -> WindowAddresses {
    let start = vload_exit_start as *const () as usize;
    WindowAddresses { start, end: vload_exit_end as *const () as usize, escape: start }
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

/// Where the resident is when a call on the target's behalf has been made.
pub fn forwarded() -> usize {
    vload_forward_done as *const () as usize
}

/// Where the resident is when a call of its own has been made.
pub fn own_call_done() -> usize {
    vload_syscall_done as *const () as usize
}

/// The pages of the resident from which the kernel is entered.
pub fn gate_range() -> (usize, usize) {
    (&raw const __gate_start as usize, &raw const __gate_end as usize)
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

/// The handler that the kernel is given.
pub fn handler() -> usize {
    vload_handler as *const () as usize
}

/// `sa_restorer` of the resident's own handlers.
pub fn restorer() -> usize {
    vload_restorer as *const () as usize
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

/// Makes a call of an `int $0x80` site on the target's behalf that a signal may interrupt.
///
/// # Safety
/// As for [`forward`].
pub unsafe fn forward_compat(number: usize, args: &[usize; 6], block: &Block) -> isize {
    // SAFETY: `vload_forward_compat` keeps the C calling convention (int $0x80 preserves what it
    // does not save); the call is the caller's promise.
    let result = unsafe { vload_forward_compat(number, args, block) };
    // The i386 entry gives a 32-bit result.
    if result == ABORTED { result } else { result as i32 as isize }
}

/// Leaves the resident through `rt_sigreturn(2)` on the frame at `sp`.
///
/// # Safety
/// `sp` must be where the target's own `rt_sigreturn` would have found its frame, and all signals
/// must be blocked.
pub unsafe fn sigreturn(sp: usize) -> ! {
    // SAFETY: the resident runs, so gs leads to this thread's block, and it uses it no more.
    super::thread::restore_thread_register(unsafe { &*super::thread::thread_block() });
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
