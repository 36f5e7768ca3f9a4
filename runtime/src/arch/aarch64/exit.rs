//! From the resident to the target.
//!
//! What a signal finds from `vload_exit_start` to `vload_exit_end`: the caller's registers are all in
//! its [`CallRegs`], its vector state is back in place. The signal is delivered as if the caller
//! already ran.

use core::arch::global_asm;
use core::mem::offset_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    .hidden vload_leave
    .globl vload_leave
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
    str     wzr, [x16, #{exit_mask_set}] // it is set: what mask the target has from here on is its own affair
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
    .previous
    "#,
    held = const offset_of!(Block, held_flag),
    exit_mask_set = const offset_of!(Block, exit_mask_set),
    exit_mask = const offset_of!(Block, exit_mask),
    sp = const offset_of!(CallRegs, sp),
    pc = const offset_of!(CallRegs, pc),
    nzcv = const offset_of!(CallRegs, nzcv),
    block = const offset_of!(CallRegs, block),
    pops = const offset_of!(CallRegs, pops),
    vectors = const VECTOR_AREA,
);
