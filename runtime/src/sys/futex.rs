//! Waiting on words of memory, and the list of those that a thread which dies has held (futex(2), get_robust_list(2)).

use core::sync::atomic::AtomicU32;

use super::{Result, call};
use linux_raw_sys::general as nr;

/// Operations of futex(2) (linux/futex.h).
const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;
/// As above, for words that processes share.
const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;

/// `futex(2)`: sleeps while `word` is `value`; comes back for nothing, too.
pub fn wait_while(word: &AtomicU32, value: u32) {
    let args = [word.as_ptr() as usize, FUTEX_WAIT_PRIVATE, value as usize, 0];
    // SAFETY: the kernel reads the word. Whatever ends the wait, the caller looks again.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// `futex(2)`: wakes all that sleep on `word`.
pub fn wake_all(word: &AtomicU32) {
    let args = [word.as_ptr() as usize, FUTEX_WAKE_PRIVATE, i32::MAX as usize];
    // SAFETY: the word is only an address here. That nobody sleeps is no error.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// [`wait_while`] for a word that processes share, for at most so many nanoseconds, less than a second.
pub fn wait_while_shared(word: &AtomicU32, value: u32, nanoseconds: usize) {
    let limit = [0, nanoseconds];
    let args = [word.as_ptr() as usize, FUTEX_WAIT, value as usize, limit.as_ptr() as usize];
    // SAFETY: the kernel reads the word and a timespec of two words. Whatever ends the wait, the caller
    // looks again.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// Wakes one that sleeps on a word that processes share.
pub fn wake_one_shared(word: &AtomicU32) {
    let args = [word.as_ptr() as usize, FUTEX_WAKE, 1];
    // SAFETY: the word is only an address here. That nobody sleeps is no error.
    let _ = unsafe { call(nr::__NR_futex, args) };
}

/// `get_robust_list(2)` of the calling thread: where its list's head is, or 0.
pub fn robust_list() -> Result<usize> {
    let (mut head, mut length) = (0usize, 0usize);
    let args = [0, &raw mut head as usize, &raw mut length as usize];
    // SAFETY: the kernel writes two words, which are ours.
    unsafe { call(nr::__NR_get_robust_list, args) }?;
    Ok(head)
}

/// `set_robust_list(2)`. The length is the only one that the kernel takes (kernel/futex/syscalls.c).
///
/// # Safety
/// `head` must be 0, or lead to a list for as long as it is the thread's: the kernel follows it when the
/// thread ends.
pub unsafe fn set_robust_list(head: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_set_robust_list, [head, 3 * size_of::<usize>()]) }.map(drop)
}
