//! An undo journal: what a thread changes under a lock is either changed whole or not at all, wherever
//! the thread is killed. It lies beside the lock, in the memory that the lock guards.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use crate::sys::{Errno, Result};

/// Words that can be changed before the lock is given back.
pub const ENTRIES: usize = 244;

/// One changed word.
#[repr(C)]
struct Entry {
    /// Where it is, from the start of the memory on.
    at: AtomicU64,
    /// What it was.
    old: AtomicU64,
}

/// The words that have been changed since the lock was taken.
#[repr(C)]
pub struct Journal {
    /// How many; 0 makes all of them final.
    length: AtomicU64,
    _pad: u64,
    entries: [Entry; ENTRIES],
}

impl Journal {
    /// Nothing has been changed.
    pub const fn new() -> Self {
        Self {
            length: AtomicU64::new(0),
            _pad: 0,
            entries: [const { Entry { at: AtomicU64::new(0), old: AtomicU64::new(0) } }; ENTRIES],
        }
    }

    /// Notes what the word is. It may be changed from then on.
    pub fn note(&self, memory: &Range<usize>, word: &AtomicU64) -> Result<()> {
        let address = word.as_ptr() as usize;
        let at = address.checked_sub(memory.start).ok_or(Errno::FAULT)?;
        if address + size_of::<u64>() > memory.end {
            return Err(Errno::FAULT);
        }
        let length = self.length.load(Ordering::Relaxed);
        let entry = self.entries.get(length as usize).ok_or(Errno::NOSPC)?;
        entry.at.store(at as u64, Ordering::Relaxed);
        entry.old.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
        self.length.store(length + 1, Ordering::Release);
        // The word is changed behind this: what has been stored when a thread is killed is what comes
        // before some instruction of it.
        compiler_fence(Ordering::SeqCst);
        Ok(())
    }

    /// Makes what was changed final, by one store.
    pub fn commit(&self) {
        self.length.store(0, Ordering::Release);
    }

    /// Takes back what was changed. Whoever does so may be killed, too, and the next does it again.
    pub fn undo(&self, memory: &Range<usize>) {
        let length = (self.length.load(Ordering::Acquire) as usize).min(ENTRIES);
        // The oldest note of a word is what it was.
        for entry in self.entries[..length].iter().rev() {
            let at = entry.at.load(Ordering::Relaxed) as usize;
            let end = at.checked_add(size_of::<u64>());
            if !at.is_multiple_of(8) || end.is_none_or(|end| end > memory.len()) {
                continue;
            }
            // SAFETY: within the memory that the caller has mapped, and aligned.
            let word = unsafe { &*((memory.start + at) as *const AtomicU64) };
            word.store(entry.old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.commit();
    }
}
