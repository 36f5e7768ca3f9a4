//! Whether the first sites of a process that trap may come now.
//!
//! A trap that is taken while `SIGTRAP` is blocked ends the process (`force_sig_info_to_task`, kernel/signal.c), and a mask lets
//! it through only from the time on when there are such sites. A thread that runs by then may have blocked it before,
//! and come to a site without a call that would open it. The watch brings every thread to let `SIGSYS` through instead
//! (`watch/gather.rs`): so where it can be had, what only a trap fits stays as it is, and is watched.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::signal;
use crate::thread::POOL;
use crate::watch;

/// It was decided that none may: the stubs of a file that is being mapped are without traps from then on, however many
/// threads are left.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Whether a text with sites that trap may be put in place.
pub fn may_begin() -> bool {
    if NEVER.load(Ordering::Relaxed) {
        return false;
    }
    if signal::has_traps() || POOL.has_one_thread() || watch::offered().is_err() {
        return true;
    }
    NEVER.store(true, Ordering::Relaxed);
    false
}
