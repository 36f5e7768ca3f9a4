//! The ways from the resident to the target, where they are instructions of the gate.

use super::gate::WindowAddresses;

unsafe extern "C" {
    // In `exit.rs`.
    fn vload_exit_start();
    fn vload_exit_end();
    // In `handler.rs`.
    fn vload_restorer();
}

/// The way out to the target, on which its state is all in its [`CallRegs`](super::CallRegs).
pub fn exit_window() -> WindowAddresses {
    let start = vload_exit_start as *const () as usize;
    WindowAddresses { start, end: vload_exit_end as *const () as usize, escape: start }
}

/// `sa_restorer` of the resident's own handlers.
pub fn restorer() -> usize {
    vload_restorer as *const () as usize
}
