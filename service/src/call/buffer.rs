//! Memory that data passes through between a module and the program: the framework's own, and bounded.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a large one: what a call moves up to there is one operation of the module's.
pub const LARGE: usize = 64 * 1024;
/// How many threads of a process can have one at a time; others make do with what they bring.
const MOST: usize = 4;

struct Slot {
    taken: AtomicBool,
    bytes: UnsafeCell<[u8; LARGE]>,
}

// SAFETY: the bytes belong to who has made `taken` true.
unsafe impl Sync for Slot {}

static SLOTS: [Slot; MOST] =
    [const { Slot { taken: AtomicBool::new(false), bytes: UnsafeCell::new([0; LARGE]) } }; MOST];

/// A large buffer that is had until it is dropped.
struct Large(&'static Slot);

impl Drop for Large {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}

fn take() -> Option<Large> {
    SLOTS.iter().find(|slot| !slot.taken.swap(true, Ordering::Acquire)).map(Large)
}

/// The process has just been forked, and has none of the threads that had one.
pub fn forked() {
    SLOTS.iter().for_each(|slot| slot.taken.store(false, Ordering::Relaxed));
}

/// Calls `work` with a buffer for `wanted` bytes, or for as many as there is room for.
pub fn with<R>(wanted: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut small = [0u8; 4096];
    if wanted > small.len()
        && let Some(large) = take()
    {
        // SAFETY: `take` has made the slot ours, until `large` is dropped below.
        let result = work(unsafe { &mut *large.0.bytes.get() });
        drop(large);
        return result;
    }
    work(&mut small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_one_is_had_by_one_and_comes_back() {
        fn nested(depth: usize) -> usize {
            if depth == 0 { 0 } else { with(LARGE, |buffer| buffer.len() + nested(depth - 1)) }
        }
        for _ in 0..3 {
            assert_eq!(nested(MOST + 2), MOST * LARGE + 2 * 4096);
        }
        assert_eq!(with(10, |buffer| buffer.len()), 4096);
    }
}
