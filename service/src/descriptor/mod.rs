//! What is behind the descriptors of virtual files.
//!
//! What POSIX calls an open file description is a [`Record`] in the session's memory and a description of
//! the kernel's, which stands for it: a fresh one of the session's placeholder file. Its position says
//! which record it is, and it holds a lock (`F_OFD_SETLK`, fcntl_locking(2)) on the byte of that number. Copies of
//! the descriptor are the kernel's business, by `dup`, fork, exec, a socket or `pidfd_getfd`, and that nobody
//! has the last one any more is too: the lock is gone then, however the processes ended.

mod held;
mod image;
mod names;
mod open;
mod path;
mod pin;
mod placeholder;
mod places;
mod record;
pub mod temporary;
pub(crate) mod unasked;

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use vload_module::abi::service::core_side::vload_hold;

use crate::vload;

pub use held::{Held, Subject, find};
pub use image::image;
pub use names::{is_any_open, lost, moved};
pub use open::{Named, TMPFILE, open, open_for_now, reclaim, users};
pub use path::Name;
#[cfg(test)]
pub use pin::pinned;
pub use pin::{closing, forked, use_of};
pub use placeholder::open as open_placeholder;
pub use record::{MOST, Record, Records};
pub use temporary::Temporary;

static RECORDS: AtomicPtr<Records> = AtomicPtr::new(core::ptr::null_mut());

/// Learns where the session's open files are kept, in each program.
pub fn attach(records: &'static Records) {
    RECORDS.store(core::ptr::from_ref(records).cast_mut(), Ordering::Release);
    placeholder::attach();
}

/// Whether the process has, or had, a virtual file open.
static HOLDS: AtomicBool = AtomicBool::new(false);

/// The process has a virtual file open: the framework must see the calls on descriptors from now on.
pub fn hold() {
    if !HOLDS.swap(true, Ordering::AcqRel) {
        // SAFETY: the framework's own layer.
        unsafe { vload_hold(vload::framework(), 1) };
    }
}

/// Whether a program that this process executes must see them too.
pub fn holds() -> bool {
    HOLDS.load(Ordering::Acquire)
}

/// A descriptor has come from elsewhere.
pub fn arrived(fd: i32) {
    if fd >= 0 && !holds() && placeholder::identify(fd).is_some() {
        hold();
    }
}

/// A descriptor of an open file has been closed.
pub fn left(number: u32) {
    if let Some(records) = records() {
        open::reclaim_if_left(records, number);
    }
}

/// A process takes a lock on a range for itself.
pub fn note_process_locks() {
    if let Some(records) = records() {
        records.process_locks.store(1, Ordering::Release);
    }
}

/// Whether any process may have one.
pub fn has_process_locks() -> bool {
    records().is_some_and(|records| records.process_locks.load(Ordering::Acquire) != 0)
}

/// The count of those who wait for files, in the session.
pub fn waiters<R>(act: impl FnOnce(&AtomicU32) -> R) -> Option<R> {
    records().map(|records| act(&records.waiters))
}

/// How much has been written to files whose module says when they are ready.
pub fn written() -> u32 {
    records().map_or(0, |records| records.written.load(Ordering::Acquire))
}

/// More has been.
pub fn count_written() {
    records().inspect(|records| _ = records.written.fetch_add(1, Ordering::AcqRel));
}

/// How many more files can be open, and how many of them with a long path.
#[cfg(test)]
pub fn room() -> (usize, usize) {
    records().map_or((0, 0), |records| (records.free().count(), records.paths.free()))
}

/// An open file by its number, which may be another by now.
pub fn record(number: u32) -> Option<&'static Record> {
    records()?.get(number)
}

fn records() -> Option<&'static Records> {
    // SAFETY: null, or what `attach` was given.
    unsafe { RECORDS.load(Ordering::Acquire).as_ref() }
}
