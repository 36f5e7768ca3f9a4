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

/// How many a process can have at a time that are known: a child keeps of more what it gets. Who waits for a file has three
/// ([`crate::call::poll::Watch`]), and that 512 threads can do.
const MOST: usize = 3 * 512;

/// The first number of those where programs do not look: numbers below are the lowest free ones that they expect.
pub const AWAY: usize = 200;

static LISTED: [Slot; MOST] =
    [const { Slot { word: AtomicU32::new(0), table: AtomicU32::new(0) } }; MOST];

struct Slot {
    /// The descriptor, plus one; 0 for none.
    word: AtomicU32,
    /// In which table it is: threads can have their own.
    table: AtomicU32,
}

/// Nobody else makes or closes a temporary descriptor of the process as long as this is there.
pub struct Alone {
    /// What numbers the calling thread's table of descriptors among those of the process.
    pub table: u32,
}

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
    Errno::check(unsafe { vload_alone(1) }).ok().map(|table| Alone { table: table as u32 })
}

/// A descriptor that is closed when this is dropped.
pub struct Temporary {
    fd: i32,
    /// Where in the list it is.
    slot: Option<&'static Slot>,
    /// What it is of, if the program may have closed it, and opened something else there.
    identity: Option<(u64, u64)>,
}

impl Temporary {
    /// What `make` opens, close-on-exec.
    pub fn make(make: impl FnOnce() -> Result<i32>) -> Result<Self> {
        let alone = alone();
        let fd = make()?;
        let word = fd as u32 + 1;
        let listed = |alone: Alone| {
            // Nobody else takes one meanwhile, and nobody copies the list.
            let slot = LISTED.iter().find(|slot| slot.word.load(Ordering::Relaxed) == 0)?;
            slot.table.store(alone.table, Ordering::Relaxed);
            slot.word.store(word, Ordering::Relaxed);
            Some(slot)
        };
        Ok(Self { fd, slot: alone.and_then(listed), identity: None })
    }

    /// Its number.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// The same for a call that may wait: other threads of the program open and close meanwhile what they like. It lies
    /// where they do not look, if there is a number.
    pub fn away(self) -> Self {
        let away = |from| kernel::fcntl(from, nr::F_DUPFD_CLOEXEC, AWAY).map(|fd| fd as i32);
        let mut moved = Self::make(|| away(self.fd)).unwrap_or(self);
        moved.identity = kernel::identity(moved.fd).ok();
        moved
    }

    /// It is the program's from now on.
    pub fn keep(self, close_on_exec: bool) -> Result<i32> {
        if !close_on_exec {
            kernel::fcntl(self.fd, nr::F_SETFD, 0)?;
        }
        let _alone = alone();
        if let Some(slot) = self.slot {
            slot.word.store(0, Ordering::Relaxed);
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
            slot.word.store(0, Ordering::Relaxed);
        }
        if self.identity.is_none_or(|identity| kernel::identity(self.fd) == Ok(identity)) {
            kernel::close(self.fd);
        }
    }
}

/// In a copy of the process: none of the threads is there whose descriptors these were. `copied` says of which table it has
/// a copy; what the numbers mean in another one is no concern of this list's.
pub fn forked(copied: Option<u32>) {
    // What is not written stays the parent's page.
    for slot in LISTED.iter().filter(|slot| slot.word.load(Ordering::Relaxed) != 0) {
        let word = slot.word.swap(0, Ordering::Relaxed);
        if copied == Some(slot.table.load(Ordering::Relaxed)) {
            kernel::close(word as i32 - 1);
        }
    }
}
