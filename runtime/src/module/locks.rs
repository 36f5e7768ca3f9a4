//! The locks that a module's code holds. They are given back at the latest when the code has returned; one that has
//! faulted, or forgotten them, has changed nothing.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

use crate::layer::Layer;
use crate::session::{Kept, Lock};
use crate::sys::{Errno, Result};
use crate::thread::Block;

/// Locks that can be held at once.
const MOST: usize = 4;

/// The locks that a module's code holds, in the order in which it took them. They stay where they are.
pub struct Locks {
    taken: [Kept; MOST],
    locks: [Option<&'static Lock>; MOST],
    count: usize,
}

impl Locks {
    /// None.
    pub const fn none() -> Self {
        Self { taken: [const { Kept::none() }; MOST], locks: [None; MOST], count: 0 }
    }

    /// Takes one of a layer's.
    pub fn take(&mut self, layer: &'static Layer, which: usize, block: &mut Block) -> Result<()> {
        let lock = layer.lock(which).ok_or(Errno::INVAL)?;
        let memory = Range { start: layer.area(), end: layer.area() + layer.area_size() };
        self.add(lock, |kept| lock.take(kept, memory, Some(NonNull::from(block))))
    }

    /// Takes one of this process's.
    pub fn take_private(&mut self, lock: &'static Lock) -> Result<()> {
        self.add(lock, |kept| lock.take_private(kept))
    }

    fn add(
        &mut self,
        lock: &'static Lock,
        take: impl FnOnce(&mut Kept) -> Result<()>,
    ) -> Result<()> {
        take(self.taken.get_mut(self.count).ok_or(Errno::NOSPC)?)?;
        self.locks[self.count] = Some(lock);
        self.count += 1;
        Ok(())
    }

    /// Changes a word of the memory of the lock that was taken last.
    pub fn change(&self, word: &AtomicU64, value: u64) -> Result<()> {
        let last = self.count.checked_sub(1).ok_or(Errno::INVAL)?;
        let lock = self.locks[last].ok_or(Errno::INVAL)?;
        lock.change(&self.taken[last], word, value)
    }

    /// Gives back the one that was taken last, which must be that.
    pub fn give_back(&mut self, meant: Option<&Lock>) -> Result<()> {
        let last = self.count.checked_sub(1).ok_or(Errno::INVAL)?;
        let lock = self.locks[last].ok_or(Errno::INVAL)?;
        if !meant.is_some_and(|meant| core::ptr::eq(meant, lock)) {
            return Err(Errno::INVAL);
        }
        lock.give_back(&mut self.taken[last]);
        self.count = last;
        Ok(())
    }

    /// Gives all back, with nothing changed under them.
    pub fn give_up(&mut self) {
        while let Some(last) = self.count.checked_sub(1) {
            if let Some(lock) = self.locks[last] {
                lock.undo(&self.taken[last]);
                lock.give_back(&mut self.taken[last]);
            }
            self.count = last;
        }
    }
}
