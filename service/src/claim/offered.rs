//! What the framework offers service modules: to claim, and to let go.

use core::ffi::{CStr, c_char, c_int, c_long};
use core::sync::atomic::{AtomicU64, Ordering};

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

/// Threads that can mount at a time; more wait for one of them.
const MOUNTS: usize = 64;

/// The threads in which a module is being asked to mount something, so that what it claims is a mount's. Each is its
/// number, shifted, and [`ON_FILE`]; 0 for none.
static MOUNTING: [AtomicU64; MOUNTS] = [const { AtomicU64::new(0) }; MOUNTS];
/// What a thread mounts on is no directory.
const ON_FILE: u64 = 1;

/// What a thread mounts, if it does.
fn mount_of(thread: u32) -> Option<&'static AtomicU64> {
    MOUNTING.iter().find(|slot| slot.load(Ordering::Acquire) >> 1 == u64::from(thread))
}

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

/// Calls a module's `mount`: what it claims in this thread is mounted. On what is no directory no tree can be. A module may
/// have an older one mount something meanwhile.
pub fn mounting<T>(on_file: bool, what: impl FnOnce() -> T) -> T {
    let thread = vload::thread();
    let word = u64::from(thread) << 1 | u64::from(on_file);
    let take = |slot: &&AtomicU64| {
        slot.compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    let (slot, outer) = match mount_of(thread) {
        Some(slot) => (slot, slot.swap(word, Ordering::AcqRel)),
        None => loop {
            match MOUNTING.iter().find(take) {
                Some(slot) => break (slot, 0),
                None => vload::let_others_run(),
            }
        },
    };
    let done = what();
    slot.store(outer, Ordering::Release);
    done
}

/// A copy of the process: no other thread of it mounts anything.
pub fn forked() {
    MOUNTING.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
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
    let mount = mount_of(vload::thread()).map(|slot| slot.load(Ordering::Relaxed));
    let mounted = mount.is_some();
    // As `graft_tree` has it (fs/namespace.c).
    if flags & CLAIM_EXACT == 0 && mount.is_some_and(|mount| mount & ON_FILE != 0) {
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
