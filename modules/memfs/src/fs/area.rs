//! The region of memory that a file system lives in: words, cut into blocks.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU8, AtomicU64};
use vload_module::{Result, Shared};

/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// Words of a block.
pub const BLOCK_WORDS: usize = BLOCK / 8;

/// What the file system stands on: memory that outlives any one process, a lock, and a way of changing
/// words that leaves them all as they were when the owner of the lock dies before it releases it.
pub trait Ground {
    /// Takes the lock. What a dead owner left half done is undone first.
    fn lock(&self) -> Result<()>;
    /// Changes a word so that it is as before if the lock is never released.
    fn change(&self, at: &Word, value: u64);
    /// Makes all changes final, and releases the lock.
    fn unlock(&self);
}

/// A word of shared memory.
#[repr(transparent)]
pub struct Word(pub AtomicU64);

// SAFETY: it is an atomic integer.
unsafe impl Shared for Word {}

impl Word {
    /// What is in it.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Writes what means nothing yet.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

/// Blocks of shared memory. They may be looked at only while the lock is held: then nobody else changes them, but
/// for the bytes of a file that programs have as their memory, which they change as they like.
#[derive(Clone, Copy)]
pub struct Area<'a> {
    words: &'a [Word],
}

impl<'a> Area<'a> {
    /// All of `words`.
    pub fn new(words: &'a [Word]) -> Self {
        Self { words }
    }

    /// How many whole blocks there are.
    pub fn blocks(self) -> u64 {
        (self.words.len() / BLOCK_WORDS) as u64
    }

    /// The word at an index.
    pub fn word(self, index: u64) -> &'a Word {
        &self.words[index as usize]
    }

    /// The words of a block.
    pub fn block(self, number: u64) -> &'a [Word] {
        let start = number as usize * BLOCK_WORDS;
        &self.words[start..start + BLOCK_WORDS]
    }

    /// The bytes of a block.
    pub fn bytes(self, number: u64) -> &'a [AtomicU8] {
        bytes(self.block(number))
    }
}

/// The bytes of words, in the order of memory.
pub fn bytes(words: &[Word]) -> &[AtomicU8] {
    // SAFETY: a word is eight bytes, each of which is a valid AtomicU8 (both are their content alone), and
    // the slice has the lifetime of the words.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 8) }
}

/// Copies bytes out of the area.
pub fn copy_out(from: &[AtomicU8], to: &mut [u8]) {
    let length = from.len().min(to.len());
    // SAFETY: both are valid for `length` bytes; `to` is borrowed alone, so they do not overlap. The lock keeps all
    // others from writing, but for programs that have a file's block as their memory: any bytes are values, and which
    // of theirs are copied is theirs to mind, as natively.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr().cast(), to.as_mut_ptr(), length) };
}

/// Copies bytes into the area.
pub fn copy_in(from: &[u8], to: &[AtomicU8]) {
    let length = from.len().min(to.len());
    // SAFETY: both are valid for `length` bytes; an atomic may be written through a shared reference, the lock keeps
    // all others away but for programs, as above, and `from`, which does not change while it is borrowed, is elsewhere.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr() as *mut u8, length) };
}

/// Fills bytes of the area with zeros.
pub fn clear(to: &[AtomicU8]) {
    // SAFETY: valid for its length; an atomic may be written through a shared reference, and the lock keeps all
    // others away but for programs, as above.
    unsafe { core::ptr::write_bytes(to.as_ptr() as *mut u8, 0, to.len()) };
}
