//! A cheap clock, which x86 processors have: `arch/*/ticks.rs` has the instructions.

use core::sync::atomic::{AtomicBool, Ordering};

/// Somebody has been told that it is given up. A thread that blocks the signal would be ended.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn vload_ticks() -> u64;
    fn vload_ticks_read();
    fn vload_ticks_fault();
}

/// A cheap clock that counts at a constant rate; `trace -c` calibrates it. 0 where the program has given up
/// the instruction (`PR_SET_TSC`, seccomp's strict mode).
pub fn ticks() -> u64 {
    if GIVEN_UP.load(Ordering::Relaxed) {
        return 0;
    }
    // SAFETY: the function keeps the C calling convention and touches no memory; its fault is known.
    unsafe { vload_ticks() }
}

/// Where a fault at `pc` goes on when it is that of [`ticks`].
pub fn escape_of_ticks(pc: usize) -> Option<usize> {
    let is_it = pc == vload_ticks_read as *const () as usize;
    if is_it {
        GIVEN_UP.store(true, Ordering::Relaxed);
    }
    is_it.then_some(vload_ticks_fault as *const () as usize)
}
