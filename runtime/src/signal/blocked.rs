//! What a thread believes it blocks, as far as the kernel does not know it (`mask.rs`).

use core::sync::atomic::{AtomicU64, Ordering};

use super::{bit, open_signals};

/// What a thread believes it blocks of the signals that are never blocked in the kernel.
#[repr(C)]
pub struct Blocked {
    own: AtomicU64,
    /// The same while it waits with another mask: `WAITS` is set.
    waiting: AtomicU64,
}

/// A bit that no mask has.
const WAITS: u64 = bit(9);

impl Blocked {
    /// None of them.
    pub const fn nothing() -> Self {
        Self { own: AtomicU64::new(0), waiting: AtomicU64::new(0) }
    }

    /// What it blocks at this moment, for other threads that look.
    pub fn now(&self) -> u64 {
        match self.waiting.load(Ordering::SeqCst) {
            0 => self.get(),
            waiting => waiting,
        }
    }

    /// Whether the thread waits with a mask of the wait's.
    pub fn waits(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) != 0
    }

    /// The thread waits with the mask `during`.
    pub fn wait_with(&self, during: u64) {
        self.waiting.store(during | WAITS, Ordering::SeqCst);
    }

    /// Its own mask is back.
    pub fn wait_is_over(&self) {
        if self.waits() {
            self.waiting.store(0, Ordering::SeqCst);
        }
    }

    /// What the thread believes.
    pub fn get(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }

    /// Sets what the thread believes.
    pub fn set(&self, blocked: u64) {
        self.own.store(blocked, Ordering::Relaxed);
    }

    /// The thread believes that it blocks `more` too.
    pub fn add(&self, more: u64) {
        self.set(self.get() | more);
    }

    /// Sets what the thread believes to what `mask` says.
    pub fn set_from(&self, mask: u64) {
        self.set(mask & open_signals());
    }

    /// The thread's mask as it believes it to be.
    pub fn believed(&self, kernel: u64) -> u64 {
        kernel | self.get()
    }
}
