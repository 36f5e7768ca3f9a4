//! What the framework offers service modules: to claim, and to let go.

use core::ffi::{CStr, c_char, c_int, c_long};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use vload_module::abi::Layer;
use vload_module::abi::offered::{vload_lock, vload_unlock};
use vload_module::abi::service::CLAIM_EXACT;
use vload_module::{Errno, Result};

use super::target::raw;
use super::{Table, new, table};
use crate::layers;
use crate::vload;

/// The lock of the table of claims.
const LOCK: u32 = 0;

/// The thread in which a module is being asked to mount something, so that what it claims is a mount's.
static MOUNTING: AtomicU32 = AtomicU32::new(0);
/// What that thread mounts on is no directory.
static ON_FILE: AtomicBool = AtomicBool::new(false);

/// Does something with the table that no other thread of the session does at the same time.
pub fn alone<T>(what: impl FnOnce(&Table) -> Result<T>) -> Result<T> {
    let table = table().ok_or(Errno::IO)?;
    // SAFETY: the framework's layer.
    Errno::check(unsafe { vload_lock(vload::framework(), LOCK) })?;
    let done = what(table);
    // SAFETY: this thread holds it.
    unsafe { vload_unlock(vload::framework(), LOCK) };
    done
}

/// Calls a module's `mount`: what it claims in this thread is mounted. On what is no directory no tree can be.
pub fn mounting<T>(on_file: bool, what: impl FnOnce() -> T) -> T {
    let thread = vload::thread();
    // Two threads that mount at once wait for one another.
    while MOUNTING.compare_exchange(0, thread, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        vload::let_others_run();
    }
    ON_FILE.store(on_file, Ordering::Relaxed);
    let done = what();
    MOUNTING.store(0, Ordering::Release);
    done
}

/// A copy of the process: no other thread of it mounts anything.
pub fn forked() {
    MOUNTING.store(0, Ordering::Relaxed);
}

/// `vload_claim_path`.
///
/// # Safety
/// The layer is one of this process's, and the path a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_claim_path(
    layer: *mut Layer,
    path: *const c_char,
    flags: u32,
    private: u64,
) -> c_int {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let mounted = MOUNTING.load(Ordering::Acquire);
    let mounted = mounted != 0 && mounted == vload::thread();
    // As `graft_tree` has it (fs/namespace.c).
    if mounted && flags & CLAIM_EXACT == 0 && ON_FILE.load(Ordering::Relaxed) {
        return raw(Err(Errno::NOTDIR)) as c_int;
    }
    let claimed = layers::of(layer).ok_or(Errno::INVAL).and_then(|service| {
        alone(|table| {
            let (claim, view) = new(service.identity, flags, private, mounted);
            table.add(path, claim, view)
        })
    });
    raw(claimed.map(|number| number as c_long)) as c_int
}

/// `vload_unclaim`.
///
/// # Safety
/// The layer is one of this process's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_unclaim(layer: *mut Layer, claim: u32) -> c_int {
    let service = layers::of(layer).ok_or(Errno::INVAL);
    let removed = service.and_then(|service| alone(|table| table.remove(claim, service.identity)));
    raw(removed.map(|()| 0)) as c_int
}
