//! What there is of threads besides [`by_pointer`](crate::arch::by_pointer).

use core::arch::asm;

/// The thread pointer, which is the target's.
pub fn thread_pointer() -> u64 {
    let value;
    // SAFETY: a register is read.
    unsafe { asm!("mv {}, tp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// A cheap clock that counts at a constant rate; `trace -c` calibrates it.
pub fn ticks() -> u64 {
    let count;
    // SAFETY: Linux lets everyone read the time (Documentation/arch/riscv/uabi.rst, Zicntr).
    unsafe { asm!("rdtime {}", out(reg) count, options(nomem, nostack, preserves_flags)) };
    count
}
