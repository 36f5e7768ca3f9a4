//! A process that asks to be traced by its parent, as a debugger's child does before it executes the
//! program: what it executes runs natively, so that the debugger finds the program it was given and
//! nothing of ours. The log says so.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::layer::Call;

const PTRACE_TRACEME: usize = 0;

static TRACED: AtomicBool = AtomicBool::new(false);

/// `ptrace(2)`.
pub fn ptrace(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    if result == 0 && call.args[0] == PTRACE_TRACEME {
        TRACED.store(true, Ordering::Relaxed);
    }
    result
}

/// Whether this process is to be left to its tracer.
pub fn is_traced() -> bool {
    TRACED.load(Ordering::Relaxed)
}

/// After a fork: a tracer's hold on the parent is not on the child.
pub fn forget() {
    TRACED.store(false, Ordering::Relaxed);
}
