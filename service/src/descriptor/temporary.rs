//! Descriptors that the framework has for the time of a call: a process that another thread starts meanwhile does not
//! have them.
//!
//! They are listed here, and are closed in a copy of the process before its program goes on. So that none is in the copy
//! without being in its list, nobody makes one, or closes one, while the process is copied.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use vload_module::Result;

use crate::{kernel, vload};

/// How many a process can have at a time that are known: a child keeps of more what it gets.
const MOST: usize = 512;

/// Descriptors, plus one; 0 for none.
static LISTED: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
/// Whether somebody changes the list and the descriptors in it, or copies the process.
static CHANGING: AtomicBool = AtomicBool::new(false);

/// Nobody else makes or closes a temporary descriptor of the process as long as this is there.
pub struct Alone(());

impl Drop for Alone {
    fn drop(&mut self) {
        CHANGING.store(false, Ordering::Release);
    }
}

/// Waits until nobody else does. None where the list is another process's, whose memory this one has: it must not keep that
/// one waiting if it is killed, and its descriptors are not that one's.
pub fn alone() -> Option<Alone> {
    if vload::is_borrowed() {
        return None;
    }
    while CHANGING.swap(true, Ordering::Acquire) {
        vload::let_others_run();
    }
    Some(Alone(()))
}

/// A descriptor that is closed when this is dropped.
pub struct Temporary {
    fd: i32,
    /// Where in the list it is.
    slot: Option<&'static AtomicU32>,
}

impl Temporary {
    /// What `make` opens.
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
    pub fn keep(self) -> i32 {
        let _alone = alone();
        if let Some(slot) = self.slot {
            slot.store(0, Ordering::Relaxed);
        }
        let fd = self.fd;
        core::mem::forget(self);
        fd
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
    CHANGING.store(false, Ordering::Release);
}
