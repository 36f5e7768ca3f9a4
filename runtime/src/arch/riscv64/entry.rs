//! The way from a site to the resident.
//!
//! The signal handler starts [`vload_entry`](entry_address) for a site that has trapped
//! ([`Context::enter_stub`](super::Context)), with the caller's registers on the resident's stack.
//! What a signal finds here and in Rust: the resident; it is held (`signal/arrive.rs`). On the way
//! out (`leave.rs`) all are blocked.

use core::arch::global_asm;

use super::call_regs::VECTOR_AREA;
use super::leave::leave;
use crate::arch::gate::WindowAddresses;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .option push
    .option norelax
    .option arch, +d
    .balign 64
    .hidden vload_entry
    .globl vload_entry
vload_entry:                            # a0 = sp = regs, a1 = block
    addi    sp, sp, -{vectors}
    fsd     f0, 0(sp)
    fsd     f1, 8(sp)
    fsd     f2, 16(sp)
    fsd     f3, 24(sp)
    fsd     f4, 32(sp)
    fsd     f5, 40(sp)
    fsd     f6, 48(sp)
    fsd     f7, 56(sp)
    fsd     f8, 64(sp)
    fsd     f9, 72(sp)
    fsd     f10, 80(sp)
    fsd     f11, 88(sp)
    fsd     f12, 96(sp)
    fsd     f13, 104(sp)
    fsd     f14, 112(sp)
    fsd     f15, 120(sp)
    fsd     f16, 128(sp)
    fsd     f17, 136(sp)
    fsd     f18, 144(sp)
    fsd     f19, 152(sp)
    fsd     f20, 160(sp)
    fsd     f21, 168(sp)
    fsd     f22, 176(sp)
    fsd     f23, 184(sp)
    fsd     f24, 192(sp)
    fsd     f25, 200(sp)
    fsd     f26, 208(sp)
    fsd     f27, 216(sp)
    fsd     f28, 224(sp)
    fsd     f29, 232(sp)
    fsd     f30, 240(sp)
    fsd     f31, 248(sp)
    frcsr   t0
    sd      t0, 256(sp)
    mv      s0, a0
    mv      s1, a1
    call    vload_resident_call         # (regs, block)
    mv      a0, s0
    mv      a1, s1
    call    {leave}
    .option pop
    .previous
    "#,
    vectors = const VECTOR_AREA,
    leave = sym leave,
);

unsafe extern "C" {
    fn vload_entry();
}

/// The way out to the target on which signals are delivered as if it already ran: none, they are
/// all blocked there.
pub fn exit_window() -> WindowAddresses {
    WindowAddresses { start: 0, end: 0, escape: 0 }
}

/// The addresses that go into a link page: no stub uses them.
pub fn syscall_entries() -> (usize, usize) {
    (0, 0)
}

/// Where a call of a site starts.
pub(super) fn entry_address() -> usize {
    vload_entry as *const () as usize
}
