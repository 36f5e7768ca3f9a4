//! Descriptors that the framework has for the time of a call: a process that another thread starts meanwhile does not
//! have them.
//!
//! They are listed here, and are closed in a copy of the process before its program goes on. So that none is in the copy
//! without being in its list, nobody makes one, or closes one, while the process is copied. All are closed by an exec: a
//! child that borrows this memory (`vfork`) has copies that it knows nothing of.

use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::general as nr;
use vload_module::abi::service::core_side::vload_alone;
use vload_module::{Errno, Result};

use crate::{kernel, vload};

/// How many a process can have at a time that are known: a child keeps of more what it gets.
const MOST: usize = 512;

/// Descriptors, plus one; 0 for none.
static LISTED: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];

/// Nobody else makes or closes a temporary descriptor of the process as long as this is there.
pub struct Alone(());

impl Drop for Alone {
    fn drop(&mut self) {
        // SAFETY: this thread has taken it. What is given back was taken last: nothing is taken in between.
        let _ = unsafe { vload_alone(0) };
    }
}

/// Waits until nobody else does. None where the list is another process's, whose memory this one has: its descriptors are
/// not that one's.
pub fn alone() -> Option<Alone> {
    if vload::is_borrowed() {
        return None;
    }
    // SAFETY: it takes no memory. `Alone` gives it back.
    Errno::check(unsafe { vload_alone(1) }).ok().map(|_| Alone(()))
}

/// A descriptor that is closed when this is dropped.
pub struct Temporary {
    fd: i32,
    /// Where in the list it is.
    slot: Option<&'static AtomicU32>,
}

impl Temporary {
    /// What `make` opens, close-on-exec.
    pub fn make(make: impl FnOnce() -> Result<i32>) -> Result<Self> {
        let alone = alone();
        let fd = make()?;
        let word = fd as u32 + 1;
        let take = |slot: &&AtomicU32| {
            slot.compare_exchange(0, word, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        Ok(Self { fd, slot: alone.and_then(|_alone| LISTED.iter().find(take)) })
    }

    /// Its number.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// It is the program's from now on.
    pub fn keep(self, close_on_exec: bool) -> Result<i32> {
        if !close_on_exec {
            kernel::fcntl(self.fd, nr::F_SETFD, 0)?;
        }
        let _alone = alone();
        if let Some(slot) = self.slot {
            slot.store(0, Ordering::Relaxed);
        }
        let fd = self.fd;
        core::mem::forget(self);
        Ok(fd)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _alone = alone();
        if let Some(slot) = self.slot {
            slot.store(0, Ordering::Relaxed);
        }
        kernel::close(self.fd);
    }
}

/// In a copy of the process: none of the threads is there whose descriptors these were. `copied` says whether it has copies
/// of them.
pub fn forked(copied: bool) {
    for slot in &LISTED {
        if let Some(fd) = slot.swap(0, Ordering::Relaxed).checked_sub(1)
            && copied
        {
            kernel::close(fd as i32);
        }
    }
}
