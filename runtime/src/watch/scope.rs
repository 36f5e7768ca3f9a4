//! What is watched: all calls that are not made from the gate, or those of one region alone.
//!
//! A process that has one thread and one contiguous region of code that cannot be proven is watched in
//! the kernel's inclusive mode (Linux 6.18), where only calls from the region are dispatched: stubs go
//! on making their own calls. Another region makes it a process that is watched everywhere, and so
//! does anything whose place is not known. Each change has a number, so that a thread which is armed
//! for the one before is not taken for one of the present.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Counts the changes; 0: nothing is watched yet.
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// The region; it ends at 0 when everything is watched.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// Whether there is memory that grows by itself below its start: executable, it leaves its region.
static GROWS: AtomicBool = AtomicBool::new(false);

/// The number of the present state.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::SeqCst)
}

/// The region that is watched alone.
pub fn region() -> Option<Range<usize>> {
    // The start is set first, and never changes while other threads could read it.
    let end = END.load(Ordering::SeqCst);
    (end != 0).then(|| START.load(Ordering::SeqCst)..end)
}

/// Watches the region alone, or everything.
pub fn set(region: Option<&Range<usize>>) {
    if let Some(region) = region {
        START.store(region.start, Ordering::SeqCst);
    }
    END.store(region.map_or(0, |region| region.end), Ordering::SeqCst);
    GENERATION.fetch_add(1, Ordering::SeqCst);
}

/// Whether calls from all of `wanted`, or from anywhere, are watched.
pub fn covers(wanted: Option<&Range<usize>>) -> bool {
    if generation() == 0 {
        return false;
    }
    match (region(), wanted) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(region), Some(wanted)) => wanted.start >= region.start && wanted.end <= region.end,
    }
}

/// The region to watch alone when `wanted` is to be watched too; `None` when there is no such.
pub fn with(wanted: Option<&Range<usize>>) -> Option<Range<usize>> {
    let wanted = wanted.filter(|wanted| wanted.start < wanted.end)?;
    if GROWS.load(Ordering::SeqCst) {
        return None;
    }
    match (generation(), region()) {
        (0, _) => Some(wanted.clone()),
        (_, Some(region)) if wanted.start <= region.end && wanted.end >= region.start => {
            Some(region.start.min(wanted.start)..region.end.max(wanted.end))
        }
        _ => None,
    }
}

/// The program has memory that grows (`MAP_GROWSDOWN`).
pub fn note_growth() {
    GROWS.store(true, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state is one for the process: what is asked of it is asked in order.
    #[test]
    fn a_region_grows_until_there_are_two() {
        let range = |start: usize, end: usize| Some(start..end);
        let with_of = |wanted: Option<Range<usize>>| with(wanted.as_ref());
        let covers_of = |wanted: Option<Range<usize>>| covers(wanted.as_ref());
        assert!(!covers_of(None) && !covers_of(range(1, 2)));
        assert_eq!(with_of(None), None);
        assert_eq!(with_of(range(0x2000, 0x4000)), range(0x2000, 0x4000));
        let before = generation();
        set(range(0x2000, 0x4000).as_ref());
        assert_ne!(generation(), before);
        assert!(covers_of(range(0x2000, 0x4000)) && covers_of(range(0x3000, 0x3001)));
        assert!(!covers_of(range(0x1fff, 0x3000)) && !covers_of(range(0x3000, 0x4001)));
        assert!(!covers_of(None));
        assert_eq!(with_of(range(0x4000, 0x5000)), range(0x2000, 0x5000), "it adjoins");
        assert_eq!(with_of(range(0x1000, 0x2000)), range(0x1000, 0x4000), "it adjoins");
        assert_eq!(with_of(range(0x5000, 0x6000)), None, "it is another");
        assert_eq!(with_of(None), None);
        note_growth();
        assert_eq!(with_of(range(0x4000, 0x5000)), None, "nobody knows where it ends");
        set(None);
        assert!(covers_of(None) && covers_of(range(1, 2)) && region().is_none());
    }
}
