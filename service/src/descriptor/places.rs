//! Where the paths of open files lie that are too long for their records.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::record::MOST;
use crate::path::LONGEST;

/// How many long paths there can be.
pub const PLACES: usize = 256;

/// Where long paths lie.
#[repr(C)]
pub struct Paths {
    /// The number of the place that is filled by who holds the lock of names, plus one; 0 for none.
    next: AtomicU32,
    /// How often a place has been taken.
    taken: AtomicU32,
    places: [Place; PLACES],
}

/// Where one does.
#[repr(C)]
pub struct Place {
    /// The number of the record plus one, and in the bits above how often any place had been taken; 0 for none.
    owner: AtomicU32,
    _reserved: u32,
    bytes: [AtomicU8; LONGEST],
}

/// Bits of an owner that are the record's number plus one.
const OWNER_BITS: u32 = 13;

/// The record that an owner is.
pub fn owner_of(owner: u32) -> Option<u32> {
    (owner & ((1 << OWNER_BITS) - 1)).checked_sub(1)
}

impl Paths {
    /// How many places there are that nobody has.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.places.iter().filter(|place| place.owner.load(Ordering::Acquire) == 0).count()
    }

    /// The number of the place that is filled by who holds the lock of names, plus one.
    pub fn next(&self) -> &AtomicU32 {
        &self.next
    }

    /// What lies in a place.
    pub fn bytes(&self, index: u32) -> Option<&[AtomicU8]> {
        self.places.get(index as usize).map(|place| &place.bytes[..])
    }

    /// Takes a place for record `number`. It is named in `next` first, so that a place whose owner does not name it is lost
    /// to that one: its process died in between, or the record is another file's now.
    pub fn take(
        &self,
        number: u32,
        next: &AtomicU32,
        names: impl Fn(u32, u32) -> bool,
    ) -> Option<(u32, &[AtomicU8])> {
        self.places.iter().zip(1u32..).find_map(|(place, index)| {
            let owner = place.owner.load(Ordering::SeqCst);
            if self.next.load(Ordering::SeqCst) == index
                || owner_of(owner).is_some_and(|other| names(other, index))
            {
                return None;
            }
            next.store(index, Ordering::SeqCst);
            let stamp = self.taken.fetch_add(1, Ordering::Relaxed) << OWNER_BITS;
            let (new, failure) = (stamp | (number + 1), Ordering::Relaxed);
            if place.owner.compare_exchange(owner, new, Ordering::SeqCst, failure).is_err() {
                // Somebody else has taken it: they must not lose it to this name.
                next.store(0, Ordering::SeqCst);
                return None;
            }
            Some((index, &place.bytes[..]))
        })
    }

    /// What a place is known by as long as it is not taken anew.
    pub fn owner(&self, index: u32) -> Option<(&Place, u32)> {
        let place = self.places.get(index.checked_sub(1)? as usize)?;
        Some((place, place.owner.load(Ordering::SeqCst)))
    }
}

/// Nobody needs a place any more. Somebody who found that no record names it may have it by now.
pub fn give_back(place: Option<(&Place, u32)>) {
    if let Some((place, owner)) = place {
        let _ = place.owner.compare_exchange(owner, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

const _: () = assert!(MOST < 1 << OWNER_BITS);

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn a_place_that_another_takes_first_is_not_named() {
        // SAFETY: all bytes zero are places that nobody has.
        let paths = unsafe { Box::<Paths>::new_zeroed().assume_init() };
        let next = AtomicU32::new(0);
        for place in &paths.places {
            place.owner.store(9, Ordering::Relaxed);
        }
        // Whenever it is asked whose a place is, another takes it.
        let names = |_, index: u32| {
            let owner = &paths.places[index as usize - 1].owner;
            owner.fetch_add(1 << OWNER_BITS, Ordering::Relaxed);
            false
        };
        assert!(paths.take(7, &next, names).is_none());
        assert_eq!(next.load(Ordering::Relaxed), 0);
    }
}
