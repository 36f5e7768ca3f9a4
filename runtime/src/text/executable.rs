//! Where proven text has been mapped: a first answer to whether a range can be executed, for calls that
//! are frequent. What is unmapped since is not taken out: whoever needs to know asks the kernel then.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Ranges that are told apart; where there are more, every range counts.
const ROOM: usize = 1024;

static RANGES: [[AtomicUsize; 2]; ROOM] = [const { [const { AtomicUsize::new(0) }; 2] }; ROOM];
static USED: AtomicUsize = AtomicUsize::new(0);

/// Text has been mapped there.
pub fn note(start: usize, end: usize) {
    let known = RANGES.iter().take(USED.load(Ordering::Acquire));
    let is_same = |range: &[AtomicUsize; 2]| {
        range[0].load(Ordering::Relaxed) == start && range[1].load(Ordering::Relaxed) == end
    };
    if known.into_iter().any(is_same) {
        return;
    }
    // Two threads take two places; one that is not filled yet is empty.
    let place = USED.fetch_add(1, Ordering::AcqRel);
    if let Some(range) = RANGES.get(place) {
        range[1].store(end, Ordering::Relaxed);
        range[0].store(start, Ordering::Release);
    }
}

/// Whether text may have been mapped in the range.
pub fn may_be_in(start: usize, end: usize) -> bool {
    let used = USED.load(Ordering::Acquire);
    used > ROOM
        || RANGES.iter().take(used).any(|range| {
            range[0].load(Ordering::Acquire) < end && range[1].load(Ordering::Relaxed) > start
        })
}
