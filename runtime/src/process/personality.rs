//! `personality(2)`, where it says that whatever can be read can be executed.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::layer::Call;
use crate::signal;
use crate::sys;
use crate::watch;

// linux/personality.h
const READ_IMPLIES_EXEC: u32 = 0x0040_0000;
const ASK: u32 = 0xffff_ffff;

static IMPLIES: AtomicBool = AtomicBool::new(false);

/// Records that whatever the process maps to be read can be executed too.
pub fn set_read_implies_exec() {
    IMPLIES.store(true, Ordering::Relaxed);
}

/// Whether whatever the process maps to be read can be executed too.
pub fn read_implies_exec() -> bool {
    IMPLIES.load(Ordering::Relaxed)
}

/// The call: the heap too can be executed from then on, without another.
pub fn personality(call: &mut Call<'_>) -> isize {
    let wanted = call.args[0] as u32;
    if wanted == ASK || wanted & READ_IMPLIES_EXEC == 0 {
        return call.pass();
    }
    if signal::is_held(call.block) {
        return crate::arch::ABORTED;
    }
    let why = format_args!("what can be read can be executed (READ_IMPLIES_EXEC)");
    watch::demand(Some(call.block), None, why);
    let result = call.pass();
    if sys::check(result).is_ok() {
        set_read_implies_exec();
    }
    result
}
