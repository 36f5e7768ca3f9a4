//! A list of address ranges that is read without a lock and without memory of its own: by a vfork
//! child in its parent's memory, by threads at once, and whatever a signal has interrupted.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::peer::Peer;
use crate::sys::Result;

/// The start of an entry that is being filled: no range reaches it.
const TAKEN: usize = usize::MAX;
/// The start of an entry that is free.
const FREE: usize = 0;

#[repr(C)]
struct Entry {
    start: AtomicUsize,
    end: AtomicUsize,
}

/// At most `N` ranges.
pub struct Ranges<const N: usize> {
    /// One more than the last entry that was ever used.
    used: AtomicUsize,
    entries: [Entry; N],
}

impl<const N: usize> Ranges<N> {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            used: AtomicUsize::new(0),
            entries: [const { Entry { start: AtomicUsize::new(FREE), end: AtomicUsize::new(0) } };
                N],
        }
    }

    /// Adds a range: its place, which is its own until it is taken out. `None` when there is no room.
    pub fn add(&self, range: Range<usize>) -> Option<usize> {
        self.add_with(range, |_| ())
    }

    /// Adds a range after `prepare` was told its place.
    pub fn add_with(&self, range: Range<usize>, prepare: impl FnOnce(usize)) -> Option<usize> {
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.start.load(Ordering::Relaxed) == FREE
                && entry
                    .start
                    .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                prepare(index);
                entry.end.store(range.end, Ordering::Relaxed);
                entry.start.store(range.start, Ordering::Release);
                self.used.fetch_max(index + 1, Ordering::Release);
                return Some(index);
            }
        }
        None
    }

    /// Takes out the range that starts at `start`.
    pub fn remove(&self, start: usize) {
        for entry in self.in_use() {
            if entry.start.load(Ordering::Acquire) == start
                && entry
                    .start
                    .compare_exchange(start, TAKEN, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
            {
                entry.start.store(FREE, Ordering::Release);
                return;
            }
        }
    }

    fn in_use(&self) -> &[Entry] {
        let used = self.used.load(Ordering::Acquire);
        self.entries.get(..used).unwrap_or(&self.entries)
    }

    /// All of them, in no order.
    pub fn each(&self) -> impl Iterator<Item = Range<usize>> {
        self.each_placed().map(|(_, range)| range)
    }

    /// All of them with their places.
    pub fn each_placed(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.in_use().iter().enumerate().filter_map(|(index, entry)| {
            loop {
                let start = entry.start.load(Ordering::Acquire);
                if start == FREE || start == TAKEN {
                    return None;
                }
                let end = entry.end.load(Ordering::Acquire);
                // Both belong together if the entry is still the same.
                if entry.start.load(Ordering::Acquire) == start {
                    return Some((index, start..end));
                }
            }
        })
    }

    /// All that the list of another process has, with their places.
    pub fn each_of(
        &self,
        peer: &Peer,
        visit: &mut dyn FnMut(usize, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let mut used = [0usize; 1];
        peer.read((&raw const self.used).addr(), &mut used)?;
        for (place, entry) in self.entries.iter().enumerate().take(used[0]) {
            let mut words = [0usize; 2];
            peer.read((&raw const *entry).addr(), &mut words)?;
            let [start, end] = words;
            if start != FREE && start != TAKEN {
                visit(place, start..end)?;
            }
        }
        Ok(())
    }

    /// The lowest range that has an address in `wanted`.
    pub fn first_in(&self, wanted: &Range<usize>) -> Option<Range<usize>> {
        self.each()
            .filter(|range| range.start < wanted.end && range.end > wanted.start)
            .min_by_key(|range| range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn the_lowest_that_overlaps_is_found() {
        let ranges = Ranges::<4>::new();
        assert_eq!(ranges.first_in(&(0..usize::MAX)), None);
        for range in [0x5000..0x6000, 0x2000..0x3000, 0x9000..0xa000] {
            assert!(ranges.add(range).is_some());
        }
        assert_eq!(ranges.first_in(&(0..usize::MAX)), Some(0x2000..0x3000));
        assert_eq!(ranges.first_in(&(0x2fff..0x3000)), Some(0x2000..0x3000));
        assert_eq!(ranges.first_in(&(0x3000..0x5000)), None);
        assert_eq!(ranges.first_in(&(0x3000..0x5001)), Some(0x5000..0x6000));
        ranges.remove(0x2000);
        assert_eq!(ranges.first_in(&(0..usize::MAX)), Some(0x5000..0x6000));
    }

    #[test]
    fn a_place_is_used_again_and_a_full_list_says_so() {
        let ranges = Ranges::<2>::new();
        assert_eq!((ranges.add(1..2), ranges.add(3..4)), (Some(0), Some(1)));
        assert_eq!(ranges.add(5..6), None);
        ranges.remove(3);
        assert_eq!(ranges.add(5..6), Some(1));
        assert_eq!(ranges.each().count(), 2);
        ranges.remove(7);
        assert_eq!(ranges.each().count(), 2);
    }
}
