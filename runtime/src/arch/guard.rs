//! Code of a module's, called so that a fault in it ends no more than the call. `arch/*/guard.rs` has the
//! instructions.

use core::ffi::{c_long, c_void};
use core::sync::atomic::AtomicUsize;

/// What can be called so.
pub type Guarded = unsafe extern "C" fn(*mut c_void) -> c_long;

unsafe extern "C" {
    fn vload_guarded(function: Guarded, argument: *mut c_void, kept: *mut usize) -> isize;
    fn vload_guard_failed();
    fn vload_trap() -> !;
}

/// Calls `function` with `argument`, and keeps in `kept` what [`guard_failed`] needs to come back here.
///
/// # Safety
/// It must be sound to call the function. Where it is left by [`guard_failed`] nothing of what it and its
/// callees have on the stack is dropped.
pub unsafe fn guarded(function: Guarded, argument: *mut c_void, kept: &AtomicUsize) -> isize {
    // SAFETY: `vload_guarded` keeps the C calling convention; the rest is the caller's promise.
    unsafe { vload_guarded(function, argument, kept.as_ptr()) }
}

/// Where a thread goes on that is to leave such a call with `EIO`; the result register holds what was
/// kept.
pub fn guard_failed() -> usize {
    vload_guard_failed as *const () as usize
}

/// Raises `SIGILL`.
pub fn trap() -> ! {
    // SAFETY: one instruction, which does nothing else.
    unsafe { vload_trap() }
}
