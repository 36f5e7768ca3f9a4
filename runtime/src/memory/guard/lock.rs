//! `mlockall(2)`: what is vload's is not locked, and does not count.

use core::sync::atomic::{AtomicBool, Ordering};

use super::calls::MLOCKALL;
use super::each;
use crate::layer::Call;
use crate::sys;
use linux_raw_sys::general::{MCL_CURRENT, MCL_FUTURE};

/// Whether the kernel locks what is mapped from now on (`MCL_FUTURE`).
static FUTURE: AtomicBool = AtomicBool::new(false);

/// `mlockall(2)`, `munlockall(2)`.
pub fn all(call: &mut Call<'_>, pass: &mut dyn FnMut(&mut Call<'_>) -> isize) -> isize {
    let result = pass(call);
    if result != 0 {
        return result;
    }
    let flags = if call.number == MLOCKALL { call.args[0] as u32 } else { 0 };
    FUTURE.store(flags & MCL_FUTURE != 0, Ordering::Relaxed);
    if flags & MCL_CURRENT != 0 {
        each().for_each(|range| sys::munlock(range.start, range.len()));
    }
    result
}

/// Takes back that the kernel has locked a new mapping of vload's.
pub fn keep_unlocked(start: usize, length: usize) {
    if FUTURE.load(Ordering::Relaxed) {
        sys::munlock(start, length);
    }
}
