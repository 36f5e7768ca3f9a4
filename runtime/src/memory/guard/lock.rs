//! `mlockall(2)`: what is vload's is not locked, and does not count.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use super::calls::{MLOCKALL, MUNLOCKALL};
use super::{each, first_in};
use crate::layer::Call;
use crate::sys::{self, Errno, Result, maps};
use linux_raw_sys::general::{MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, RLIMIT_MEMLOCK};

/// Whether the kernel locks what is mapped from now on (`MCL_FUTURE`).
static FUTURE: AtomicBool = AtomicBool::new(false);

/// `mlockall(2)`, `munlockall(2)`.
pub fn all(call: &mut Call<'_>, pass: &mut dyn FnMut(&mut Call<'_>) -> isize) -> isize {
    let flags = if call.number == MLOCKALL { call.args[0] as u32 } else { 0 };
    let mut result = pass(call);
    let by_parts = sys::check(result) == Err(Errno::NOMEM) && has_room() == Ok(true);
    if by_parts {
        // For what comes, the kernel takes the flags as from the call itself. Where that is not to be locked any more,
        // what is locked is so again in a moment.
        (call.number, call.args[0]) = match flags & MCL_FUTURE {
            0 => (MUNLOCKALL, 0),
            _ => (MLOCKALL, (flags & !MCL_CURRENT) as usize),
        };
        result = pass(call);
    }
    if result != 0 {
        return result;
    }
    FUTURE.store(flags & MCL_FUTURE != 0, Ordering::Relaxed);
    if by_parts {
        // A part that cannot be locked, or is not all there then, is no error of the whole (`apply_mlockall_flags`).
        return sys::raw(
            each_part(&mut |part| sys::mlock(part, flags & MCL_ONFAULT != 0)).map(|()| 0),
        );
    }
    if flags & MCL_CURRENT != 0 {
        each().for_each(|range| sys::munlock(range.start, range.len()));
    }
    result
}

/// Whether the kernel would lock all without vload's: it holds all that is mapped against the limit (mm/mlock.c).
fn has_room() -> Result<bool> {
    let mut size = 0;
    each_part(&mut |part| size += part.len() as u64)?;
    Ok(size <= sys::limit(RLIMIT_MEMLOCK)?.soft)
}

/// Calls `visit` with each part of the program's mappings.
fn each_part(visit: &mut dyn FnMut(Range<usize>)) -> Result<()> {
    maps::each_in(0, usize::MAX, &mut |mapped, _| {
        // It is listed, and is the kernel's.
        if mapped.name == b"[vsyscall]" {
            return true;
        }
        let mut from = mapped.start;
        while from < mapped.end {
            let own = first_in(&(from..mapped.end)).unwrap_or(mapped.end..mapped.end);
            if from < own.start {
                visit(from..own.start);
            }
            from = own.end;
        }
        true
    })
}

/// Takes back that the kernel has locked a new mapping of vload's.
pub fn keep_unlocked(start: usize, length: usize) {
    if FUTURE.load(Ordering::Relaxed) {
        sys::munlock(start, length);
    }
}
