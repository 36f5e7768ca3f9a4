//! Locks in the session's memory. A process can be killed at any instruction: a lock whose holder has
//! ended is free again (`robust.rs`), and what it had begun to change is as it was before (`journal.rs`).

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use super::journal::Journal;
use super::robust::{Robust, Word};
use crate::memory;
use crate::signal;
use crate::sys::{self, Result};
use crate::thread::Block;
use core::sync::atomic::AtomicU64;

/// A lock with its journal: a page of memory. All zero bytes are one that is free.
#[repr(C, align(4096))]
pub struct Lock {
    word: Word,
    journal: Journal,
}

const _: () = assert!(size_of::<Lock>() == 4096);

/// The bits of the word that are its holder's number, and the kernel's (linux/futex.h).
const HOLDER: u32 = 0x3fff_ffff;
const WAITERS: u32 = 0x8000_0000;

/// How long a thread sleeps before it looks for itself: one that is killed between waking and taking the lock
/// wakes nobody.
const PATIENCE: usize = 100_000_000;

/// What the holder of a lock keeps. It stays where it is from [`Lock::take`] to [`Lock::give_back`].
pub struct Kept {
    list: Robust,
    /// The mask to be set again; `None`: it is as it was.
    mask: Option<u64>,
    block: Option<NonNull<Block>>,
    was_held: bool,
    memory: Range<usize>,
}

impl Kept {
    /// Of no lock yet.
    pub const fn none() -> Self {
        Self { list: Robust::new(), mask: None, block: None, was_held: false, memory: 0..0 }
    }
}

impl Lock {
    /// One that is free.
    pub const fn free() -> Self {
        Self { word: Word::new(), journal: Journal::new() }
    }

    /// A lock in memory of which this process has a copy since it was forked, by the thread that held it: it
    /// is free, and the kernel has no list of the child's.
    pub fn forget(&self, kept: &mut Kept) {
        self.journal.commit();
        self.word.value.store(0, Ordering::Release);
        kept.list.forget();
        kept.open_signals();
    }

    /// Takes the lock that guards `memory`, and waits for it. No signal reaches the thread until it is
    /// given back, so a process that is stopped from its terminal stops nobody else; with the thread's
    /// block, faults do, because a module's code runs. Locks are given back in the reverse order.
    ///
    /// `EDEADLK`: the thread holds it.
    pub fn take(
        &self,
        kept: &mut Kept,
        memory: Range<usize>,
        block: Option<NonNull<Block>>,
    ) -> Result<()> {
        let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
        *kept = Kept { mask: Some(mask), block, memory, ..Kept::none() };
        if let Some(block) = block {
            // SAFETY: the caller is the block's thread.
            kept.was_held = signal::is_held(unsafe { block.as_ref() });
            // Those that arrive anyway: `SIGTRAP` may be blocked, and wait.
            sys::set_signal_mask(sys::ALL_SIGNALS & !(signal::faults() & !mask));
        }
        let taken = self.win(&mut kept.list);
        match taken {
            Ok(()) => self.journal.undo(&kept.memory),
            Err(_) => kept.open_signals(),
        }
        taken
    }

    /// Takes a lock in memory that no other process has, but for a vfork child: signals may come, because
    /// what stops the holder stops who waits for it.
    pub fn take_private(&self, kept: &mut Kept) -> Result<()> {
        *kept = Kept::none();
        self.win(&mut kept.list)
    }

    fn win(&self, list: &mut Robust) -> Result<()> {
        // Where a filter keeps the thread from its number, nobody hears of its end.
        let own = match sys::gettid() as u32 {
            0 => HOLDER,
            own => own,
        };
        let word = &self.word.value;
        let mut slept = 0;
        loop {
            let seen = word.load(Ordering::Relaxed);
            if seen & HOLDER == 0 {
                // On the list only with the word at hand: in another pid namespace a thread can have the
                // same number, and its lock is not ours to lose.
                list.begin(&self.word);
                let value = own | slept | seen & WAITERS;
                let won = word.compare_exchange(seen, value, Ordering::Acquire, Ordering::Relaxed);
                if won.is_ok() {
                    list.taken();
                    return Ok(());
                }
                list.end();
                continue;
            }
            if seen & HOLDER == own {
                Robust::check(&self.word)?;
            }
            let marked = seen | WAITERS;
            let still = seen == marked
                || word
                    .compare_exchange(seen, marked, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if still {
                slept = WAITERS;
                memory::take_over();
                sys::wait_while_shared(word, marked, PATIENCE);
            }
        }
    }

    /// Gives `word` of the memory another value, which it has for good once the lock is given back.
    ///
    /// `ENOSPC`: too many words have been changed since the lock was taken.
    pub fn change(&self, kept: &Kept, word: &AtomicU64, value: u64) -> Result<()> {
        self.journal.note(&kept.memory, word)?;
        word.store(value, Ordering::Relaxed);
        Ok(())
    }

    /// Takes back all that was changed since the lock was taken.
    pub fn undo(&self, kept: &Kept) {
        self.journal.undo(&kept.memory);
    }

    /// Gives the lock back, with all that was changed.
    pub fn give_back(&self, kept: &mut Kept) {
        kept.list.leaving();
        self.release();
        kept.leave_list();
        kept.open_signals();
    }

    /// Makes the lock free, whose holder has left the list, or does so then.
    pub fn release(&self) {
        self.journal.commit();
        if self.word.value.swap(0, Ordering::Release) & WAITERS != 0 {
            sys::wake_one_shared(&self.word.value);
        }
    }
}

impl Kept {
    /// The end of the thread does not give the lock back any more: it has the list that it had. Locks leave it in the
    /// order in which they are given back.
    pub fn leave_list(&mut self) {
        self.list.end();
    }

    /// Lets signals in again.
    fn open_signals(&mut self) {
        let Some(mask) = self.mask.take() else { return };
        if let Some(block) = self.block.take() {
            // SAFETY: the caller of `take` is the thread, and a thread's block outlives its calls.
            let block = unsafe { &mut *block.as_ptr() };
            if signal::is_held(block) && !self.was_held {
                // It came meanwhile; the target's mask is the one from before.
                block.exit_mask = mask;
                return;
            }
        }
        sys::set_signal_mask(mask);
    }
}
