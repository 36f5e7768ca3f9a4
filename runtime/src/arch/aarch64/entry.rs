//! The gate: every way into the kernel and out of it, and the way from a stub to the resident and
//! back. All of it lies in section `.gate`, on pages of its own.
//!
//! A stub arrives here with the address of its site description in x16 and the caller's x16 and x17
//! pushed on the caller's stack, which the entry uses for four registers more: AArch64 Linux has no
//! red zone, so what is below the stack pointer is nobody's. It goes back to the stub with the two
//! pushed again, because a jump needs a register.
//!
//! What a signal finds, by the interrupted address (`signal/arrive.rs` acts on it):
//! - between `vload_entry` and the call of Rust, and in Rust: the resident; the signal is held;
//! - from `vload_forward_check` up to and including the `svc`: the call has not been made (or the
//!   kernel wants it made again); it is aborted;
//! - from `vload_exit_start` to `vload_exit_end`: the caller's registers are all in its
//!   [`CallRegs`], its vector state is back in place; the signal is delivered as if the caller
//!   already ran.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::arch::by_pointer::{Binding, SLOT_BITS, SLOTS, learn};
use crate::thread::{Block, NEXT_BLOCK, POOL};

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64

    .hidden vload_syscall
    .globl vload_syscall
vload_syscall:                          // x0 = number, x1 = six arguments
    mov     x8, x0
    mov     x9, x1
    ldp     x0, x1, [x9]
    ldp     x2, x3, [x9, #16]
    ldp     x4, x5, [x9, #32]
    svc     #0
    .hidden vload_syscall_done
    .globl vload_syscall_done
vload_syscall_done:
    ret

    .hidden vload_forward
    .globl vload_forward
vload_forward:                          // x0 = number, x1 = six arguments, x2 = block
    mov     x8, x0
    mov     x9, x1
    mov     x10, x2
    ldp     x0, x1, [x9]
    ldp     x2, x3, [x9, #16]
    ldp     x4, x5, [x9, #32]
    .hidden vload_forward_check
    .globl vload_forward_check
vload_forward_check:
    ldr     w11, [x10, #{held}]         // a signal came before the call: make it after the handler
    cbnz    w11, vload_forward_abort
    svc     #0
    .hidden vload_forward_done
    .globl vload_forward_done
vload_forward_done:
    ret
    .hidden vload_forward_abort
    .globl vload_forward_abort
vload_forward_abort:
    mov     x0, #-512                   // -ERESTARTSYS, which the kernel never shows
    ret

    // clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    // own, so between the svc and the mov below it touches no memory.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         // x0 = number, x1 = six arguments, x2 = child's stack,
    mov     x8, x0                      // x3 = child's block
    mov     x9, x1
    mov     x10, x2
    mov     x11, x3
    ldp     x0, x1, [x9]
    ldp     x2, x3, [x9, #16]
    ldp     x4, x5, [x9, #32]
    svc     #0
    cbz     x0, 1f
    ret
1:  mov     sp, x10                     // the child: sp = vector area, CallRegs above it
    add     x0, sp, #{vectors}
    mov     x1, x11
    mov     x29, xzr
    mov     x30, xzr
    bl      vload_child_start
    b       vload_leave

    .hidden vload_entry
    .globl vload_entry
vload_entry:                            // no instruction before the mrs nzcv changes the flags
    stp     x14, x15, [sp, #-32]!
    stp     x12, x13, [sp, #16]         // now: x14 x15 x12 x13 x16 x17
    mov     x15, xzr
    mrs     x12, tpidr_el0              // the block: see by_pointer.rs
    eor     x13, x12, x12, lsr #12
    ubfx    x13, x13, #4, #{slot_bits}
    adrp    x14, {slots}
    add     x14, x14, :lo12:{slots}
    ldr     x14, [x14, x13, lsl #3]
    cbz     x14, 4f
    ldr     x13, [x14, #{key}]
    eor     x13, x13, x12
    cbnz    x13, 4f
    ldr     w13, [x14, #{state}]
    cbz     w13, 4f
2:  ldr     x12, [x14, #{stack_top}]
    sub     x12, x12, #{regs_size}
    stp     x0, x1, [x12, #0]
    stp     x2, x3, [x12, #16]
    stp     x4, x5, [x12, #32]
    stp     x6, x7, [x12, #48]
    stp     x8, x9, [x12, #64]
    stp     x10, x11, [x12, #80]
    stp     x18, x19, [x12, #144]
    stp     x20, x21, [x12, #160]
    stp     x22, x23, [x12, #176]
    stp     x24, x25, [x12, #192]
    stp     x26, x27, [x12, #208]
    stp     x28, x29, [x12, #224]
    str     x30, [x12, #240]
    mov     x19, x15
    ldp     x0, x1, [sp, #16]
    ldp     x2, x3, [sp]
    stp     x0, x1, [x12, #96]          // x12, x13
    stp     x2, x3, [x12, #112]         // x14, x15
    ldp     x0, x1, [sp, #32]
    stp     x0, x1, [x12, #128]         // x16, x17
    add     x0, sp, #48
    mrs     x1, nzcv
    str     x0, [x12, #{sp}]
    stp     xzr, x1, [x12, #{pc}]       // pc is set by Rust
    ldr     x0, [x12]
    stp     x8, x0, [x12, #{number}]
    stp     x16, x14, [x12, #{desc}]
    mov     x0, #1
    str     x0, [x12, #{pops}]
    str     x12, [x14, #{regs}]
    sub     sp, x12, #{vectors}
    stp     q0, q1, [sp, #0]
    stp     q2, q3, [sp, #32]
    stp     q4, q5, [sp, #64]
    stp     q6, q7, [sp, #96]
    stp     q8, q9, [sp, #128]
    stp     q10, q11, [sp, #160]
    stp     q12, q13, [sp, #192]
    stp     q14, q15, [sp, #224]
    stp     q16, q17, [sp, #256]
    stp     q18, q19, [sp, #288]
    stp     q20, q21, [sp, #320]
    stp     q22, q23, [sp, #352]
    stp     q24, q25, [sp, #384]
    stp     q26, q27, [sp, #416]
    stp     q28, q29, [sp, #448]
    stp     q30, q31, [sp, #480]
    mrs     x0, fpsr
    mrs     x1, fpcr
    add     x2, sp, #512
    stp     x0, x1, [x2]
    mov     x20, x12
    mov     x21, x14
    mov     x29, xzr
    mov     x30, xzr
    cbz     x19, 3f
    mov     x0, x21
    bl      {learn}
3:  mov     x0, x20
    mov     x1, x21
    bl      vload_resident_call         // (regs, block)
    b       vload_leave

4:  stp     x0, x8, [sp, #-16]!         // the thread pointer does not tell: ask who we are
    mov     x8, #178                    // gettid
    svc     #0
    adrp    x14, {pool}
    ldr     x14, [x14, :lo12:{pool}]
5:  cbz     x14, 7f
    ldr     w12, [x14, #{state}]
    cbz     w12, 6f
    ldr     w12, [x14, #{tid}]
    eor     w12, w12, w0
    cbnz    w12, 6f
    ldp     x0, x8, [sp], #16
    mov     x15, #1
    b       2b
6:  ldr     x14, [x14, #{next}]
    b       5b
7:  brk     #0x100                      // a thread that the resident did not start

vload_leave:                            // sp = vector area
    add     x2, sp, #512
    ldp     x0, x1, [x2]
    msr     fpsr, x0
    msr     fpcr, x1
    ldp     q0, q1, [sp, #0]
    ldp     q2, q3, [sp, #32]
    ldp     q4, q5, [sp, #64]
    ldp     q6, q7, [sp, #96]
    ldp     q8, q9, [sp, #128]
    ldp     q10, q11, [sp, #160]
    ldp     q12, q13, [sp, #192]
    ldp     q14, q15, [sp, #224]
    ldp     q16, q17, [sp, #256]
    ldp     q18, q19, [sp, #288]
    ldp     q20, q21, [sp, #320]
    ldp     q22, q23, [sp, #352]
    ldp     q24, q25, [sp, #384]
    ldp     q26, q27, [sp, #416]
    ldp     q28, q29, [sp, #448]
    ldp     q30, q31, [sp, #480]
    add     sp, sp, #{vectors}

    .hidden vload_exit_start
    .globl vload_exit_start
vload_exit_start:
    ldr     x16, [sp, #{block}]
    ldr     w17, [x16, #{held}]         // a signal that came after this line is not held
    cbnz    w17, vload_exit_held
    ldr     w17, [x16, #{exit_mask_set}]
    cbz     w17, 8f
    mov     x8, #135                    // rt_sigprocmask(SIG_SETMASK, &block->exit_mask, 0, 8)
    mov     x0, #2
    add     x1, x16, #{exit_mask}
    mov     x2, xzr
    mov     x3, #8
    svc     #0
8:  ldr     x0, [sp, #{nzcv}]
    msr     nzcv, x0
    ldr     x16, [sp, #{pc}]
    ldr     x17, [sp, #{sp}]
    ldr     x0, [sp, #{pops}]
    cbz     x0, 9f
    ldp     x0, x1, [sp, #128]          // the stub takes x16 and x17 from there
    stp     x0, x1, [x17, #-16]!
9:  ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    mov     sp, x17
    br      x16
    .hidden vload_exit_end
    .globl vload_exit_end
vload_exit_end:
    brk     #0x101

vload_exit_held:
    mov     x0, sp
    mov     x1, x16
    sub     sp, sp, #{vectors}
    mov     x29, xzr
    mov     x30, xzr
    bl      vload_resident_deliver      // (regs, block)
    b       vload_leave

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

    // exit(2) of a thread whose block is given back: the store is the last use of its memory.
    .hidden vload_exit_thread
    .globl vload_exit_thread
vload_exit_thread:                      // x0 = status, x1 = &block->state
    mov     x8, #93
    stlr    wzr, [x1]
    svc     #0
    brk     #0x105

    // The first instruction of the target: registers as start_thread leaves them
    // (arch/arm64/include/asm/processor.h), but for x17.
    .hidden vload_enter_target
    .globl vload_enter_target
vload_enter_target:                     // x0 = stack pointer, x1 = entry point
    mov     x17, x1
    mov     sp, x0
    mov     x0, xzr
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    mov     x8, xzr
    mov     x9, xzr
    mov     x10, xzr
    mov     x11, xzr
    mov     x12, xzr
    mov     x13, xzr
    mov     x14, xzr
    mov     x15, xzr
    mov     x16, xzr
    mov     x18, xzr
    mov     x19, xzr
    mov     x20, xzr
    mov     x21, xzr
    mov     x22, xzr
    mov     x23, xzr
    mov     x24, xzr
    mov     x25, xzr
    mov     x26, xzr
    mov     x27, xzr
    mov     x28, xzr
    mov     x29, xzr
    mov     x30, xzr
    msr     nzcv, xzr
    br      x17

    .previous
    "#,
    stack_top = const offset_of!(Block, stack_top),
    regs = const offset_of!(Block, regs),
    held = const offset_of!(Block, held_flag),
    exit_mask_set = const offset_of!(Block, exit_mask_set),
    exit_mask = const offset_of!(Block, exit_mask),
    state = const offset_of!(Block, state),
    tid = const offset_of!(Block, tid),
    key = const offset_of!(Block, binding) + Binding::KEY,
    next = const NEXT_BLOCK,
    pool = sym POOL,
    slots = sym SLOTS,
    slot_bits = const SLOT_BITS,
    learn = sym learn,
    sp = const offset_of!(CallRegs, sp),
    pc = const offset_of!(CallRegs, pc),
    nzcv = const offset_of!(CallRegs, nzcv),
    number = const offset_of!(CallRegs, number),
    desc = const offset_of!(CallRegs, desc),
    block = const offset_of!(CallRegs, block),
    pops = const offset_of!(CallRegs, pops),
    regs_size = const size_of::<CallRegs>(),
    vectors = const VECTOR_AREA,
);

// The stores of pairs above take these to be neighbours.
const _: () = assert!(offset_of!(CallRegs, nzcv) == offset_of!(CallRegs, pc) + 8);
const _: () = assert!(offset_of!(CallRegs, first) == offset_of!(CallRegs, number) + 8);
const _: () = assert!(offset_of!(CallRegs, block) == offset_of!(CallRegs, desc) + 8);
const _: () = assert!(offset_of!(CallRegs, x) == 0);

#[allow(improper_ctypes, reason = "blocks cross by address between Rust and the assembly above")]
unsafe extern "C" {
    static __gate_start: u8;
    static __gate_end: u8;
    fn vload_syscall_done();
    fn vload_entry();
    fn vload_forward(number: usize, args: *const [usize; 6], block: *const Block) -> isize;
    fn vload_forward_check();
    fn vload_forward_done();
    fn vload_forward_abort();
    fn vload_exit_start();
    fn vload_exit_end();
    fn vload_sigreturn(sp: usize) -> !;
    fn vload_restorer();
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

/// The way out to the target, on which its state is all in its [`CallRegs`].
pub fn exit_window() -> WindowAddresses {
    let start = vload_exit_start as *const () as usize;
    WindowAddresses { start, end: vload_exit_end as *const () as usize, escape: start }
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

/// The addresses that go into a link page: the entry of sites, and that of calls which enter the
/// other way, which no stub uses.
pub fn syscall_entries() -> (usize, usize) {
    (vload_entry as *const () as usize, 0)
}

/// The handler that the kernel is given.
pub fn handler() -> usize {
    crate::signal::vload_signal as *const () as usize
}

/// `sa_restorer` of the resident's own handlers.
pub fn restorer() -> usize {
    vload_restorer as *const () as usize
}

/// Where a handler of the target's returns that has no `sa_restorer`, as most have not: natively
/// the vDSO's `__kernel_rt_sigreturn`.
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
