//! What there is of threads besides [`by_pointer`](crate::arch::by_pointer).

use core::arch::asm;

/// The thread pointer, which is the target's.
pub fn thread_pointer() -> u64 {
    let value;
    // SAFETY: the register can be read by everyone.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// A cheap clock that counts at a constant rate; `trace -c` calibrates it.
pub fn ticks() -> u64 {
    let count;
    // SAFETY: Linux lets everyone read the virtual counter (arch_timer_set_cntkctl). The barrier
    // keeps it from being read early.
    unsafe {
        asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack, preserves_flags));
    }
    count
}
