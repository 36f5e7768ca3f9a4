//! The way from a stub to the resident.
//!
//! A stub arrives here with the address of its site description in x16 and the caller's x16 and x17
//! pushed on the caller's stack, which the entry uses for four registers more: AArch64 Linux has no
//! red zone, so what is below the stack pointer is nobody's. It goes back to the stub with the two
//! pushed again, because a jump needs a register.
//!
//! What a signal finds between `vload_entry` and the call of Rust, and in Rust: the resident; the
//! signal is held (`signal/arrive.rs`). `forward.rs` and `exit.rs` have the windows in which it is not
//! so.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::arch::by_pointer::{Binding, SLOT_BITS, SLOTS, learn};
use crate::thread::{Block, NEXT_BLOCK, POOL};

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 64
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
    .previous
    "#,
    stack_top = const offset_of!(Block, stack_top),
    regs = const offset_of!(Block, regs),
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
    number = const offset_of!(CallRegs, number),
    desc = const offset_of!(CallRegs, desc),
    pops = const offset_of!(CallRegs, pops),
    regs_size = const size_of::<CallRegs>(),
    vectors = const VECTOR_AREA,
);

// The stores of pairs above take these to be neighbours.
const _: () = assert!(offset_of!(CallRegs, nzcv) == offset_of!(CallRegs, pc) + 8);
const _: () = assert!(offset_of!(CallRegs, first) == offset_of!(CallRegs, number) + 8);
const _: () = assert!(offset_of!(CallRegs, block) == offset_of!(CallRegs, desc) + 8);
const _: () = assert!(offset_of!(CallRegs, x) == 0);

unsafe extern "C" {
    fn vload_entry();
}

/// The addresses that go into a link page: the entry of sites, and that of calls which enter the
/// other way, which no stub uses.
pub fn syscall_entries() -> (usize, usize) {
    (vload_entry as *const () as usize, 0)
}
