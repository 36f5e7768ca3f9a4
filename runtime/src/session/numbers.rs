//! The calls that layers want: as a record has them, and as a set.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Call numbers that have a bit in a record; those above are listed.
pub const DIRECT: usize = 1024;
const LISTED: usize = 32;

/// The calls that a layer wants, in its record. All zero bytes: none.
#[repr(C)]
pub struct Wanted {
    every: AtomicU32,
    listed: AtomicU32,
    bits: [AtomicU64; DIRECT / 64],
    /// The low halves of other numbers.
    list: [AtomicU32; LISTED],
}

impl Wanted {
    /// Wants none.
    pub fn clear(&self) {
        self.every.store(0, Ordering::Relaxed);
        self.listed.store(0, Ordering::Relaxed);
        self.bits.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// How many; `u32::MAX`: every one.
    pub fn count(&self) -> u32 {
        if self.every.load(Ordering::Relaxed) != 0 {
            return u32::MAX;
        }
        let direct = self.bits.iter().map(|word| word.load(Ordering::Relaxed).count_ones());
        direct.sum::<u32>() + self.listed.load(Ordering::Relaxed)
    }

    /// Wants these too; `None`: every call.
    pub fn add(&self, numbers: Option<&[usize]>) {
        let Some(numbers) = numbers else { return self.every.store(1, Ordering::Relaxed) };
        for &number in numbers {
            let low = number & 0xffff;
            if low < DIRECT {
                self.bits[low / 64].fetch_or(1 << (low % 64), Ordering::Relaxed);
                continue;
            }
            let at = self.listed.load(Ordering::Relaxed);
            match self.list.get(at as usize) {
                Some(place) => {
                    place.store(low as u32, Ordering::Relaxed);
                    self.listed.store(at + 1, Ordering::Relaxed);
                }
                // A stub that takes one too many to the resident does no harm.
                None => self.every.store(1, Ordering::Relaxed),
            }
        }
    }

    /// Puts them into a set.
    pub fn add_to(&self, set: &mut Numbers) {
        if self.every.load(Ordering::Relaxed) != 0 {
            set.every = true;
        }
        for (to, from) in set.bits.iter_mut().zip(&self.bits) {
            *to |= from.load(Ordering::Relaxed);
        }
        let listed = self.listed.load(Ordering::Relaxed) as usize;
        for one in self.list.iter().take(listed) {
            match set.list.get_mut(set.listed) {
                Some(place) => *place = one.load(Ordering::Relaxed) as u16,
                None => set.every = true,
            }
            set.listed += 1;
        }
    }
}

/// A set of call numbers, by their low halves.
pub struct Numbers {
    every: bool,
    bits: [u64; DIRECT / 64],
    list: [u16; 2 * LISTED],
    listed: usize,
}

impl Numbers {
    /// None.
    pub const NONE: Self =
        Self { every: false, bits: [0; DIRECT / 64], list: [0; 2 * LISTED], listed: 0 };

    /// Whether it has the number.
    pub fn has(&self, low: usize) -> bool {
        let in_list = || self.list.iter().take(self.listed).any(|&one| usize::from(one) == low);
        self.every
            || match self.bits.get(low / 64) {
                Some(word) => word >> (low % 64) & 1 != 0,
                None => in_list(),
            }
    }

    /// Whether it has any beyond those that calls have.
    pub fn is_wide(&self) -> bool {
        self.every || self.listed != 0
    }
}
