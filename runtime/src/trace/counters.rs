//! Counts of calls, shared by all processes of a session.

use crate::abi::Entry;
use core::sync::atomic::{AtomicU64, Ordering};

/// Numbers of the native table that are counted one by one.
pub const NATIVE: usize = 1024;

/// Numbers of the other table ([`crate::abi::Table::COMPAT`]) that are counted one by one.
pub const COMPAT: usize = 512;

/// What is known of one call.
#[repr(C, align(8))]
pub struct Count {
    calls: AtomicU64,
    errors: AtomicU64,
    ticks: AtomicU64,
}

/// What has been counted of one call, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// How often it was made.
    pub calls: u64,
    /// How often it failed.
    pub errors: u64,
    /// The time it took, in the ticks of [`Counters::add`].
    pub ticks: u64,
}

/// The counts of a session. All zero bytes are a valid one, it holds no pointers, and its layout
/// is the same for every word size, so that it can lie in memory that processes share.
#[repr(C)]
pub struct Counters {
    native: [Count; NATIVE],
    compat: [Count; COMPAT],
    /// x32 calls, and numbers beyond the tables.
    other: Count,
}

const _: () = assert!(size_of::<Counters>() == (NATIVE + COMPAT + 1) * 24);

impl Count {
    const fn new() -> Self {
        Self { calls: AtomicU64::new(0), errors: AtomicU64::new(0), ticks: AtomicU64::new(0) }
    }

    /// Independent counts need no order among them: each is exact by itself.
    fn add(&self, is_error: bool, ticks: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if is_error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    fn read(&self) -> Counted {
        Counted {
            calls: self.calls.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            ticks: self.ticks.load(Ordering::Relaxed),
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// No calls at all.
    pub const fn new() -> Self {
        Self {
            native: [const { Count::new() }; NATIVE],
            compat: [const { Count::new() }; COMPAT],
            other: Count::new(),
        }
    }

    /// Counts one call. Takes no lock: a process may be killed at any of its instructions.
    pub fn add(&self, entry: Entry, number: usize, is_error: bool, ticks: u64) {
        let count = match entry {
            Entry::Native => self.native.get(number),
            Entry::Compat => self.compat.get(number),
            Entry::X32 => None,
        };
        count.unwrap_or(&self.other).add(is_error, ticks);
    }

    /// The calls that were made and have numbers of their own here, by entry and number.
    pub fn numbered(&self) -> impl Iterator<Item = (Entry, usize, Counted)> {
        let native = self.native.iter().enumerate().map(|(n, count)| (Entry::Native, n, count));
        let compat = self.compat.iter().enumerate().map(|(n, count)| (Entry::Compat, n, count));
        native
            .chain(compat)
            .map(|(entry, number, count)| (entry, number, count.read()))
            .filter(|(_, _, counted)| counted.calls > 0)
    }

    /// All other calls.
    pub fn other(&self) -> Counted {
        self.other.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    #[test]
    fn calls_are_counted_where_they_belong() {
        let counters = Box::new(Counters::new());
        counters.add(Entry::Native, 1, false, 10);
        counters.add(Entry::Native, 1, true, 5);
        counters.add(Entry::Compat, 1, false, 7);
        counters.add(Entry::Native, NATIVE - 1, false, 0);
        counters.add(Entry::Native, NATIVE, false, 1);
        counters.add(Entry::Compat, COMPAT, true, 1);
        counters.add(Entry::X32, 0x4000_0001, false, 1);
        counters.add(Entry::Native, usize::MAX, true, 1);
        let seen: Vec<_> = counters.numbered().collect();
        assert_eq!(
            seen,
            [
                (Entry::Native, 1, Counted { calls: 2, errors: 1, ticks: 15 }),
                (Entry::Native, NATIVE - 1, Counted { calls: 1, errors: 0, ticks: 0 }),
                (Entry::Compat, 1, Counted { calls: 1, errors: 0, ticks: 7 }),
            ]
        );
        assert_eq!(counters.other(), Counted { calls: 4, errors: 2, ticks: 4 });
    }

    #[test]
    fn threads_lose_no_count() {
        let counters = Box::new(Counters::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..10_000 {
                        counters.add(Entry::Native, 0, i % 10 == 0, 3);
                    }
                });
            }
        });
        let all = Counted { calls: 40_000, errors: 4_000, ticks: 120_000 };
        assert_eq!(counters.numbered().next(), Some((Entry::Native, 0, all)));
    }
}
