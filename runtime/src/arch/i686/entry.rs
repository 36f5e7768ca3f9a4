//! The gate: every way into the kernel and out of it, and the way from a stub to the resident and
//! back. All of it lies in section `.gate`, on pages of its own.
//!
//! A stub arrives here by `call *%fs:…`: the address behind that call is its site description. That
//! one word on the target's stack is below its stack pointer, where i386 code keeps nothing: there is
//! no red zone (System V ABI for i386, 3.2.2).
//!
//! What a signal finds, by the interrupted address (`signal/arrive.rs` acts on it):
//! - between `vload_entry` and the call of Rust, and in Rust: the resident; the signal is held;
//! - from `vload_forward_check` up to and including the `int $0x80`: the call has not been made (or
//!   the kernel wants it made again); it is aborted;
//! - from `vload_exit_start` to `vload_exit_end`: the caller's registers are all in its
//!   [`CallRegs`], its vector state is back in place; the signal is delivered as if the caller
//!   already ran.

use core::arch::global_asm;
use core::mem::{offset_of, size_of};

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64

    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          # (number, six arguments)
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    pushl   %ebp
    movl    20(%esp), %eax
    movl    24(%esp), %ebp
    movl    0(%ebp), %ebx
    movl    4(%ebp), %ecx
    movl    8(%ebp), %edx
    movl    12(%ebp), %esi
    movl    16(%ebp), %edi
    movl    20(%ebp), %ebp
    int     $0x80
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    popl    %ebp
    popl    %edi
    popl    %esi
    popl    %ebx
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          # (number, six arguments)
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    pushl   %ebp
    movl    20(%esp), %eax
    movl    24(%esp), %ebp
    movl    0(%ebp), %ebx
    movl    4(%ebp), %ecx
    movl    8(%ebp), %edx
    movl    12(%ebp), %esi
    movl    16(%ebp), %edi
    movl    20(%ebp), %ebp
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    cmpl    $0, %fs:{held}              # a signal came before the call: make it after the handler
    jne     vload_forward_abort
    int     $0x80
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    popl    %ebp
    popl    %edi
    popl    %esi
    popl    %ebx
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    movl    $-512, %eax                 # -ERESTARTSYS, which the kernel never shows
    jmp     vload_forward_done

    # clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    # own, so between the int and the movl below it touches no memory. The sixth register is free:
    # clone takes five arguments, clone3 two.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         # (number, six arguments, child's stack)
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    pushl   %ebp
    movl    20(%esp), %eax
    movl    24(%esp), %ebp
    movl    0(%ebp), %ebx
    movl    4(%ebp), %ecx
    movl    8(%ebp), %edx
    movl    12(%ebp), %esi
    movl    16(%ebp), %edi
    movl    28(%esp), %ebp
    int     $0x80
    testl   %eax, %eax
    jz      1f
    popl    %ebp
    popl    %edi
    popl    %esi
    popl    %ebx
    ret
1:  movl    %ebp, %esp                  # the child: two arguments, vector area, CallRegs
    xorl    %ebp, %ebp
    call    vload_child_start
    addl    $16, %esp
    jmp     vload_leave

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
5:  pushl   $2                          # the bit that is always set
    popfl
    jmp     4b

vload_leave:                            # esp = vector area
    ldmxcsr 128(%esp)
    movaps  0(%esp), %xmm0
    movaps  16(%esp), %xmm1
    movaps  32(%esp), %xmm2
    movaps  48(%esp), %xmm3
    movaps  64(%esp), %xmm4
    movaps  80(%esp), %xmm5
    movaps  96(%esp), %xmm6
    movaps  112(%esp), %xmm7
    addl    ${vectors}, %esp

    .hidden vload_exit_start
    .globl vload_exit_start
vload_exit_start:
    cmpl    $0, %fs:{held}              # a signal that came after this line is not held
    jne     vload_exit_held
    cmpl    $0, %fs:{exit_mask_set}
    je      3f
    movl    $175, %eax                  # rt_sigprocmask(SIG_SETMASK, &block->exit_mask, 0, 8)
    movl    $2, %ebx
    movl    %fs:{this}, %ecx
    leal    {exit_mask}(%ecx), %ecx
    xorl    %edx, %edx
    movl    $8, %esi
    int     $0x80
3:  movl    {eip}(%esp), %ecx
    movl    %ecx, %fs:{jump}
    popl    %ebx
    popl    %ecx
    popl    %edx
    popl    %esi
    popl    %edi
    popl    %ebp
    popl    %eax
    leal    8(%esp), %esp               # number, eip
    popfl
    popl    %esp
    jmp     *%fs:{jump}
    .hidden vload_exit_end
    .globl vload_exit_end
vload_exit_end:
    ud2

vload_exit_held:
    movl    %esp, %eax
    subl    ${vectors}+16, %esp
    movl    %fs:{this}, %ecx
    movl    %eax, 0(%esp)
    movl    %ecx, 4(%esp)
    call    vload_resident_deliver      # (regs, block)
    addl    $16, %esp
    jmp     vload_leave

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

    # exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      # (status, &block->state)
    movl    4(%esp), %ebx
    movl    8(%esp), %ecx
    movl    $1, %eax
    movl    $0, (%ecx)
    int     $0x80
    ud2

    # The first instruction of the target: all registers zero, as ELF_PLAT_INIT leaves them
    # (arch/x86/include/asm/elf.h).
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     # (stack pointer, entry point)
    movl    8(%esp), %eax
    movl    %eax, %fs:{jump}
    movl    4(%esp), %esp
    xorl    %eax, %eax
    xorl    %ebx, %ebx
    xorl    %ecx, %ecx
    xorl    %edx, %edx
    xorl    %esi, %esi
    xorl    %edi, %edi
    xorl    %ebp, %ebp
    jmp     *%fs:{jump}

    .previous
    "#,
    this = const offset_of!(Block, this),
    stack_top = const offset_of!(Block, stack_top),
    spill = const offset_of!(Block, spill),
    regs = const offset_of!(Block, regs),
    jump = const offset_of!(Block, jump),
    held = const offset_of!(Block, held_flag),
    exit_mask_set = const offset_of!(Block, exit_mask_set),
    exit_mask = const offset_of!(Block, exit_mask),
    eip = const offset_of!(CallRegs, eip),
    flags = const offset_of!(CallRegs, flags),
    signal = sym crate::signal::vload_signal,
    vectors = const VECTOR_AREA,
    options(att_syntax)
);

// The pushes above are the layout of `CallRegs`.
const _: () = assert!(size_of::<CallRegs>() == 0x30 && VECTOR_AREA.is_multiple_of(16));

#[allow(improper_ctypes, reason = "blocks cross by address between Rust and the assembly above")]
unsafe extern "C" {
    static __gate_start: u8;
    static __gate_end: u8;
    fn vload_syscall_done();
    fn vload_handler();
    fn vload_entry();
    fn vload_forward(number: usize, args: *const [usize; 6]) -> isize;
    fn vload_forward_check();
    fn vload_forward_done();
    fn vload_forward_abort();
    fn vload_exit_start();
    fn vload_exit_end();
    fn vload_sigreturn(sp: usize) -> !;
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

/// The instructions of [`forward`] at which the call has not been made, or is to be made again.
pub fn forward_windows() -> [WindowAddresses; 1] {
    [WindowAddresses {
        start: vload_forward_check as *const () as usize,
        end: vload_forward_done as *const () as usize,
        escape: vload_forward_abort as *const () as usize,
    }]
}

/// The way out to the target, on which its state is all in its [`CallRegs`].
pub fn exit_window() -> WindowAddresses {
    let start = vload_exit_start as *const () as usize;
    WindowAddresses { start, end: vload_exit_end as *const () as usize, escape: start }
}

/// The pages of the resident from which the kernel is entered.
pub fn gate_range() -> (usize, usize) {
    (&raw const __gate_start as usize, &raw const __gate_end as usize)
}

/// Where stubs and the vDSO's copy call.
pub(super) fn entry_address() -> usize {
    vload_entry as *const () as usize
}

/// The addresses that go into a link page; stubs find the entry through the thread block instead.
pub fn syscall_entries() -> (usize, usize) {
    (entry_address(), entry_address())
}

/// Where the resident is when a call on the target's behalf has been made.
pub fn forwarded() -> usize {
    vload_forward_done as *const () as usize
}

/// Where the resident is when a call of its own has been made.
pub fn own_call_done() -> usize {
    vload_syscall_done as *const () as usize
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
/// The arguments must be the target's own, or sound for the kernel to act on; `block` must be the
/// calling thread's.
pub unsafe fn forward(number: usize, args: &[usize; 6], _block: &Block) -> isize {
    // SAFETY: `vload_forward` keeps the C calling convention, and finds the block by itself; the
    // call is the caller's promise.
    unsafe { vload_forward(number, args) }
}

/// The same: there is one way into the kernel.
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
/// `sp` must be where the target's own `rt_sigreturn` would have found its frame, and all signals
/// must be blocked.
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
